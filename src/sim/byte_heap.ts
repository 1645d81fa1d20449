/**
 * The bytes of the simulated world: the memories of its computers and the frames between them come from one heap, so that moving bytes from one to
 * the other is one call. Nothing is ever given back; a heap goes with its simulation.
 */
import { type ByteLoops, plainLoops, plainLoopsOver, wasmLoops } from './byte_heap_wasm.ts';

/** Address space, not memory: the operating system provides pages as they are touched. */
const ARENA_BYTES = 2 ** 30;
const ALIGNMENT = 64;

/** A piece of the heap and views on it. Offsets are those of the views. */
export class ByteBlock {
  readonly u8: Uint8Array;
  readonly view: DataView;
  /** Where the block begins in its arena. */
  readonly origin: number;
  readonly #arena: ByteLoops;

  constructor(arena: ByteLoops, u8: Uint8Array) {
    this.#arena = arena;
    this.origin = u8.byteOffset;
    this.u8 = u8;
    this.view = new DataView(arena.buffer, u8.byteOffset, u8.length);
    blocks.set(u8, this);
  }

  get buffer(): ArrayBufferLike {
    return this.#arena.buffer;
  }

  /** Copies `length` bytes from `from` to byte `at` of `target`. */
  copyTo(target: ByteBlock, at: number, from: number, length: number): void {
    if (this.#arena === target.#arena) this.#arena.copy(this.origin + from, target.origin + at, length);
    else target.u8.set(this.u8.subarray(from, from + length), at);
  }

  /** The ones-complement sum (RFC 1071) of up to 128 KiB, taken as big-endian 16-bit words and folded; an odd last byte is padded with zero. */
  sum(at: number, length: number): number {
    return this.#arena.sum(this.origin + at, length);
  }
}

const wholeBlock = (arena: ByteLoops, origin: number, length: number): ByteBlock =>
  new ByteBlock(arena, new Uint8Array(arena.buffer, origin, length));

/** Blocks by the view on all of their bytes. */
const blocks = new WeakMap<Uint8Array, ByteBlock>();

/** The block whose bytes these are; an array from elsewhere becomes a block of its own, whose bytes take the slow way to others. */
export const blockOf = (u8: Uint8Array): ByteBlock => blocks.get(u8) ?? new ByteBlock(plainLoopsOver(u8.buffer), u8);

export class ByteHeap {
  #arena: ByteLoops | null = null;
  #used = 0;
  #wasm = true;

  /** A block of zeroes. */
  allocate(length: number): ByteBlock {
    const room = this.#arena === null ? 0 : this.#arena.buffer.byteLength - this.#used;
    if (this.#wasm && length > room) this.#open();
    if (this.#arena === null || length > this.#arena.buffer.byteLength) return wholeBlock(plainLoops(length), 0, length);
    const block = wholeBlock(this.#arena, this.#used, length);
    this.#used += Math.ceil(length / ALIGNMENT) * ALIGNMENT;
    return block;
  }

  /** The next arena; without one, every block is an arena of its own. */
  #open(): void {
    this.#arena = wasmLoops(ARENA_BYTES);
    this.#used = 0;
    this.#wasm = this.#arena !== null;
  }
}
