/** Captures that a test takes apart and puts together again: records of a classic pcap file, edited in memory. */

import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const ETHERNET = 14;
const IPV4_WITHOUT_OPTIONS = 20;
const TCP = ETHERNET + IPV4_WITHOUT_OPTIONS;

export interface CapturedRecord {
  timeNs: number;
  bytes: Buffer;
  original: number;
}

/** The records of a pcap file, whatever its resolution; times since the first. */
export function readRecords(path: string): CapturedRecord[] {
  const raw = readFileSync(path);
  const file = raw[0] === 0x1f ? gunzipSync(raw) : raw;
  const nano = file.readUInt32LE(0) === 0xa1b23c4d;
  const records: CapturedRecord[] = [];
  let first = -1;
  for (let at = FILE_HEADER; at < file.length; ) {
    const captured = file.readUInt32LE(at + 8);
    const time = file.readUInt32LE(at) * 1e9 + file.readUInt32LE(at + 4) * (nano ? 1 : 1000);
    if (first < 0) first = time;
    const bytes = Buffer.from(file.subarray(at + RECORD_HEADER, at + RECORD_HEADER + captured));
    records.push({ timeNs: time - first, bytes, original: file.readUInt32LE(at + 12) });
    at += RECORD_HEADER + captured;
  }
  return records;
}

/** Writes records as a pcap file in ns; checksums of TCP segments that are there whole are made right, as whoever edits a capture does. */
export function writeRecords(path: string, records: readonly CapturedRecord[], startSeconds = 0, fix = true): string {
  const header = Buffer.alloc(FILE_HEADER);
  header.writeUInt32LE(0xa1b23c4d, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(262144, 16);
  header.writeUInt32LE(1, 20);
  const parts: Buffer[] = [header];
  for (const { timeNs, bytes, original } of records) {
    if (fix) fixChecksum(bytes, original);
    const record = Buffer.alloc(RECORD_HEADER);
    record.writeUInt32LE(startSeconds + Math.floor(timeNs / 1e9), 0);
    record.writeUInt32LE(timeNs % 1e9, 4);
    record.writeUInt32LE(bytes.length, 8);
    record.writeUInt32LE(original, 12);
    parts.push(record, bytes);
  }
  writeFileSync(path, Buffer.concat(parts));
  return path;
}

function fixChecksum(bytes: Buffer, original: number): void {
  if (bytes.readUInt16BE(12) !== 0x0800 || bytes[23] !== 6 || bytes.length < original) return;
  const end = ETHERNET + bytes.readUInt16BE(16);
  bytes.writeUInt16BE(0, TCP + 16);
  // The pseudo header of RFC 9293 3.1: addresses, protocol, length.
  let sum = 6 + end - TCP;
  for (let at = 26; at < 34; at += 2) sum += bytes.readUInt16BE(at);
  for (let at = TCP; at < end; at += 2) sum += at + 1 < end ? bytes.readUInt16BE(at) : bytes[at]! << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  bytes.writeUInt16BE(~sum & 0xffff, TCP + 16);
}

export const copyOf = (records: readonly CapturedRecord[]): CapturedRecord[] =>
  records.map((record) => ({ ...record, bytes: Buffer.from(record.bytes) }));

export const isTcp = ({ bytes }: CapturedRecord): boolean => bytes.readUInt16BE(12) === 0x0800 && bytes[23] === 6;
export const flagsOf = ({ bytes }: CapturedRecord): number => bytes[TCP + 13]!;
export const payloadOf = ({ bytes }: CapturedRecord): number => bytes.readUInt16BE(16) - IPV4_WITHOUT_OPTIONS - (bytes[TCP + 12]! >> 4) * 4;
export const sequenceOf = ({ bytes }: CapturedRecord): number => bytes.readUInt32BE(TCP + 4);
export const acknowledgmentOf = ({ bytes }: CapturedRecord): number => bytes.readUInt32BE(TCP + 8);
export const sourcePortOf = ({ bytes }: CapturedRecord): number => bytes.readUInt16BE(TCP);
export const windowOf = ({ bytes }: CapturedRecord): number => bytes.readUInt16BE(TCP + 14);
export const setWindow = ({ bytes }: CapturedRecord, window: number): number => bytes.writeUInt16BE(window, TCP + 14);
export const setTtl = ({ bytes }: CapturedRecord, ttl: number): number => bytes.writeUInt8(ttl, ETHERNET + 8);
export const setFlags = ({ bytes }: CapturedRecord, flags: number): number => bytes.writeUInt8(flags, TCP + 13);

/** Where an option of a segment begins; -1 when it has none. */
export function optionAt({ bytes }: CapturedRecord, kind: number): number {
  const end = TCP + (bytes[TCP + 12]! >> 4) * 4;
  for (let at = TCP + 20; at < end; at += bytes[at] === 1 ? 1 : bytes[at + 1]!) if (bytes[at] === kind) return at;
  return -1;
}

export interface Disguise {
  /** Added to every IPv4 address's last octet. */
  readonly address: number;
  /** Instead of the client's port. */
  readonly port: number;
  /** Added to the sequence numbers of the client and of the server. */
  readonly sequence: readonly [number, number];
  readonly timestamp: number;
  readonly id: number;
  readonly delayNs: number;
}

/** The same conversation elsewhere: other addresses, client port, sequence numbers, timestamps, IP ids, clock. */
export function disguise(records: readonly CapturedRecord[], serverPort: number, to: Disguise): CapturedRecord[] {
  return copyOf(records).map((record) => {
    const { bytes } = record;
    record.timeNs += to.delayNs;
    if (bytes.readUInt16BE(12) === 0x0806) {
      for (const at of [31, 41]) bytes[at] = bytes[at]! + to.address;
      return record;
    }
    for (const at of [29, 33]) bytes[at] = bytes[at]! + to.address;
    bytes.writeUInt16BE((bytes.readUInt16BE(18) + to.id) & 0xffff, 18);
    if (isTcp(record)) disguiseTcp(record, serverPort, to);
    return record;
  });
}

function disguiseTcp(record: CapturedRecord, serverPort: number, to: Disguise): void {
  const { bytes } = record;
  const fromClient = sourcePortOf(record) !== serverPort;
  bytes.writeUInt16BE(to.port, fromClient ? TCP : TCP + 2);
  const [own, other] = fromClient ? to.sequence : [to.sequence[1], to.sequence[0]];
  bytes.writeUInt32BE((sequenceOf(record) + own) >>> 0, TCP + 4);
  if ((flagsOf(record) & 0x10) !== 0) bytes.writeUInt32BE((acknowledgmentOf(record) + other) >>> 0, TCP + 8);
  const timestamp = optionAt(record, 8);
  if (timestamp >= 0) bytes.writeUInt32BE((bytes.readUInt32BE(timestamp + 2) + to.timestamp) >>> 0, timestamp + 2);
  const sack = optionAt(record, 5);
  if (sack < 0) return;
  for (let at = sack + 2; at < sack + bytes[sack + 1]!; at += 4) bytes.writeUInt32BE((bytes.readUInt32BE(at) + other) >>> 0, at);
}

/** As a host's tcpdump would see it before TSO or after GRO: consecutive data segments of one side in one frame, up to `most` segments. */
export function merge(records: readonly CapturedRecord[], most: number): CapturedRecord[] {
  const merged: CapturedRecord[] = [];
  let segments = 0;
  for (const record of copyOf(records)) {
    const last = merged.at(-1);
    if (last !== undefined && segments < most && continues(last, record)) {
      segments++;
      const length = last.bytes.readUInt16BE(16) + payloadOf(record);
      last.bytes.writeUInt16BE(length, 16);
      setFlags(last, flagsOf(last) | flagsOf(record));
      last.original += payloadOf(record);
    } else {
      segments = 1;
      merged.push(record);
    }
  }
  return merged;
}

const FULL = 1448;

function continues(last: CapturedRecord, record: CapturedRecord): boolean {
  if (!isTcp(last) || !isTcp(record) || payloadOf(record) === 0 || payloadOf(last) % FULL !== 0 || payloadOf(last) === 0) return false;
  // FIN and PSH end a super-frame.
  if ((flagsOf(last) & 0x09) !== 0 || sourcePortOf(last) !== sourcePortOf(record)) return false;
  return (
    sequenceOf(record) === (sequenceOf(last) + payloadOf(last)) >>> 0 &&
    acknowledgmentOf(record) === acknowledgmentOf(last) &&
    windowOf(record) === windowOf(last)
  );
}
