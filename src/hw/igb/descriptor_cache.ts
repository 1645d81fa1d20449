/**
 * The descriptors of a queue that are on the chip (datasheet 7.1.6, 7.2.2.5). When there are none, what the tail has handed over is fetched at once. When
 * there are fewer than PTHRESH left, more are fetched ahead of time, but only if memory holds at least HTHRESH; with PTHRESH 0 never, so that a queue stands
 * still for a read of memory each time it has used up what it had.
 *
 * Simplified: this is the time that fetching takes. The descriptors' bytes are read when they are used; their owner must not change them in between.
 */
import type { Nanoseconds } from '../../sim/time.ts';
import { WIDE } from '../../sim/wide.ts';
import * as D from './e1000_defines.ts';

/** Places on the chip for one queue. Not in the datasheet; thresholds have five bits. */
export const CAPACITY = 32;

export class DescriptorCache {
  /** PTHRESH and HTHRESH. */
  #prefetchBelow = 0;
  #prefetchAtLeast = 0;
  /** On the chip or on their way. */
  #held = 0;
  /** On the chip, and since when. */
  #settled = 0;
  #settledAt: Nanoseconds = WIDE;
  /** When the last fetch has arrived. */
  #landsAt: Nanoseconds = WIDE;

  /** A queue's RXDCTL or TXDCTL; both have the thresholds at the same places. */
  configure(control: number): void {
    this.#prefetchBelow = control & D.E1000_RXDCTL_PTHRESH_MASK;
    this.#prefetchAtLeast = (control >>> D.E1000_RXDCTL_HTHRESH_SHIFT) & D.E1000_RXDCTL_PTHRESH_MASK;
  }

  clear(): void {
    this.#held = 0;
    this.#settled = 0;
    this.#landsAt = 0;
    this.#settledAt = 0;
  }

  /** `available` descriptors are the device's, at `time`: fetches some if it is due. There is one fetch at a time. */
  fetch(available: number, time: Nanoseconds, latencyNs: Nanoseconds): void {
    const inMemory = available - this.#held;
    if (inMemory <= 0 || (this.#held > 0 && (this.#held >= this.#prefetchBelow || inMemory < this.#prefetchAtLeast))) return;
    if (this.#landsAt > time) return;
    this.#settle();
    this.#held = Math.min(available, CAPACITY);
    this.#landsAt = time + latencyNs;
  }

  /** The first `count` have been used. */
  use(count: number): void {
    this.#held = Math.max(0, this.#held - count);
    this.#settled = Math.max(0, this.#settled - count);
  }

  /** The instant since or at which the first `count` of `available` are on the chip. */
  readyAt(count: number, available: number, now: Nanoseconds, latencyNs: Nanoseconds): Nanoseconds {
    if (this.#landsAt <= now) this.#settle();
    while (this.#held < count) {
      this.#landsAt = Math.max(now, this.#landsAt) + latencyNs;
      this.#held = Math.min(available, this.#held + CAPACITY);
    }
    return count <= this.#settled ? this.#settledAt : this.#landsAt;
  }

  #settle(): void {
    this.#settled = this.#held;
    this.#settledAt = this.#landsAt;
  }
}
