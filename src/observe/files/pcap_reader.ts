/** Reads the classic pcap format (draft-ietf-opsawg-pcap) in both byte orders, with µs or ns. */
import type { ByteSource } from './byte_source.ts';
import { CaptureDamage, CaptureOpenError } from './capture_errors.ts';
import { type CapturedInterface, CapturedPacket, type CaptureReader } from './captured_packet.ts';
import { MAXIMUM_SNAPLEN } from './pcapng_format.ts';

export const PCAP_MAGIC_MICROSECONDS = 0xa1b2c3d4;
export const PCAP_MAGIC_NANOSECONDS = 0xa1b23c4d;

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
/** Whatever the header's snaplen says, a longer packet is taken for damage. */
const LONGEST_PACKET = 1 << 24;

export class PcapReader implements CaptureReader {
  readonly path: string;
  readonly format = 'pcap';
  readonly interfaces: readonly CapturedInterface[];
  packets = 0;
  readonly #source: ByteSource;
  readonly #littleEndian: boolean;
  readonly #nsPerUnit: number;
  readonly #longest: number;
  readonly #packet = new CapturedPacket();
  #damage: CaptureDamage | null = null;

  /** `magic` is the file's first word, read in the order `littleEndian`. */
  constructor(source: ByteSource, magic: number, littleEndian: boolean) {
    this.path = source.path;
    this.#source = source;
    this.#littleEndian = littleEndian;
    this.#nsPerUnit = magic === PCAP_MAGIC_NANOSECONDS ? 1 : 1000;
    const described = this.#fileHeader();
    this.interfaces = [described];
    this.#packet.linkType = described.linkType;
    this.#longest = Math.min(Math.max(described.snapLen, MAXIMUM_SNAPLEN), LONGEST_PACKET);
  }

  next(): CapturedPacket | null {
    if (this.#damage !== null) throw this.#damage;
    const source = this.#source;
    if (!source.available(RECORD_HEADER_BYTES)) {
      if (source.left === 0) return null;
      throw this.#truncated('a packet header', RECORD_HEADER_BYTES);
    }
    const captured = source.view.getUint32(source.start + 8, this.#littleEndian);
    if (captured > this.#longest) {
      throw this.#damaged(source.offset + 8, `a packet of ${captured} bytes`, `at most ${this.#longest}`);
    }
    if (!source.available(RECORD_HEADER_BYTES + captured)) throw this.#truncated('a packet', RECORD_HEADER_BYTES + captured);
    this.#take(captured);
    return this.#packet;
  }

  close(): void {
    this.#source.close();
  }

  #fileHeader(): CapturedInterface {
    const source = this.#source;
    if (!source.available(FILE_HEADER_BYTES)) throw this.#truncated('the file header', FILE_HEADER_BYTES);
    const { view, start } = source;
    const major = view.getUint16(start + 4, this.#littleEndian);
    const minor = view.getUint16(start + 6, this.#littleEndian);
    if (major !== 2 || minor !== 4) throw new CaptureOpenError(this.path, `pcap version ${major}.${minor}, expected 2.4`);
    const network = view.getUint32(start + 20, this.#littleEndian);
    const described: CapturedInterface = {
      linkType: network & 0xffff,
      snapLen: view.getUint32(start + 16, this.#littleEndian),
      name: '',
      description: '',
      mac: null,
      speedBps: 0,
      filter: '',
      os: '',
      hardware: '',
      // Bit 26 says that the upper four bits count the FCS in 16-bit words (draft-ietf-opsawg-pcap, section 4).
      fcsLength: (network & 0x04000000) === 0 ? -1 : (network >>> 28) * 2,
    };
    source.start += FILE_HEADER_BYTES;
    return described;
  }

  /** Delivers the record at the source's start, all of which is in the buffer. */
  #take(captured: number): void {
    const source = this.#source;
    const { view, start } = source;
    const packet = this.#packet;
    packet.fileOffset = source.offset;
    const fraction = view.getUint32(start + 4, this.#littleEndian) * this.#nsPerUnit;
    // A fraction beyond a second is odd, but readers have always carried it over.
    const carry = Math.floor(fraction / 1_000_000_000);
    packet.seconds = view.getUint32(start, this.#littleEndian) + carry;
    packet.nanoseconds = fraction - carry * 1_000_000_000;
    packet.captured = captured;
    packet.original = view.getUint32(start + 12, this.#littleEndian);
    packet.u8 = source.buf;
    packet.offset = start + RECORD_HEADER_BYTES;
    source.start += RECORD_HEADER_BYTES + captured;
    this.packets++;
  }

  #truncated(what: string, bytes: number): CaptureDamage {
    const left = this.#source.left;
    return this.#damaged(this.#source.offset + left, `the end of the file after ${left} bytes of ${what}`, `${bytes} bytes`);
  }

  #damaged(offset: number, found: string, expected: string): CaptureDamage {
    this.#damage = new CaptureDamage(this.path, offset, found, expected, this.packets);
    return this.#damage;
  }
}
