/**
 * ping, with the output of iputils': echo requests at an interval, a line a reply, statistics at the end. A ping socket where net.ipv4.ping_group_range
 * allows it, a raw one otherwise. Of the options -c -i -s -W -w -t -q -n -D.
 *
 * Simplified: names are not resolved; no flood mode, no broadcast, no IP options; a program that is not told to stop (-c, -w) runs as long as the topology.
 */
import type { sock_exterr_skb } from '../../kernel/include/linux/errqueue.ts';
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { msghdr } from '../../kernel/include/net/sock.ts';
import { ip_compute_csum } from '../../kernel/lib/checksum.ts';
import { EACCES, ECONNREFUSED } from '../../kernel/uapi/errno.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMP_EXC_TTL,
  ICMP_FILTER,
  ICMP_FRAG_NEEDED,
  ICMP_HOST_UNREACH,
  ICMP_NET_UNREACH,
  ICMP_PKT_FILTERED,
  ICMP_PORT_UNREACH,
  ICMP_PROT_UNREACH,
  ICMP_SR_FAILED,
  ICMP_TIME_EXCEEDED,
  IP_RECVERR,
  IP_RECVTTL,
  IP_TTL,
  IPPROTO_ICMP,
  type sockaddr_in,
} from '../../kernel/uapi/in.ts';
import { AF_INET, MSG_DONTWAIT, MSG_ERRQUEUE, POLLERR, POLLIN, SOCK_DGRAM, SOCK_RAW, SOL_IP, SOL_RAW } from '../../kernel/uapi/socket.ts';
import { NSEC_PER_MSEC, NSEC_PER_SEC } from '../../sim/time.ts';
import { inet_addr, inet_ntoa, sockaddr } from '../inet.ts';
import type { Sys } from '../sys.ts';
import { type Output, refuse } from './command.ts';
import { PingStatistics } from './ping_statistics.ts';
import { strerror } from './strerror.ts';
import { getopt } from './words.ts';

const ICMP_HEADER = 8;
const IP_HEADER = 20;
/** The first bytes of the data are the time of sending, when there is room for it: struct timeval. */
const STAMP = 16;
/** How long the last replies are waited for when none has come yet, in seconds. */
const MAXWAIT = 10;
/** What iputils' probe socket connects to, to learn the source address. */
const PROBE_PORT = 1025;

interface Options {
  count: number;
  intervalNs: number;
  size: number;
  lingerNs: number;
  deadlineNs: number;
  ttl: number;
  quiet: boolean;
  stamps: boolean;
  target: number;
  name: string;
}

function readOptions(words: readonly string[]): Options {
  const { options, rest } = getopt('ping', words, '4nqDbvO', 'ciswWtI');
  const read: Options = {
    count: 0,
    intervalNs: NSEC_PER_SEC,
    size: 56,
    lingerNs: MAXWAIT * NSEC_PER_SEC,
    deadlineNs: 0,
    ttl: 0,
    quiet: false,
    stamps: false,
    target: 0,
    name: rest[0] ?? refuse('ping', 'the end of the line', 'a destination address'),
  };
  read.target = inet_addr(read.name) ?? refuse('ping', read.name, 'an IPv4 address');
  for (const { letter, value } of options) readOption(read, letter, value);
  return read;
}

function readOption(read: Options, letter: string, value: string): void {
  const number = (low: number, high: number): number =>
    /^\d+(\.\d+)?$/.test(value) && Number(value) >= low && Number(value) <= high
      ? Number(value)
      : refuse(`ping -${letter}`, value, `a number from ${low} to ${high}`);
  if (letter === 'c') read.count = number(1, Number.MAX_SAFE_INTEGER);
  else if (letter === 'i') read.intervalNs = Math.round(number(0, 2_147_483) * NSEC_PER_SEC);
  else if (letter === 's') read.size = number(0, 65507);
  else if (letter === 'W') read.lingerNs = Math.round(number(0, 2_147_483) * NSEC_PER_SEC);
  else if (letter === 'w') read.deadlineNs = number(0, 2_147_483) * NSEC_PER_SEC;
  else if (letter === 't') read.ttl = number(1, 255);
  else if (letter === 'q') read.quiet = true;
  else if (letter === 'D') read.stamps = true;
}

/** A ping under way. */
class Ping {
  readonly sys: Sys;
  readonly out: Output;
  readonly options: Options;
  readonly fd: number;
  readonly raw: boolean;
  readonly ident: number;
  readonly statistics: PingStatistics;
  readonly start: number;
  /** When the last request was sent. */
  last: number;

  constructor(sys: Sys, out: Output, options: Options, socket: { fd: number; raw: boolean }) {
    this.sys = sys;
    this.out = out;
    this.options = options;
    this.fd = socket.fd;
    this.raw = socket.raw;
    this.ident = sys.task.pid & 0xffff;
    this.statistics = new PingStatistics(options.size >= STAMP);
    this.start = this.last = sys.clockGettime();
  }
}

export function* ping(words: readonly string[], out: Output, sys: Sys): Sleeping<number> {
  const options = readOptions(words);
  const unreachable = yield* probe(sys, options.target);
  if (unreachable < 0) return complain(out, `connect: ${strerror(unreachable)}`);
  const socket = yield* openSocket(sys, options);
  if (socket.fd < 0) return complain(out, `socket: ${strerror(socket.fd)}`);
  const whole = options.size + ICMP_HEADER + IP_HEADER;
  out(`PING ${options.name} (${inet_ntoa(options.target)}) ${options.size}(${whole}) bytes of data.`);
  const state = new Ping(sys, out, options, socket);
  yield* mainLoop(state);
  yield* sys.close(socket.fd);
  for (const line of state.statistics.report(options.name, Math.floor((state.last - state.start) / NSEC_PER_MSEC))) out(line);
  return state.statistics.received > 0 ? 0 : 1;
}

function complain(out: Output, what: string): number {
  out(`ping: ${what}`);
  return 2;
}

/** Is there a way to the destination? A UDP socket is connected to see; that sends nothing. */
function* probe(sys: Sys, target: number): Sleeping<number> {
  const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
  const result = yield* sys.connect(fd, sockaddr(target, PROBE_PORT));
  yield* sys.close(fd);
  return result;
}

function* openSocket(sys: Sys, options: Options): Sleeping<{ fd: number; raw: boolean }> {
  let fd = yield* sys.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
  const raw = fd === -EACCES;
  if (raw) fd = yield* sys.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  if (fd < 0) return { fd, raw };
  // Errors come by the error queue, which says which request they are about.
  if (raw) yield* sys.setsockopt(fd, SOL_RAW, ICMP_FILTER, ~(1 << ICMP_ECHOREPLY));
  yield* sys.setsockopt(fd, SOL_IP, IP_RECVERR, 1);
  if (!raw) yield* sys.setsockopt(fd, SOL_IP, IP_RECVTTL, 1);
  if (options.ttl > 0) yield* sys.setsockopt(fd, SOL_IP, IP_TTL, options.ttl);
  return { fd, raw };
}

function* mainLoop(state: Ping): Sleeping<void> {
  const { sys, options, statistics } = state;
  const deadline = options.deadlineNs > 0 ? state.start + options.deadlineNs : Number.POSITIVE_INFINITY;
  let next = state.start;
  while (true) {
    const now = sys.clockGettime();
    const allSent = options.count > 0 && statistics.transmitted >= options.count;
    if (now >= deadline || (allSent && (statistics.received + statistics.errors >= options.count || now >= lastChance(state)))) return;
    if (!allSent && now >= next) {
      next = now + options.intervalNs;
      yield* sendRequest(state);
      continue;
    }
    yield* receiveUntil(state, Math.min(allSent ? lastChance(state) : next, deadline));
  }
}

/** After the last request: twice the longest round trip (at least an interval), or the time of -W when nothing was heard. */
function lastChance({ statistics, options, last }: Ping): number {
  if (statistics.received === 0) return last + options.lingerNs;
  return last + Math.max(2 * statistics.longestUs * 1000, options.intervalNs);
}

function* sendRequest(state: Ping): Sleeping<void> {
  const { sys, options, statistics } = state;
  state.last = sys.clockGettime();
  const sequence = ++statistics.transmitted & 0xffff;
  const request = makeRequest(state, sequence);
  statistics.sent(sequence);
  const result = yield* sys.sendto(state.fd, request, 0, sockaddr(options.target));
  if (result >= 0) return;
  // An error about an earlier request is reported by whatever call comes first; it is in the error queue, too.
  if (yield* receiveError(state)) return;
  statistics.errors++;
  state.out(`ping: sendmsg: ${strerror(result)}`);
}

function makeRequest({ ident, last, options: { size } }: Ping, sequence: number): Uint8Array {
  const packet = new Uint8Array(ICMP_HEADER + size);
  for (let i = 0; i < size; i++) packet[ICMP_HEADER + i] = i;
  const view = new DataView(packet.buffer);
  view.setUint8(0, ICMP_ECHO);
  view.setUint16(4, ident);
  view.setUint16(6, sequence);
  if (size >= STAMP) {
    const us = Math.floor(last / 1000);
    view.setBigInt64(ICMP_HEADER, BigInt(Math.floor(us / 1e6)), true);
    view.setBigInt64(ICMP_HEADER + 8, BigInt(us % 1e6), true);
  }
  view.setUint16(2, ip_compute_csum(packet, 0, packet.length));
  return packet;
}

/** Takes what arrives until `until`, or until one thing has arrived. */
function* receiveUntil(state: Ping, until: number): Sleeping<void> {
  const { sys, fd } = state;
  const entry = { fd, events: POLLIN | POLLERR, revents: 0 };
  const timeout = Math.max(0, Math.ceil((until - sys.clockGettime()) / NSEC_PER_MSEC));
  const ready = yield* sys.poll([entry], timeout);
  if (ready <= 0) return;
  if ((entry.revents & POLLERR) !== 0) while (yield* receiveError(state));
  else yield* receiveReply(state);
}

function* receiveReply(state: Ping): Sleeping<void> {
  const { sys, fd, raw, options } = state;
  const message = new msghdr(new Uint8Array(options.size + ICMP_HEADER + 60));
  const from: sockaddr_in = sockaddr();
  message.msg_name = from;
  const length = yield* sys.recvmsg(fd, message, MSG_DONTWAIT);
  if (length < 0) return;
  const arrived = sys.clockGettime();
  const { data } = message;
  const icmp = raw ? (data[0]! & 15) << 2 : 0;
  const view = new DataView(data.buffer, 0, length);
  if (length < icmp + ICMP_HEADER || view.getUint8(icmp) !== ICMP_ECHOREPLY) return;
  // The kernel gives a ping socket's requests its own identifier, and that socket nobody else's replies.
  if (raw && view.getUint16(icmp + 4) !== state.ident) return;
  const ttl = raw ? data[8]! : Number(message.msg_control.find(({ cmsg_type }) => cmsg_type === IP_TTL)?.data ?? 0);
  gather(state, { length: length - icmp, ttl, from, sequence: view.getUint16(icmp + 6), timeUs: elapsedUs(state, view, icmp, arrived) });
}

function elapsedUs({ statistics }: Ping, view: DataView, icmp: number, arrived: number): number {
  if (!statistics.timing || view.byteLength < icmp + ICMP_HEADER + STAMP) return -1;
  const at = icmp + ICMP_HEADER;
  const sent = Number(view.getBigInt64(at, true)) * 1e6 + Number(view.getBigInt64(at + 8, true));
  return Math.max(0, Math.floor(arrived / 1000) - sent);
}

interface Reply {
  readonly length: number;
  readonly ttl: number;
  readonly from: sockaddr_in;
  readonly sequence: number;
  readonly timeUs: number;
}

function gather(state: Ping, { length, ttl, from, sequence, timeUs }: Reply): void {
  const duplicate = state.statistics.gather(sequence, timeUs);
  if (state.options.quiet) return;
  const time = timeUs < 0 ? '' : ` time=${milliseconds(timeUs)} ms`;
  const repeated = duplicate ? ' (DUP!)' : '';
  state.out(`${stamp(state)}${length} bytes from ${inet_ntoa(from.sin_addr)}: icmp_seq=${sequence} ttl=${ttl}${time}${repeated}`);
}

const stamp = ({ options, sys }: Ping): string => (options.stamps ? `[${(sys.clockGettime() / 1e9).toFixed(6)}] ` : '');

/** Three digits that count: `0.438`, `1.23`, `10.4`, `250`. */
function milliseconds(us: number): string {
  const whole = Math.floor(us / 1000);
  const fraction = us % 1000;
  if (us >= 100_000 - 50) return String(Math.floor((us + 500) / 1000));
  if (us >= 10_000 - 5) return `${Math.floor((us + 50) / 1000)}.${Math.floor((us + 50) / 100) % 10}`;
  if (us >= 1000) {
    const rounded = us + 5;
    return `${Math.floor(rounded / 1000)}.${String(Math.floor(rounded / 10) % 100).padStart(2, '0')}`;
  }
  return `${whole}.${String(fraction).padStart(3, '0')}`;
}

/** One entry of the error queue; false when there is none. */
function* receiveError(state: Ping): Sleeping<boolean> {
  const message = new msghdr(new Uint8Array(512));
  message.msg_name = sockaddr();
  const length = yield* state.sys.recvmsg(state.fd, message, MSG_ERRQUEUE | MSG_DONTWAIT);
  if (length < 0) return false;
  const error = message.msg_control.find(({ cmsg_type }) => cmsg_type === IP_RECVERR)?.data as sock_exterr_skb | undefined;
  if (error === undefined) return true;
  const view = new DataView(message.data.buffer, 0, length);
  const ours = length >= ICMP_HEADER && view.getUint8(0) === ICMP_ECHO && (!state.raw || view.getUint16(4) === state.ident);
  if (!ours || message.msg_name.sin_addr !== state.options.target) return true;
  state.statistics.errors++;
  state.statistics.acknowledge(view.getUint16(6));
  if (state.options.quiet) return true;
  state.out(`${stamp(state)}From ${inet_ntoa(error.offender)} icmp_seq=${view.getUint16(6)} ${meaning(error)}`);
  return true;
}

const UNREACHABLE: ReadonlyMap<number, string> = new Map([
  [ICMP_NET_UNREACH, 'Destination Net Unreachable'],
  [ICMP_HOST_UNREACH, 'Destination Host Unreachable'],
  [ICMP_PROT_UNREACH, 'Destination Protocol Unreachable'],
  [ICMP_PORT_UNREACH, 'Destination Port Unreachable'],
  [ICMP_SR_FAILED, 'Source Route Failed'],
  [ICMP_PKT_FILTERED, 'Packet filtered'],
]);

function meaning({ ee_type, ee_code, ee_info, ee_errno }: sock_exterr_skb): string {
  if (ee_type === ICMP_TIME_EXCEEDED) return ee_code === ICMP_EXC_TTL ? 'Time to live exceeded' : 'Frag reassembly time exceeded';
  if (ee_type !== ICMP_DEST_UNREACH) return ee_errno === ECONNREFUSED ? 'Connection refused' : `Bad ICMP type: ${ee_type}`;
  if (ee_code === ICMP_FRAG_NEEDED) return `Frag needed and DF set (mtu = ${ee_info})`;
  return UNREACHABLE.get(ee_code) ?? `Dest Unreachable, Bad Code: ${ee_code}`;
}
