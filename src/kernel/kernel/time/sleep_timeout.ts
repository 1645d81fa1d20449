/**
 * kernel/time/sleep_timeout.c, hrtimer.c: sleeping with ns resolution: `schedule_hrtimeout_range`, `hrtimer_nanosleep`.
 *
 * A sleeper allows its wake-up to be late by its slack (50 µs for ordinary tasks), so that one interrupt can serve several.
 * Simplified: the timer always runs at the late end of that window; Linux runs it earlier if another timer interrupt falls into it.
 */
import { this_cpu } from '../../../machine/cpu.ts';
import { NSEC_PER_USEC } from '../../../sim/time.ts';
import { type Sleeping, TASK_INTERRUPTIBLE, TASK_UNINTERRUPTIBLE, type task_struct } from '../../include/linux/sched.ts';
import { EINTR } from '../../uapi/errno.ts';
import { current, schedule, schedule_timeout, set_current_state, signal_pending, try_to_wake_up } from '../sched.ts';
import { HRTIMER_NORESTART, hrtimer, hrtimer_cancel, hrtimer_start } from './hrtimer.ts';
import { jiffies_to_msecs, msecs_to_jiffies } from './timer.ts';

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

/** Sleeps for between `min` and `max` µs: usleep_range() as it really sleeps. */
export function* usleep_range_state(min: number, max: number): Sleeping<void> {
  const expires = this_cpu.clock + min * NSEC_PER_USEC;
  set_current_state(TASK_UNINTERRUPTIBLE);
  yield* schedule_hrtimeout_range(expires, (max - min) * NSEC_PER_USEC);
}

/** Sleeps for `ms`, rounded up to jiffies; what is left when a signal came. */
export function* msleep_interruptible(ms: number): Sleeping<number> {
  set_current_state(TASK_INTERRUPTIBLE);
  return jiffies_to_msecs(yield* schedule_timeout(msecs_to_jiffies(ms) + 1));
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
