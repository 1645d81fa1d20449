/** run.json: what a run did, in numbers. Collected at the end from the hosts' own counters. */

import type { CopyCounters } from '../../kernel/include/linux/copies.ts';
import { softirq_to_name } from '../../kernel/include/linux/interrupt.ts';
import type { net_device, rtnl_link_stats64 } from '../../kernel/include/linux/netdevice.ts';
import { drop_reasons } from '../../kernel/include/net/dropreason.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import {
  IPSTATS_SNMP_COUNT,
  snmp4_icmp_list,
  snmp4_ipstats_list,
  snmp4_net_list,
  snmp4_tcp_list,
  snmp4_udp_list,
} from '../../kernel/uapi/snmp.ts';
import type { Cable, CableCounters } from '../../wire/cable.ts';
import type { CaptureSummary } from '../capture/capture_session.ts';
import { KERNEL_RELEASE } from '../identity.ts';

/** Nanoseconds by context. */
export interface CpuTimes {
  user: number;
  system: number;
  hardirq: number;
  softirq: number;
  idle: number;
}

export interface InterfaceReport {
  link: rtnl_link_stats64;
  /** What `ethtool -S` would show. */
  driver: Record<string, number>;
}

export interface HostReport {
  cpu: CpuTimes & { perCpu: CpuTimes[] };
  /** /proc/softirqs, summed over the CPUs. */
  softirqs: Record<string, number>;
  /** /proc/interrupts by name, summed over the CPUs. */
  interrupts: Record<string, number>;
  contextSwitches: number;
  copies: CopyCounters;
  snmp: Record<string, number>;
  netstat: Record<string, number>;
  interfaces: Record<string, InterfaceReport>;
}

export interface Drop {
  reason: string;
  where: string;
  count: number;
}

export interface RunReport {
  name: string;
  seed: number;
  kernel: string;
  simulatedNs: number;
  events: number;
  wireFrames: number;
  hosts: Record<string, HostReport>;
  wires: Record<string, Record<string, CableCounters>>;
  drops: Drop[];
  captures: CaptureSummary[];
  /** Exit status of each program, by host and process id. */
  programs: { host: string; pid: number; command: string; status: number | null }[];
  leaks: number;
  /** What leaked, when something did. */
  leaked: string[];
}

/** What the report needs to know of a host. */
export interface ReportedHost {
  readonly name: string;
  readonly kernel: Kernel;
  /** Counters of a device's driver. */
  readonly driverStats: (dev: net_device) => Record<string, number>;
  readonly deviceStats: (dev: net_device) => rtnl_link_stats64;
  /** Frames that its cards lost without a counter of theirs. */
  readonly cardDrops: readonly Drop[];
}

export const kernelVersion = KERNEL_RELEASE;

export function reportHost(host: ReportedHost): HostReport {
  const k = host.kernel;
  const perCpu = k.percpu.map(({ cpu }) => cpuTimes(cpu.times));
  return {
    cpu: { ...sumTimes(perCpu), perCpu },
    softirqs: Object.fromEntries(softirq_to_name.map((name, nr) => [name, k.percpu.reduce((sum, pcpu) => sum + pcpu.softirqs[nr]!, 0)])),
    interrupts: Object.fromEntries([...k.irq_desc.values()].map((desc) => [desc.name || `irq${desc.irq}`, sum(desc.kstat_irqs)])),
    contextSwitches: k.percpu.reduce((total, pcpu) => total + pcpu.rq.nr_switches, 0),
    copies: k.copies,
    snmp: snmp(k),
    netstat: named('TcpExt', snmp4_net_list, k.init_net.mib.net_statistics),
    interfaces: Object.fromEntries(
      k.init_net.dev_base.map((dev) => [dev.name, { link: { ...host.deviceStats(dev) }, driver: host.driverStats(dev) }]),
    ),
  };
}

const sum = (values: Float64Array): number => values.reduce((a, b) => a + b, 0);
const cpuTimes = (times: Float64Array): CpuTimes => ({
  user: times[0]!,
  system: times[1]!,
  hardirq: times[2]!,
  softirq: times[3]!,
  idle: times[4]!,
});

function sumTimes(all: readonly CpuTimes[]): CpuTimes {
  const total: CpuTimes = { user: 0, system: 0, hardirq: 0, softirq: 0, idle: 0 };
  for (const times of all) for (const key of Object.keys(total) as (keyof CpuTimes)[]) total[key] += times[key];
  return total;
}

/** Counters that are not zero, as nstat names them: protocol and name together. */
function named(prefix: string, names: readonly string[], values: Float64Array): Record<string, number> {
  const result: Record<string, number> = {};
  names.forEach((name, i) => {
    if (values[i] !== 0) result[prefix + name] = values[i]!;
  });
  return result;
}

function snmp(k: Kernel): Record<string, number> {
  const mib = k.init_net.mib;
  return {
    ...named('Ip', snmp4_ipstats_list.slice(0, IPSTATS_SNMP_COUNT), mib.ip_statistics),
    ...named('IpExt', snmp4_ipstats_list.slice(IPSTATS_SNMP_COUNT), mib.ip_statistics.subarray(IPSTATS_SNMP_COUNT)),
    ...named('Icmp', snmp4_icmp_list, mib.icmp_statistics),
    ...named('Tcp', snmp4_tcp_list, mib.tcp_statistics),
    ...named('Udp', snmp4_udp_list, mib.udp_statistics),
  };
}

/** Packets that kernels dropped, by reason and place, most first; then what the wires lost. */
export function reportDrops(hosts: readonly ReportedHost[], cables: readonly Cable[]): Drop[] {
  const drops: Drop[] = [];
  for (const { name, kernel, cardDrops } of hosts) {
    drops.push(...cardDrops);
    for (const { reason, location, count } of kernel.drops.values()) {
      drops.push({ reason: drop_reasons[reason] ?? String(reason), where: `${name} ${location}`, count });
    }
  }
  for (const cable of cables) {
    for (const end of cable.ends) {
      if (end.counters.lost > 0)
        drops.push({ reason: 'lost on the wire', where: `${cable.options.name} from ${end.name}`, count: end.counters.lost });
    }
  }
  return drops.sort((a, b) => b.count - a.count || (a.where < b.where ? -1 : 1));
}
