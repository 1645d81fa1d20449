/** net/ipv4/proc.c: /proc/net/snmp, /proc/net/netstat and /proc/net/sockstat. */
import type { net } from '../../include/net/net_namespace.ts';
import {
  IPSTATS_SNMP_COUNT,
  snmp4_icmp_list,
  snmp4_ipstats_list,
  snmp4_net_list,
  snmp4_tcp_list,
  snmp4_udp_list,
} from '../../uapi/snmp.ts';

/** ICMP types that have a counter each, with the names that go behind `In` and `Out`. */
const icmpmibmap: readonly (readonly [name: string, type: number])[] = [
  ['DestUnreachs', 3], ['TimeExcds', 11], ['ParmProbs', 12], ['SrcQuenchs', 4], ['Redirects', 5], ['Echos', 8], ['EchoReps', 0],
  ['Timestamps', 13], ['TimestampReps', 14], ['AddrMasks', 17], ['AddrMaskReps', 18],
]; // biome-ignore format: a table

/** Counters of what was sent come behind those of what was received. */
const OUT = 256;
const ICMP_IN = 3;

/** One protocol: names in one line, values in the next. */
export interface mibGroup {
  readonly title: string;
  readonly names: readonly string[];
  readonly values: readonly number[];
}

const group = (title: string, names: readonly string[], values: Iterable<number>): mibGroup => ({ title, names, values: [...values] });

function icmpGroup({ mib: { icmp_statistics: s, icmpmsg_statistics: m } }: net): mibGroup {
  const into = icmpmibmap.map(([name]) => `In${name}`);
  const out = icmpmibmap.map(([name]) => `Out${name}`);
  const names = [...snmp4_icmp_list.slice(0, ICMP_IN), ...into, ...snmp4_icmp_list.slice(ICMP_IN), ...out];
  const received = icmpmibmap.map(([, type]) => m[type]!);
  const sent = icmpmibmap.map(([, type]) => m[type + OUT]!);
  return group('Icmp', names, [...s.subarray(0, ICMP_IN), ...received, ...s.subarray(ICMP_IN), ...sent]);
}

/** Only types that occurred. */
function icmpmsgGroup({ mib: { icmpmsg_statistics: m } }: net): mibGroup[] {
  const used = [...m.keys()].filter((i) => m[i] !== 0);
  if (used.length === 0) return [];
  const name = (i: number): string => (i < OUT ? `InType${i}` : `OutType${i - OUT}`);
  return [group('IcmpMsg', used.map(name), used.map((i) => m[i]!))]; // biome-ignore format: short
}

/** RFC 4022: "other" algorithm, least and largest RTO in ms (TCP_RTO_MIN, TCP_RTO_MAX), any number of connections. */
const TCP_CONSTANTS: readonly number[] = [1, 200, 120_000, -1];

/** The groups of /proc/net/snmp, in its order. */
export function snmpGroups(network: net): mibGroup[] {
  const { mib, ipv4 } = network;
  const ip = mib.ip_statistics.subarray(0, IPSTATS_SNMP_COUNT);
  const head = [ipv4.sysctl_ip_forward !== 0 ? 1 : 2, ipv4.sysctl_ip_default_ttl];
  const names = snmp4_ipstats_list.slice(0, IPSTATS_SNMP_COUNT);
  const udp = [...mib.udp_statistics.subarray(0, snmp4_udp_list.length)];
  return [
    group('Ip', ['Forwarding', 'DefaultTTL', ...names], [...head, ...ip]),
    icmpGroup(network),
    ...icmpmsgGroup(network),
    group('Tcp', snmp4_tcp_list, [...TCP_CONSTANTS, ...mib.tcp_statistics.subarray(TCP_CONSTANTS.length, snmp4_tcp_list.length)]),
    group('Udp', snmp4_udp_list, udp),
    group('UdpLite', snmp4_udp_list, udp.map(() => 0)), // biome-ignore format: short
  ];
}

/** The groups of /proc/net/netstat. */
export function netstatGroups({ mib }: net): mibGroup[] {
  return [
    group('TcpExt', snmp4_net_list, mib.net_statistics.subarray(0, snmp4_net_list.length)),
    group('IpExt', snmp4_ipstats_list.slice(IPSTATS_SNMP_COUNT), mib.ip_statistics.subarray(IPSTATS_SNMP_COUNT)),
  ];
}

const text = (groups: readonly mibGroup[]): string =>
  groups.map(({ title, names, values }) => `${title}: ${names.join(' ')}\n${title}: ${values.join(' ')}\n`).join('');

export const snmp_seq_show = (network: net): string => text(snmpGroups(network));
export const netstat_seq_show = (network: net): string => text(netstatGroups(network));

export function sockstat_seq_show(network: net): string {
  const { prot_inuse, ipv4 } = network;
  const inuse = (name: string): number => prot_inuse.get(name) ?? 0;
  const memory = (name: string): number => network.proto_memory.get(name)?.memory_allocated ?? 0;
  const allocated = network.proto_memory.get('TCP')?.sockets_allocated ?? 0;
  const time = ipv4.tcp_death_row_count;
  const fragments = ipv4.fqdir;
  return [
    `sockets: used ${network.kernel.liveSockets}`,
    `TCP: inuse ${inuse('TCP')} orphan ${ipv4.tcp_orphan_count} tw ${time} alloc ${allocated} mem ${memory('TCP')}`,
    `UDP: inuse ${inuse('UDP')} mem ${memory('UDP')}`,
    'UDPLITE: inuse 0',
    `RAW: inuse ${inuse('RAW')}`,
    `FRAG: inuse ${fragments.nqueues} memory ${fragments.mem}`,
    '',
  ].join('\n');
}
