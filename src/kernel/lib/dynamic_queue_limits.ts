/**
 * lib/dynamic_queue_limits.c: how many bytes a transmit queue of the hardware may hold (BQL), found by watching completions.
 * `dql_queued` when bytes are given to the device, `dql_completed` when they are done, `dql_avail` in between.
 *
 * The limit grows when the device ran out of work although the stack held more back, and shrinks to what was needed if, over `slack_hold_time`,
 * there always was slack. Counters are C's `unsigned int`: they wrap, differences do not.
 *
 * Simplified: no stall detection (stall_thrs, off by default).
 */
import type { dql } from '../include/linux/dynamic_queue_limits.ts';
import { jiffies } from '../kernel/time/timer.ts';

const UINT_MAX = 0xffff_ffff;

/** a - b of two counters, at least 0. */
const posdiff = (a: number, b: number): number => {
  const difference = (a - b) | 0;
  return difference > 0 ? difference : 0;
};

/** `count` bytes were given to the device. */
export function dql_queued(dql: dql, count: number): void {
  dql.last_obj_cnt = count;
  dql.num_queued = (dql.num_queued + count) >>> 0;
}

/** Bytes that may still be queued; negative when the limit is exceeded. */
export const dql_avail = (dql: dql): number => (dql.adj_limit - dql.num_queued) | 0;

/** `count` bytes are done: adapts the limit. */
export function dql_completed(dql: dql, count: number): void {
  const completed = (dql.num_completed + count) >>> 0;
  const overLimit = posdiff((dql.num_queued - dql.num_completed) >>> 0, dql.limit);
  const inProgress = (dql.num_queued - completed) >>> 0;
  const wasInProgress = (dql.prev_num_queued - dql.num_completed) >>> 0;
  const beyondPrevious = posdiff(completed, dql.prev_num_queued);
  const allPrevious = ((completed - dql.prev_num_queued) | 0) >= 0;
  let limit = dql.limit;
  if ((overLimit > 0 && inProgress === 0) || (dql.prev_ovlimit > 0 && allPrevious)) {
    // Starved: the device was idle, or may have been between two completions, while bytes were held back.
    limit += beyondPrevious + dql.prev_ovlimit;
    restartSlack(dql);
  } else if (inProgress > 0 && wasInProgress > 0 && !allPrevious) limit = lessSlack(dql, limit, count);
  limit = Math.min(Math.max(limit, dql.min_limit), dql.max_limit);
  dql.prev_ovlimit = limit === dql.limit ? overLimit : 0;
  dql.limit = limit;
  dql.adj_limit = (limit + completed) >>> 0;
  dql.prev_last_obj_cnt = dql.last_obj_cnt;
  dql.num_completed = completed;
  dql.prev_num_queued = dql.num_queued;
}

/** The device was busy all the time: what was the least that lay in front of it unused? After the hold time the limit goes down by that. */
function lessSlack(dql: dql, limit: number, count: number): number {
  const slack = posdiff(limit + dql.prev_ovlimit, 2 * count);
  const lastObject = dql.prev_ovlimit > 0 ? posdiff(dql.prev_last_obj_cnt, dql.prev_ovlimit) : 0;
  dql.lowest_slack = Math.min(dql.lowest_slack, Math.max(slack, lastObject));
  if (jiffies() <= dql.slack_start_time + dql.slack_hold_time) return limit;
  const less = posdiff(limit, dql.lowest_slack);
  restartSlack(dql);
  return less;
}

function restartSlack(dql: dql): void {
  dql.slack_start_time = jiffies();
  dql.lowest_slack = UINT_MAX;
}

export function dql_reset(dql: dql): void {
  dql.limit = 0;
  dql.adj_limit = 0;
  dql.num_queued = 0;
  dql.num_completed = 0;
  dql.last_obj_cnt = 0;
  dql.prev_num_queued = 0;
  dql.prev_last_obj_cnt = 0;
  dql.prev_ovlimit = 0;
  restartSlack(dql);
}

export function dql_init(dql: dql, hold_time: number): void {
  dql.slack_hold_time = hold_time;
  dql_reset(dql);
}
