/** What every capture format boils down to: a stream of packets, each from an interface that the file describes. */

const NS_PER_SECOND = 1_000_000_000n;
const NO_BYTES = new Uint8Array(0);

/** An interface as the file describes it; a classic pcap file has one without a name. */
export interface CapturedInterface {
  linkType: number;
  /** 0: no limit. */
  snapLen: number;
  name: string;
  description: string;
  mac: Uint8Array | null;
  /** Bits a second; 0 when not told. */
  speedBps: number;
  filter: string;
  os: string;
  hardware: string;
  /** Bytes of FCS at the end of each packet; -1 when not told. */
  fcsLength: number;
}

/** One packet. The reader fills the same object again and again: copy what shall outlive the next `next()`. */
export class CapturedPacket {
  /** Since 1970, rounded down to ns; 0 and 0 when the file gives no time (Simple Packet Blocks). */
  seconds = 0;
  nanoseconds = 0;
  /** The bytes: `captured` from `offset` on. */
  u8: Uint8Array = NO_BYTES;
  offset = 0;
  captured = 0;
  /** Its length on the wire. */
  original = 0;
  /** Index into the reader's `interfaces`. */
  interfaceIndex = 0;
  linkType = 0;
  /** epb_flags; 0 when absent, as are the three below when -1. */
  flags = 0;
  packetId = -1;
  queue = -1;
  /** A hash of four octets, whatever computed it. */
  hash = -1;
  dropCount = 0;
  readonly comments: string[] = [];
  /** Where its record or block begins in the (unpacked) file. */
  fileOffset = 0;

  /** The time as one number, for comparing; makes a BigInt. */
  get timeNs(): bigint {
    return BigInt(this.seconds) * NS_PER_SECOND + BigInt(this.nanoseconds);
  }

  /** The bytes as a view; valid until the next `next()`. */
  bytes(): Uint8Array {
    return this.u8.subarray(this.offset, this.offset + this.captured);
  }

  /** Forgets what only some packets have. */
  clearOptions(): void {
    this.flags = 0;
    this.packetId = -1;
    this.queue = -1;
    this.hash = -1;
    this.dropCount = 0;
    if (this.comments.length > 0) this.comments.length = 0;
  }
}

export interface CaptureReader {
  readonly path: string;
  readonly format: 'pcap' | 'pcapng';
  /** Those met so far: pcapng files may describe more between packets. */
  readonly interfaces: readonly CapturedInterface[];
  /** Packets delivered. */
  readonly packets: number;
  /** The next packet, null at the end of the file. Throws CaptureDamage where the file makes no sense, and again on every further call. */
  next(): CapturedPacket | null;
  close(): void;
}
