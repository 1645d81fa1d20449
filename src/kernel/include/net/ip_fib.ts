/** include/net/ip_fib.h, uapi/linux/rtnetlink.h: routes as the forwarding tables keep them, and results of lookups. */
import type { net_device } from '../linux/netdevice.ts';
import type { rtable } from './dst.ts';
import { flowi4 } from './inet_sock.ts';
import type { net } from './net_namespace.ts';

export const RTN_UNSPEC = 0;
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RTN_BROADCAST = 3;
export const RTN_ANYCAST = 4;
export const RTN_MULTICAST = 5;
export const RTN_BLACKHOLE = 6;
export const RTN_UNREACHABLE = 7;
export const RTN_PROHIBIT = 8;
export const RTN_THROW = 9;

export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_SITE = 200;
export const RT_SCOPE_LINK = 253;
export const RT_SCOPE_HOST = 254;
export const RT_SCOPE_NOWHERE = 255;

export const RT_TABLE_UNSPEC = 0;
export const RT_TABLE_DEFAULT = 253;
export const RT_TABLE_MAIN = 254;
export const RT_TABLE_LOCAL = 255;

export const RTPROT_KERNEL = 2;
export const RTPROT_BOOT = 3;
export const RTPROT_STATIC = 4;

export const RTNH_F_DEAD = 1;
export const RTNH_F_ONLINK = 4;
export const RTNH_F_LINKDOWN = 16;

export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;

export const FLOWI_FLAG_ANYSRC = 0x01;
export const FLOWI_FLAG_KNOWN_NH = 0x02;
export const FLOWI_FLAG_ANY_SPORT = 0x08;

/** A destination that this next hop treats otherwise than the others: redirected, or with a smaller path MTU. */
export class fib_nh_exception {
  readonly fnhe_daddr: number;
  fnhe_genid = 0;
  fnhe_pmtu = 0;
  fnhe_mtu_locked = false;
  fnhe_gw = 0;
  /** In jiffies; 0: never. */
  fnhe_expires = 0;
  fnhe_rth_input: rtable | null = null;
  fnhe_rth_output: rtable | null = null;
  fnhe_stamp = 0;

  constructor(daddr: number) {
    this.fnhe_daddr = daddr;
  }
}

/** struct fib_nh with its fib_nh_common: one way out of a route. */
export class fib_nh {
  nhc_dev: net_device | null = null;
  nhc_oif = 0;
  nhc_scope = RT_SCOPE_LINK;
  nhc_gw_family = 0;
  nhc_gw = 0;
  nhc_flags = 0;
  nhc_weight = 1;
  /** Multipath: flows whose hash is not above this go here. */
  fib_nh_upper_bound = 0;
  /** Source address it suggests, and when that was found out. */
  nh_saddr = 0;
  nh_saddr_genid = -1;
  /** Cached destinations: one for packets in, one a CPU for packets out. */
  nhc_rth_input: rtable | null = null;
  readonly nhc_pcpu_rth_output: (rtable | null)[] = [];
  nhc_exceptions: Map<number, fib_nh_exception> | null = null;
  readonly nh_parent: fib_info;

  constructor(parent: fib_info) {
    this.nh_parent = parent;
  }
}

export class fib_info {
  readonly fib_net: net;
  fib_treeref = 0;
  fib_flags = 0;
  fib_protocol = 0;
  fib_scope = 0;
  fib_type = RTN_UNICAST;
  fib_prefsrc = 0;
  fib_tb_id = 0;
  fib_priority = 0;
  fib_dead = false;
  /** By RTAX_*; null when the route has none. */
  fib_metrics: number[] | null = null;
  readonly fib_nh: fib_nh[] = [];

  constructor(network: net) {
    this.fib_net = network;
  }
}

/** What `ip route` asks for: struct fib_config. */
export interface fib_config {
  fc_dst: number;
  fc_dst_len: number;
  fc_tos?: number;
  fc_protocol?: number;
  fc_scope?: number;
  fc_type?: number;
  fc_table?: number;
  fc_flags?: number;
  fc_oif?: number;
  fc_gw4?: number;
  fc_priority?: number;
  fc_prefsrc?: number;
  /** Metrics by RTAX_* (lock bits at RTAX_LOCK). */
  fc_mx?: number[] | null;
  /** Multipath: RTA_MULTIPATH. */
  fc_mp?: { rtnh_oif?: number; gw?: number; flags?: number; weight?: number }[];
  /** NLM_F_* of the request. */
  fc_nlflags?: number;
}

/** One route of a prefix. */
export class fib_alias {
  readonly prefix: number;
  readonly plen: number;
  readonly fa_tos: number;
  readonly fa_type: number;
  readonly tb_id: number;
  fa_info: fib_info;
  fa_accessed = false;

  constructor(prefix: number, plen: number, tos: number, type: number, tb_id: number, info: fib_info) {
    this.prefix = prefix;
    this.plen = plen;
    this.fa_tos = tos;
    this.fa_type = type;
    this.tb_id = tb_id;
    this.fa_info = info;
  }
}

/**
 * Routes by prefix length, then by prefix.
 * Simplified: Linux has a level-compressed trie; a lookup here tries the prefix lengths that occur, longest first.
 */
export class trie {
  readonly byLength: (Map<number, fib_alias[]> | null)[] = new Array<Map<number, fib_alias[]> | null>(33).fill(null);
  /** Prefix lengths that occur, longest first. */
  lengths: number[] = [];
}

export class fib_table {
  readonly tb_id: number;
  /** Until there are rules of one's own, `local` and `main` share one. */
  readonly tb_data: trie;
  tb_num_default = 0;

  constructor(id: number, data: trie) {
    this.tb_id = id;
    this.tb_data = data;
  }
}

export class fib_result {
  prefix = 0;
  prefixlen = 0;
  nh_sel = 0;
  type = RTN_UNSPEC;
  scope = 0;
  nhc: fib_nh | null = null;
  fi: fib_info | null = null;
  table: fib_table | null = null;
  fa_head: fib_alias[] | null = null;
}

/** Tables of a host, and the objects that lookups fill: each used by one function that does not call itself. */
export class fibState {
  readonly local: fib_table;
  readonly main: fib_table;
  readonly default_: fib_table;
  readonly fib_info: fib_info[] = [];
  /** Bumped with every change of routes and addresses: nh_saddr is checked against it. */
  dev_addr_genid = 1;
  readonly typeRes = new fib_result();
  readonly typeFl4 = new flowi4();
  readonly validateRes = new fib_result();
  readonly validateFl4 = new flowi4();
  readonly inputRes = new fib_result();
  readonly inputFl4 = new flowi4();
  readonly outputRes = new fib_result();
  readonly questionFl4 = new flowi4();

  constructor(merged: trie) {
    this.local = new fib_table(RT_TABLE_LOCAL, merged);
    this.main = new fib_table(RT_TABLE_MAIN, merged);
    this.default_ = new fib_table(RT_TABLE_DEFAULT, new trie());
  }
}

export const FIB_RES_NHC = (res: fib_result): fib_nh => res.nhc!;
export const FIB_RES_DEV = (res: fib_result): net_device => res.nhc!.nhc_dev!;
export const FIB_RES_OIF = (res: fib_result): number => res.nhc!.nhc_oif;
