/**
 * Runs a socket script as a program. There is one current socket and one listening socket; byte i of a stream is i mod 251. Every call is logged as
 * `START +DURATION call -> result`, times in ns, as in the recordings' logs.
 */
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { msghdr } from '../../kernel/include/net/sock.ts';
import { TCP_MD5SIG_FLAG_PREFIX, type tcp_md5sig } from '../../kernel/include/net/tcp_md5sig.ts';
import { errnoName } from '../../kernel/uapi/errno.ts';
import type { sockaddr_in } from '../../kernel/uapi/in.ts';
import { AF_INET, MSG_ERRQUEUE, MSG_NOSIGNAL, POLLIN, SHUT_RD, SHUT_RDWR, SHUT_WR, SIOCINQ, SIOCOUTQ, SO_LINGER, SO_REUSEADDR, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SOL_TCP } from '../../kernel/uapi/socket.ts'; // biome-ignore format: a list
import { TCP_INFO, TCP_MD5SIG, TCP_MD5SIG_EXT } from '../../kernel/uapi/tcp.ts';
import { WIDE } from '../../sim/wide.ts';
import { type Process, type Program, type Sys, sockaddr } from '../sys.ts';
import { cmsgText } from './cmsg.ts';
import type { ScriptLog } from './log.ts';
import { parseScript, type ScriptItem, type Step } from './parse.ts';
import { SOCKET_OPTIONS } from './socket_options.ts';

const PERIOD = 251;
const DEFAULT_READ_SIZE = 65536;
const DEFAULT_BACKLOG = 128;
const LARGEST_BUFFER = 64 << 20;

/** What a script's commands share. */
class State {
  readonly sys: Sys;
  readonly log: ScriptLog;
  readonly pattern: Uint8Array;
  current = -1;
  listening = -1;
  sent = WIDE;
  received = WIDE;
  /** Reads whose bytes were not those of the pattern. */
  bad = 0;
  readSize = DEFAULT_READ_SIZE;
  sampling = false;
  readBuffer: Uint8Array = new Uint8Array(0);
  readonly background: Process[] = [];
  #recvSize = -1;
  #recvText = '';

  constructor(sys: Sys, log: ScriptLog, pattern: Uint8Array) {
    this.sys = sys;
    this.log = log;
    this.pattern = pattern;
  }

  /** `recv(SIZE)`, kept while the size is the same. */
  recvText(size: number): string {
    if (this.#recvSize !== size) this.#recvText = `recv(${size})`;
    this.#recvSize = size;
    return this.#recvText;
  }

  /** A buffer for reading, kept from call to call. */
  buffer(size: number): Uint8Array {
    if (this.readBuffer.length < size) this.readBuffer = this.sys.malloc(size);
    return this.readBuffer;
  }
}

/** A script as a program. Throws ScriptError at once when it is wrong. */
export function socketScript(text: string, log: ScriptLog): Program {
  const items = parseScript(text);
  return function* script(sys) {
    const state = new State(sys, log, makePattern(sys, largestSend(items)));
    for (const item of items) yield* runItem(state, item);
    state.sampling = false;
    yield* joinAll(state);
    log.line(`${sys.clockGettime()} end tx=${state.sent} rx=${state.received} bad=${state.bad}`);
    return state.bad === 0 ? 0 : 1;
  };
}

const steps = (items: readonly ScriptItem[]): readonly Step[] => items.flatMap((item) => (item.kind === 'repeat' ? item.steps : [item]));

/** How much of the pattern a script needs in one piece: its largest write. */
function largestSend(items: readonly ScriptItem[]): number {
  const writes = steps(items).map(({ words }) => Number((words[0] === 'sendto' ? words[3] : (words[2] ?? words[1])) ?? 0));
  return Math.min(LARGEST_BUFFER, Math.max(1 << 17, ...writes.filter((size) => Number.isFinite(size))));
}

function makePattern(sys: Sys, size: number): Uint8Array {
  const pattern = sys.malloc(size + 2 * PERIOD);
  for (let i = 0; i < PERIOD; i++) pattern[i] = i;
  for (let done = PERIOD; done < pattern.length; done *= 2) pattern.copyWithin(done, 0, Math.min(done, pattern.length - done));
  return pattern;
}

function runItem(state: State, item: ScriptItem): Sleeping<void> {
  if (item.kind === 'repeat') return repeat(state, item.steps, item.times);
  return item.background ? startStep(state, item) : runStep(state, item);
}

function* repeat(state: State, steps: readonly Step[], times: number): Sleeping<void> {
  for (let i = 0; i < times; i++) for (const step of steps) yield* runStep(state, step);
}

// biome-ignore lint/correctness/useYield: starts a thread
function* startStep(state: State, step: Step): Sleeping<void> {
  state.background.push(
    state.sys.spawn(function* background() {
      yield* runStep(state, step);
      return 0;
    }),
  );
}

function* joinAll(state: State): Sleeping<void> {
  for (let process = state.background.shift(); process !== undefined; process = state.background.shift()) yield* state.sys.join(process);
}

function* runStep(state: State, step: Step): Sleeping<void> {
  const start = state.sys.clockGettime();
  const command = COMMANDS[step.words[0]!]!;
  const result = yield* command(state, step.words, start);
  if (result !== null) logResult(state, start, step.text, result);
}

function logResult(state: State, start: number, what: string, result: number): void {
  state.log.call(start, state.sys.clockGettime() - start, what, result);
}

/** Returns what the log shows as the command's result; null when it logged for itself. */
type ScriptCommand = (state: State, words: readonly string[], start: number) => Sleeping<number | null>;

const number = (word: string | undefined): number => Number(word);
const ipv4 = (word: string): number => word.split('.').reduce((address, part) => address * 256 + Number(part), 0);

function* makeSocket(state: State, type: number): Sleeping<void> {
  if (state.current >= 0) return;
  const start = state.sys.clockGettime();
  const fd = yield* state.sys.socket(AF_INET, type);
  state.current = fd;
  state.sent = state.received = 0;
  logResult(state, start, type === SOCK_STREAM ? 'socket(tcp)' : 'socket(udp)', fd);
  if (type === SOCK_STREAM && fd >= 0) yield* state.sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

/** Compares what was read with the pattern, which has `at` bytes of the stream behind it. */
function check(state: State, buffer: Uint8Array, count: number, at: number): void {
  const from = at % PERIOD;
  const { pattern } = state;
  for (let done = 0; done < count; ) {
    const piece = Math.min(count - done, pattern.length - PERIOD - from - ((done + from) % PERIOD));
    const offset = (from + done) % PERIOD;
    if (Buffer.compare(pattern.subarray(offset, offset + piece), buffer.subarray(done, done + piece)) !== 0) {
      state.bad++;
      return;
    }
    done += piece;
  }
}

function* receive(state: State, total: number): Sleeping<number> {
  let done = 0;
  while (done < total) {
    const wanted = Math.min(total - done, state.readSize);
    const buffer = state.buffer(wanted);
    const start = state.sys.clockGettime();
    const count = yield* state.sys.recv(state.current, buffer, 0, 0, wanted);
    if (count < 0) return count;
    logResult(state, start, state.recvText(wanted), count);
    if (count === 0) break;
    check(state, buffer, count, state.received);
    state.received += count;
    done += count;
  }
  return done;
}

function* sendAll(state: State, total: number, writeSize: number): Sleeping<number> {
  let done = 0;
  while (done < total) {
    const size = Math.min(total - done, writeSize, state.pattern.length - PERIOD);
    const start = state.sys.clockGettime();
    const count = yield* state.sys.send(state.current, state.pattern, MSG_NOSIGNAL, state.sent % PERIOD, size);
    if (count < 0) return count;
    if (count < total) logResult(state, start, 'send()', count);
    state.sent += count;
    done += count;
  }
  return done;
}

/** struct tcp_md5sig for a peer, or with a `prefixlen` for all of a network; without `key` it deletes. */
const md5sig = (address: number, prefixlen: number | null, key: string): tcp_md5sig => ({
  tcpm_family: AF_INET,
  tcpm_addr: address,
  tcpm_flags: prefixlen === null ? 0 : TCP_MD5SIG_FLAG_PREFIX,
  tcpm_prefixlen: prefixlen ?? 0,
  tcpm_ifindex: 0,
  tcpm_key: Uint8Array.from(key, (character) => character.charCodeAt(0)),
});

const dotted = (address: number): string => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');

const COMMANDS: Readonly<Record<string, ScriptCommand>> = {
  *tcp(state) {
    yield* makeSocket(state, SOCK_STREAM);
    return null;
  },
  *udp(state) {
    yield* makeSocket(state, SOCK_DGRAM);
    return null;
  },
  // biome-ignore lint/correctness/useYield: forgets the socket without a call
  *new(state) {
    state.current = -1;
    return null;
  },
  *listen(state, [, port, backlog]) {
    yield* makeSocket(state, SOCK_STREAM);
    const bound = yield* state.sys.bind(state.current, sockaddr(0, number(port)));
    state.listening = state.current;
    return bound < 0 ? bound : yield* state.sys.listen(state.current, backlog === undefined ? DEFAULT_BACKLOG : number(backlog));
  },
  *bind(state, [, address = '', port]) {
    return yield* state.sys.bind(state.current, sockaddr(ipv4(address), number(port)));
  },
  *accept(state, words, start) {
    const peer: sockaddr_in = sockaddr(0, 0);
    const fd = yield* state.sys.accept(state.listening, peer);
    state.current = fd;
    state.sent = state.received = 0;
    if (fd < 0) return fd;
    logResult(state, start, words.join(' '), fd);
    state.log.line(`${state.sys.clockGettime()} peer ${dotted(peer.sin_addr)}:${peer.sin_port}`);
    return null;
  },
  *connect(state, [, address = '', port]) {
    yield* makeSocket(state, SOCK_STREAM);
    return yield* state.sys.connect(state.current, sockaddr(ipv4(address), number(port)));
  },
  send(state, [, total, writeSize]) {
    return sendAll(state, number(total), writeSize === undefined ? number(total) : number(writeSize));
  },
  recv(state, [, total]) {
    return receive(state, number(total));
  },
  recvall(state) {
    return receive(state, Number.POSITIVE_INFINITY);
  },
  *recvonce(state, [, size]) {
    const buffer = state.buffer(number(size));
    const count = yield* state.sys.recv(state.current, buffer, 0, 0, number(size));
    if (count > 0) {
      check(state, buffer, count, state.received);
      state.received += count;
    }
    return count;
  },
  // biome-ignore lint/correctness/useYield: sets a variable
  *rdsize(state, [, size]) {
    state.readSize = number(size);
    return 0;
  },
  *sendto(state, [, address = '', port, size]) {
    yield* makeSocket(state, SOCK_DGRAM);
    return yield* state.sys.sendto(state.current, state.pattern, 0, sockaddr(ipv4(address), number(port)), 0, number(size));
  },
  *recvfrom(state, words, start) {
    const from = sockaddr(0, 0);
    const buffer = new Uint8Array(number(words[1]));
    const count = yield* state.sys.recvfrom(state.current, buffer, 0, from);
    if (count < 0) return count;
    check(state, buffer, count, 0);
    logResult(state, start, words.join(' '), count);
    state.log.line(`${state.sys.clockGettime()} from ${dotted(from.sin_addr)}:${from.sin_port} bad=${state.bad}`);
    return null;
  },
  *recvmsg(state, words, start) {
    return yield* receiveMessage(state, words, start, 0);
  },
  /** recvmsg() from the error queue. */
  *recverr(state, words, start) {
    return yield* receiveMessage(state, words, start, MSG_ERRQUEUE);
  },
  *reply(state, [, size]) {
    const from = sockaddr(0, 0);
    const buffer = new Uint8Array(number(size));
    const count = yield* state.sys.recvfrom(state.current, buffer, 0, from);
    return yield* state.sys.sendto(state.current, buffer, 0, from, 0, Math.max(count, 0));
  },
  *wait_readable(state, [, timeout]) {
    return yield* state.sys.poll([{ fd: state.current, events: POLLIN, revents: 0 }], timeout === undefined ? -1 : number(timeout));
  },
  *inq(state) {
    return yield* state.sys.ioctl(state.current, SIOCINQ);
  },
  *outq(state) {
    return yield* state.sys.ioctl(state.current, SIOCOUTQ);
  },
  *setsockopt(state, [, name = '', value = '']) {
    const [level, option] = SOCKET_OPTIONS.get(name) ?? [-1, -1];
    return yield* state.sys.setsockopt(state.current, level, option, /^-?\d+$|^0x[\da-f]+$/i.test(value) ? Number(value) : value);
  },
  *md5sig(state, [, peer = '', key = '']) {
    const [address = '', length] = peer.split('/');
    const option = length === undefined ? TCP_MD5SIG : TCP_MD5SIG_EXT;
    const fd = state.current >= 0 ? state.current : state.listening;
    return yield* state.sys.setsockopt(fd, SOL_TCP, option, md5sig(ipv4(address), length === undefined ? null : Number(length), key));
  },
  *getsockopt(state, [, name = ''], start) {
    const [level, option] = SOCKET_OPTIONS.get(name) ?? [-1, -1];
    const value = yield* state.sys.getsockopt(state.current, level, option);
    if (typeof value === 'number' && value < 0) return value;
    const meaning = name === 'SO_ERROR' && value !== 0 ? errnoName(Number(value)) : '';
    state.log.line(`${start} ${name}=${String(value)}${typeof value === 'number' ? ` (${meaning})` : ''}`);
    return 0;
  },
  *sleep_us(state, [, time]) {
    return yield* state.sys.nanosleep(number(time) * 1000);
  },
  *shutdown(state, [, how = '']) {
    return yield* state.sys.shutdown(state.current, how === 'wr' ? SHUT_WR : how === 'rd' ? SHUT_RD : SHUT_RDWR);
  },
  *close(state) {
    state.sampling = false;
    const result = yield* state.sys.close(state.current);
    state.current = -1;
    return result;
  },
  *closelisten(state) {
    const result = yield* state.sys.close(state.listening);
    state.listening = -1;
    return result;
  },
  *linger0(state) {
    return yield* state.sys.setsockopt(state.current, SOL_SOCKET, SO_LINGER, { l_onoff: 1, l_linger: 0 });
  },
  *tcpinfo(state) {
    yield* logTcpInfo(state);
    return null;
  },
  // biome-ignore lint/correctness/useYield: starts a thread
  *sample_us(state, [, interval]) {
    state.sampling = true;
    state.background.push(
      state.sys.spawn(function* sampler() {
        while (state.sampling && state.current >= 0) {
          yield* logTcpInfo(state);
          yield* state.sys.nanosleep(number(interval) * 1000);
        }
        return 0;
      }),
    );
    return null;
  },
  *join(state) {
    state.sampling = false;
    yield* joinAll(state);
    return 0;
  },
};

/** Receives a message and logs its control messages, one a line. */
function* receiveMessage(state: State, words: readonly string[], start: number, flags: number): Sleeping<number | null> {
  const message = new msghdr(new Uint8Array(number(words[1])));
  const count = yield* state.sys.recvmsg(state.current, message, flags);
  if (count < 0) return count;
  logResult(state, start, words.join(' '), count);
  for (const cmsg of message.msg_control) state.log.line(`${state.sys.clockGettime()} cmsg ${cmsgText(cmsg)}`);
  return null;
}

function* logTcpInfo(state: State): Sleeping<void> {
  const start = state.sys.clockGettime();
  const info = yield* state.sys.getsockopt(state.current, SOL_TCP, TCP_INFO);
  if (typeof info === 'number') logResult(state, start, 'tcpinfo', info);
  else state.log.line(`${start} tcpinfo ${JSON.stringify(info)}`);
}
