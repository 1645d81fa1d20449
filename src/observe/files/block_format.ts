/** What a file consists of: blocks that tell their length. `fileOffset` is where in the file a block begins. */
export interface BlockFormat {
  /** The bytes that a block's length and time are read from; no block is shorter. */
  readonly headBytes: number;
  lengthAt(view: DataView, at: number, fileOffset: number): number;
  /** When its packet was seen (virtual ns); -Infinity for what precedes all packets, Infinity for what follows them. */
  timeAt(view: DataView, at: number, fileOffset: number): number;
}

/** Blocks come in any order of time and are written in it: nothing that is seen before `present()` is still to come. */
export type Present = () => number;
