/**
 * net/ipv4/fib_semantics.c: what routes mean: next hops, metrics, sources, choice among several ways.
 * `fib_create_info` (checked, shared between equal routes) … `fib_select_path` → `fib_select_multipath`, `fib_result_prefsrc`.
 *
 * Simplified: next hops of other families (via inet6), nexthop objects (`ip nexthop`), encapsulations and flow classes are absent.
 */
import { IFF_UP, type net_device } from '../../include/linux/netdevice.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { flowi4 } from '../../include/net/inet_sock.ts';
import {
  type fib_config,
  fib_info,
  fib_nh,
  fib_result,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_NOWHERE,
  RT_TABLE_MAIN,
  RTN_LOCAL,
  RTN_UNICAST,
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
  RTNH_F_ONLINK,
} from '../../include/net/ip_fib.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { EINVAL, ENETDOWN, ENETUNREACH, ENODEV } from '../../uapi/errno.ts';
import { dev_get_by_index_rcu } from '../core/dev.ts';
import { inet_lookup_ifaddr_rcu, inet_select_addr } from './devinet.ts';
import { FIB_LOOKUP_IGNORE_LINKSTATE, fib_lookup, fib_props, fib_table_lookup } from './fib_trie_lookup.ts';

const AF_INET = 2;

/** A route's information from what was asked for: an existing one if an equal one is there; -errno when it makes no sense. */
export function fib_create_info(network: net, cfg: fib_config): fib_info | number {
  const type = cfg.fc_type ?? RTN_UNICAST;
  const scope = cfg.fc_scope ?? 0;
  if (type >= fib_props.length || fib_props[type]!.scope > scope) return -EINVAL;
  const fi = new fib_info(network);
  fi.fib_protocol = cfg.fc_protocol ?? 0;
  fi.fib_scope = scope;
  fi.fib_type = type;
  fi.fib_flags = cfg.fc_flags ?? 0;
  fi.fib_priority = cfg.fc_priority ?? 0;
  fi.fib_prefsrc = cfg.fc_prefsrc ?? 0;
  fi.fib_tb_id = cfg.fc_table ?? RT_TABLE_MAIN;
  fi.fib_metrics = cfg.fc_mx ?? null;
  const err = fib_props[type]!.error !== 0 ? withoutNexthop(cfg, fi) : fillNexthops(network, cfg, fi);
  if (err !== 0) return err;
  if (fi.fib_prefsrc !== 0 && !fib_valid_prefsrc(cfg, fi.fib_prefsrc, network)) return -EINVAL;
  const same = fib_find_info(fi);
  if (same !== null) {
    same.fib_treeref++;
    return same;
  }
  fi.fib_treeref = 1;
  network.ipv4.fib.fib_info.push(fi);
  fib_rebalance(fi);
  return fi;
}

/** Routes that stand for an error lead nowhere. */
function withoutNexthop(cfg: fib_config, fi: fib_info): number {
  if ((cfg.fc_gw4 ?? 0) !== 0 || (cfg.fc_oif ?? 0) !== 0 || cfg.fc_mp !== undefined) return -EINVAL;
  fi.fib_nh.push(new fib_nh(fi));
  return 0;
}

function fillNexthops(network: net, cfg: fib_config, fi: fib_info): number {
  const hops = cfg.fc_mp ?? [{ rtnh_oif: cfg.fc_oif ?? 0, gw: cfg.fc_gw4 ?? 0, flags: cfg.fc_flags ?? 0 }];
  for (const hop of hops) {
    const nh = new fib_nh(fi);
    nh.nhc_oif = hop.rtnh_oif ?? 0;
    nh.nhc_gw = hop.gw ?? 0;
    nh.nhc_gw_family = nh.nhc_gw !== 0 ? AF_INET : 0;
    nh.nhc_flags = (hop.flags ?? 0) & RTNH_F_ONLINK;
    nh.nhc_weight = ('weight' in hop ? hop.weight : undefined) ?? 1;
    const err = fib_check_nh(network, nh, fi.fib_tb_id, fi.fib_scope);
    if (err !== 0) return err;
    fi.fib_nh.push(nh);
  }
  return 0;
}

/** Is the next hop there? Finds the device of a gateway that came without. */
function fib_check_nh(network: net, nh: fib_nh, table: number, scope: number): number {
  if (nh.nhc_gw_family !== 0) return fib_check_nh_v4_gw(network, nh, table, scope);
  const dev = dev_get_by_index_rcu(network, nh.nhc_oif);
  if (dev === null) return -ENODEV;
  if (scope === RT_SCOPE_HOST) nh.nhc_scope = RT_SCOPE_NOWHERE;
  else {
    if (dev.ip_ptr === null) return -ENODEV;
    if ((dev.flags & IFF_UP) === 0) return -ENETDOWN;
    nh.nhc_scope = RT_SCOPE_HOST;
  }
  return adoptDevice(nh, dev);
}

function fib_check_nh_v4_gw(network: net, nh: fib_nh, _table: number, scope: number): number {
  if (scope >= RT_SCOPE_LINK) return -EINVAL;
  if ((nh.nhc_flags & RTNH_F_ONLINK) !== 0) return onlinkGateway(network, nh);
  const fl4 = new flowi4();
  fl4.daddr = nh.nhc_gw;
  fl4.flowi4_scope = Math.max(scope + 1, RT_SCOPE_LINK);
  fl4.flowi4_oif = nh.nhc_oif;
  fl4.flowi4_iif = 1;
  const res = new fib_result();
  if (fib_lookup(network, fl4, res, FIB_LOOKUP_IGNORE_LINKSTATE) !== 0) return -ENETUNREACH;
  if (res.type !== RTN_UNICAST && res.type !== RTN_LOCAL) return -EINVAL;
  const dev = res.nhc!.nhc_dev;
  if (dev === null) return -ENODEV;
  nh.nhc_scope = res.scope;
  nh.nhc_oif = res.nhc!.nhc_oif;
  if ((dev.flags & IFF_UP) === 0) return -ENETDOWN;
  return adoptDevice(nh, dev);
}

function onlinkGateway(network: net, nh: fib_nh): number {
  const dev = dev_get_by_index_rcu(network, nh.nhc_oif);
  if (dev === null) return -ENODEV;
  if ((dev.flags & IFF_UP) === 0) return -ENETDOWN;
  if (inet_lookup_ifaddr_rcu(network, nh.nhc_gw) !== null) return -EINVAL;
  nh.nhc_scope = RT_SCOPE_LINK;
  return adoptDevice(nh, dev);
}

function adoptDevice(nh: fib_nh, dev: net_device): number {
  nh.nhc_dev = dev;
  if (!dev.carrier) nh.nhc_flags |= RTNH_F_LINKDOWN;
  return 0;
}

/** A preferred source must be an address of this host, or the very one a local route is about. */
function fib_valid_prefsrc(cfg: fib_config, fib_prefsrc: number, network: net): boolean {
  if (cfg.fc_type === RTN_LOCAL && cfg.fc_dst_len === 32 && cfg.fc_dst === fib_prefsrc) return true;
  const fl4 = new flowi4();
  const res = new fib_result();
  fl4.daddr = fib_prefsrc;
  return fib_table_lookup(network.ipv4.fib.local, fl4, res, 0) === 0 && res.type === RTN_LOCAL;
}

/** An equal one among those that are there. */
export function fib_find_info(fi: fib_info): fib_info | null {
  for (const other of fi.fib_net.ipv4.fib.fib_info) if (!other.fib_dead && sameInfo(other, fi)) return other;
  return null;
}

function sameInfo(a: fib_info, b: fib_info): boolean {
  return (
    a.fib_protocol === b.fib_protocol &&
    a.fib_scope === b.fib_scope &&
    a.fib_type === b.fib_type &&
    a.fib_prefsrc === b.fib_prefsrc &&
    a.fib_priority === b.fib_priority &&
    a.fib_tb_id === b.fib_tb_id &&
    ((a.fib_flags ^ b.fib_flags) & ~(RTNH_F_DEAD | RTNH_F_LINKDOWN)) === 0 &&
    sameMetrics(a.fib_metrics, b.fib_metrics) &&
    a.fib_nh.length === b.fib_nh.length &&
    a.fib_nh.every((nh, i) => sameNexthop(nh, b.fib_nh[i]!))
  );
}

const sameNexthop = (a: fib_nh, b: fib_nh): boolean =>
  a.nhc_oif === b.nhc_oif && a.nhc_gw === b.nhc_gw && a.nhc_scope === b.nhc_scope && a.nhc_weight === b.nhc_weight;

function sameMetrics(a: number[] | null, b: number[] | null): boolean {
  if (a === null || b === null) return a === b;
  for (let i = 0; i < Math.max(a.length, b.length); i++) if ((a[i] ?? 0) !== (b[i] ?? 0)) return false;
  return true;
}

/** One route less uses it; the last one takes it, and what was cached at it, away. */
export function fib_release_info(fi: fib_info): void {
  if (--fi.fib_treeref > 0) return;
  fi.fib_dead = true;
  const all = fi.fib_net.ipv4.fib.fib_info;
  const index = all.indexOf(fi);
  if (index >= 0) all.splice(index, 1);
}

/* Choice */

/** With several ways, or a source still to be chosen: settles both in `res` and `fl4`. */
export function fib_select_path(network: net, res: fib_result, fl4: flowi4, _skb: sk_buff | null): void {
  if (fl4.flowi4_oif === 0 && res.fi!.fib_nh.length > 1) fib_select_multipath(res, fib_multipath_hash(fl4));
  else if (res.prefixlen === 0 && res.table!.tb_num_default > 1 && res.type === RTN_UNICAST && fl4.flowi4_oif === 0)
    fib_select_default(res);
  if (fl4.saddr === 0) fl4.saddr = sourceOf(network, res);
}

function sourceOf(network: net, res: fib_result): number {
  dev_get_by_index_rcu(network, res.nhc!.nhc_oif);
  return fib_result_prefsrc(network, res);
}

/** fib_multipath_hash_policy 0: addresses only. */
function fib_multipath_hash(fl4: flowi4): number {
  let h = Math.imul(fl4.saddr ^ Math.imul(fl4.daddr, 0x9e37_79b1), 0x85eb_ca6b);
  h ^= h >>> 13;
  return Math.imul(h, 0xc2b2_ae35) >>> 1;
}

function fib_select_multipath(res: fib_result, hash: number): void {
  const hops = res.fi!.fib_nh;
  for (let i = 0; i < hops.length; i++) {
    const nh = hops[i]!;
    if ((nh.nhc_flags & RTNH_F_DEAD) !== 0 || hash > nh.fib_nh_upper_bound) continue;
    res.nh_sel = i;
    res.nhc = nh;
    return;
  }
}

/** Of several default routes of the same priority: the first that is usable. Simplified: Linux prefers one whose gateway's neighbour entry is valid. */
function fib_select_default(res: fib_result): void {
  for (const fa of res.fa_head!) {
    const fi = fa.fa_info;
    if (fi.fib_dead || (fi.fib_flags & RTNH_F_DEAD) !== 0 || fi.fib_scope !== res.scope || fa.fa_type !== RTN_UNICAST) continue;
    if (fi.fib_priority > res.fi!.fib_priority) break;
    res.fi = fi;
    res.nhc = fi.fib_nh[0]!;
    return;
  }
}

/** Gives each way its part of the hash space, by weight. */
export function fib_rebalance(fi: fib_info): void {
  let total = 0;
  for (const nh of fi.fib_nh) if ((nh.nhc_flags & RTNH_F_DEAD) === 0) total += nh.nhc_weight;
  let sum = 0;
  for (const nh of fi.fib_nh) {
    if ((nh.nhc_flags & RTNH_F_DEAD) !== 0) nh.fib_nh_upper_bound = -1;
    else {
      sum += nh.nhc_weight;
      nh.fib_nh_upper_bound = Math.round((sum / total) * 0x8000_0000) - 1;
    }
  }
}

/** The source that packets of this route get: its own, or one that suits the next hop. */
export function fib_result_prefsrc(network: net, res: fib_result): number {
  if (res.fi!.fib_prefsrc !== 0) return res.fi!.fib_prefsrc;
  const nhc = res.nhc!;
  if (nhc.nh_saddr_genid === network.ipv4.fib.dev_addr_genid) return nhc.nh_saddr;
  return fib_info_update_nhc_saddr(network, nhc, res.fi!.fib_scope);
}

function fib_info_update_nhc_saddr(network: net, nhc: fib_nh, scope: number): number {
  nhc.nh_saddr = inet_select_addr(nhc.nhc_dev!, nhc.nhc_gw, scope);
  nhc.nh_saddr_genid = network.ipv4.fib.dev_addr_genid;
  return nhc.nh_saddr;
}

/* Devices that come and go */

/**
 * Marks the ways through a device as gone (RTNH_F_DEAD) or as without carrier; returns how many routes lost their last way. Routes to the
 * host's own addresses outlive a device that goes down, unless `force` says that it is gone for good.
 */
export function fib_sync_down_dev(dev: net_device, flag: number, force: boolean): number {
  let dead = 0;
  for (const fi of dev.nd_net.ipv4.fib.fib_info) {
    for (const nh of fi.fib_nh) if (nh.nhc_dev === dev && (force || nh.nhc_scope !== RT_SCOPE_NOWHERE)) nh.nhc_flags |= flag;
    const gone = fi.fib_nh.length > 0 && fi.fib_nh.every((nh) => nh.nhc_dev !== null && (nh.nhc_flags & flag) !== 0);
    if (gone && (fi.fib_flags & flag) === 0) {
      fi.fib_flags |= flag;
      dead++;
    }
    fib_rebalance(fi);
  }
  return dead;
}

/** The device is back: so are the ways through it. */
export function fib_sync_up(dev: net_device, flag: number): number {
  let alive = 0;
  for (const fi of dev.nd_net.ipv4.fib.fib_info) {
    for (const nh of fi.fib_nh) {
      if (nh.nhc_dev !== dev || (nh.nhc_flags & flag) === 0) continue;
      nh.nhc_flags &= ~flag;
      fi.fib_flags &= ~flag;
      alive++;
    }
    fib_rebalance(fi);
  }
  return alive;
}

/** An address is gone: routes that prefer it as source go, too. */
export function fib_sync_down_addr(dev: net_device, local: number): number {
  let count = 0;
  for (const fi of dev.nd_net.ipv4.fib.fib_info) {
    if (fi.fib_prefsrc !== local) continue;
    fi.fib_flags |= RTNH_F_DEAD;
    count++;
  }
  return count;
}
