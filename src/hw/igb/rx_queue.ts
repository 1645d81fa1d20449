/** One receive queue: its descriptor ring and what SRRCTL says about its buffers. */
import { WIDE } from '../../sim/wide.ts';
import { DescriptorCache } from './descriptor_cache.ts';
import * as D from './e1000_defines.ts';

export const RX_QUEUES = 16;
/** WTHRESH has five bits; a packet of several descriptors may go beyond it. */
const MAX_HELD = 128;
const KIB = 1024;
const HEADER_UNIT = 64;
/** Buffer sizes of RCTL.BSIZE, for queues whose SRRCTL gives none. */
const legacySizes = [2048, 1024, 512, 256] as const;

export class RxQueue {
  readonly index: number;
  base = WIDE;
  /** Descriptors in the ring. */
  size = 0;
  head = 0;
  tail = 0;
  enabled = false;
  dropEnabled = false;
  bufferSize = 0;
  headerSize = 0;
  descriptorType = D.E1000_SRRCTL_DESCTYPE_LEGACY;
  /** The descriptor type is one of those that split or replicate headers. */
  usesHeaderBuffer = false;
  /** Interrupt when no more descriptors than this are left; 0: never. */
  minimumThreshold = 0;
  readonly cache = new DescriptorCache();
  /** WTHRESH: as many are written back together while the queue's interrupt has to wait. */
  writebackThreshold = 0;
  /** Written descriptors that are still on the chip: four words each, and their addresses. */
  readonly heldWords = new Uint32Array(4 * MAX_HELD);
  readonly heldAddresses = new Float64Array(MAX_HELD);
  heldCount = 0;

  constructor(index: number) {
    this.index = index;
  }

  get available(): number {
    const free = this.tail - this.head;
    return free >= 0 ? free : free + this.size;
  }

  /** Bytes a descriptor's packet buffer takes. */
  bufferBytes(rctl: number): number {
    return this.bufferSize > 0 ? this.bufferSize : legacySizes[(rctl & D.E1000_RCTL_SZ_MASK) >>> 16]!;
  }

  next(index: number): number {
    return index + 1 === this.size ? 0 : index + 1;
  }

  configure(srrctl: number): void {
    this.bufferSize = (srrctl & D.E1000_SRRCTL_BSIZEPKT_MASK) * KIB;
    this.headerSize = ((srrctl & D.E1000_SRRCTL_BSIZEHDR_MASK) >>> 8) * HEADER_UNIT;
    this.descriptorType = srrctl & D.E1000_SRRCTL_DESCTYPE_MASK;
    this.usesHeaderBuffer = this.descriptorType > D.E1000_SRRCTL_DESCTYPE_ADV_ONEBUF;
    this.minimumThreshold = ((srrctl & D.E1000_SRRCTL_RDMTS_MASK) >>> D.E1000_SRRCTL_RDMTS_SHIFT) * 16;
    this.dropEnabled = (srrctl & D.E1000_SRRCTL_DROP_EN) !== 0;
  }

  /** RXDCTL. */
  control(rxdctl: number): void {
    this.cache.configure(rxdctl);
    this.writebackThreshold = (rxdctl >>> D.E1000_RXDCTL_WTHRESH_SHIFT) & D.E1000_RXDCTL_PTHRESH_MASK;
  }

  stop(): void {
    this.enabled = false;
    this.heldCount = 0;
    this.cache.clear();
    this.head = 0;
    this.tail = 0;
  }

  reset(): void {
    this.base = 0;
    this.size = 0;
    this.control(0);
    this.stop();
  }
}
