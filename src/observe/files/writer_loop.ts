/** What the second thread does that writes large blocks: it is handed a place in memory and one in a file, and says how far it came. */

/** Where in the control memory (Int32Array) what is: words of the whole, then those of each slot, which holds one block at a time. */
export const CONTROL = {
  /** 1 once the thread runs. */
  ready: 0,
  /** 1 when it is to end. */
  ended: 1,
  /** Changes whenever there is something to do. */
  bell: 2,
  /** Of a slot: EMPTY … DONE. */
  state: 0,
  /** The file's descriptors: through the page cache and past it; -1: none. */
  cached: 1,
  direct: 2,
  /** Where the block is: in the memory, and in the file (two words, low and high). */
  at: 3,
  placeLow: 4,
  placeHigh: 5,
  /** Bytes that go through the cache, past it, and through it again. */
  head: 6,
  middle: 7,
  tail: 8,
  /** Bytes written in the end. */
  done: 9,
  wordsOfSlot: 16,
  slots: 64,
  EMPTY: 0,
  ASKED: 1,
  TAKEN: 2,
  DONE: 3,
} as const;

/** What the thread is given when it starts. */
export interface WriterMemory {
  readonly control: SharedArrayBuffer;
  readonly arena: SharedArrayBuffer;
  readonly layout: typeof CONTROL;
}

/**
 * Runs until `ended` is set. It is handed to the thread as text, so that it works from one file of code as from many: it may use nothing but its parameters. An error
 * only ends a block early: who reads `done` writes the rest and meets the error, too, if it is still there.
 */
export function writerLoop({ writeSync }: typeof import('node:fs'), { control, arena, layout }: WriterMemory): void {
  const words = new Int32Array(control);
  const bytes = new Uint8Array(arena);
  const write = (slot: number): void => {
    const [at, place] = [words[slot + layout.at]!, words[slot + layout.placeHigh]! * 2 ** 32 + (words[slot + layout.placeLow]! >>> 0)];
    let [done, limit] = [0, 0];
    const part = (length: number, fd: number): boolean => {
      limit += words[slot + length]!;
      if (done < limit) done += writeSync(words[slot + fd]!, bytes, at + done, limit - done, place + done);
      return done === limit;
    };
    try {
      part(layout.head, layout.cached) && part(layout.middle, layout.direct) && part(layout.tail, layout.cached);
    } catch {
      // `done` says so.
    }
    words[slot + layout.done] = done;
  };
  Atomics.store(words, layout.ready, 1);
  while (Atomics.load(words, layout.ended) === 0) {
    const bell = Atomics.load(words, layout.bell);
    for (let slot = layout.wordsOfSlot; slot < words.length; slot += layout.wordsOfSlot) {
      if (Atomics.compareExchange(words, slot + layout.state, layout.ASKED, layout.TAKEN) !== layout.ASKED) continue;
      write(slot);
      Atomics.store(words, slot + layout.state, layout.DONE);
      Atomics.notify(words, slot + layout.state);
    }
    Atomics.wait(words, layout.bell, bell);
  }
}
