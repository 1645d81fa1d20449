/**
 * What an ftrace log tells of one task that reads from a socket: when it passed the points of its calls of recvfrom() (kernel/call_times.ts). Some points have no
 * record of their own, and follow from who processed a segment: the softirq does so while the socket is not locked, the task when it lets the backlog in.
 */
import { CALL_BEGINS, CALL_COPIED, CALL_ENDS, CALL_WAITS, CALL_WOKEN } from '../kernel/kernel/call_times.ts';

export interface Moment {
  readonly point: number;
  /** ns */
  time: number;
}

export class RecordedReader {
  readonly moments: Moment[] = [];
  /** Of the socket, once known. */
  #port = -1;
  /** The task runs and has not locked the socket yet: its call has begun, or its wait is over. */
  #comes = false;
  /** When the backlog was processed since the last copy; -1 when it was not. */
  #flushed = -1;

  /** It is one that reads at all. */
  get reads(): boolean {
    return this.moments.length > 0;
  }

  /** sys_enter_recvfrom */
  begins(time: number): void {
    this.#note(CALL_BEGINS, time);
    this.#comes = true;
  }

  /** sched_switch: away from it, in a call only to wait for data. */
  switchedOut(time: number): void {
    const at = this.#at;
    if (at === CALL_BEGINS || at === CALL_COPIED) this.#note(CALL_WAITS, time);
  }

  /** sched_switch: to it. */
  switchedIn(time: number): void {
    if (this.#at !== CALL_WAITS) return;
    this.#note(CALL_WOKEN, time);
    this.#comes = true;
  }

  /** tcp_probe: TCP takes in a segment, in a softirq that interrupted this task or from the backlog. */
  segment(time: number, port: number, softirq: boolean): void {
    if (this.#port >= 0 && port !== this.#port) return;
    if (softirq) {
      if (this.#comes) this.moments.at(-1)!.time = time;
      return;
    }
    if (this.#at === CALL_BEGINS) this.#note(CALL_WAITS, time);
    else if (this.#flushed < 0) this.#flushed = time;
  }

  /** skb_copy_datagram_iovec: a copy begins. What the backlog held before was there when the task looked for more. */
  copies(): void {
    if (this.#at === CALL_COPIED && this.#flushed >= 0) this.moments.at(-1)!.time = this.#flushed;
    this.#comes = false;
    this.#flushed = -1;
  }

  /** tcp_rcv_space_adjust */
  copied(time: number, port: number): void {
    this.#port = port;
    if (this.reads) this.#note(CALL_COPIED, time);
  }

  /** sock_recv_length */
  ends(time: number): void {
    if (this.reads) this.#note(CALL_ENDS, time);
    this.#comes = false;
  }

  get #at(): number {
    return this.moments.at(-1)?.point ?? -1;
  }

  #note(point: number, time: number): void {
    this.moments.push({ point, time });
    this.#flushed = -1;
  }
}
