/** include/net/inet_frag.h, ip_fragment.c's ipq: datagrams under reassembly. */
import type { timer_list } from '../../kernel/time/timer.ts';
import type { sk_buff } from '../linux/skbuff.ts';
import type { inet_peer } from './inetpeer.ts';

export const INET_FRAG_FIRST_IN = 1;
export const INET_FRAG_LAST_IN = 2;
export const INET_FRAG_COMPLETE = 4;

/** All of a host's. */
export class fqdir {
  /** Chains by hash of the key. */
  readonly rhashtable = new Map<number, ipq>();
  mem = 0;
  nqueues = 0;
}

/** Offsets of the first octet and behind the last. */
export interface frag_run {
  readonly start: number;
  end: number;
}

/** One datagram's fragments: struct ipq with its inet_frag_queue. */
export class ipq {
  readonly saddr: number;
  readonly daddr: number;
  readonly id: number;
  readonly protocol: number;
  readonly user: number;
  readonly fqdir: fqdir;
  next: ipq | null = null;
  timer: timer_list = null as unknown as timer_list;
  /**
   * Fragments and their first bytes in order of offset; and the runs of fragments that came in order.
   * Simplified: sorted arrays; Linux has a red-black tree of runs, which matters only for datagrams of many fragments.
   */
  readonly fragments: sk_buff[] = [];
  readonly offsets: number[] = [];
  readonly runs: frag_run[] = [];
  len = 0;
  meat = 0;
  flags = 0;
  max_size = 0;
  max_df_size = 0;
  ecn = 0;
  iif = 0;
  rid = 0;
  peer: inet_peer | null = null;
  stamp = 0;

  constructor(owner: fqdir, saddr: number, daddr: number, id: number, protocol: number, user: number) {
    this.fqdir = owner;
    this.saddr = saddr;
    this.daddr = daddr;
    this.id = id;
    this.protocol = protocol;
    this.user = user;
  }
}
