/**
 * net/core/dev.c: receive packet steering: `get_rps_cpu` chooses the CPU that takes a packet through the stack: where the flow's reader runs (RFS:
 * net.core.rps_sock_flow_entries and /sys/class/net/DEV/queues/rx-N/rps_flow_cnt), or else, by its hash, one of those that rps_cpus names.
 *
 * A flow moves to its reader's new CPU only when none of its packets waits on the old one any more (`last_qtail`), so that they stay in order.
 *
 * Simplified: no accelerated steering by the device's filters (ndo_rx_flow_steer). The other CPU is told at once, not at the end of net_rx_action().
 */
import { kernel } from '../../current.ts';
import { hash_32 } from '../../include/linux/hash.ts';
import { reciprocal_scale } from '../../include/linux/jhash.ts';
import type { net_device, softnet_data } from '../../include/linux/netdevice.ts';
import { type sk_buff, skb_get_rx_queue, skb_reset_network_header, skb_rx_queue_recorded } from '../../include/linux/skbuff.ts';
import { ilog2, roundup_pow_of_two } from '../../include/linux/types.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { RPS_NO_CPU, type rps_dev_flow, rps_dev_flow_table } from '../../include/net/rps.ts';
import { EINVAL } from '../../uapi/errno.ts';
import { addToPollList } from './dev_napi_list.ts';
import { kickNetRx } from './dev_softirq.ts';
import { skb_get_hash } from './flow_dissector.ts';

/** Largest rps_sock_flow_entries. */
const MAX_SOCK_FLOWS = 1 << 29;

/** A CPU, or -1: the one that has the packet. RFS leaves the flow's entry in `net.core.rflow`, null if it had no say. */
export function get_rps_cpu(dev: net_device, skb: sk_buff): number {
  const { core } = dev.nd_net;
  core.rflow = null;
  const index = skb_rx_queue_recorded(skb) ? skb_get_rx_queue(skb) : 0;
  const flow_table = dev.rps_flow_tables[index] ?? null;
  const map = dev.rps_cpus[index];
  const unmapped = map === undefined || map.length === 0;
  if (flow_table === null && unmapped) return -1;
  skb_reset_network_header(skb);
  const hash = skb_get_hash(skb);
  if (hash === 0) return -1;
  if (flow_table !== null && core.rps_sock_flow_table !== null) {
    const cpu = followReader(core, core.rps_sock_flow_table, flow_table, hash);
    if (cpu !== RPS_NO_CPU) return cpu;
  }
  return unmapped ? -1 : map[reciprocal_scale(hash, map.length)]!;
}

/** The CPU of the flow's reader, or where its packets still wait; RPS_NO_CPU when nobody reads it. */
function followReader(core: net['core'], readers: Uint32Array, table: rps_dev_flow_table, hash: number): number {
  const ident = readers[hash & (readers.length - 1)]!;
  if (((ident ^ hash) & ~core.rps_cpu_mask) !== 0) return RPS_NO_CPU;
  const next_cpu = ident & core.rps_cpu_mask;
  const rflow = table.flows[hash_32(hash, table.log)]!;
  if (rflow.cpu !== next_cpu && hasDrained(rflow)) set_rps_cpu(rflow, next_cpu);
  if (rflow.cpu < kernel().percpu.length) core.rflow = rflow;
  return rflow.cpu < kernel().percpu.length ? rflow.cpu : RPS_NO_CPU;
}

/** No packet of the flow waits in the backlog of its present CPU. */
function hasDrained(rflow: rps_dev_flow): boolean {
  const pcpu = kernel().percpu[rflow.cpu];
  return pcpu === undefined || pcpu.softnet_data.input_queue_head - rflow.last_qtail >= 0;
}

function set_rps_cpu(rflow: rps_dev_flow, next_cpu: number): void {
  const pcpu = kernel().percpu[next_cpu];
  if (pcpu !== undefined) rflow.last_qtail = pcpu.softnet_data.input_queue_head;
  rflow.cpu = next_cpu;
}

/** Has the backlog of another CPU polled there. */
export function napi_schedule_rps(softnet: softnet_data): void {
  const remote = kernel().percpu.find((pcpu) => pcpu.softnet_data === softnet)!;
  softnet.received_rps++;
  addToPollList(softnet, softnet.backlog);
  kickNetRx(remote);
}

/* Settings */

/** The CPUs that take the packets of a receive queue; none: RPS is off for it. */
export function setRpsCpus(dev: net_device, queue: number, cpus: readonly number[]): void {
  while (dev.rps_cpus.length <= queue) dev.rps_cpus.push([]);
  dev.rps_cpus[queue] = [...cpus];
  updateNeeded(dev.nd_net);
}

/** rps_needed: packets are looked at only if any queue has CPUs, or readers are noted. */
function updateNeeded(network: net): void {
  network.core.rpsNeeded =
    network.core.rps_sock_flow_table !== null || network.dev_base.some((dev) => dev.rps_cpus.some((map) => map.length > 0));
}

/** net.core.rps_sock_flow_entries, rounded up to a power of two; 0 switches RFS off. */
export function rps_sock_flow_sysctl(network: net, size: number): number {
  if (size > MAX_SOCK_FLOWS) return -EINVAL;
  const { core } = network;
  const entries = size === 0 ? 0 : roundup_pow_of_two(size);
  core.rps_cpu_mask = roundup_pow_of_two(network.kernel.percpu.length) - 1;
  if (entries !== (core.rps_sock_flow_table?.length ?? 0))
    core.rps_sock_flow_table = entries === 0 ? null : new Uint32Array(entries).fill(RPS_NO_CPU);
  updateNeeded(network);
  return 0;
}

/** /sys/class/net/DEV/queues/rx-N/rps_flow_cnt, rounded up to a power of two. */
export function setRpsFlowCount(dev: net_device, queue: number, count: number): void {
  while (dev.rps_flow_tables.length <= queue) dev.rps_flow_tables.push(null);
  dev.rps_flow_tables[queue] = count === 0 ? null : new rps_dev_flow_table(ilog2(roundup_pow_of_two(count)));
}
