/** The TCP header of a captured packet (RFC 9293 3.1) and its options. */
import type { Packet } from './packet.ts';

const HEADER_BYTES = 20;
const KIND_END = 0;
const KIND_NOP = 1;
const KIND_MSS = 2;
const KIND_WINDOW_SCALE = 3;
const KIND_SACK = 5;
/** tcpdump's names. */
const NAMES: Readonly<Record<number, string>> = {
  [KIND_END]: 'eol',
  [KIND_NOP]: 'nop',
  [KIND_MSS]: 'mss',
  [KIND_WINDOW_SCALE]: 'wscale',
  4: 'sackOK',
  [KIND_SACK]: 'sack',
  8: 'TS',
  19: 'md5',
  29: 'tcp-ao',
  30: 'mptcp',
  34: 'tfo',
};

/** Decodes the segment at `at`, of which the IP header says it has `length` octets. False when its header was not captured whole. */
export function decodeTcp(packet: Packet, view: DataView, at: number, end: number, length: number): boolean {
  if (end - at < HEADER_BYTES) return false;
  packet.sourcePort = view.getUint16(at);
  packet.destinationPort = view.getUint16(at + 2);
  packet.sequence = view.getUint32(at + 4);
  packet.acknowledgment = view.getUint32(at + 8);
  const headerBytes = (view.getUint8(at + 12) >> 4) * 4;
  packet.flags = view.getUint8(at + 13);
  packet.window = view.getUint16(at + 14);
  packet.urgent = view.getUint16(at + 18);
  if (headerBytes < HEADER_BYTES || at + headerBytes > end) return false;
  packet.optionBytes = headerBytes - HEADER_BYTES;
  packet.payload = Math.max(0, length - headerBytes);
  decodeOptions(packet, view, at + HEADER_BYTES, at + headerBytes);
  return true;
}

function decodeOptions(packet: Packet, view: DataView, at: number, end: number): void {
  let names = '';
  while (at < end) {
    const kind = view.getUint8(at);
    names += (names === '' ? '' : ',') + (NAMES[kind] ?? `opt-${kind}`);
    if (kind === KIND_END) break;
    if (kind === KIND_NOP) {
      at++;
      continue;
    }
    const length = at + 1 < end ? view.getUint8(at + 1) : 0;
    if (length < 2 || at + length > end) {
      names += '(damaged)';
      break;
    }
    decodeOption(packet, view, kind, at, length);
    at += length;
  }
  packet.options = names;
}

function decodeOption(packet: Packet, view: DataView, kind: number, at: number, length: number): void {
  if (kind === KIND_MSS && length === 4) packet.mss = view.getUint16(at + 2);
  else if (kind === KIND_WINDOW_SCALE && length === 3) packet.windowScale = view.getUint8(at + 2);
  else if (kind === KIND_SACK) for (let block = at + 2; block + 4 <= at + length; block += 4) packet.sack.push(view.getUint32(block));
}
