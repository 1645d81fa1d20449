/** Recorded times, handed out as our host comes to the points that they belong to; times are in ns since the stack took in the first frame. */
import type { task_struct } from '../kernel/include/linux/sched.ts';
import { CALL_BEGINS, CALL_ENDS } from '../kernel/kernel/call_times.ts';
import type { Moment } from './recorded_reader.ts';

/** A segment as TCP took it in (what the backlog has put together is one): the host's port, octets of data. */
export interface Segment {
  readonly port: number;
  readonly len: number;
  readonly time: number;
}

/** So far ahead a segment is looked for that is not the next one of the log. */
const LOOK_AHEAD = 8;
/** Nobody waits for this. */
const AT_ONCE = Number.NEGATIVE_INFINITY;

export class RecordedTimes {
  readonly #recorded: readonly (readonly Moment[])[];
  /** Our tasks that read are the recorded ones in the order of their first calls. */
  readonly #readers: task_struct[] = [];
  readonly #nextMoment: number[] = [];
  readonly #segments = new Map<number, Segment[]>();
  readonly #nextSegment = new Map<number, number>();

  constructor(recorded: readonly (readonly Moment[])[], segments: readonly Segment[]) {
    this.#recorded = recorded;
    for (const segment of segments) {
      const own = this.#segments.get(segment.port);
      if (own === undefined) this.#segments.set(segment.port, [segment]);
      else own.push(segment);
    }
  }

  /** When `task` passes `point`; -Infinity when the recorded one did not pass there in this call. */
  until(task: task_struct, point: number): number {
    let reader = this.#readers.indexOf(task);
    if (reader < 0) {
      if (point !== CALL_BEGINS) return AT_ONCE;
      reader = this.#readers.push(task) - 1;
      this.#nextMoment.push(0);
    }
    const moments = this.#recorded[reader] ?? [];
    const found = find(moments, this.#nextMoment[reader]!, point);
    if (found < 0) return AT_ONCE;
    this.#nextMoment[reader] = found + 1;
    return moments[found]!.time;
  }

  /** When TCP takes in the next segment, of `len` octets, for our `port`; -Infinity when the recorded one took in none like it. */
  segment(port: number, len: number): number {
    const key = this.#segments.has(port) || this.#segments.size !== 1 ? port : [...this.#segments.keys()][0]!;
    const own = this.#segments.get(key) ?? [];
    const from = this.#nextSegment.get(key) ?? 0;
    for (let i = from; i < Math.min(from + LOOK_AHEAD, own.length); i++) {
      if (own[i]!.len !== len) continue;
      this.#nextSegment.set(key, i + 1);
      return own[i]!.time;
    }
    return AT_ONCE;
  }
}

/** The next moment of that kind from `from` on. Calls follow each other; what is inside of one is not looked for in the next. */
function find(moments: readonly Moment[], from: number, point: number): number {
  for (let i = from; i < moments.length; i++) {
    const here = moments[i]!.point;
    if (here === point) return i;
    if (here === CALL_ENDS && point !== CALL_BEGINS) return -1;
  }
  return -1;
}
