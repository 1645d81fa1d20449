/**
 * Prescribed times: a kernel whose system calls take as long as those of another one did. Not Linux; for replays (replay/recorded_calls.ts), which take the
 * reader's timing from a recording so that what then differs is no matter of speed.
 *
 * A task is held, asleep, where the recorded one spent its time: interrupts come in at their own times meanwhile, and find the socket locked or not as they did there.
 */
import type { Nanoseconds } from '../../sim/time.ts';
import { kernel } from '../current.ts';
import { type Sleeping, TASK_UNINTERRUPTIBLE, type task_struct } from '../include/linux/sched.ts';
import { current, set_current_state } from './sched.ts';
import { ktime_get } from './time/hrtimer.ts';
import { schedule_hrtimeout_range } from './time/sleep_timeout.ts';

/** recvfrom() begins. */
export const CALL_BEGINS = 0;
/** There is nothing to read: the socket is about to be released, to wait for more. */
export const CALL_WAITS = 1;
/** The task that waited for data runs again; it has not got the socket's lock back yet. */
export const CALL_WOKEN = 2;
/** One segment has been copied. */
export const CALL_COPIED = 3;
/** All has been copied; the socket is about to be released. */
export const CALL_ENDS = 4;

export interface CallTimes {
  /** When `task`, which is at `point`, goes on; 0 when at once. */
  until(task: task_struct, point: number): Nanoseconds;
  /** When TCP takes in the next segment for an established connection of `port`, which has `len` octets of data; 0 when at once. */
  segment(port: number, len: number): Nanoseconds;
}

/** Where the running task's times are prescribed: waits for the one of `point`. */
export function* callTimesHold(point: number): Sleeping<void> {
  const until = kernel().callTimes!.until(current(), point);
  while (ktime_get() < until) {
    set_current_state(TASK_UNINTERRUPTIBLE);
    yield* schedule_hrtimeout_range(until, 0);
  }
}
