/** Options of pcapng blocks (section 3.5), as far as a reader of packets needs them. */
import type { CapturedInterface, CapturedPacket } from './captured_packet.ts';
import {
  EPB_DROPCOUNT,
  EPB_FLAGS,
  EPB_HASH,
  EPB_PACKETID,
  EPB_QUEUE,
  IF_DESCRIPTION,
  IF_FCSLEN,
  IF_FILTER,
  IF_HARDWARE,
  IF_MACADDR,
  IF_NAME,
  IF_OS,
  IF_SPEED,
  IF_TSOFFSET,
  IF_TSRESOL,
  OPT_COMMENT,
  OPT_ENDOFOPT,
} from './pcapng_format.ts';

const TWO_32 = 4294967296;
/** Without if_tsresol: microseconds. */
const DEFAULT_RESOLUTION = 6;

/** The options of one block, whose lengths have been checked to lie within it. */
export interface BlockOptions {
  view: DataView;
  u8: Uint8Array;
  start: number;
  end: number;
  littleEndian: boolean;
}

export interface InterfaceOptions {
  described: CapturedInterface;
  resolution: number;
  offsetSeconds: bigint;
}

export function readInterface(options: BlockOptions, linkType: number, snapLen: number): InterfaceOptions {
  const read: InterfaceOptions = {
    described: { linkType, snapLen, name: '', description: '', mac: null, speedBps: 0, filter: '', os: '', hardware: '', fcsLength: -1 },
    resolution: DEFAULT_RESOLUTION,
    offsetSeconds: 0n,
  };
  for (let at = options.start; !isEnd(options, at); at = nextOption(options, at)) readInterfaceOption(options, at, read);
  return read;
}

export function readPacketOptions(options: BlockOptions, packet: CapturedPacket): void {
  for (let at = options.start; !isEnd(options, at); at = nextOption(options, at)) readPacketOption(options, at, packet);
}

function readInterfaceOption(options: BlockOptions, at: number, read: InterfaceOptions): void {
  const { described } = read;
  const size = sizeOf(options, at);
  switch (codeOf(options, at)) {
    case IF_NAME:
      described.name = text(options, at);
      break;
    case IF_DESCRIPTION:
      described.description = text(options, at);
      break;
    case IF_MACADDR:
      if (size === 6) described.mac = options.u8.slice(at + 4, at + 10);
      break;
    case IF_SPEED:
      if (size === 8) described.speedBps = u64(options, at + 4);
      break;
    case IF_TSRESOL:
      if (size === 1) read.resolution = options.u8[at + 4]!;
      break;
    case IF_TSOFFSET:
      if (size === 8) read.offsetSeconds = options.view.getBigInt64(at + 4, options.littleEndian);
      break;
    case IF_FILTER:
      described.filter = text(options, at).slice(1);
      break;
    case IF_OS:
      described.os = text(options, at);
      break;
    case IF_HARDWARE:
      described.hardware = text(options, at);
      break;
    case IF_FCSLEN:
      if (size === 1) described.fcsLength = options.u8[at + 4]!;
      break;
  }
}

function readPacketOption(options: BlockOptions, at: number, packet: CapturedPacket): void {
  const size = sizeOf(options, at);
  switch (codeOf(options, at)) {
    case OPT_COMMENT:
      packet.comments.push(text(options, at));
      break;
    case EPB_FLAGS:
      if (size === 4) packet.flags = u32(options, at + 4);
      break;
    case EPB_HASH:
      if (size === 5) packet.hash = options.view.getUint32(at + 5);
      break;
    case EPB_DROPCOUNT:
      if (size === 8) packet.dropCount = u64(options, at + 4);
      break;
    case EPB_PACKETID:
      if (size === 8) packet.packetId = u64(options, at + 4);
      break;
    case EPB_QUEUE:
      if (size === 4) packet.queue = u32(options, at + 4);
      break;
  }
}

function isEnd(options: BlockOptions, at: number): boolean {
  return at >= options.end || codeOf(options, at) === OPT_ENDOFOPT;
}

function nextOption(options: BlockOptions, at: number): number {
  return at + 4 + ((sizeOf(options, at) + 3) & ~3);
}

function codeOf(options: BlockOptions, at: number): number {
  return options.view.getUint16(at, options.littleEndian);
}

function sizeOf(options: BlockOptions, at: number): number {
  return options.view.getUint16(at + 2, options.littleEndian);
}

function u32(options: BlockOptions, at: number): number {
  return options.view.getUint32(at, options.littleEndian);
}

/** Beyond 2^53 the nearest number that there is. */
function u64(options: BlockOptions, at: number): number {
  const first = u32(options, at);
  const second = u32(options, at + 4);
  return options.littleEndian ? second * TWO_32 + first : first * TWO_32 + second;
}

function text(options: BlockOptions, at: number): string {
  const start = options.u8.byteOffset + at + 4;
  return Buffer.from(options.u8.buffer, start, sizeOf(options, at)).toString('utf8');
}
