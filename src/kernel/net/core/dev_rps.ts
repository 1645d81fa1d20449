/**
 * net/core/dev.c: receive packet steering: `get_rps_cpu` chooses the CPU that takes a packet through the stack, by its hash, among those that
 * /sys/class/net/DEV/queues/rx-N/rps_cpus names.
 *
 * Simplified: no accelerated and no flow steering (RFS: rps_sock_flow_entries, rps_flow_cnt), which would send a flow to the CPU its reader runs on; no
 * flow limit. The other CPU is told at once, not at the end of net_rx_action().
 */
import { kernel } from '../../current.ts';
import { reciprocal_scale } from '../../include/linux/jhash.ts';
import type { net_device, softnet_data } from '../../include/linux/netdevice.ts';
import { type sk_buff, skb_get_rx_queue, skb_reset_network_header, skb_rx_queue_recorded } from '../../include/linux/skbuff.ts';
import { addToPollList } from './dev_napi_list.ts';
import { kickNetRx } from './dev_softirq.ts';
import { skb_get_hash } from './flow_dissector.ts';

/** A CPU, or -1: the one that has the packet. */
export function get_rps_cpu(dev: net_device, skb: sk_buff): number {
  const index = skb_rx_queue_recorded(skb) ? skb_get_rx_queue(skb) : 0;
  const map = dev.rps_cpus[index];
  if (map === undefined || map.length === 0) return -1;
  skb_reset_network_header(skb);
  const hash = skb_get_hash(skb);
  return hash === 0 ? -1 : map[reciprocal_scale(hash, map.length)]!;
}

/** Has the backlog of another CPU polled there. */
export function napi_schedule_rps(softnet: softnet_data): void {
  const remote = kernel().percpu.find((pcpu) => pcpu.softnet_data === softnet)!;
  softnet.received_rps++;
  addToPollList(softnet, softnet.backlog);
  kickNetRx(remote);
}

/** The CPUs that take the packets of a receive queue; none: RPS is off for it. */
export function setRpsCpus(dev: net_device, queue: number, cpus: readonly number[]): void {
  while (dev.rps_cpus.length <= queue) dev.rps_cpus.push([]);
  dev.rps_cpus[queue] = [...cpus];
  dev.nd_net.core.rpsNeeded = dev.nd_net.dev_base.some((other) => other.rps_cpus.some((map) => map.length > 0));
}
