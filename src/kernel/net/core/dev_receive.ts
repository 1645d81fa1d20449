/**
 * net/core/dev.c: packets go up.
 * From NAPI: `netif_receive_skb_list_internal` → `__netif_receive_skb_list_core` → `__netif_receive_skb_core` (taps, VLAN, handlers by protocol).
 * From virtual devices: `netif_rx` → `enqueue_to_backlog` → NET_RX_SOFTIRQ → `process_backlog` → the same.
 *
 * With RPS packets of a device go through the backlog, too, of the CPU that `get_rps_cpu` chooses (dev_rps.ts).
 *
 * Simplified: no ingress qdisc, no bridges or VLAN devices above a device.
 */
import { this_cpu } from '../../../machine/cpu.ts';
import { kernel, this_cpu_ptr, trace } from '../../current.ts';
import {
  NAPI_STATE_SCHED,
  NET_RX_DROP,
  NET_RX_SUCCESS,
  type napi_struct,
  type net_device,
  netif_running,
  type packet_type,
  type softnet_data,
} from '../../include/linux/netdevice.ts';
import {
  __skb_dequeue,
  __skb_queue_tail,
  __vlan_hwaccel_clear_tag,
  PACKET_OTHERHOST,
  type sk_buff,
  type sk_buff_head,
  skb_get,
  skb_queue_splice_tail_init,
  skb_reset_mac_len,
  skb_reset_network_header,
  skb_reset_transport_header,
  skb_transport_header_was_set,
  skb_vlan_tag_present,
} from '../../include/linux/skbuff.ts';
import { SKB_DROP_REASON_CPU_BACKLOG, SKB_DROP_REASON_DEV_READY, SKB_DROP_REASON_UNHANDLED_PROTO } from '../../include/net/dropreason.ts';
import type { rps_dev_flow } from '../../include/net/rps.ts';
import { local_bh_disable, local_bh_enable } from '../../kernel/softirq.ts';
import { ETH_P_8021Q } from '../../uapi/if_ether.ts';
import { skb_flow_limit } from './dev_flow_limit.ts';
import { ____napi_schedule } from './dev_napi_list.ts';
import { get_rps_cpu, napi_schedule_rps } from './dev_rps.ts';
import { kfree_skb_reason } from './skbuff_free.ts';
import { skb_vlan_untag } from './skbuff_vlan.ts';

const VLAN_VID_MASK = 0x0fff;

/* Virtual devices: through the backlog of this CPU */

/** From any context. */
export function netif_rx(skb: sk_buff): number {
  local_bh_disable();
  trace().netif_rx_entry?.(skb);
  const ret = netif_rx_internal(skb);
  trace().netif_rx_exit?.(ret);
  local_bh_enable();
  return ret;
}

/** From where bottom halves are off. */
export function __netif_rx(skb: sk_buff): number {
  trace().netif_rx_entry?.(skb);
  const ret = netif_rx_internal(skb);
  trace().netif_rx_exit?.(ret);
  return ret;
}

function netif_rx_internal(skb: sk_buff): number {
  net_timestamp_check(skb);
  trace().netif_rx?.(skb);
  const steered = softnetFor(skb);
  return steered === null ? enqueue_to_backlog(skb, this_cpu_ptr().softnet_data, null) : enqueueSteered(skb, steered);
}

/** RFS remembers how far the backlog has to be worked off before the flow may move on. */
const enqueueSteered = (skb: sk_buff, softnet: softnet_data): number => enqueue_to_backlog(skb, softnet, skb.dev!.nd_net.core.rflow);

function enqueue_to_backlog(skb: sk_buff, softnet: softnet_data, rflow: rps_dev_flow | null): number {
  const dev = skb.dev!;
  const queue = softnet.input_pkt_queue;
  const max_backlog = dev.nd_net.core.netdev_max_backlog;
  if (!netif_running(dev)) return dropAtBacklog(skb, dev, SKB_DROP_REASON_DEV_READY);
  if (queue.qlen > max_backlog || skb_flow_limit(skb, queue.qlen, max_backlog)) {
    softnet.dropped++;
    return dropAtBacklog(skb, dev, SKB_DROP_REASON_CPU_BACKLOG);
  }
  if (queue.qlen === 0 && (softnet.backlog.state & NAPI_STATE_SCHED) === 0) {
    softnet.backlog.state |= NAPI_STATE_SCHED;
    if (softnet === this_cpu_ptr().softnet_data) ____napi_schedule(softnet, softnet.backlog);
    else napi_schedule_rps(softnet);
  }
  skb.queuedTime = this_cpu.clock;
  __skb_queue_tail(queue, skb);
  softnet.input_queue_tail++;
  if (rflow !== null) rflow.last_qtail = softnet.input_queue_tail;
  return NET_RX_SUCCESS;
}

/** Where RPS sends the packet; null when it has no opinion. */
function softnetFor(skb: sk_buff): softnet_data | null {
  if (!skb.dev!.nd_net.core.rpsNeeded) return null;
  const cpu = get_rps_cpu(skb.dev!, skb);
  return cpu < 0 ? null : kernel().percpu[cpu]!.softnet_data;
}

function dropAtBacklog(skb: sk_buff, dev: net_device, reason: number): number {
  dev.rx_dropped++;
  kfree_skb_reason(skb, reason, 'enqueue_to_backlog');
  return NET_RX_DROP;
}

/** The poll function of the backlog. */
export function process_backlog(napi: napi_struct, quota: number): number {
  const softnet = this_cpu_ptr().softnet_data;
  let work = 0;
  for (;;) {
    for (let skb = __skb_dequeue(softnet.process_queue); skb !== null; skb = __skb_dequeue(softnet.process_queue)) {
      this_cpu.spinUntil(skb.queuedTime);
      __netif_receive_skb(skb);
      softnet.input_queue_head++;
      if (++work >= quota) return work;
    }
    if (softnet.input_pkt_queue.qlen === 0) {
      napi.state &= ~NAPI_STATE_SCHED;
      return work;
    }
    skb_queue_splice_tail_init(softnet.input_pkt_queue, softnet.process_queue);
  }
}

/* One packet */

/** A packet from a driver that does not use GRO. */
export function netif_receive_skb(skb: sk_buff): number {
  trace().netif_receive_skb_entry?.(skb);
  net_timestamp_check(skb);
  const ret = skb_defer_rx_timestamp(skb) ? NET_RX_SUCCESS : netif_receive_skb_internal(skb);
  trace().netif_receive_skb_exit?.(ret);
  return ret;
}

function netif_receive_skb_internal(skb: sk_buff): number {
  const softnet = softnetFor(skb);
  return softnet === null ? __netif_receive_skb(skb) : enqueueSteered(skb, softnet);
}

function __netif_receive_skb(skb: sk_buff): number {
  const orig_dev = skb.dev!;
  const handler = __netif_receive_skb_core(skb);
  return handler === null ? NET_RX_SUCCESS : handler.func(skb, skb.dev!, handler, orig_dev);
}

/** Shows the packet to taps and finds who takes it; null when it is gone. */
function __netif_receive_skb_core(skb: sk_buff): packet_type | null {
  trace().netif_receive_skb?.(skb);
  const dev = skb.dev!;
  skb_reset_network_header(skb);
  if (!skb_transport_header_was_set(skb)) skb_reset_transport_header(skb);
  skb_reset_mac_len(skb);
  skb.skb_iif = dev.ifindex;
  this_cpu_ptr().softnet_data.processed++;
  if (skb.protocol === ETH_P_8021Q && skb_vlan_untag(skb) === null) return null;
  for (let i = 0; i < dev.taps.length; i++) dev.taps[i]!(skb, false);
  let last = deliverTo(dev.nd_net.ptype_all, skb, dev, null);
  last = deliverTo(dev.ptype_all, skb, dev, last);
  if (skb_vlan_tag_present(skb)) settleVlan(skb);
  last = deliverTo(dev.nd_net.ptype_base.get(skb.protocol), skb, dev, last, skb.protocol);
  last = deliverTo(dev.ptype_specific, skb, dev, last, skb.protocol);
  if (last !== null) return last;
  dev.rx_dropped++;
  kfree_skb_reason(skb, SKB_DROP_REASON_UNHANDLED_PROTO, '__netif_receive_skb_core');
  return null;
}

/** Gives a reference to each handler but the last one found, which is returned: it gets the caller's. */
function deliverTo(
  handlers: readonly packet_type[] | undefined,
  skb: sk_buff,
  orig_dev: net_device,
  last: packet_type | null,
  type = -1,
): packet_type | null {
  if (handlers === undefined) return last;
  for (let i = 0; i < handlers.length; i++) {
    const handler = handlers[i]!;
    if (type >= 0 && (handler.type !== type || (handler.dev !== null && handler.dev !== orig_dev))) continue;
    if (last !== null) last.func(skb_get(skb), skb.dev!, last, orig_dev);
    last = handler;
  }
  return last;
}

/** There is no device for any VLAN: a priority tag is ignored, everything else is not for us. */
function settleVlan(skb: sk_buff): void {
  if ((skb.vlan_tci & VLAN_VID_MASK) !== 0) skb.pkt_type = PACKET_OTHERHOST;
  __vlan_hwaccel_clear_tag(skb);
}

/* Many packets */

/** A batch from a driver. */
export function netif_receive_skb_list(list: sk_buff_head): void {
  if (list.qlen === 0) return;
  if (trace().netif_receive_skb_list_entry !== undefined)
    for (let skb = list.next; skb !== null; skb = skb.next) trace().netif_receive_skb_list_entry?.(skb);
  netif_receive_skb_list_internal(list);
  trace().netif_receive_skb_list_exit?.(0);
}

/** Empties `list`. */
export function netif_receive_skb_list_internal(list: sk_buff_head): void {
  for (let skb = list.next; skb !== null; skb = skb.next) {
    net_timestamp_check(skb);
    skb_defer_rx_timestamp(skb);
  }
  if (list.next !== null && list.next.dev!.nd_net.core.rpsNeeded) steer(list);
  __netif_receive_skb_list_core(list);
}

/** Takes those packets off the list that RPS sends elsewhere. */
function steer(list: sk_buff_head): void {
  for (let left = list.qlen; left > 0; left--) {
    const skb = __skb_dequeue(list)!;
    const softnet = softnetFor(skb);
    if (softnet === null) __skb_queue_tail(list, skb);
    else enqueueSteered(skb, softnet);
  }
}

/** Packets that follow each other and have the same handler and device go up together. */
function __netif_receive_skb_list_core(list: sk_buff_head): void {
  const sublist = this_cpu_ptr().softnet_data.rxSublist;
  let current: packet_type | null = null;
  let device: net_device | null = null;
  for (let skb = __skb_dequeue(list); skb !== null; skb = __skb_dequeue(list)) {
    const orig_dev = skb.dev!;
    const handler = __netif_receive_skb_core(skb);
    if (handler === null) continue;
    if (handler !== current || orig_dev !== device) {
      __netif_receive_skb_list_ptype(sublist, current, device);
      current = handler;
      device = orig_dev;
    }
    __skb_queue_tail(sublist, skb);
  }
  __netif_receive_skb_list_ptype(sublist, current, device);
}

function __netif_receive_skb_list_ptype(list: sk_buff_head, handler: packet_type | null, orig_dev: net_device | null): void {
  if (handler === null || list.qlen === 0) return;
  if (handler.list_func !== undefined) {
    handler.list_func(list, handler, orig_dev!);
    list.next = list.prev = null;
    list.qlen = 0;
    return;
  }
  for (let skb = __skb_dequeue(list); skb !== null; skb = __skb_dequeue(list)) handler.func(skb, skb.dev!, handler, orig_dev!);
}

/* Timestamps */

/** When it arrived, if any socket wants to know. */
function net_timestamp_check(skb: sk_buff): void {
  if (skb.dev!.nd_net.netstamp_needed > 0 && skb.tstamp === 0) skb.tstamp = this_cpu.clock;
}

/** Does the PHY have a timestamp for it, to be waited for? None here does. The call is in every recording. */
function skb_defer_rx_timestamp(_skb: sk_buff): boolean {
  return false;
}
