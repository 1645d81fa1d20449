/** Is a packet what the script says? Fields in the order in which packetdrill looks at them, with its words when one differs. */
import { mismatch } from './failures.ts';
import type { TcpPacket } from './packet.ts';
import { optionText, splitOptions, TCPOPT_EOL, TCPOPT_NOP, TCPOPT_TIMESTAMP, timestampOffset } from './tcp_options.ts';

const IP_VERSION = 4;
const IPPROTO_TCP = 6;
const ECN_MASK = 3;
const ECT_1 = 1;
const ECT_0 = 2;

function field(name: string, expected: number, actual: number): void {
  if (expected === actual) return;
  mismatch(`live packet field ${name}: expected: ${expected} (0x${expected.toString(16)}) vs actual: ${actual} (0x${actual.toString(16)})`);
}

const bit = (name: string, expected: boolean, actual: boolean): void => field(name, expected ? 1 : 0, actual ? 1 : 0);

/**
 * Compares headers. Not strict: `script` is the segment before, of which `actual` is to be the continuation (the same but for length, FIN, PSH and CWR).
 */
export function compareHeaders(script: TcpPacket, actual: TcpPacket, strict: boolean): void {
  const allowance = script.anyOptions ? actual.options.length : 0;
  compareIp(script, actual, strict, allowance);
  field('tcp_data_offset', script.doff + allowance / 4, actual.doff);
  if (strict) bit('tcp_fin', script.fin, actual.fin);
  bit('tcp_syn', script.syn, actual.syn);
  bit('tcp_rst', script.rst, actual.rst);
  if (strict) bit('tcp_psh', script.psh, actual.psh);
  bit('tcp_ack', script.ack, actual.ack);
  bit('tcp_urg', script.urg, actual.urg);
  compareEcnFlags(script, actual, strict);
  field('tcp_reserved_bits', script.res1, actual.res1);
  field('tcp_seq', strict ? script.seq : (script.seq + script.payloadBytes) >>> 0, actual.seq);
  field('tcp_ack_seq', script.ack_seq, actual.ack_seq);
  if (script.window !== null) field('tcp_window', script.window, actual.window ?? 0);
  field('tcp_urg_ptr', script.urg_ptr, actual.urg_ptr);
}

function compareIp(script: TcpPacket, actual: TcpPacket, strict: boolean, allowance: number): void {
  field('ipv4_version', IP_VERSION, IP_VERSION);
  field('ipv4_protocol', IPPROTO_TCP, IPPROTO_TCP);
  field('ipv4_header_length', script.ihl, actual.ihl);
  if (strict) field('ipv4_total_length', script.totalLength + allowance, actual.totalLength);
  const ecn = actual.tos & ECN_MASK;
  if (script.tosCheck === 'ect01' && ecn !== ECT_0 && ecn !== ECT_1)
    mismatch(`live packet field ip_ecn: expected: 0x1 or 0x2 vs actual: 0x${ecn.toString(16)}`);
  if (script.tosCheck === 'ecn') field('ip_ecn', script.tos, ecn);
  if (script.tosCheck === 'tos') field('tos', script.tos, actual.tos);
  if (strict && script.ttl !== null) field('ttl', script.ttl, actual.ttl ?? 0);
}

function compareEcnFlags(script: TcpPacket, actual: TcpPacket, strict: boolean): void {
  if (script.aceCount) {
    field('tcp_ace', script.ace, actual.ace);
    return;
  }
  bit('tcp_ece', script.ece, actual.ece);
  if (strict) bit('tcp_cwr', script.cwr, actual.cwr);
  bit('tcp_ae', script.ae, actual.ae);
}

/** Kinds in order, values but for timestamps, whose value is only looked at when a tick is given (µs; 0: not). */
export function compareOptions(script: TcpPacket, actual: TcpPacket, tickUs: number, toleranceUs: number): void {
  if (script.anyOptions) return;
  const wanted = splitOptions(script.options);
  const found = splitOptions(actual.options);
  for (let i = 0; i < Math.max(wanted.length, found.length); i++) {
    const expected = wanted[i];
    const got = found[i];
    if (expected === undefined || got === undefined || expected.kind !== got.kind) mismatch('bad outbound TCP options');
    if (got.kind === TCPOPT_TIMESTAMP) compareTimestamp(script, actual, tickUs, toleranceUs);
    else if (got.kind !== TCPOPT_NOP && got.kind !== TCPOPT_EOL) compareOption(script, expected, actual, got);
  }
}

function compareTimestamp(script: TcpPacket, actual: TcpPacket, tickUs: number, toleranceUs: number): void {
  if (tickUs === 0) return;
  const value = (packet: TcpPacket): number => {
    const { buffer, byteOffset } = packet.options;
    return new DataView(buffer, byteOffset).getInt32(timestampOffset(packet.options));
  };
  if (Math.abs((value(actual) - value(script)) | 0) * tickUs > toleranceUs)
    mismatch(`bad outbound TCP timestamp value, tolerance ${toleranceUs}`);
}

type Span = ReturnType<typeof splitOptions>[number];

function compareOption(script: TcpPacket, expected: Span, actual: TcpPacket, got: Span): void {
  const bytesOf = (packet: TcpPacket, span: Span): Uint8Array => packet.options.subarray(span.offset, span.offset + span.length);
  const wanted = bytesOf(script, expected);
  const found = bytesOf(actual, got);
  const same = wanted.length === found.length && wanted.every((byte, i) => byte === found[i]);
  if (same) return;
  const what = wanted.length === found.length ? 'bad value' : 'bad length';
  const texts = `expected: ${optionText(script.options, expected)} actual: ${optionText(actual.options, got)}`;
  mismatch(`${what} in outbound TCP option (kind=${expected.kind}): ${texts}`);
}

/** Several segments that stand for one line of the script: headers of the last, sequence number and CWR of the first. */
export function joinSegments(segments: readonly TcpPacket[]): TcpPacket {
  const first = segments[0]!;
  const joined = segments.at(-1)!.copy();
  joined.seq = first.seq;
  joined.cwr = first.cwr;
  joined.payloadBytes = segments.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0);
  joined.payloadZero = segments.every(({ payloadZero }) => payloadZero);
  joined.ipChecksumGood = segments.every(({ ipChecksumGood }) => ipChecksumGood);
  return joined;
}
