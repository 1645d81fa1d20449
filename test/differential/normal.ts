/** Results without what is different in every run: ephemeral ports, initial sequence numbers, clocks, random numbers. */
import { IP_RECVERR } from '../../src/kernel/uapi/in.ts';
import * as so from '../../src/kernel/uapi/socket.ts';
import { TCP_INFO, TCP_TIMESTAMP } from '../../src/kernel/uapi/tcp.ts';
import { fromHex } from './option_bytes.ts';
import { PacketText, portText } from './packet_text.ts';
import type { SocketProgram, Step, StepResult } from './program.ts';

/** Fields of tcp_info (offset, octets) that clocks decide: rto, ato, last_*, rtt, rttvar, rcv_rtt, rates, min_rtt, busy times. */
const TCP_INFO_TIMES: readonly (readonly [number, number])[] = [
  [8, 8],
  [44, 16],
  [68, 8],
  [92, 4],
  [104, 8],
  [148, 4],
  [160, 32],
  [240, 20],
];

/** Results of a program as lines that can be compared and read: one for each step. */
export function normalResults(program: SocketProgram, results: readonly StepResult[]): string[] {
  const packets = new PacketText();
  const known = namedPorts(program);
  return results.map((result, i) => describe(program.steps[i]!, result, known, packets));
}

/** Ports that the program names: all others above 32767 are the kernel's choice. */
function namedPorts({ steps }: SocketProgram): ReadonlySet<number> {
  const text = JSON.stringify(steps);
  return new Set([...text.matchAll(/\d+\.\d+\.\d+\.\d+:(\d+)/g)].map(([, port]) => Number(port)));
}

function describe(step: Step, result: StepResult, known: ReadonlySet<number>, packets: PacketText): string {
  const parts = [String(result.r)];
  if (result.a !== undefined) parts.push(`from ${addressText(result.a, known)}`);
  if (result.f !== undefined) parts.push(`flags=${result.f.toString(16)}`);
  if (result.d !== undefined) parts.push(`data=${result.c?.some(isTcpError) ? withoutSequence(result.d) : result.d}`);
  if (result.v !== undefined)
    parts.push(
      `value=${typeof result.v === 'number' ? (step[0] === 'option' ? result.v : result.v.toString(16)) : optionText(step, result.v)}`,
    );
  for (const [level, type, data] of result.c ?? []) parts.push(`cmsg=${level}/${type}/${cmsgText(level, type, data)}`);
  for (const [events, data] of result.e ?? []) parts.push(`event=${events.toString(16)}/${data}`);
  for (const packet of result.out ?? []) parts.push(`\n    > ${packets.describe(fromHex(packet), known)}`);
  const mib = Object.entries(result.mib ?? {}).filter(([name]) => !/^Ip(Ext)?(In|Out)(Receives|Delivers|Requests|Transmits|Octets)$|^IpExtInNoECTPkts$/.test(name)); // biome-ignore format: one
  if (mib.length > 0) parts.push(`\n    + ${mib.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${name}=${value}`).join(' ')}`); // biome-ignore format: one
  // What ends with a socket of UDP, and what timers drop, is freed in another context, which the recorder does not follow.
  if (step[0] !== 'close' && step[0] !== 'sleep') parts.push(...dropText(result.drops ?? []));
  return parts.join(' ');
}

/** Reasons; fragments that hang on a packet go with it, where Linux tells of each of them. */
function dropText(drops: readonly string[]): string[] {
  const reasons = drops.filter((drop) => !drop.endsWith(' skb_release_data')).map((drop) => drop.split(' ')[0]);
  return reasons.length === 0 ? [] : [`\n    - ${reasons.join(' ')}`];
}

function addressText(text: string, known: ReadonlySet<number>): string {
  const [family, host, port] = text.split(':');
  return `${family}:${host}:${portText(Number(port), known)}`;
}

function optionText([op, , level, option]: Step, hex: string): string {
  if (op !== 'get' && op !== 'option') return hex;
  if (level === so.SOL_TCP && option === TCP_TIMESTAMP) return 'time';
  if (level === so.SOL_SOCKET && (option === so.SO_COOKIE || option === so.SO_INCOMING_CPU)) return 'any';
  if (level === so.SOL_TCP && option === TCP_INFO) return maskTimes(hex);
  return hex;
}

function maskTimes(hex: string): string {
  let masked = hex;
  for (const [at, length] of TCP_INFO_TIMES)
    masked =
      masked.slice(0, 2 * at) + 'x'.repeat(Math.max(0, Math.min(2 * length, masked.length - 2 * at))) + masked.slice(2 * (at + length));
  return masked.replace(/(.{8})/g, '$1 ').trim();
}

/** The TCP header that an error quotes has a sequence number of the host's own. */
const isTcpError = ([level, type]: readonly [number, number, string]): boolean => level === so.SOL_IP && type === IP_RECVERR;
const withoutSequence = (data: string): string => data.slice(0, 8) + data.slice(8, 16).replace(/./g, 'x') + data.slice(16);

const TIMES: ReadonlySet<number> = new Set([so.SO_TIMESTAMP, so.SO_TIMESTAMPNS, so.SO_TIMESTAMPING]);
const cmsgText = (level: number, type: number, data: string): string => (level === so.SOL_SOCKET && TIMES.has(type) ? 'time' : data);
