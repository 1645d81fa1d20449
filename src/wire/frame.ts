/**
 * Frames outside of any computer: in a NIC's FIFO and on a wire. Their bytes live in slots of one shared store, are written once when a
 * NIC fetches them, and are read by whoever receives or captures them. A frame has one owner at a time, who passes it on or releases it.
 */
import { type ByteBlock, ByteHeap } from '../sim/byte_heap.ts';
import { InvariantError } from '../sim/invariant.ts';
import { WIDE } from '../sim/wide.ts';

/** Room for a 9,216-byte jumbo frame with VLAN tag; ordinary frames take small slots. */
const SMALL_SLOT = 2048;
const LARGE_SLOT = 9728;
const SLOTS_PER_CHUNK = 256;

/** Preamble and start delimiter, frame check sequence and inter-frame gap: what a frame takes on the wire beside its bytes (IEEE 802.3, 3.1.1, 4.4.2). */
export const PREAMBLE_BYTES = 8;
export const FCS_BYTES = 4;
export const GAP_BYTES = 12;
/** Shortest frame without FCS. */
export const MIN_FRAME = 60;

export class Frame {
  /** Packet id: see DESIGN "one packet, one identity". Observers only. */
  id = WIDE;
  /** Bytes without FCS, from the destination address on. */
  length = 0;
  /** The FCS does not match (the wire damaged the frame). */
  badFcs = false;
  /** It ends within a byte, which happens at 10 and 100 Mbit/s (IEEE 802.3, 4.2.4.2.1); its FCS does not match then. */
  misaligned = false;
  /** Queue that sent it, for observers; -1 when none. */
  queue = -1;
  readonly block: ByteBlock;
  readonly u8: Uint8Array;
  readonly view: DataView;
  /** First byte of the slot within the views; frames start there. A multiple of 16. */
  readonly start: number;
  readonly capacity: number;
  /**
   * A memo: the ones-complement sum of the `summed` bytes from byte `sumFrom` on, which whoever built the frame has computed for its checksum. It spares
   * the receiver a second look at the same bytes. 0 bytes when nothing is known; who changes any of them says so with `forgetSum`.
   */
  sum = 0;
  sumFrom = 0;
  summed = 0;
  /** True between take and release. */
  live = false;

  constructor(block: ByteBlock, start: number, capacity: number) {
    this.block = block;
    this.u8 = block.u8;
    this.view = block.view;
    this.start = start;
    this.capacity = capacity;
  }

  /** The frame's bytes; valid until it is released. */
  bytes(): Uint8Array {
    return this.u8.subarray(this.start, this.start + this.length);
  }

  /** Remembers the ones-complement sum of `length` bytes from `from` (an offset of the views) on. */
  rememberSum(sum: number, from: number, length: number): void {
    this.sum = sum;
    this.sumFrom = from;
    this.summed = length;
  }

  forgetSum(): void {
    this.summed = 0;
  }

  /** Bit times on the wire as bytes: preamble, at least 60 bytes, FCS, gap. */
  get wireBytes(): number {
    return PREAMBLE_BYTES + Math.max(this.length, MIN_FRAME) + FCS_BYTES + GAP_BYTES;
  }
}

/** The store of frames of one simulation. */
export class FramePool {
  readonly #small: Frame[] = [];
  readonly #large: Frame[] = [];
  readonly #heap: ByteHeap;
  /** Frames taken and not released yet. */
  live = 0;

  constructor(heap = new ByteHeap()) {
    this.#heap = heap;
  }

  /** A frame with room for `length` bytes and that length; its content is whatever was there before. */
  take(length: number): Frame {
    const list = length <= SMALL_SLOT ? this.#small : this.#large;
    if (list.length === 0) this.#addChunk(list, length <= SMALL_SLOT ? SMALL_SLOT : LARGE_SLOT);
    const frame = list.pop()!;
    if (length > frame.capacity) throw new InvariantError(`a frame of ${length} bytes is longer than any slot`);
    frame.length = length;
    frame.badFcs = false;
    frame.misaligned = false;
    frame.id = 0;
    frame.queue = -1;
    frame.summed = 0;
    frame.live = true;
    this.live++;
    return frame;
  }

  /** A second frame with the same bytes and id. */
  copy(frame: Frame): Frame {
    const twin = this.take(frame.length);
    frame.block.copyTo(twin.block, twin.start, frame.start, frame.length);
    twin.id = frame.id;
    twin.badFcs = frame.badFcs;
    twin.misaligned = frame.misaligned;
    twin.queue = frame.queue;
    return twin;
  }

  release(frame: Frame): void {
    if (!frame.live) throw new InvariantError(`frame ${frame.id} released twice`);
    frame.live = false;
    this.live--;
    (frame.capacity === SMALL_SLOT ? this.#small : this.#large).push(frame);
  }

  #addChunk(list: Frame[], slot: number): void {
    const block = this.#heap.allocate(slot * SLOTS_PER_CHUNK);
    for (let i = SLOTS_PER_CHUNK - 1; i >= 0; i--) list.push(new Frame(block, i * slot, slot));
  }
}
