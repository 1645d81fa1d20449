/**
 * net/ipv4/fib_trie.c, include/net/ip_fib.h: looking up routes.
 * `fib_lookup` → `fib_table_lookup` (main, then default) → longest prefix, first alias that fits → `fib_result`.
 *
 * Tables local and main share one trie as long as there are no rules of the administrator's own, so one lookup serves both.
 * Simplified: there are no such rules (`ip rule add`).
 */
import { trace } from '../../current.ts';
import type { flowi4 } from '../../include/net/inet_sock.ts';
import {
  type fib_alias,
  type fib_nh,
  type fib_result,
  type fib_table,
  fibState,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_DEFAULT,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
  trie,
} from '../../include/net/ip_fib.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { EACCES, EAGAIN, EHOSTUNREACH, EINVAL, ENETUNREACH } from '../../uapi/errno.ts';

/** What a route type means: the error it stands for, and the widest scope it may have. */
export interface fib_prop {
  readonly error: number;
  readonly scope: number;
}

const prop = (error: number, scope: number): fib_prop => ({ error, scope });

/** By RTN_*. */
export const fib_props: readonly fib_prop[] = [
  prop(0, RT_SCOPE_NOWHERE), // RTN_UNSPEC
  prop(0, RT_SCOPE_UNIVERSE), // RTN_UNICAST
  prop(0, RT_SCOPE_HOST), // RTN_LOCAL
  prop(0, RT_SCOPE_LINK), // RTN_BROADCAST
  prop(0, RT_SCOPE_LINK), // RTN_ANYCAST
  prop(0, RT_SCOPE_UNIVERSE), // RTN_MULTICAST
  prop(-EINVAL, RT_SCOPE_UNIVERSE), // RTN_BLACKHOLE
  prop(-EHOSTUNREACH, RT_SCOPE_UNIVERSE), // RTN_UNREACHABLE
  prop(-EACCES, RT_SCOPE_UNIVERSE), // RTN_PROHIBIT
  prop(-EAGAIN, RT_SCOPE_UNIVERSE), // RTN_THROW
];

export function fib_net_init(network: net): void {
  network.ipv4.fib = new fibState(new trie());
}

export function fib_get_table(network: net, id: number): fib_table | null {
  const { fib } = network.ipv4;
  if (id === RT_TABLE_MAIN) return fib.main;
  if (id === RT_TABLE_LOCAL) return fib.local;
  return id === RT_TABLE_DEFAULT ? fib.default_ : null;
}

/** Fills `res` with the route that `flp` takes; 0 or -errno. */
export function fib_lookup(network: net, flp: flowi4, res: fib_result, fib_flags: number): number {
  const { fib } = network.ipv4;
  let err = fib_table_lookup(fib.main, flp, res, fib_flags);
  if (err === -EAGAIN && fib.default_.tb_data.lengths.length > 0) err = fib_table_lookup(fib.default_, flp, res, fib_flags);
  return err === -EAGAIN ? -ENETUNREACH : err;
}

/** -EAGAIN when the table has no route (or says "throw"). */
export function fib_table_lookup(tb: fib_table, flp: flowi4, res: fib_result, fib_flags: number): number {
  const { byLength, lengths } = tb.tb_data;
  const key = flp.daddr;
  for (let i = 0; i < lengths.length; i++) {
    const plen = lengths[i]!;
    const aliases = byLength[plen]!.get(maskTo(key, plen));
    if (aliases === undefined) continue;
    const err = checkAliases(tb, aliases, flp, res, fib_flags);
    if (err !== NO_MATCH) return err;
  }
  trace().fib_table_lookup?.(tb.tb_id, flp, null, -EAGAIN);
  return -EAGAIN;
}

/** None of the aliases fits: a shorter prefix may. */
const NO_MATCH = 1;

export const maskTo = (addr: number, plen: number): number => (plen === 0 ? 0 : (addr & (-1 << (32 - plen))) >>> 0);

function checkAliases(tb: fib_table, aliases: fib_alias[], flp: flowi4, res: fib_result, fib_flags: number): number {
  for (let i = 0; i < aliases.length; i++) {
    const fa = aliases[i]!;
    const fi = fa.fa_info;
    if (fa.fa_tos !== 0 && fa.fa_tos !== flp.flowi4_tos) continue;
    if (fi.fib_dead || fi.fib_scope < flp.flowi4_scope) continue;
    fa.fa_accessed = true;
    const err = fib_props[fa.fa_type]!.error;
    if (err !== 0) {
      trace().fib_table_lookup?.(tb.tb_id, flp, null, err);
      return err;
    }
    if ((fi.fib_flags & RTNH_F_DEAD) !== 0) continue;
    const nhsel = usableNexthop(fi.fib_nh, fib_flags, flp);
    if (nhsel < 0) continue;
    fillResult(tb, aliases, fa, nhsel, res);
    trace().fib_table_lookup?.(tb.tb_id, flp, { dev: res.nhc!.nhc_dev, gw: res.nhc!.nhc_gw }, 0);
    return 0;
  }
  return NO_MATCH;
}

function usableNexthop(nexthops: readonly fib_nh[], fib_flags: number, flp: flowi4): number {
  for (let i = 0; i < nexthops.length; i++) if (fib_lookup_good_nhc(nexthops[i]!, fib_flags, flp)) return i;
  return -1;
}

export const FIB_LOOKUP_NOREF = 1;
export const FIB_LOOKUP_IGNORE_LINKSTATE = 2;

function fib_lookup_good_nhc(nhc: fib_nh, fib_flags: number, flp: flowi4): boolean {
  if ((nhc.nhc_flags & RTNH_F_DEAD) !== 0) return false;
  if ((nhc.nhc_flags & RTNH_F_LINKDOWN) !== 0 && (fib_flags & FIB_LOOKUP_IGNORE_LINKSTATE) === 0 && ignoresLinkdown(nhc)) return false;
  return flp.flowi4_oif === 0 || flp.flowi4_oif === nhc.nhc_oif;
}

function ignoresLinkdown(nhc: fib_nh): boolean {
  const in_dev = nhc.nhc_dev?.ip_ptr ?? null;
  return (
    in_dev !== null &&
    (in_dev.cnf.ignore_routes_with_linkdown !== 0 || in_dev.dev.nd_net.ipv4.devconf_all.ignore_routes_with_linkdown !== 0)
  );
}

function fillResult(tb: fib_table, aliases: fib_alias[], fa: fib_alias, nhsel: number, res: fib_result): void {
  res.prefix = fa.prefix;
  res.prefixlen = fa.plen;
  res.nh_sel = nhsel;
  res.nhc = fa.fa_info.fib_nh[nhsel]!;
  res.type = fa.fa_type;
  res.scope = fa.fa_info.fib_scope;
  res.fi = fa.fa_info;
  res.table = tb;
  res.fa_head = aliases;
}
