/**
 * Writes pcapng (draft-ietf-opsawg-pcapng): one section, interfaces with all that Wireshark shows of them, packets in Enhanced Packet Blocks
 * with direction, packet id, queue, RSS hash, comments; names; statistics at the end. Little-endian, nanoseconds.
 *
 * `packet` is called for every frame of a run and allocates nothing but the view a copy needs. What is rarer (drop counts, verdicts, several comments,
 * custom options, data in pieces) goes through beginPacket … endPacket.
 */
import type { ByteBlock } from '../../sim/byte_heap.ts';
import { InvariantError } from '../../sim/invariant.ts';
import type { Present } from './block_format.ts';
import type { CaptureBuffers } from './capture_buffers.ts';
import type { CaptureInterface, InterfaceStatistics, PacketWriter } from './packet_writer.ts';
import { PcapngFile } from './pcapng_file.ts';
import {
  BLOCK_ENHANCED_PACKET,
  BLOCK_INTERFACE_DESCRIPTION,
  BLOCK_INTERFACE_STATISTICS,
  BLOCK_NAME_RESOLUTION,
  BLOCK_SECTION_HEADER,
  BYTE_ORDER_MAGIC,
  EPB_DROPCOUNT,
  EPB_FLAGS,
  EPB_HASH,
  EPB_PACKETID,
  EPB_QUEUE,
  EPB_VERDICT,
  HASH_TOEPLITZ,
  IF_DESCRIPTION,
  IF_FCSLEN,
  IF_FILTER,
  IF_HARDWARE,
  IF_IPV4ADDR,
  IF_MACADDR,
  IF_NAME,
  IF_OS,
  IF_SPEED,
  IF_TSRESOL,
  ISB_ENDTIME,
  ISB_FILTERACCEPT,
  ISB_IFDROP,
  ISB_IFRECV,
  ISB_OSDROP,
  ISB_STARTTIME,
  ISB_USRDELIV,
  LINKTYPE_ETHERNET,
  MAXIMUM_SNAPLEN,
  NRB_RECORD_END,
  NRB_RECORD_IPV4,
  OPT_COMMENT,
  OPT_CUSTOM_BINARY,
  SHB_HARDWARE,
  SHB_OS,
  SHB_USERAPPL,
  VERDICT_TC,
  VERDICT_XDP,
} from './pcapng_format.ts';

/** Virtual time 0 unless told otherwise: 2026-01-01T00:00:00Z. */
export const DEFAULT_START_EPOCH_NS = 1_767_225_600_000_000_000n;

const TWO_32 = 4294967296;
const EPB_HEADER_BYTES = 28;
/** flags 8, packetid 12, queue 8, hash 12, end of options 4, trailing length 4. */
const EPB_TAIL_BYTES = 48;

export interface PcapngWriterOptions {
  hardware?: string;
  os?: string;
  application?: string;
  comment?: string;
  /** The instant of virtual time 0, in ns since 1970. */
  startEpochNs?: bigint;
  /** Shared with other files. */
  buffers?: CaptureBuffers;
  /** Given: packets come in any order and are written in order of time; see TimeOrder. */
  present?: Present;
}

class InterfaceState {
  packets = 0;
  readonly firstNs: number;
  lastNs: number;
  statistics: InterfaceStatistics = {};

  constructor(nowNs: number) {
    this.firstNs = nowNs;
    this.lastNs = nowNs;
  }
}

export class PcapngWriter implements PacketWriter {
  readonly #file: PcapngFile;
  readonly #epochHigh: number;
  readonly #epochLow: number;
  readonly #interfaces: InterfaceState[] = [];
  /** End of the packet data of the block that beginPacket opened, relative to its start; 0 when none is open. */
  #dataEnd = 0;

  constructor(path: string, options: PcapngWriterOptions = {}) {
    const epoch = options.startEpochNs ?? DEFAULT_START_EPOCH_NS;
    this.#epochHigh = Number(epoch >> 32n);
    this.#epochLow = Number(epoch & 0xffffffffn);
    this.#file = new PcapngFile(path, this.#epochHigh, this.#epochLow, options.buffers, options.present);
    this.#sectionHeader(options);
    // A file without packets is a capture, too: the header must not wait for the first full buffer.
    this.#file.flush();
  }

  get path(): string {
    return this.#file.path;
  }

  /** Bytes of the file so far. */
  get bytes(): number {
    return this.#file.bytes;
  }

  /** Packets written for an interface. */
  packets(interfaceId: number): number {
    return this.#interface(interfaceId).packets;
  }

  /** Describes a capture point; its packets name it by the id returned. `nowNs` is when it began to capture. */
  addInterface(description: CaptureInterface, nowNs = 0): number {
    this.#file.beginBlock(BLOCK_INTERFACE_DESCRIPTION, 8);
    this.#file.u16(description.linkType ?? LINKTYPE_ETHERNET);
    this.#file.u16(0);
    this.#file.u32(description.snapLen ?? MAXIMUM_SNAPLEN);
    this.#interfaceOptions(description);
    this.#file.endBlock();
    return this.#interfaces.push(new InterfaceState(nowNs)) - 1;
  }

  /** Names of IPv4 addresses (host-order numbers), for readers that resolve names. */
  addNames(names: readonly { address: number; name: string }[]): void {
    this.#file.beginBlock(BLOCK_NAME_RESOLUTION, 0);
    for (const { address, name } of names) this.#nameRecord(address, Buffer.from(name, 'utf8'));
    this.#file.reserve(4);
    this.#file.u32(NRB_RECORD_END);
    this.#file.endBlock(false);
  }

  /**
   * A packet: `captured` of `bytes` from `offset`, of `original` on the wire. `flags` 0, `packetId`, `queue`, `hash` -1 and `comment` null
   * mean none.
   */
  packet(
    interfaceId: number,
    timeNs: number,
    bytes: ByteBlock,
    offset: number,
    captured: number,
    original: number,
    flags: number,
    packetId: number,
    queue: number,
    hash: number,
    comment: string | null,
  ): void {
    const file = this.#file;
    file.reserve(EPB_HEADER_BYTES + captured + 3 + EPB_TAIL_BYTES);
    this.#packetHeader(interfaceId, timeNs, captured, original);
    file.copy(bytes, offset, captured);
    file.pad();
    this.#packetOptions(flags, packetId, queue, hash, comment);
    this.#file.endBlock();
  }

  /** Opens a packet whose `captured` bytes come in pieces; `append` them, then options, then `endPacket`. */
  beginPacket(interfaceId: number, timeNs: number, captured: number, original: number): void {
    this.#file.reserve(EPB_HEADER_BYTES + captured + 3 + EPB_TAIL_BYTES);
    this.#packetHeader(interfaceId, timeNs, captured, original);
    this.#dataEnd = EPB_HEADER_BYTES + captured;
  }

  append(bytes: ByteBlock, offset: number, length: number): void {
    const file = this.#file;
    if (file.pos - file.blockStart + length > this.#dataEnd) throw new InvariantError(`${this.path}: more bytes than beginPacket was told`);
    file.copy(bytes, offset, length);
  }

  /** Packets lost on this interface since the one before. */
  dropCount(count: number): void {
    this.#beginOption(EPB_DROPCOUNT, 8);
    this.#file.u64(count);
  }

  /** What tc (TC_ACT_*) or XDP (XDP_*) decided. */
  verdict(by: 'tc' | 'xdp', action: number): void {
    this.#beginOption(EPB_VERDICT, 9);
    this.#file.buf[this.#file.pos++] = by === 'tc' ? VERDICT_TC : VERDICT_XDP;
    // TC_ACT_UNSPEC is -1: 64 bits of two's complement.
    this.#file.u32(action >>> 0);
    this.#file.u32(action < 0 ? 0xffffffff : 0);
    this.#file.pad();
  }

  /** One of possibly several comments. */
  comment(text: string): void {
    this.#finishData();
    this.#file.textOption(OPT_COMMENT, text);
  }

  /** A binary custom option of the organisation with this Private Enterprise Number. */
  customOption(enterprise: number, value: ByteBlock): void {
    const { length } = value.u8;
    this.#beginOption(OPT_CUSTOM_BINARY, 4 + length);
    this.#file.u32(enterprise);
    this.#file.copy(value, 0, length);
    this.#file.pad();
  }

  endPacket(flags: number, packetId: number, queue: number, hash: number, comment: string | null): void {
    this.#finishData();
    this.#file.reserve(EPB_TAIL_BYTES);
    this.#packetOptions(flags, packetId, queue, hash, comment);
    this.#file.endBlock();
    this.#dataEnd = 0;
  }

  /** Counters for the statistics block that `close` writes. */
  setStatistics(interfaceId: number, statistics: InterfaceStatistics): void {
    this.#interface(interfaceId).statistics = statistics;
  }

  /** Writes what is whole; a reader then sees every packet so far. */
  flush(): void {
    this.#file.flush();
  }

  /** Ends the capture: statistics of each interface, then the file is closed. `nowNs` is when capturing ended. */
  close(nowNs = 0): void {
    try {
      this.#file.abandon();
      for (let id = 0; id < this.#interfaces.length && this.#file.usable; id++) this.#statisticsBlock(id, nowNs);
    } finally {
      this.#file.close();
    }
  }

  #sectionHeader(options: PcapngWriterOptions): void {
    this.#file.beginBlock(BLOCK_SECTION_HEADER, 16);
    this.#file.u32(BYTE_ORDER_MAGIC);
    this.#file.u16(1);
    this.#file.u16(0);
    // Length unknown: the section ends with the file.
    this.#file.u32(0xffffffff);
    this.#file.u32(0xffffffff);
    this.#file.optionalText(SHB_HARDWARE, options.hardware);
    this.#file.optionalText(SHB_OS, options.os);
    this.#file.optionalText(SHB_USERAPPL, options.application);
    this.#file.optionalText(OPT_COMMENT, options.comment);
    this.#file.endBlock();
  }

  #interfaceOptions(description: CaptureInterface): void {
    this.#file.optionalText(IF_NAME, description.name);
    this.#file.optionalText(IF_DESCRIPTION, description.description);
    for (const { address, prefixLength } of description.ipv4 ?? []) this.#addressOption(address, prefixLength);
    if (description.mac !== undefined) this.#file.bytesOption(IF_MACADDR, description.mac);
    if (description.speedBps !== undefined) this.#file.numberOption(IF_SPEED, description.speedBps);
    this.#file.bytesOption(IF_TSRESOL, Uint8Array.of(9));
    // The first octet 0 says that the rest is a filter expression of libpcap's.
    if (description.filter !== undefined) this.#file.bytesOption(IF_FILTER, Buffer.from(`\0${description.filter}`, 'utf8'));
    this.#file.optionalText(IF_OS, description.os);
    if (description.fcsLength !== undefined) this.#file.bytesOption(IF_FCSLEN, Uint8Array.of(description.fcsLength));
    this.#file.optionalText(IF_HARDWARE, description.hardware);
    this.#file.optionalText(OPT_COMMENT, description.comment);
  }

  #addressOption(address: number, prefixLength: number): void {
    const value = new DataView(new ArrayBuffer(8));
    value.setUint32(0, address);
    value.setUint32(4, prefixLength === 0 ? 0 : (-1 << (32 - prefixLength)) >>> 0);
    this.#file.bytesOption(IF_IPV4ADDR, new Uint8Array(value.buffer));
  }

  #nameRecord(address: number, name: Uint8Array): void {
    const file = this.#file;
    file.reserve(12 + name.length + 4);
    file.u16(NRB_RECORD_IPV4);
    file.u16(4 + name.length + 1);
    file.view.setUint32(file.pos, address);
    file.pos += 4;
    file.copyShort(name);
    file.buf[file.pos++] = 0;
    file.pad();
  }

  #statisticsBlock(id: number, nowNs: number): void {
    const state = this.#interface(id);
    this.#file.beginBlock(BLOCK_INTERFACE_STATISTICS, 12);
    this.#file.u32(id);
    const endNs = Math.max(nowNs, state.lastNs);
    this.#time(endNs);
    this.#timeOption(ISB_STARTTIME, state.firstNs);
    this.#timeOption(ISB_ENDTIME, endNs);
    this.#file.optionalNumber(ISB_IFRECV, state.statistics.received ?? state.packets);
    this.#file.optionalNumber(ISB_IFDROP, state.statistics.dropped);
    this.#file.optionalNumber(ISB_FILTERACCEPT, state.statistics.filterAccepted);
    this.#file.optionalNumber(ISB_OSDROP, state.statistics.osDropped);
    this.#file.optionalNumber(ISB_USRDELIV, state.packets);
    this.#file.endBlock();
  }

  #interface(id: number): InterfaceState {
    const state = this.#interfaces[id];
    if (state === undefined) throw new InvariantError(`${this.path}: interface ${id} of ${this.#interfaces.length}`);
    return state;
  }

  #packetHeader(interfaceId: number, timeNs: number, captured: number, original: number): void {
    const state = this.#interface(interfaceId);
    if (this.#dataEnd !== 0) throw new InvariantError(`${this.path}: a packet at ${timeNs} ns inside of another one`);
    state.packets++;
    state.lastNs = timeNs;
    const file = this.#file;
    file.u32(BLOCK_ENHANCED_PACKET);
    file.u32(0);
    file.u32(interfaceId);
    this.#time(timeNs);
    file.u32(captured);
    file.u32(original);
  }

  /** The 64-bit count of ns since 1970 as two words, high first; exact, without a BigInt a packet. */
  #time(timeNs: number): void {
    let high = Math.floor(timeNs / TWO_32);
    let low = timeNs - high * TWO_32 + this.#epochLow;
    if (low >= TWO_32) {
      low -= TWO_32;
      high++;
    }
    this.#file.u32(high + this.#epochHigh);
    this.#file.u32(low);
  }

  #packetOptions(flags: number, packetId: number, queue: number, hash: number, comment: string | null): void {
    const file = this.#file;
    if (flags !== 0) {
      file.u32(EPB_FLAGS | (4 << 16));
      file.u32(flags);
    }
    if (packetId >= 0) {
      file.u32(EPB_PACKETID | (8 << 16));
      file.u64(packetId);
    }
    if (queue >= 0) {
      file.u32(EPB_QUEUE | (4 << 16));
      file.u32(queue);
    }
    if (hash >= 0) this.#hashOption(hash);
    if (comment !== null) this.#file.textOption(OPT_COMMENT, comment);
  }

  #hashOption(hash: number): void {
    const file = this.#file;
    file.u32(EPB_HASH | (5 << 16));
    file.buf[file.pos++] = HASH_TOEPLITZ;
    // Octets, not a number: most significant first, so that readers show what the NIC's documentation calls the hash.
    file.view.setUint32(file.pos, hash);
    file.pos += 4;
    file.pad();
  }

  /** Closes the packet's data before its first option. */
  #finishData(): void {
    const file = this.#file;
    if (this.#dataEnd === 0) throw new InvariantError(`${this.path}: no packet is open`);
    if (this.#dataEnd > 0) {
      const missing = this.#dataEnd - (file.pos - file.blockStart);
      if (missing !== 0) throw new InvariantError(`${this.path}: ${missing} bytes fewer than beginPacket was told`);
      file.pad();
      this.#dataEnd = -1;
    }
  }

  #beginOption(code: number, length: number): void {
    this.#finishData();
    this.#file.reserve(length + 8);
    this.#file.u16(code);
    this.#file.u16(length);
  }

  #timeOption(code: number, timeNs: number): void {
    this.#file.reserve(12);
    this.#file.u16(code);
    this.#file.u16(8);
    this.#time(timeNs);
  }
}
