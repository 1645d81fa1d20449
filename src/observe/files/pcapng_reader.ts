/**
 * Reads pcapng (draft-ietf-opsawg-pcapng): any number of sections, each in its own byte order and with its own interfaces; enhanced, simple and
 * obsolete packet blocks. Every other block is skipped. A block counts only when its length stands at both of its ends.
 */
import type { ByteSource } from './byte_source.ts';
import { CaptureDamage } from './capture_errors.ts';
import { type CapturedInterface, CapturedPacket, type CaptureReader } from './captured_packet.ts';
import {
  BLOCK_ENHANCED_PACKET,
  BLOCK_INTERFACE_DESCRIPTION,
  BLOCK_PACKET,
  BLOCK_SECTION_HEADER,
  BLOCK_SIMPLE_PACKET,
  BYTE_ORDER_MAGIC,
} from './pcapng_format.ts';
import { type BlockOptions, readInterface, readPacketOptions } from './pcapng_options.ts';
import { TickClock } from './tick_clock.ts';

const BYTE_ORDER_MAGIC_SWAPPED = 0x4d3c2b1a;
/** Type and both lengths. */
const BLOCK_FRAME_BYTES = 12;
/** Blocks whose content we need are not longer in any sane file (libpcap draws the line here, too). */
const LONGEST_BLOCK = 1 << 24;

/** Bytes of fixed fields before the packet's data, from the block's start. */
const ENHANCED_DATA = 28;
const SIMPLE_DATA = 12;

class SectionInterface {
  readonly described: CapturedInterface;
  readonly clock: TickClock;

  constructor(described: CapturedInterface, clock: TickClock) {
    this.described = described;
    this.clock = clock;
  }
}

export class PcapngReader implements CaptureReader {
  readonly path: string;
  readonly format = 'pcapng';
  readonly interfaces: CapturedInterface[] = [];
  packets = 0;
  readonly #source: ByteSource;
  readonly #packet = new CapturedPacket();
  readonly #section: SectionInterface[] = [];
  /** Index in `interfaces` of the section's interface 0. */
  #sectionBase = 0;
  #littleEndian = true;
  #damage: CaptureDamage | null = null;
  /** Options of the block in hand. */
  readonly #options: BlockOptions = { view: new DataView(new ArrayBuffer(0)), u8: new Uint8Array(0), start: 0, end: 0, littleEndian: true };

  /** `source` stands at the file's first block, a Section Header Block. */
  constructor(source: ByteSource) {
    this.path = source.path;
    this.#source = source;
    this.#block();
  }

  next(): CapturedPacket | null {
    if (this.#damage !== null) throw this.#damage;
    while (this.#source.available(1)) {
      if (this.#block()) {
        this.packets++;
        return this.#packet;
      }
    }
    return null;
  }

  close(): void {
    this.#source.close();
  }

  /** Reads one block; true when it was a packet. */
  #block(): boolean {
    const source = this.#source;
    this.#need(8, 'a block header');
    const type = source.view.getUint32(source.start, this.#littleEndian);
    if (type === BLOCK_SECTION_HEADER) this.#detectByteOrder();
    const length = source.view.getUint32(source.start + 4, this.#littleEndian);
    if (length < BLOCK_FRAME_BYTES || (length & 3) !== 0) {
      throw this.#damaged(source.offset + 4, `a block length of ${length}`, `a multiple of 4, at least ${BLOCK_FRAME_BYTES}`);
    }
    switch (type) {
      case BLOCK_SECTION_HEADER:
        this.#sectionHeader(length);
        break;
      case BLOCK_INTERFACE_DESCRIPTION:
        this.#interfaceDescription(length);
        break;
      case BLOCK_ENHANCED_PACKET:
        this.#enhancedPacket(length);
        break;
      case BLOCK_PACKET:
        this.#obsoletePacket(length);
        break;
      case BLOCK_SIMPLE_PACKET:
        this.#simplePacket(length);
        break;
      default:
        this.#skip(length);
        return false;
    }
    source.start += length;
    return type === BLOCK_ENHANCED_PACKET || type === BLOCK_PACKET || type === BLOCK_SIMPLE_PACKET;
  }

  /** The type of a Section Header Block reads the same both ways; its third word tells the order of all that follows. */
  #detectByteOrder(): void {
    const source = this.#source;
    this.#need(12, 'a section header');
    const magic = source.view.getUint32(source.start + 8, true);
    if (magic !== BYTE_ORDER_MAGIC && magic !== BYTE_ORDER_MAGIC_SWAPPED) {
      throw this.#damaged(source.offset + 8, `a byte-order magic of 0x${hex(magic)}`, `0x${hex(BYTE_ORDER_MAGIC)} in either order`);
    }
    this.#littleEndian = magic === BYTE_ORDER_MAGIC;
  }

  /** Brings the block into the buffer and checks both of its lengths. */
  #whole(length: number, least: number): void {
    const source = this.#source;
    if (length < least) throw this.#damaged(source.offset + 4, `a block length of ${length}`, `at least ${least} for this block`);
    if (length > LONGEST_BLOCK) throw this.#damaged(source.offset + 4, `a block length of ${length}`, `at most ${LONGEST_BLOCK}`);
    this.#need(length, 'a block');
    this.#checkTrailer(source.start + length - 4, length);
  }

  #checkTrailer(at: number, length: number): void {
    const source = this.#source;
    const trailer = source.view.getUint32(at, this.#littleEndian);
    if (trailer !== length) {
      throw this.#damaged(source.offset + at - source.start, `a block that ends with the length ${trailer}`, `${length}, as at its start`);
    }
  }

  /** Passes over a block we do not know, however long. */
  #skip(length: number): void {
    const source = this.#source;
    const start = source.offset;
    if (!source.skip(length - 4) || !source.available(4)) {
      const end = source.offset + source.left;
      throw this.#damaged(end, `the end of the file after ${end - start} bytes of a block`, `${length} bytes`);
    }
    this.#checkTrailer(source.start, length);
    source.start += 4;
  }

  #sectionHeader(length: number): void {
    this.#whole(length, 28);
    const { view, start, offset } = this.#source;
    const major = view.getUint16(start + 12, this.#littleEndian);
    // Some writers put 1.2 for what is 1.0 (section 4.1).
    if (major !== 1)
      throw this.#damaged(offset + 12, `a section of version ${major}.${view.getUint16(start + 14, this.#littleEndian)}`, '1.0');
    this.#optionsFrom(start + 24, length);
    this.#section.length = 0;
    this.#sectionBase = this.interfaces.length;
  }

  #interfaceDescription(length: number): void {
    this.#whole(length, 20);
    const { view, start } = this.#source;
    const linkType = view.getUint16(start + 8, this.#littleEndian);
    const snapLen = view.getUint32(start + 12, this.#littleEndian);
    this.#optionsFrom(start + 16, length);
    const { described, resolution, offsetSeconds } = readInterface(this.#options, linkType, snapLen);
    this.interfaces.push(described);
    this.#section.push(new SectionInterface(described, new TickClock(resolution, offsetSeconds)));
  }

  #enhancedPacket(length: number): void {
    this.#whole(length, 32);
    const { view, start } = this.#source;
    this.#timedPacket(view.getUint32(start + 8, this.#littleEndian), length);
  }

  #obsoletePacket(length: number): void {
    this.#whole(length, 32);
    const { view, start } = this.#source;
    this.#timedPacket(view.getUint16(start + 8, this.#littleEndian), length);
    const drops = view.getUint16(start + 10, this.#littleEndian);
    if (drops !== 0xffff) this.#packet.dropCount = drops;
  }

  /** Enhanced and obsolete packet blocks are alike from the time stamp on, and their options up to the hash have the same codes. */
  #timedPacket(interfaceId: number, length: number): void {
    const { view, start } = this.#source;
    const packet = this.#packet;
    const owner = this.#owner(interfaceId);
    packet.captured = view.getUint32(start + 20, this.#littleEndian);
    packet.original = view.getUint32(start + 24, this.#littleEndian);
    this.#locate(ENHANCED_DATA, length);
    owner.clock.convert(view.getUint32(start + 12, this.#littleEndian), view.getUint32(start + 16, this.#littleEndian));
    packet.seconds = owner.clock.seconds;
    packet.nanoseconds = owner.clock.nanoseconds;
    const optionsAt = start + ENHANCED_DATA + ((packet.captured + 3) & ~3);
    if (optionsAt < start + length - 4) {
      this.#optionsFrom(optionsAt, length);
      readPacketOptions(this.#options, packet);
    }
  }

  #simplePacket(length: number): void {
    this.#whole(length, 16);
    const { view, start } = this.#source;
    const packet = this.#packet;
    const { snapLen } = this.#owner(0).described;
    packet.original = view.getUint32(start + 8, this.#littleEndian);
    // Its captured length is not stored (section 4.4): the snapshot length limits it.
    packet.captured = snapLen === 0 ? packet.original : Math.min(packet.original, snapLen);
    this.#locate(SIMPLE_DATA, length);
    packet.seconds = 0;
    packet.nanoseconds = 0;
  }

  #owner(interfaceId: number): SectionInterface {
    const owner = this.#section[interfaceId];
    if (owner === undefined) {
      throw this.#damaged(
        this.#source.offset + 8,
        `a packet of interface ${interfaceId}`,
        `one of the ${this.#section.length} interfaces described before`,
      );
    }
    this.#packet.interfaceIndex = this.#sectionBase + interfaceId;
    this.#packet.linkType = owner.described.linkType;
    return owner;
  }

  /** Points the packet at its data, `dataAt` bytes into the block. */
  #locate(dataAt: number, length: number): void {
    const source = this.#source;
    const packet = this.#packet;
    const room = length - dataAt - 4;
    if (packet.captured > room) {
      const at = dataAt === SIMPLE_DATA ? 8 : 20;
      throw this.#damaged(source.offset + at, `a packet of ${packet.captured} bytes`, `at most the ${room} its block has room for`);
    }
    packet.u8 = source.buf;
    packet.offset = source.start + dataAt;
    packet.fileOffset = source.offset;
    packet.clearOptions();
  }

  /** Sets `#options` to those from `at` to the end of the block, after checking that their lengths fit. */
  #optionsFrom(at: number, length: number): void {
    const source = this.#source;
    const end = source.start + length - 4;
    for (let next = at; next < end; ) {
      const size = source.view.getUint16(next + 2, this.#littleEndian);
      if (next + 4 + size > end) {
        const room = end - next - 4;
        throw this.#damaged(
          source.offset + next + 2 - source.start,
          `an option of ${size} bytes`,
          `at most the ${room} its block has room for`,
        );
      }
      if (source.view.getUint16(next, this.#littleEndian) === 0) break;
      next += 4 + ((size + 3) & ~3);
    }
    const options = this.#options;
    options.view = source.view;
    options.u8 = source.buf;
    options.start = at;
    options.end = end;
    options.littleEndian = this.#littleEndian;
  }

  #need(bytes: number, what: string): void {
    const source = this.#source;
    if (source.available(bytes)) return;
    throw this.#damaged(source.offset + source.left, `the end of the file after ${source.left} bytes of ${what}`, `${bytes} bytes`);
  }

  #damaged(offset: number, found: string, expected: string): CaptureDamage {
    this.#damage = new CaptureDamage(this.path, offset, found, expected, this.packets);
    return this.#damage;
  }
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
