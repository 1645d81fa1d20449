/** Packets: `< [ect0] P. 1:1001(1000) ack 1 win 257 <nop,nop,TS val 1 ecr 2>`, `< icmp unreachable frag_needed mtu 600 [1:1001(1000)]`. */
import { IcmpSpec, TcpPacket } from './packet.ts';
import type { Scanner } from './scanner.ts';
import {
  TCPOPT_ACCECN0,
  TCPOPT_ACCECN1,
  TCPOPT_EOL,
  TCPOPT_EXP,
  TCPOPT_FASTOPEN,
  TCPOPT_FASTOPEN_MAGIC,
  TCPOPT_MD5SIG,
  TCPOPT_MSS,
  TCPOPT_NOP,
  TCPOPT_SACK,
  TCPOPT_SACK_PERM,
  TCPOPT_TIMESTAMP,
  TCPOPT_WINDOW,
} from './tcp_options.ts';

const U16 = 0xffff;
const U32 = 0xffff_ffff;
const ECN: Readonly<Record<string, number>> = { noecn: 0, ect1: 1, ect0: 2, ce: 3 };
const MAX_OPTION_BYTES = 40;

/** What follows the direction. */
export function parsePacket(scanner: Scanner, inbound: boolean): TcpPacket | IcmpSpec {
  const packet = new TcpPacket();
  if (scanner.match(/\[(?!\d)/y) !== null) parseIpInfo(scanner, packet, inbound);
  if (scanner.skip('icmp')) return parseIcmp(scanner, packet.tos);
  const other = scanner.match(/(udp|gre|GREv0|mpls|ipv4|ipv6|psp)\b/y);
  if (other !== null) scanner.fail(`'${other[1]}' packets are not supported`);
  parsePorts(scanner, packet);
  parseFlags(scanner, packet);
  const { seq, bytes } = parseSequence(scanner);
  packet.seq = seq;
  packet.payloadBytes = bytes;
  if (scanner.skip('ack')) packet.ack_seq = scanner.integer('TCP ack sequence number', 0, U32);
  if (scanner.skip('win')) packet.window = scanner.integer('TCP window value', 0, U16);
  else if (inbound) scanner.fail('semantic error: window must be specified for inbound packets');
  if (scanner.skip('urg')) packet.urg_ptr = scanner.integer('urg_ptr value', 0, U16);
  parseOptionList(scanner, packet, inbound);
  return packet;
}

/** `[ect0]`, `[tos 0x10, ttl 64]`. */
function parseIpInfo(scanner: Scanner, packet: TcpPacket, inbound: boolean): void {
  do {
    const word = scanner.next();
    if (word.text in ECN) {
      packet.tosCheck = 'ecn';
      packet.tos = ECN[word.text]!;
    } else if (word.text === 'ect01') {
      if (inbound) scanner.fail('semantic error: [ect01] can only be used with outbound packets', word);
      packet.tosCheck = 'ect01';
    } else if (word.text === 'tos') {
      packet.tosCheck = 'tos';
      packet.tos = scanner.integer('tos', 0, 255);
    } else if (word.text === 'ttl') packet.ttl = scanner.integer('ttl', 0, 255);
    else scanner.fail('expected noecn, ect0, ect1, ce, ect01, tos or ttl', word);
  } while (scanner.skip(','));
  scanner.expect(']');
}

function parsePorts(scanner: Scanner, packet: TcpPacket): void {
  const ports = scanner.match(/(\d+)\s*>\s*(\d+)(?=\s)/y);
  if (ports === null) return;
  packet.sport = Number(ports[1]);
  packet.dport = Number(ports[2]);
}

function parseFlags(scanner: Scanner, packet: TcpPacket): void {
  const match = scanner.match(/([FSRPUEWA0-7.]+|-)(?=[\s])/y);
  const flags = match?.[1] ?? scanner.fail('expected TCP flags');
  packet.fin = flags.includes('F');
  packet.syn = flags.includes('S');
  packet.rst = flags.includes('R');
  packet.psh = flags.includes('P');
  packet.ack = flags.includes('.');
  packet.urg = flags.includes('U');
  const ace = /[0-7]/.exec(flags);
  const ecn = /[EWA]/.test(flags);
  if (ace !== null && ecn) scanner.fail('conflicting TCP flags: an ACE count and ECN flags');
  // A count of 0 is not told from no count, as in the original.
  packet.aceCount = ace !== null && ace[0] !== '0';
  const count = Number(ace?.[0] ?? 0);
  packet.ece = flags.includes('E') || (count & 1) !== 0;
  packet.cwr = flags.includes('W') || (count & 2) !== 0;
  packet.ae = flags.includes('A') || (count & 4) !== 0;
}

/** `1:1001(1000)` */
function parseSequence(scanner: Scanner): { seq: number; bytes: number } {
  const match = scanner.match(/(\d+):(\d+)\((\d+)\)/y);
  if (match === null) return scanner.fail('expected a sequence range such as 1:1001(1000)');
  const [seq, end, bytes] = match.slice(1).map(Number) as [number, number, number];
  if (seq > U32 || end > U32) scanner.fail('TCP sequence number out of range');
  if (bytes > U16) scanner.fail('TCP payload size out of range');
  if (end !== (seq + bytes) >>> 0) scanner.fail('inconsistent TCP sequence numbers and payload size');
  return { seq, bytes };
}

function parseOptionList(scanner: Scanner, packet: TcpPacket, inbound: boolean): void {
  if (scanner.match(/<(?=\s*(?:\.\.\.|[A-Za-z]))/y) === null) return;
  if (scanner.skip('...')) {
    if (inbound) scanner.fail('semantic error: <...> for TCP options can only be used with outbound packets');
    packet.anyOptions = true;
    scanner.expect('>');
    return;
  }
  const options: number[] = [];
  do options.push(...parseOption(scanner));
  while (scanner.skip(','));
  scanner.expect('>');
  if (options.length % 4 !== 0) scanner.fail(`TCP options are not padded to a multiple of 4 bytes: ${options.length % 4} excess bytes`);
  if (options.length > MAX_OPTION_BYTES) scanner.fail('TCP option list too long');
  packet.options = Uint8Array.from(options);
}

const be16 = (value: number): number[] => [value >>> 8, value & 0xff];
const be24 = (value: number): number[] => [value >>> 16, ...be16(value & 0xffff)];
const be32 = (value: number): number[] => [...be16(value >>> 16), ...be16(value & 0xffff)];
const option = (kind: number, data: readonly number[]): number[] => [kind, data.length + 2, ...data];

function parseOption(scanner: Scanner): number[] {
  const name = scanner.next();
  switch (name.text) {
    case 'nop':
      return [TCPOPT_NOP];
    case 'eol':
      return [TCPOPT_EOL];
    case 'mss':
      return option(TCPOPT_MSS, be16(scanner.integer('mss value', 0, U16)));
    case 'wscale':
      return option(TCPOPT_WINDOW, [scanner.integer('window scale shift count', 0, 255)]);
    case 'sackOK':
      return option(TCPOPT_SACK_PERM, []);
    case 'sack':
      return option(TCPOPT_SACK, parseSackBlocks(scanner));
    case 'TS':
      return parseTimestamp(scanner);
    case 'FO':
      return option(TCPOPT_FASTOPEN, parseHex(scanner));
    case 'FOEXP':
      return option(TCPOPT_EXP, [...be16(TCPOPT_FASTOPEN_MAGIC), ...parseHex(scanner)]);
    case 'md5':
      return option(TCPOPT_MD5SIG, parseHex(scanner));
    case 'ECN':
      return parseAccEcn(scanner);
    default:
      return scanner.fail('expected a TCP option', name);
  }
}

function parseSackBlocks(scanner: Scanner): number[] {
  const blocks: number[] = [];
  for (let match = scanner.match(/(\d+):(\d+)/y); match !== null; match = scanner.match(/(\d+):(\d+)/y)) {
    blocks.push(...be32(Number(match[1])), ...be32(Number(match[2])));
  }
  if (blocks.length === 0) scanner.fail('expected a SACK block such as 1001:2001');
  return blocks;
}

function parseTimestamp(scanner: Scanner): number[] {
  scanner.expect('val');
  const value = scanner.integer('ts val', 0, U32);
  scanner.expect('ecr');
  return option(TCPOPT_TIMESTAMP, [...be32(value), ...be32(scanner.integer('ecr val', 0, U32))]);
}

/** A cookie or digest in hexadecimal digits, or nothing. */
function parseHex(scanner: Scanner): number[] {
  const token = scanner.peek();
  if (token.kind !== 'word' && token.kind !== 'number') return [];
  scanner.next();
  if (!/^([0-9a-fA-F]{2})+$/.test(token.text)) scanner.fail('expected pairs of hexadecimal digits', token);
  return [...Buffer.from(token.text, 'hex')];
}

function parseAccEcn(scanner: Scanner): number[] {
  const names: string[] = [];
  const data: number[] = [];
  for (let field = scanner.match(/(e0b|ceb|e1b)\b/y); field !== null; field = scanner.match(/(e0b|ceb|e1b)\b/y)) {
    names.push(field[1]!);
    data.push(...be24(scanner.integer('TCP AccECN field value', 0, 0xff_ffff)));
  }
  const order = names.join(' ');
  if (order !== '' && 'e0b ceb e1b'.startsWith(order)) return option(TCPOPT_ACCECN0, data);
  if (order !== '' && 'e1b ceb e0b'.startsWith(order)) return option(TCPOPT_ACCECN1, data);
  return scanner.fail('expected AccECN fields in the order e0b ceb e1b or e1b ceb e0b');
}

/** Codes of ICMP's "destination unreachable" (RFC 792, RFC 1812 5.2.7.1). */
const UNREACHABLE: Readonly<Record<string, number>> = {
  net_unreachable: 0,
  host_unreachable: 1,
  protocol_unreachable: 2,
  port_unreachable: 3,
  frag_needed: 4,
  source_route_failed: 5,
  net_unknown: 6,
  host_unknown: 7,
  source_host_isolated: 8,
  net_prohibited: 9,
  host_prohibited: 10,
  net_unreachable_for_tos: 11,
  host_unreachable_for_tos: 12,
  packet_filtered: 13,
  precedence_violation: 14,
  precedence_cutoff: 15,
};
const TYPES: Readonly<Record<string, number>> = { unreachable: 3, source_quench: 4, redirect: 5, time_exceeded: 11, parameter_problem: 12 };
const CODES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  unreachable: UNREACHABLE,
  redirect: { redirect_for_network: 0, redirect_for_host: 1, redirect_for_tos_network: 2, redirect_for_tos_host: 3 },
  time_exceeded: { ttl_exceeded: 0, reassembly_exceeded: 1 },
};
const FRAG_NEEDED = 4;

function parseIcmp(scanner: Scanner, tos: number): IcmpSpec {
  const typeName = scanner.next();
  const type = TYPES[typeName.text];
  if (type === undefined) return scanner.fail(`expected an ICMP type: ${Object.keys(TYPES).join(', ')}`, typeName);
  const codes = CODES[typeName.text] ?? {};
  const codeName = scanner.match(/(?!mtu\b)([a-z_]+|CODE)\b/y)?.[1];
  const code = codeName === undefined ? 0 : icmpCode(scanner, codes, codeName);
  const mtu = scanner.skip('mtu') ? scanner.integer('ICMPv4 MTU', 0, U16) : 0;
  if (mtu !== 0 && (type !== TYPES['unreachable'] || code !== FRAG_NEEDED))
    scanner.fail('semantic error: ICMPv4 MTU is only valid for unreachable-frag_needed');
  if (!scanner.skip('[')) return new IcmpSpec(type, code, mtu, tos, 0, 0);
  const { seq, bytes } = parseSequence(scanner);
  scanner.expect(']');
  return new IcmpSpec(type, code, mtu, tos, seq, bytes);
}

function icmpCode(scanner: Scanner, codes: Readonly<Record<string, number>>, name: string): number {
  const code = codes[scanner.definition(name)];
  return code ?? scanner.fail(`'${name}' is no code of this ICMP type: ${Object.keys(codes).join(', ')}`);
}
