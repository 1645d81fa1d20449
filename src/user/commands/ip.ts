/** ip: link set, address add|del, route add|replace|del|get, neigh add|del, and show (-s) of each, in iproute2's words. */
import { kernel } from '../../kernel/current.ts';
import { IFF_PROMISC, IFF_UP, type net_device } from '../../kernel/include/linux/netdevice.ts';
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import {
  DST_FEATURE_ECN_CA,
  RTAX_ADVMSS,
  RTAX_CC_ALGO,
  RTAX_CWND,
  RTAX_FEATURE_ECN,
  RTAX_FEATURES,
  RTAX_HOPLIMIT,
  RTAX_INITCWND,
  RTAX_INITRWND,
  RTAX_LOCK,
  RTAX_MTU,
  RTAX_QUICKACK,
  RTAX_REORDERING,
  RTAX_RTO_MIN,
  RTAX_RTT,
  RTAX_RTTVAR,
  RTAX_SSTHRESH,
  RTAX_WINDOW,
} from '../../kernel/include/net/dst.ts';
import {
  type fib_config,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  RTN_BLACKHOLE,
  RTN_PROHIBIT,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from '../../kernel/include/net/ip_fib.ts';
import { NUD_PERMANENT } from '../../kernel/include/net/neighbour.ts';
import { TCP_CONG_NEEDS_ECN } from '../../kernel/include/net/tcp_congestion_ops.ts';
import { dev_change_flags, dev_get_flags, dev_set_mtu, dev_set_promiscuity } from '../../kernel/net/core/dev.ts';
import { neigh_add, neigh_delete } from '../../kernel/net/core/neighbour.ts';
import { inet_rtm_deladdr, inet_rtm_newaddr } from '../../kernel/net/ipv4/devinet.ts';
import { inet_rtm_delroute, inet_rtm_newroute } from '../../kernel/net/ipv4/fib_frontend.ts';
import { TCP_CA_UNSPEC, tcp_ca_get_key_by_name } from '../../kernel/net/ipv4/tcp_cong.ts';
import { errnoName } from '../../kernel/uapi/errno.ts';
import { CommandError, type Output, refuse } from './command.ts';
import { routeTables, SCOPES, showAddresses, showLinks, showNeighbours, showRoutes, showRouteTo } from './ip_show.ts';
import { Words } from './words.ts';

/** Global options: -s counts, -4 limits to IPv4. */
interface View {
  readonly details: number;
  readonly only4: boolean;
  readonly out: Output;
}

export function* ip(words: readonly string[], out: Output = () => undefined): Sleeping<number> {
  let at = 1;
  let details = 0;
  let only4 = false;
  for (; /^-/.test(words[at] ?? ''); at++) {
    const option = words[at]!;
    if (/^-s(tat.*)?$/.test(option)) details++;
    else if (option === '-4') only4 = true;
    else refuse('ip', option, 'one of the options -s -4');
  }
  const object = words[at] ?? '';
  const action = OBJECTS.find(([name]) => object !== '' && name.startsWith(object))?.[1];
  if (action === undefined) refuse('ip', object, 'one of link, address, route, neigh');
  return action(new Words('ip', words, at + 1), { details, only4, out });
}

const OBJECTS: readonly [string, (words: Words, view: View) => number][] = [
  ['link', link],
  ['address', address],
  ['route', route],
  ['neighbour', neigh],
];

/** `show`, also when nothing is said. */
function isShow(words: Words): boolean {
  if (!words.more) return true;
  return words.skip('show') || words.skip('list') || words.skip('ls') || words.skip('sh');
}

/** `[dev] NAME` of a show command; null when it is about all. */
function shownDevice(words: Words): net_device | null {
  words.skip('dev');
  return words.more ? device(words.take('an interface')) : null;
}

const shownDevices = (words: Words): readonly net_device[] => {
  const dev = shownDevice(words);
  return dev === null ? kernel().init_net.dev_base : [dev];
};

function device(name: string): net_device {
  const dev = kernel().init_net.dev_by_name.get(name);
  return dev ?? refuse('ip', name, `one of the interfaces ${[...kernel().init_net.dev_by_name.keys()].join(', ')}`);
}

/** Turns an errno into iproute2's line. */
function answer(result: number): number {
  if (result < 0) throw new CommandError(`RTNETLINK answers: ${errnoName(result)}`);
  return 0;
}

function parseIp(word: string): number {
  const parts = word.split('.').map(Number);
  if (!/^\d+(\.\d+){3}$/.test(word) || parts.some((part) => part > 255)) refuse('ip', word, 'an IPv4 address');
  return parts.reduce((value, part) => value * 256 + part, 0);
}

/** `10.0.0.0/24`, `10.0.0.1` (a /32) or `default`. */
function prefix(word: string): { address: number; length: number } {
  if (word === 'default' || word === '0/0') return { address: 0, length: 0 };
  const [base = '', length = '32'] = word.split('/');
  if (!/^\d+$/.test(length) || Number(length) > 32) refuse('ip', word, 'a prefix such as 10.0.0.0/24');
  return { address: parseIp(base), length: Number(length) };
}

function parseMac(word: string): Uint8Array {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(word)) refuse('ip', word, 'a MAC address such as 02:00:00:00:00:01');
  return Uint8Array.from(word.split(':'), (byte) => Number.parseInt(byte, 16));
}

function link(words: Words, view: View): number {
  if (isShow(words)) {
    showLinks(shownDevices(words), view.details, view.out);
    return 0;
  }
  const verb = words.take('set');
  if (verb !== 'set') refuse('ip link', verb, 'set');
  words.skip('dev');
  const dev = device(words.take('an interface'));
  while (words.more) linkSetting(dev, words);
  return 0;
}

function linkSetting(dev: net_device, words: Words): void {
  const setting = words.take('up, down, mtu, txqueuelen, promisc');
  if (setting === 'up') answer(dev_change_flags(dev, dev_get_flags(dev) | IFF_UP));
  else if (setting === 'down') answer(dev_change_flags(dev, dev_get_flags(dev) & ~IFF_UP));
  else if (setting === 'mtu') answer(dev_set_mtu(dev, words.number('an MTU')));
  else if (setting === 'txqueuelen' || setting === 'qlen') dev.tx_queue_len = words.number('a number of packets');
  else if (setting === 'promisc') {
    const on = words.take('on or off') === 'on';
    if (on !== ((dev_get_flags(dev) & IFF_PROMISC) !== 0)) dev_set_promiscuity(dev, on ? 1 : -1);
  } else refuse('ip link set', setting, 'up, down, mtu, txqueuelen or promisc');
}

function address(words: Words, view: View): number {
  if (isShow(words)) {
    showAddresses(shownDevices(words), view.details, view.only4, view.out);
    return 0;
  }
  const verb = words.take('add or del');
  const { address: ifa_local, length: ifa_prefixlen } = prefix(words.take('an address such as 10.0.0.1/24'));
  let dev: net_device | null = null;
  let ifa_broadcast = 0;
  while (words.more) {
    const word = words.take('dev');
    if (word === 'dev') dev = device(words.take('an interface'));
    else if (word === 'brd' || word === 'broadcast') ifa_broadcast = broadcast(words.take('an address or +'), ifa_local, ifa_prefixlen);
    else refuse('ip address', word, 'dev or broadcast');
  }
  if (dev === null) refuse('ip address', 'the end of the line', 'dev and an interface');
  const message = { dev, ifa_local, ifa_prefixlen, ifa_broadcast };
  if (verb === 'add') return answer(inet_rtm_newaddr(message));
  if (verb === 'del' || verb === 'delete') return answer(inet_rtm_deladdr(message));
  return refuse('ip address', verb, 'add or del');
}

const broadcast = (word: string, local: number, length: number): number =>
  word === '+' ? (length >= 31 ? 0 : (local | (0xffff_ffff >>> length)) >>> 0) : parseIp(word);

const TYPES: Readonly<Record<string, number>> = {
  unicast: RTN_UNICAST,
  blackhole: RTN_BLACKHOLE,
  unreachable: RTN_UNREACHABLE,
  prohibit: RTN_PROHIBIT,
};

const METRICS: Readonly<Record<string, number>> = {
  mtu: RTAX_MTU,
  window: RTAX_WINDOW,
  rtt: RTAX_RTT,
  rttvar: RTAX_RTTVAR,
  ssthresh: RTAX_SSTHRESH,
  cwnd: RTAX_CWND,
  advmss: RTAX_ADVMSS,
  reordering: RTAX_REORDERING,
  hoplimit: RTAX_HOPLIMIT,
  initcwnd: RTAX_INITCWND,
  initrwnd: RTAX_INITRWND,
  quickack: RTAX_QUICKACK,
  rto_min: RTAX_RTO_MIN,
};

function route(words: Words, view: View): number {
  if (isShow(words)) return listRoutes(words, view.out);
  if (words.skip('get')) {
    showRouteTo(words.address(), view.out);
    return 0;
  }
  const verb = words.take('add, replace, change or del');
  const network = kernel().init_net;
  const cfg = routeConfig(words);
  if (verb === 'del' || verb === 'delete') return answer(inet_rtm_delroute(network, cfg));
  const flags: Readonly<Record<string, number>> = {
    add: NLM_F_CREATE | NLM_F_EXCL,
    replace: NLM_F_CREATE | NLM_F_REPLACE,
    change: NLM_F_REPLACE,
    append: NLM_F_CREATE,
  };
  const fc_nlflags = flags[verb] ?? refuse('ip route', verb, 'add, replace, change, append or del');
  return answer(inet_rtm_newroute(network, { ...cfg, fc_nlflags }));
}

function listRoutes(words: Words, out: Output): number {
  const name = words.skip('table') ? words.take('a table') : 'main';
  const tables = routeTables(name) ?? refuse('ip route', name, 'one of the tables main, local, default, all');
  showRoutes(tables, shownDevice(words), out);
  return 0;
}

function routeConfig(words: Words): fib_config {
  const first = words.take('a destination such as 10.1.0.0/16 or default');
  const fc_type = TYPES[first];
  const { address: fc_dst, length: fc_dst_len } = prefix(fc_type === undefined ? first : words.take('a destination'));
  const cfg: fib_config = { fc_dst, fc_dst_len, ...(fc_type === undefined ? {} : { fc_type }) };
  while (words.more) routeSetting(cfg, words);
  return cfg;
}

function routeSetting(cfg: fib_config, words: Words): void {
  const word = words.take('via, dev, src, metric or a metric of TCP');
  if (word === 'via') cfg.fc_gw4 = parseIp(words.take('a gateway'));
  else if (word === 'dev') cfg.fc_oif = device(words.take('an interface')).ifindex;
  else if (word === 'src') cfg.fc_prefsrc = parseIp(words.take('a source address'));
  else if (word === 'metric') cfg.fc_priority = words.number('a number');
  else if (word === 'scope') cfg.fc_scope = scopeOf(words.take('a scope'));
  else if (word === 'features') {
    if (words.take('ecn') !== 'ecn') refuse('ip route', 'features', 'features ecn');
    setMetric(cfg, RTAX_FEATURES, RTAX_FEATURE_ECN);
  } else if (word === 'congctl') setCongestionControl(cfg, words);
  else {
    const metric =
      METRICS[word] ??
      refuse('ip route', word, `via, dev, src, metric, scope, features, congctl or one of ${Object.keys(METRICS).join(', ')}`);
    // rto_min counts only when it is locked, so ip(8) always does that.
    if (words.skip('lock') || metric === RTAX_RTO_MIN) setMetric(cfg, RTAX_LOCK, (cfg.fc_mx?.[RTAX_LOCK] ?? 0) | (1 << metric));
    setMetric(cfg, metric, metricValue(word, words.take('a number')));
  }
}

function scopeOf(word: string): number {
  for (const [scope, name] of SCOPES) if (name === word) return scope;
  return refuse('ip route', word, `one of the scopes ${[...SCOPES.values()].join(', ')}`);
}

/** The kernel knows algorithms by number; one that needs ECN asks for it on this route. */
function setCongestionControl(cfg: fib_config, words: Words): void {
  const locked = words.skip('lock');
  const network = kernel().init_net;
  const key = tcp_ca_get_key_by_name(network, words.take('the name of a congestion control'));
  if (key === TCP_CA_UNSPEC) throw new CommandError('RTNETLINK answers: Invalid argument');
  if (locked) setMetric(cfg, RTAX_LOCK, (cfg.fc_mx?.[RTAX_LOCK] ?? 0) | (1 << RTAX_CC_ALGO));
  setMetric(cfg, RTAX_CC_ALGO, key);
  if ((network.tcp_cong_list[key - 1]!.flags & TCP_CONG_NEEDS_ECN) !== 0)
    setMetric(cfg, RTAX_FEATURES, ((cfg.fc_mx?.[RTAX_FEATURES] ?? 0) | DST_FEATURE_ECN_CA) >>> 0);
}

function setMetric(cfg: fib_config, metric: number, value: number): void {
  cfg.fc_mx ??= [];
  cfg.fc_mx[metric] = value;
}

/** Times may carry ms or s and are kept in ms; the rest are plain numbers. */
function metricValue(name: string, word: string): number {
  const match = /^(\d+)(ms|s)?$/.exec(word) ?? refuse('ip route', word, `a number for ${name}`);
  return Number(match[1]) * (match[2] === 's' ? 1000 : 1);
}

function neigh(words: Words, view: View): number {
  if (isShow(words)) {
    showNeighbours(shownDevice(words), view.details, view.out);
    return 0;
  }
  const verb = words.take('add, replace or del');
  const key = parseIp(words.take('an address'));
  let lladdr: Uint8Array | null = null;
  let dev: net_device | null = null;
  while (words.more) {
    const word = words.take('lladdr or dev');
    if (word === 'lladdr') lladdr = parseMac(words.take('a MAC address'));
    else if (word === 'dev') dev = device(words.take('an interface'));
    else if (word === 'nud') words.take('permanent');
    else refuse('ip neigh', word, 'lladdr, nud or dev');
  }
  if (dev === null) refuse('ip neigh', 'the end of the line', 'dev and an interface');
  const tbl = kernel().init_net.arp_tbl;
  if (verb === 'del' || verb === 'delete') return answer(neigh_delete(tbl, key, dev));
  if (verb !== 'add' && verb !== 'replace') refuse('ip neigh', verb, 'add, replace or del');
  return answer(neigh_add(tbl, key, dev, lladdr, NUD_PERMANENT));
}
