/**
 * net/ipv4/fib_trie.c: routing tables: routes inserted, deleted, flushed, listed.
 * `fib_table_insert` → `fib_create_info` → alias in the order in which lookups try them; `fib_table_delete`; `fib_table_flush`.
 */
import {
  fib_alias,
  type fib_config,
  type fib_info,
  type fib_table,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  RT_SCOPE_NOWHERE,
  RTN_UNSPEC,
  RTNH_F_DEAD,
  type trie,
} from '../../include/net/ip_fib.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { EEXIST, EINVAL, ENOENT, ESRCH } from '../../uapi/errno.ts';
import { fib_create_info, fib_release_info } from './fib_semantics.ts';
import { maskTo } from './fib_trie_lookup.ts';

/** 0 or -errno. NLM_F_* in fc_nlflags say whether an equal route may be there, is replaced, or must be there. */
export function fib_table_insert(network: net, tb: fib_table, cfg: fib_config): number {
  if (!fib_valid_key_len(cfg)) return -EINVAL;
  const fi = fib_create_info(network, cfg);
  if (typeof fi === 'number') return fi;
  const flags = cfg.fc_nlflags ?? NLM_F_CREATE | NLM_F_EXCL;
  const list = aliasesOf(tb.tb_data, cfg.fc_dst, cfg.fc_dst_len);
  const err = place(tb, list, cfg, fi, flags);
  if (err !== 0) {
    fib_release_info(fi);
    if (list.length === 0) removePrefix(tb.tb_data, cfg.fc_dst, cfg.fc_dst_len);
    return err;
  }
  return 0;
}

function fib_valid_key_len(cfg: fib_config): boolean {
  return cfg.fc_dst_len >= 0 && cfg.fc_dst_len <= 32 && maskTo(cfg.fc_dst, cfg.fc_dst_len) === cfg.fc_dst;
}

function place(tb: fib_table, list: fib_alias[], cfg: fib_config, fi: fib_info, flags: number): number {
  const tos = cfg.fc_tos ?? 0;
  const equals = list.filter((fa) => fa.tb_id === tb.tb_id && fa.fa_tos === tos && fa.fa_info.fib_priority === fi.fib_priority);
  const first = equals[0];
  if (first !== undefined) {
    if ((flags & NLM_F_EXCL) !== 0) return -EEXIST;
    if ((flags & NLM_F_REPLACE) !== 0) return replace(list, first, cfg, fi);
    if (equals.some((fa) => fa.fa_type === fi.fib_type && fa.fa_info === fi)) return -EEXIST;
  } else if ((flags & NLM_F_CREATE) === 0) return -ENOENT;
  const fa = newAlias(tb, cfg, fi);
  const at = first !== undefined && (flags & NLM_F_APPEND) === 0 ? list.indexOf(first) : insertionPoint(list, fa);
  list.splice(at, 0, fa);
  if (cfg.fc_dst_len === 0) tb.tb_num_default++;
  return 0;
}

function replace(list: fib_alias[], old: fib_alias, cfg: fib_config, fi: fib_info): number {
  if (old.fa_info === fi && old.fa_type === fi.fib_type) {
    fi.fib_treeref--;
    return 0;
  }
  list[list.indexOf(old)] = new fib_alias(cfg.fc_dst, cfg.fc_dst_len, cfg.fc_tos ?? 0, fi.fib_type, old.tb_id, fi);
  fib_release_info(old.fa_info);
  return 0;
}

const newAlias = (tb: fib_table, cfg: fib_config, fi: fib_info): fib_alias =>
  new fib_alias(cfg.fc_dst, cfg.fc_dst_len, cfg.fc_tos ?? 0, fi.fib_type, tb.tb_id, fi);

/** Lookups try: table local before main, then higher TOS, then lower priority value, then the older one. */
function insertionPoint(list: readonly fib_alias[], fa: fib_alias): number {
  const index = list.findIndex((other) => precedes(fa, other));
  return index < 0 ? list.length : index;
}

function precedes(a: fib_alias, b: fib_alias): boolean {
  if (a.tb_id !== b.tb_id) return a.tb_id > b.tb_id;
  if (a.fa_tos !== b.fa_tos) return a.fa_tos > b.fa_tos;
  return a.fa_info.fib_priority < b.fa_info.fib_priority;
}

function aliasesOf(t: trie, prefix: number, plen: number): fib_alias[] {
  let map = t.byLength[plen]!;
  if (map === null) {
    map = t.byLength[plen] = new Map();
    t.lengths = [...t.lengths, plen].sort((a, b) => b - a);
  }
  let list = map.get(prefix);
  if (list === undefined) map.set(prefix, (list = []));
  return list;
}

function removePrefix(t: trie, prefix: number, plen: number): void {
  const map = t.byLength[plen]!;
  if (map === null) return;
  map.delete(prefix);
  if (map.size > 0) return;
  t.byLength[plen] = null;
  t.lengths = t.lengths.filter((length) => length !== plen);
}

/** Deletes the first route that fits what is given; -ESRCH when there is none. */
export function fib_table_delete(_network: net, tb: fib_table, cfg: fib_config): number {
  if (!fib_valid_key_len(cfg)) return -EINVAL;
  const list = tb.tb_data.byLength[cfg.fc_dst_len]?.get(cfg.fc_dst);
  const fa = list?.find((candidate) => candidate.tb_id === tb.tb_id && matches(candidate, cfg));
  if (list === undefined || fa === undefined) return -ESRCH;
  remove(tb.tb_data, list, fa);
  if (cfg.fc_dst_len === 0) tb.tb_num_default--;
  return 0;
}

function matches(fa: fib_alias, cfg: fib_config): boolean {
  const fi = fa.fa_info;
  return (
    fa.fa_tos === (cfg.fc_tos ?? 0) &&
    ((cfg.fc_type ?? RTN_UNSPEC) === RTN_UNSPEC || fa.fa_type === cfg.fc_type) &&
    ((cfg.fc_scope ?? RT_SCOPE_NOWHERE) === RT_SCOPE_NOWHERE || fi.fib_scope === cfg.fc_scope) &&
    ((cfg.fc_prefsrc ?? 0) === 0 || fi.fib_prefsrc === cfg.fc_prefsrc) &&
    ((cfg.fc_protocol ?? 0) === 0 || fi.fib_protocol === cfg.fc_protocol) &&
    ((cfg.fc_priority ?? 0) === 0 || fi.fib_priority === cfg.fc_priority) &&
    ((cfg.fc_oif ?? 0) === 0 || fi.fib_nh.some((nh) => nh.nhc_oif === cfg.fc_oif)) &&
    ((cfg.fc_gw4 ?? 0) === 0 || fi.fib_nh.some((nh) => nh.nhc_gw === cfg.fc_gw4))
  );
}

function remove(t: trie, list: fib_alias[], fa: fib_alias): void {
  list.splice(list.indexOf(fa), 1);
  if (list.length === 0) removePrefix(t, fa.prefix, fa.plen);
  fib_release_info(fa.fa_info);
}

/** Takes out dead routes (or, with `all`, every one); returns how many. */
export function fib_table_flush(_network: net, tb: fib_table, all: boolean): number {
  let found = 0;
  for (const fa of fib_table_dump(tb)) {
    if (!all && (fa.fa_info.fib_flags & RTNH_F_DEAD) === 0) continue;
    remove(tb.tb_data, tb.tb_data.byLength[fa.plen]!.get(fa.prefix)!, fa);
    if (fa.plen === 0) tb.tb_num_default--;
    found++;
  }
  return found;
}

/** All routes of a table as `ip route show` lists them: by prefix, longer ones after the shorter that contain them. */
export function fib_table_dump(tb: fib_table): fib_alias[] {
  const routes: fib_alias[] = [];
  for (const map of tb.tb_data.byLength) {
    if (map === null) continue;
    for (const list of map.values()) for (const fa of list) if (fa.tb_id === tb.tb_id) routes.push(fa);
  }
  return routes.sort((a, b) => a.prefix - b.prefix || a.plen - b.plen);
}
