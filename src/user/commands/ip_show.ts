/** What `ip` shows: links with their counters (-s, -s -s), addresses, routes, the route to one address, neighbours; as iproute2 prints them. */
import { kernel } from '../../kernel/current.ts';
import { IFA_F_SECONDARY, type in_ifaddr } from '../../kernel/include/linux/inetdevice.ts';
import {
  IFF_ALLMULTI,
  IFF_BROADCAST,
  IFF_DEBUG,
  IFF_DORMANT,
  IFF_DYNAMIC,
  IFF_ECHO,
  IFF_LOOPBACK,
  IFF_LOWER_UP,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_POINTOPOINT,
  IFF_PROMISC,
  IFF_RUNNING,
  IFF_UP,
  type net_device,
} from '../../kernel/include/linux/netdevice.ts';
import {
  dst_release,
  RTAX_CC_ALGO,
  RTAX_FEATURE_ECN,
  RTAX_LOCK,
  RTAX_MTU,
  RTAX_RTO_MIN,
  RTAX_RTT,
  RTAX_RTTVAR,
} from '../../kernel/include/net/dst.ts';
import { flowi4 } from '../../kernel/include/net/inet_sock.ts';
import {
  type fib_alias,
  type fib_info,
  type fib_nh,
  type fib_table,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RTN_UNICAST,
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
  RTNH_F_ONLINK,
  RTPROT_BOOT,
  RTPROT_KERNEL,
  RTPROT_STATIC,
} from '../../kernel/include/net/ip_fib.ts';
import { NUD_NOARP, NUD_VALID, type neighbour } from '../../kernel/include/net/neighbour.ts';
import { HZ, jiffies } from '../../kernel/kernel/time/timer.ts';
import { dev_get_flags, dev_get_stats } from '../../kernel/net/core/dev.ts';
import { fib_table_dump } from '../../kernel/net/ipv4/fib_trie.ts';
import { neighbours } from '../../kernel/net/ipv4/inet_procfs.ts';
import { ip_route_output_flow } from '../../kernel/net/ipv4/route.ts';
import { tcp_ca_get_name_by_key } from '../../kernel/net/ipv4/tcp_cong.ts';
import { inet_ntoa } from '../inet.ts';
import { CommandError, type Output } from './command.ts';
import { significant } from './ping_statistics.ts';
import { strerror } from './strerror.ts';

const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;

const FLAG_NAMES: readonly (readonly [bit: number, name: string])[] = [
  [IFF_LOOPBACK, 'LOOPBACK'],
  [IFF_BROADCAST, 'BROADCAST'],
  [IFF_POINTOPOINT, 'POINTOPOINT'],
  [IFF_MULTICAST, 'MULTICAST'],
  [IFF_NOARP, 'NOARP'],
  [IFF_ALLMULTI, 'ALLMULTI'],
  [IFF_PROMISC, 'PROMISC'],
  [IFF_DEBUG, 'DEBUG'],
  [IFF_DYNAMIC, 'DYNAMIC'],
  [IFF_UP, 'UP'],
  [IFF_LOWER_UP, 'LOWER_UP'],
  [IFF_DORMANT, 'DORMANT'],
  [IFF_ECHO, 'ECHO'],
];

export const macText = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');

function flagsText(dev: net_device): string {
  const flags = dev_get_flags(dev);
  const names = FLAG_NAMES.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
  return (flags & IFF_UP) !== 0 && (flags & IFF_RUNNING) === 0 ? ['NO-CARRIER', ...names].join(',') : names.join(',');
}

function operState(dev: net_device): string {
  if (dev.type === ARPHRD_LOOPBACK && (dev.flags & IFF_UP) !== 0) return 'UNKNOWN';
  return (dev.flags & IFF_UP) !== 0 && dev.carrier ? 'UP' : 'DOWN';
}

function headLines(dev: net_device, mode: string): string[] {
  const type = dev.type === ARPHRD_LOOPBACK ? 'loopback' : dev.type === ARPHRD_ETHER ? 'ether' : 'none';
  const head = `${dev.ifindex}: ${dev.name}: <${flagsText(dev)}> mtu ${dev.mtu} qdisc ${dev.qdisc.ops.id} state ${operState(dev)}`;
  const queue = dev.tx_queue_len > 0 ? ` qlen ${dev.tx_queue_len}` : '';
  const broadcast = type === 'loopback' ? new Uint8Array(6) : dev.broadcast;
  const addresses = type === 'none' ? '' : ` ${macText(dev.dev_addr)} brd ${macText(broadcast)}`;
  return [`${head}${mode} group default${queue}`, `    link/${type}${addresses}`];
}

/** `details` counts the -s. */
export function showLinks(devices: readonly net_device[], details: number, out: Output): void {
  for (const dev of devices) {
    for (const line of headLines(dev, ' mode DEFAULT')) out(line);
    if (details > 0) for (const line of statisticsLines(dev, details > 1)) out(line);
  }
}

/** Counters in columns that are as wide as the widest of a link's values. */
function statisticsLines(dev: net_device, errors: boolean): string[] {
  const s = dev_get_stats(dev);
  const rx = [s.rx_bytes, s.rx_packets, s.rx_errors, s.rx_dropped, s.rx_missed_errors, s.multicast];
  const tx = [s.tx_bytes, s.tx_packets, s.tx_errors, s.tx_dropped, s.tx_carrier_errors, s.collisions];
  const rxErrors = [s.rx_length_errors, s.rx_crc_errors, s.rx_frame_errors, s.rx_fifo_errors, s.rx_over_errors];
  const txErrors = [s.tx_aborted_errors, s.tx_fifo_errors, s.tx_window_errors, s.tx_heartbeat_errors, dev.carrier_changes];
  const all = errors ? [rx, tx, [0, ...rxErrors], [0, ...txErrors]] : [rx, tx];
  const widths = [10, 7, 6, 7, 7, 7].map((least, i) => Math.max(least, ...all.map((values) => String(values[i] ?? 0).length)));
  const head = (title: string, names: readonly string[]): string => {
    const [first = '', ...rest] = names.map((name, i) => name.padStart(widths[i]! - (i === 0 ? 4 : 0)));
    return `    ${title}: ${[first, ...rest].join(' ')}`;
  };
  const values = (row: readonly number[]): string => `    ${row.map((value, i) => `${String(value).padStart(widths[i]!)} `).join('')}`;
  const errorHead = (title: string, names: readonly string[]): string =>
    `    ${title} errors:${' '.repeat(widths[0]! - 10)}${names.map((name, i) => ` ${name.padStart(widths[i + 1]!)}`).join('')}`;
  const errorValues = (row: readonly number[]): string =>
    `    ${' '.repeat(widths[0]!)} ${row.map((value, i) => `${String(value).padStart(widths[i + 1]!)} `).join('')}`;
  const compressed = ` ${' '.repeat(10)}`;
  return [
    head('RX', ['bytes', 'packets', 'errors', 'dropped', 'missed', 'mcast']) + compressed,
    values(rx),
    ...(errors ? [errorHead('RX', ['length', 'crc', 'frame', 'fifo', 'overrun']), errorValues(rxErrors)] : []),
    head('TX', ['bytes', 'packets', 'errors', 'dropped', 'carrier', 'collsns']) + compressed,
    values(tx),
    ...(errors ? [errorHead('TX', ['aborted', 'fifo', 'window', 'heartbt', 'transns']), errorValues(txErrors)] : []),
  ];
}

export const SCOPES: ReadonlyMap<number, string> = new Map([
  [RT_SCOPE_UNIVERSE, 'global'],
  [RT_SCOPE_LINK, 'link'],
  [RT_SCOPE_HOST, 'host'],
]);

/** `only4`: -4 leaves out the link layer and links without an address. */
export function showAddresses(devices: readonly net_device[], details: number, only4: boolean, out: Output): void {
  for (const dev of devices) {
    const addresses = dev.ip_ptr?.ifa_list ?? [];
    if (only4 && addresses.length === 0) continue;
    for (const line of headLines(dev, '').slice(0, only4 ? 1 : 2)) out(line);
    for (const ifa of addresses) {
      out(`    ${addressText(ifa)}`);
      out('       valid_lft forever preferred_lft forever');
    }
    if (details > 0) for (const line of statisticsLines(dev, details > 1)) out(line);
  }
}

function addressText(ifa: in_ifaddr): string {
  const peer = ifa.ifa_address === ifa.ifa_local ? '' : ` peer ${inet_ntoa(ifa.ifa_address)}`;
  const broadcast = ifa.ifa_broadcast === 0 ? '' : ` brd ${inet_ntoa(ifa.ifa_broadcast)}`;
  const secondary = (ifa.ifa_flags & IFA_F_SECONDARY) !== 0 ? ' secondary' : '';
  const scope = SCOPES.get(ifa.ifa_scope) ?? String(ifa.ifa_scope);
  return `inet ${inet_ntoa(ifa.ifa_local)}${peer}/${ifa.ifa_prefixlen}${broadcast} scope ${scope}${secondary} ${ifa.ifa_label}`;
}

const TYPE_NAMES = ['unspec', 'unicast', 'local', 'broadcast', 'anycast', 'multicast', 'blackhole', 'unreachable', 'prohibit', 'throw'];
const PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [RTPROT_KERNEL, 'kernel'],
  [RTPROT_STATIC, 'static'],
]);
const METRIC_NAMES = ['', '', 'mtu', 'window', 'rtt', 'rttvar', 'ssthresh', 'cwnd', 'advmss', 'reordering', 'hoplimit', 'initcwnd', 'features', 'rto_min', 'initrwnd', 'quickack', 'congctl']; // biome-ignore format: a list

export function showRoutes(tables: readonly fib_table[], dev: net_device | null, out: Output): void {
  for (const table of tables) {
    for (const alias of fib_table_dump(table)) {
      const { fib_nh: hops } = alias.fa_info;
      if (dev === null || hops.some((hop) => hop.nhc_dev === dev)) out(routeText(alias));
    }
  }
}

function routeText({ prefix, plen, fa_type, fa_info }: fib_alias): string {
  const type = fa_type === RTN_UNICAST ? '' : `${TYPE_NAMES[fa_type]} `;
  const destination = plen === 0 ? 'default' : plen === 32 ? inet_ntoa(prefix) : `${inet_ntoa(prefix)}/${plen}`;
  const single = fa_info.fib_nh.length === 1 ? hopText(fa_info.fib_nh[0]!) : '';
  const boot = fa_info.fib_protocol === RTPROT_BOOT || fa_info.fib_protocol === 0;
  const protocol = boot ? '' : `proto ${PROTOCOLS.get(fa_info.fib_protocol) ?? fa_info.fib_protocol} `;
  const scope = fa_info.fib_scope === RT_SCOPE_UNIVERSE ? '' : `scope ${SCOPES.get(fa_info.fib_scope) ?? fa_info.fib_scope} `;
  const source = fa_info.fib_prefsrc === 0 ? '' : `src ${inet_ntoa(fa_info.fib_prefsrc)} `;
  const priority = fa_info.fib_priority === 0 ? '' : `metric ${fa_info.fib_priority} `;
  const flags = fa_info.fib_nh.length === 1 ? flagText(fa_info.fib_nh[0]!.nhc_flags) : '';
  const first = `${type}${destination} ${single}${protocol}${scope}${source}${priority}${flags}${metricsText(fa_info.fib_metrics)}`;
  if (fa_info.fib_nh.length < 2) return first;
  const hops = fa_info.fib_nh.map((hop) => `\tnexthop ${hopText(hop)}weight ${hop.nhc_weight} ${flagText(hop.nhc_flags)}`);
  return [first, ...hops].join('\n');
}

function hopText({ nhc_gw, nhc_dev }: fib_nh): string {
  return `${nhc_gw === 0 ? '' : `via ${inet_ntoa(nhc_gw)} `}${nhc_dev === null ? '' : `dev ${nhc_dev.name} `}`;
}

const flagText = (flags: number): string =>
  `${(flags & RTNH_F_DEAD) !== 0 ? 'dead ' : ''}${(flags & RTNH_F_ONLINK) !== 0 ? 'onlink ' : ''}${(flags & RTNH_F_LINKDOWN) !== 0 ? 'linkdown ' : ''}`;

function metricsText(metrics: fib_info['fib_metrics']): string {
  const locked = metrics?.[RTAX_LOCK] ?? 0;
  let text = '';
  for (let i = RTAX_MTU; i < METRIC_NAMES.length; i++) {
    const value = i === METRIC_NAMES.indexOf('features') ? (metrics?.[i] ?? 0) & RTAX_FEATURE_ECN : (metrics?.[i] ?? 0);
    if (value === 0) continue;
    text += `${METRIC_NAMES[i]} ${(locked & (1 << i)) !== 0 ? 'lock ' : ''}${metricValue(i, value)} `;
  }
  return text;
}

/** Round trip times are kept in eighths and quarters of ms, as TCP keeps them. */
function metricValue(metric: number, value: number): string {
  if (metric === METRIC_NAMES.indexOf('features')) return 'ecn';
  if (metric === RTAX_CC_ALGO) return tcp_ca_get_name_by_key(kernel().init_net, value) ?? '';
  if (metric !== RTAX_RTT && metric !== RTAX_RTTVAR && metric !== RTAX_RTO_MIN) return String(value);
  const ms = metric === RTAX_RTT ? value / 8 : metric === RTAX_RTTVAR ? value / 4 : value;
  return ms >= 1000 ? `${significant(ms / 1000)}s` : `${Math.floor(ms)}ms`;
}

/** `ip route get ADDRESS`: which way a packet of this host would go. */
export function showRouteTo(address: number, out: Output): void {
  const network = kernel().init_net;
  const fl4 = new flowi4();
  fl4.daddr = address;
  const rt = ip_route_output_flow(network, fl4, null);
  if (typeof rt === 'number') throw new CommandError(`RTNETLINK answers: ${strerror(rt)}`);
  const gateway = rt.rt_uses_gateway && rt.rt_gw4 !== 0 ? `via ${inet_ntoa(rt.rt_gw4)} ` : '';
  const local = rt.rt_type === RTN_UNICAST ? '' : `${TYPE_NAMES[rt.rt_type]} `;
  out(
    `${local}${inet_ntoa(address)} ${gateway}dev ${rt.dev.name} ${rt.rt_type === RTN_UNICAST ? '' : 'table local '}src ${inet_ntoa(fl4.saddr)} uid 0 `,
  );
  // A path MTU that was learned stands for the route's.
  const metrics = rt.rt_pmtu === 0 ? rt.metrics : Object.assign([...(rt.metrics ?? [])], { [RTAX_MTU]: rt.rt_pmtu });
  out(`    cache ${local === '' ? '' : `<${TYPE_NAMES[rt.rt_type]}> `}${metricsText(metrics)}`);
  dst_release(rt);
}

const NUD_NAMES: readonly (readonly [bit: number, name: string])[] = [
  [0x01, 'INCOMPLETE'],
  [0x02, 'REACHABLE'],
  [0x04, 'STALE'],
  [0x08, 'DELAY'],
  [0x10, 'PROBE'],
  [0x20, 'FAILED'],
  [0x40, 'NOARP'],
  [0x80, 'PERMANENT'],
];

export function showNeighbours(dev: net_device | null, details: number, out: Output): void {
  for (const neigh of neighbours(kernel().init_net)) {
    if ((neigh.nud_state & NUD_NOARP) !== 0 || neigh.nud_state === 0 || (dev !== null && neigh.dev !== dev)) continue;
    out(neighbourText(neigh, details > 0));
  }
}

function neighbourText(neigh: neighbour, details: boolean): string {
  const mac = (neigh.nud_state & NUD_VALID) === 0 ? '' : `lladdr ${macText(neigh.ha)} `;
  const state = NUD_NAMES.filter(([bit]) => (neigh.nud_state & bit) !== 0).map(([, name]) => name).join(','); // biome-ignore format: short
  const age = (since: number): number => Math.floor((jiffies() - since) / HZ());
  const references = neigh.refcnt > 1 ? ` ref ${neigh.refcnt - 1}` : '';
  const used = ` used ${age(neigh.used)}/${age(neigh.confirmed)}/${age(neigh.updated)}`;
  const probes = neigh.probes > 0 ? `probes ${neigh.probes} ` : '';
  return `${inet_ntoa(neigh.primary_key)} dev ${neigh.dev.name} ${mac}${details ? `${references}${used}${probes}` : ''}${state} `;
}

/** Which tables `table NAME` means: main unless said otherwise. */
export function routeTables(name: string): readonly fib_table[] | null {
  const { local, main, default_ } = kernel().init_net.ipv4.fib;
  if (name === 'main' || name === '254') return [main];
  if (name === 'local' || name === String(RT_TABLE_LOCAL)) return [local];
  if (name === 'default' || name === '253') return [default_];
  return name === 'all' ? [local, main, default_] : null;
}
