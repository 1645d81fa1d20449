/** include/net/neighbour.h: neighbours, their tables and parameters. */

import { WIDE } from '../../../sim/wide.ts';
import type { timer_list } from '../../kernel/time/timer.ts';
import type { net_device } from '../linux/netdevice.ts';
import { type sk_buff, sk_buff_head } from '../linux/skbuff.ts';

export const NUD_NONE = 0x00;
export const NUD_INCOMPLETE = 0x01;
export const NUD_REACHABLE = 0x02;
export const NUD_STALE = 0x04;
export const NUD_DELAY = 0x08;
export const NUD_PROBE = 0x10;
export const NUD_FAILED = 0x20;
export const NUD_NOARP = 0x40;
export const NUD_PERMANENT = 0x80;
export const NUD_IN_TIMER = NUD_INCOMPLETE | NUD_REACHABLE | NUD_DELAY | NUD_PROBE;
export const NUD_VALID = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;
export const NUD_CONNECTED = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE;

/** Flags of neigh_update(). */
export const NEIGH_UPDATE_F_OVERRIDE = 0x01;
export const NEIGH_UPDATE_F_WEAK_OVERRIDE = 0x02;
export const NEIGH_UPDATE_F_ADMIN = 0x8000_0000;
export const NTF_EXT_LEARNED = 1 << 4;
export const NTF_ROUTER = 1 << 7;

/** The link-layer header ready to be copied in front of a packet. */
export class hh_cache {
  hh_len = 0;
  /** 16 bytes: the Ethernet header is right-aligned, as HH_DATA_OFF has it. */
  readonly hh_data = new Uint8Array(16);
}

/** net.ipv4.neigh.DEV.*: times in jiffies. */
export class neigh_parms {
  dev: net_device | null = null;
  base_reachable_time = 0;
  reachable_time = 0;
  retrans_time = 0;
  delay_probe_time = 0;
  gc_staletime = 0;
  mcast_solicit = 3;
  ucast_solicit = 3;
  app_solicit = 0;
  mcast_reprobes = 0;
  queue_len_bytes = 212992;
  proxy_qlen = 64;
  anycast_delay = 0;
  proxy_delay = 0;
  locktime = 0;
  interval_probe_time_ms = 5000;
}

export interface neigh_ops {
  readonly family: number;
  solicit(neigh: neighbour, skb: sk_buff | null): void;
  error_report(neigh: neighbour, skb: sk_buff): void;
  output(neigh: neighbour, skb: sk_buff): number;
  connected_output(neigh: neighbour, skb: sk_buff): number;
}

export class neighbour {
  readonly tbl: neigh_table;
  readonly dev: net_device;
  /** The IPv4 address. */
  primary_key: number;
  /** Next one in its bucket. */
  next: neighbour | null = null;
  parms: neigh_parms;
  ops: neigh_ops = null as unknown as neigh_ops;
  output: (neigh: neighbour, skb: sk_buff) => number = null as unknown as (neigh: neighbour, skb: sk_buff) => number;
  nud_state = NUD_NONE;
  type = 0;
  dead = 0;
  flags = 0;
  confirmed = WIDE;
  updated = WIDE;
  used = WIDE;
  probes = 0;
  arp_queue_len_bytes = 0;
  readonly arp_queue = new sk_buff_head();
  readonly ha = new Uint8Array(6);
  readonly hh = new hh_cache();
  timer: timer_list = null as unknown as timer_list;
  refcnt = 1;
  exempt_from_gc = false;

  constructor(tbl: neigh_table, dev: net_device, key: number, parms: neigh_parms) {
    this.tbl = tbl;
    this.dev = dev;
    this.primary_key = key;
    this.parms = parms;
  }
}

/** Counters of /proc/net/stat/arp_cache. */
export class neigh_statistics {
  allocs = 0;
  destroys = 0;
  hash_grows = 0;
  res_failed = 0;
  lookups = 0;
  hits = 0;
  forced_gc_runs = 0;
  periodic_gc_runs = 0;
  unres_discards = 0;
  table_fulls = 0;
}

/** Buckets of neighbours; grows by doubling. */
export class neigh_hash_table {
  readonly hash_buckets: (neighbour | null)[];
  readonly hash_shift: number;
  readonly hash_rnd: number;

  constructor(shift: number, rnd: number) {
    this.hash_buckets = new Array<neighbour | null>(1 << shift).fill(null);
    this.hash_shift = shift;
    this.hash_rnd = rnd;
  }
}

export class neigh_table {
  readonly family: number;
  readonly id: string;
  /** Of the packets that go through it (ETH_P_*). */
  protocol = 0x0800;
  /** Sets up a fresh neighbour (arp_constructor); returns 0 or -errno. */
  constructor_: (neigh: neighbour) => number;
  readonly parms: neigh_parms;
  /** arp_hash, arp_key_eq. */
  hash: (pkey: number, dev: net_device, hash_rnd: number) => number = null as unknown as neigh_table['hash'];
  /** neigh_timer_handler, which is not in the file that makes neighbours. */
  timer_handler: (neigh: neighbour) => void = null as unknown as neigh_table['timer_handler'];
  key_eq: (neigh: neighbour, pkey: number) => boolean = null as unknown as neigh_table['key_eq'];
  nht = new neigh_hash_table(3, 1);
  /** net.ipv4.neigh.DEV.* */
  readonly parms_list: neigh_parms[] = [];
  readonly stats = new neigh_statistics();
  gc_thresh1 = 128;
  gc_thresh2 = 512;
  gc_thresh3 = 1024;
  /** Neighbours in it, and those of them that garbage collection may take. */
  entries = 0;
  gc_entries = 0;
  last_flush = WIDE;
  last_rand = WIDE;
  gc_timer: timer_list | null = null;

  constructor(family: number, id: string, setup: (neigh: neighbour) => number, parms: neigh_parms) {
    this.family = family;
    this.id = id;
    this.constructor_ = setup;
    this.parms = parms;
  }
}
