/**
 * net/sched/sch_fq.c: what belongs to a flow of fq: its packets in the order of their departure times, its credit, and when its next packet may go.
 */
import { WIDE } from '../../../sim/wide.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';

/** Where a flow is: on no list, waiting for its time, or on one of its band's lists. */
export const FLOW_DETACHED = 0;
export const FLOW_THROTTLED = 1;
export const FLOW_LISTED = 2;

export class fq_flow {
  /** The socket that it is made for, or the hash of packets without one. */
  readonly sk: object | number;
  /** sk_hash of that socket when it was classified last: another one means that the socket was used anew. */
  socket_hash = 0;
  where = FLOW_DETACHED;
  next: fq_flow | null = null;
  /** Bytes that it may send in this round. */
  credit = 0;
  band = 0;
  /** Earliest departure of its next packet, ns; 0 before the first. */
  time_next_packet: number = WIDE;
  /** jiffies when it was emptied. */
  age = 0;
  readonly #packets: (sk_buff | null)[] = [];
  readonly #times: number[] = [];
  #head = 0;

  constructor(sk: object | number) {
    this.sk = sk;
  }

  get qlen(): number {
    return this.#packets.length - this.#head;
  }

  /** flow_queue_add(): behind all packets that leave no later. */
  add(skb: sk_buff, time_to_send: number): void {
    let at = this.#packets.length;
    while (at > this.#head && this.#times[at - 1]! > time_to_send) at--;
    this.#packets.splice(at, 0, skb);
    this.#times.splice(at, 0, time_to_send);
  }

  /** When the first packet wants to leave. */
  get time_to_send(): number {
    return this.#times[this.#head]!;
  }

  take(): sk_buff {
    const skb = this.#packets[this.#head]!;
    this.#packets[this.#head++] = null;
    if (this.#head === this.#packets.length) this.clear();
    else if (this.#head >= 64) {
      this.#packets.splice(0, this.#head);
      this.#times.splice(0, this.#head);
      this.#head = 0;
    }
    return skb;
  }

  clear(): void {
    this.#packets.length = this.#times.length = this.#head = 0;
  }

  /** The packets that are left, for when the qdisc goes. */
  *rest(): Iterable<sk_buff> {
    for (let i = this.#head; i < this.#packets.length; i++) yield this.#packets[i]!;
  }
}

/** A list of flows, first to be served first. */
export class fq_flow_head {
  first: fq_flow | null = null;
  #last: fq_flow | null = null;

  addTail(f: fq_flow): void {
    f.next = null;
    f.where = FLOW_LISTED;
    if (this.first === null) this.first = f;
    else this.#last!.next = f;
    this.#last = f;
  }

  removeFirst(): void {
    this.first = this.first!.next;
  }
}

/** Flows of one priority band share what its weight gives them. */
export class fq_perband_flows {
  readonly new_flows = new fq_flow_head();
  readonly old_flows = new fq_flow_head();
  credit: number;
  /** Its weight: bytes a round. */
  readonly quantum: number;

  constructor(quantum: number) {
    this.credit = this.quantum = quantum;
  }

  /** fq_pband_head_select(): new flows go first. */
  select(): fq_flow_head | null {
    if (this.credit <= 0) return null;
    if (this.new_flows.first !== null) return this.new_flows;
    return this.old_flows.first !== null ? this.old_flows : null;
  }
}
