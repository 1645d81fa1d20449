/**
 * kernel/time/sleep_timeout.c, hrtimer.c: sleeping with ns resolution: `schedule_hrtimeout_range`, `hrtimer_nanosleep`.
 *
 * A sleeper allows its wake-up to be late by its slack (50 µs for ordinary tasks), so that one interrupt can serve several.
 * Simplified: the timer always runs at the late end of that window; Linux runs it earlier if another timer interrupt falls into it.
 */
import { this_cpu } from '../../../machine/cpu.ts';
import { type Sleeping, TASK_INTERRUPTIBLE, type task_struct } from '../../include/linux/sched.ts';
import { EINTR } from '../../uapi/errno.ts';
import { current, schedule, set_current_state, signal_pending, try_to_wake_up } from '../sched.ts';
import { HRTIMER_NORESTART, hrtimer, hrtimer_cancel, hrtimer_start } from './hrtimer.ts';

/** task_struct.timer_slack_ns of tasks without real-time priority. */
export const TIMER_SLACK_NS = 50_000;

/** Wakes `task` once; `fired` tells that it did. */
class hrtimer_sleeper {
  readonly timer: hrtimer;
  fired = false;

  constructor(task: task_struct) {
    this.timer = new hrtimer(
      () => {
        this.fired = true;
        try_to_wake_up(task);
        return HRTIMER_NORESTART;
      },
      false,
      'hrtimer_wakeup',
    );
  }
}

/** Sleeps in the task's present state until woken or until `expires` (ns, null: for ever) plus at most `delta`. 0: the time came; -EINTR: woken. */
export function* schedule_hrtimeout_range(expires: number | null, delta: number): Sleeping<number> {
  if (expires === null) {
    yield* schedule();
    return -EINTR;
  }
  const sleeper = new hrtimer_sleeper(current());
  hrtimer_start(sleeper.timer, expires + delta);
  yield* schedule();
  hrtimer_cancel(sleeper.timer);
  return sleeper.fired ? 0 : -EINTR;
}

/** nanosleep() for `ns`. */
export function* hrtimer_nanosleep(ns: number): Sleeping<number> {
  const expires = this_cpu.clock + ns;
  const sleeper = new hrtimer_sleeper(current());
  hrtimer_start(sleeper.timer, expires + TIMER_SLACK_NS);
  while (!sleeper.fired && !signal_pending(current())) {
    set_current_state(TASK_INTERRUPTIBLE);
    yield* schedule();
  }
  hrtimer_cancel(sleeper.timer);
  return sleeper.fired ? 0 : -EINTR;
}
