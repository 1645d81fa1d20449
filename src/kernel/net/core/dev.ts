/**
 * net/core/dev.c: network devices: made, registered, opened, closed, looked up, counted.
 * `net_dev_init` → `register_netdevice` → `dev_open` → … → `dev_close`.
 *
 * The file is cut along a packet's way:
 * - dev.ts: net_dev_init, alloc_netdev, register_netdevice, unregister_netdevice, dev_open, dev_close, dev_change_flags, dev_set_mtu, dev_set_mac_address,
 *   dev_get_by_name, dev_get_by_index, __dev_get_by_name, __dev_get_by_index, dev_get_by_index_rcu, dev_add_pack, dev_remove_pack, dev_add_offload, dev_get_stats,
 *   dev_get_flags, netdev_update_features, netdev_change_features, netif_set_real_num_tx_queues, netif_set_real_num_rx_queues, netif_set_xps_queue,
 *   dev_change_name, register_netdev, unregister_netdev, free_netdev, alloc_etherdev_mqs, dev_set_rx_mode, dev_set_promiscuity, dev_uc_add, dev_mc_add
 * - dev_queue_xmit.ts: dev_queue_xmit, __dev_queue_xmit, dev_direct_xmit, netdev_core_pick_tx, netdev_pick_tx, net_tx_action
 * - dev_hard_start_xmit.ts: validate_xmit_skb, validate_xmit_skb_list, netif_skb_features, skb_csum_hwoffload_help, dev_hard_start_xmit, dev_queue_xmit_nit,
 *   netdev_start_xmit
 * - dev_tx_queue.ts: __netif_schedule, netif_schedule_queue, netif_tx_wake_queue, netif_tx_wake_all_queues, netif_wake_queue, netif_wake_subqueue,
 *   netdev_tx_sent_queue, __netdev_tx_sent_queue, netdev_tx_completed_queue, netdev_tx_reset_queue, dev_kfree_skb_any, dev_consume_skb_any
 * - dev_receive.ts: netif_rx, __netif_rx, netif_receive_skb, netif_receive_skb_list, netif_receive_skb_list_internal, process_backlog
 * - dev_napi.ts: netif_napi_add, netif_napi_del, napi_enable, napi_disable, napi_schedule, napi_schedule_prep, __napi_schedule, napi_schedule_irqoff,
 *   napi_complete_done, napi_complete, napi_synchronize, net_rx_action
 * - dev_notifier.ts: register_netdevice_notifier, call_netdevice_notifiers
 * - gro.ts: napi_gro_receive, napi_gro_flush, gro_normal_one, gro_normal_list; gso.ts: skb_gso_segment, skb_mac_gso_segment
 * - netif_carrier_on, netif_carrier_off: net/sched/sch_generic_carrier.ts. What only sets a bit (netif_tx_stop_queue, netif_tx_start_all_queues,
 *   netif_stop_subqueue …): include/linux/netdevice.ts
 */
import { kernel } from '../../current.ts';
import { dql } from '../../include/linux/dynamic_queue_limits.ts';
import { NET_RX_SOFTIRQ, NET_TX_SOFTIRQ } from '../../include/linux/interrupt.ts';
import {
  IFF_ALLMULTI,
  IFF_LOOPBACK,
  IFF_LOWER_UP,
  IFF_MULTICAST,
  IFF_NO_QUEUE,
  IFF_NOARP,
  IFF_PROMISC,
  IFF_RUNNING,
  IFF_UP,
  IFF_XMIT_DST_RELEASE,
  NETDEV_CHANGE,
  NETDEV_CHANGEADDR,
  NETDEV_CHANGEMTU,
  NETDEV_DOWN,
  NETDEV_FEAT_CHANGE,
  NETDEV_GOING_DOWN,
  NETDEV_REGISTER,
  NETDEV_UNREGISTER,
  NETDEV_UP,
  NETIF_F_ALL_TSO,
  NETIF_F_CSUM_MASK,
  NETIF_F_GRO_HW,
  NETIF_F_GSO,
  NETIF_F_GSO_UDP_L4,
  NETIF_F_HIGHDMA,
  NETIF_F_HW_CSUM,
  NETIF_F_IP_CSUM,
  NETIF_F_IPV6_CSUM,
  NETIF_F_NOCACHE_COPY,
  NETIF_F_RXCSUM,
  NETIF_F_SG,
  NETIF_F_SOFT_FEATURES,
  NETIF_F_SOFT_FEATURES_OFF,
  NETIF_F_TSO,
  NETIF_F_TSO_MANGLEID,
  NETREG_REGISTERED,
  NETREG_UNREGISTERED,
  napi_struct,
  net_device,
  netdev_queue,
  netif_carrier_ok,
  netif_device_present,
  netif_oper_up,
  netif_running,
  type packet_type,
  rtnl_link_stats64,
  softnet_data,
} from '../../include/linux/netdevice.ts';
import { flow_keys } from '../../include/net/flow_dissector.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { HZ } from '../../kernel/time/timer.ts';
import { dql_init } from '../../lib/dynamic_queue_limits.ts';
import { EEXIST, EINVAL, ENODEV, EOPNOTSUPP } from '../../uapi/errno.ts';
import { ARPHRD_ETHER, ETH_P_ALL } from '../../uapi/if_ether.ts';
import { ether_setup } from '../ethernet/eth.ts';
import { pktsched_init } from '../sched/sch_api.ts';
import { dev_activate, dev_deactivate, dev_init_scheduler, dev_shutdown } from '../sched/sch_generic_activate.ts';
import { net_rx_action } from './dev_napi.ts';
import { call_netdevice_notifiers } from './dev_notifier.ts';
import { net_tx_action } from './dev_queue_xmit.ts';
import { process_backlog } from './dev_receive.ts';
import { linkwatch_init, linkwatch_sync_dev } from './link_watch.ts';

/* Boot */

/** Queues for each CPU, softirqs, qdiscs. Before any device is made. */
export function net_dev_init(network: net): void {
  const owner = network.kernel;
  for (const pcpu of owner.percpu) {
    const softnet = new softnet_data();
    softnet.backlog = new napi_struct(null as unknown as net_device, process_backlog, network.core.dev_rx_weight, 0);
    softnet.backlog.state = 0;
    pcpu.softnet_data = softnet;
  }
  network.flow_keys = new flow_keys();
  linkwatch_init(network);
  pktsched_init(network);
  owner.softirq_vec[NET_TX_SOFTIRQ] = net_tx_action;
  owner.softirq_vec[NET_RX_SOFTIRQ] = net_rx_action;
}

/* Devices come and go */

/** A device that is not registered yet, with as many queues as it will ever have. `name` may hold `%d` for the next free number. */
export function alloc_netdev_mqs(name: string, type: number, setup: (dev: net_device) => void, txqs: number, rxqs: number): net_device {
  const network = kernel().init_net;
  const dev = new net_device(name, 0, type, network);
  dev.carrier = true;
  dev.priv_flags |= IFF_XMIT_DST_RELEASE;
  dev.num_tx_queues = dev.real_num_tx_queues = txqs;
  dev.num_rx_queues = dev.real_num_rx_queues = rxqs;
  for (let i = 0; i < txqs; i++) dev._tx.push(new netdev_queue(dev, i, new dql()));
  for (const txq of dev._tx) dql_init(txq.dql, HZ());
  setup(dev);
  if (dev.tx_queue_len === 0) dev.priv_flags |= IFF_NO_QUEUE;
  dev_init_scheduler(dev);
  return dev;
}

export const alloc_etherdev_mqs = (name: string, txqs: number, rxqs: number): net_device =>
  alloc_netdev_mqs(name, ARPHRD_ETHER, ether_setup, txqs, rxqs);
export const alloc_etherdev = (name: string): net_device => alloc_etherdev_mqs(name, 1, 1);

export function free_netdev(_dev: net_device): void {}

/** Makes the device known under its name; 0 or -errno. */
export function register_netdev(dev: net_device): number {
  return register_netdevice(dev);
}

export function register_netdevice(dev: net_device): number {
  const network = dev.nd_net;
  const name = dev.name.includes('%d') ? dev_alloc_name(network, dev.name) : dev.name;
  if (network.dev_by_name.has(name)) return -EEXIST;
  dev.name = name;
  const error = dev.netdev_ops.ndo_init?.(dev) ?? 0;
  if (error !== 0) return error;
  dev.ifindex = network.nextIfindex++;
  dev.hw_features |= NETIF_F_SOFT_FEATURES | NETIF_F_SOFT_FEATURES_OFF;
  dev.features |= NETIF_F_SOFT_FEATURES;
  if ((dev.hw_features & NETIF_F_TSO) !== 0) dev.hw_features |= NETIF_F_TSO_MANGLEID;
  if ((dev.flags & IFF_LOOPBACK) === 0) dev.hw_features |= NETIF_F_NOCACHE_COPY;
  dev.wanted_features = dev.features & dev.hw_features;
  dev.vlan_features |= NETIF_F_HIGHDMA;
  dev.reg_state = NETREG_REGISTERED;
  __netdev_update_features(dev);
  network.dev_base.push(dev);
  network.dev_by_name.set(name, dev);
  call_netdevice_notifiers(NETDEV_REGISTER, dev);
  return 0;
}

/** `eth%d` → the first of eth0, eth1, … that is free. */
function dev_alloc_name(network: net, pattern: string): string {
  for (let unit = 0; ; unit++) {
    const name = pattern.replace('%d', String(unit));
    if (!network.dev_by_name.has(name)) return name;
  }
}

export function dev_change_name(dev: net_device, newname: string): number {
  const names = dev.nd_net.dev_by_name;
  if (newname === dev.name) return 0;
  if (names.has(newname)) return -EEXIST;
  names.delete(dev.name);
  dev.name = newname;
  names.set(newname, dev);
  return 0;
}

export function unregister_netdev(dev: net_device): void {
  unregister_netdevice(dev);
}

export function unregister_netdevice(dev: net_device): void {
  const network = dev.nd_net;
  dev_close(dev);
  const index = network.dev_base.indexOf(dev);
  if (index < 0) return;
  network.dev_base.splice(index, 1);
  network.dev_by_name.delete(dev.name);
  linkwatch_sync_dev(dev);
  dev_shutdown(dev);
  call_netdevice_notifiers(NETDEV_UNREGISTER, dev);
  dev.reg_state = NETREG_UNREGISTERED;
}

/* Up and down */

/** `ip link set DEV up`; 0 or -errno. */
export function dev_open(dev: net_device): number {
  if ((dev.flags & IFF_UP) !== 0) return 0;
  const error = __dev_open(dev);
  if (error === 0) call_netdevice_notifiers(NETDEV_UP, dev);
  return error;
}

function __dev_open(dev: net_device): number {
  if (!netif_device_present(dev)) return -ENODEV;
  dev.started = true;
  const error = dev.netdev_ops.ndo_open(dev);
  if (error !== 0) {
    dev.started = false;
    return error;
  }
  dev.flags |= IFF_UP;
  dev_set_rx_mode(dev);
  dev_activate(dev);
  return 0;
}

/** `ip link set DEV down`. */
export function dev_close(dev: net_device): void {
  if ((dev.flags & IFF_UP) === 0) return;
  __dev_close(dev);
  call_netdevice_notifiers(NETDEV_DOWN, dev);
}

function __dev_close(dev: net_device): void {
  call_netdevice_notifiers(NETDEV_GOING_DOWN, dev);
  dev.started = false;
  dev_deactivate(dev);
  dev.netdev_ops.ndo_stop(dev);
  dev.flags &= ~IFF_UP;
}

/** Flags that users see: with the state of the link. */
export function dev_get_flags(dev: net_device): number {
  let flags = dev.flags & ~(IFF_RUNNING | IFF_LOWER_UP);
  if (!netif_running(dev)) return flags;
  if (netif_oper_up(dev)) flags |= IFF_RUNNING;
  if (netif_carrier_ok(dev)) flags |= IFF_LOWER_UP;
  return flags;
}

/** Flags that nothing else hangs on. */
const SETTABLE = IFF_NOARP | IFF_MULTICAST;

/** Sets the flags that a user may set; 0 or -errno. */
export function dev_change_flags(dev: net_device, flags: number): number {
  const changed = flags ^ dev.flags;
  dev.flags = (dev.flags & ~SETTABLE) | (flags & SETTABLE);
  if ((changed & IFF_MULTICAST) !== 0) dev_set_rx_mode(dev);
  let error = 0;
  if ((changed & IFF_UP) !== 0) {
    if ((flags & IFF_UP) !== 0) error = dev_open(dev);
    else dev_close(dev);
  }
  if ((changed & IFF_PROMISC) !== 0) dev_set_promiscuity(dev, (flags & IFF_PROMISC) !== 0 ? 1 : -1);
  if ((changed & IFF_ALLMULTI) !== 0) dev_set_allmulti(dev, (flags & IFF_ALLMULTI) !== 0 ? 1 : -1);
  if ((changed & ~IFF_UP) !== 0 && netif_running(dev)) call_netdevice_notifiers(NETDEV_CHANGE, dev);
  return error;
}

/* Settings */

/** `ip link set DEV mtu N`; 0 or -errno. */
export function dev_set_mtu(dev: net_device, new_mtu: number): number {
  if (new_mtu === dev.mtu) return 0;
  if (new_mtu < dev.min_mtu || (dev.max_mtu > 0 && new_mtu > dev.max_mtu)) return -EINVAL;
  const error = dev.netdev_ops.ndo_change_mtu?.(dev, new_mtu) ?? 0;
  if (error !== 0) return error;
  dev.mtu = new_mtu;
  call_netdevice_notifiers(NETDEV_CHANGEMTU, dev);
  return 0;
}

export function dev_set_mac_address(dev: net_device, address: Uint8Array): number {
  if (dev.netdev_ops.ndo_set_mac_address === undefined) return -EOPNOTSUPP;
  if (address.length !== dev.addr_len) return -EINVAL;
  const error = dev.netdev_ops.ndo_set_mac_address(dev, address);
  if (error === 0) call_netdevice_notifiers(NETDEV_CHANGEADDR, dev);
  return error;
}

/** The receive filter follows flags and address lists. */
export function dev_set_rx_mode(dev: net_device): void {
  if ((dev.flags & IFF_UP) !== 0 && netif_device_present(dev)) dev.netdev_ops.ndo_set_rx_mode?.(dev);
}

export function dev_set_promiscuity(dev: net_device, inc: number): number {
  dev.promiscuity += inc;
  if (dev.promiscuity > 0) dev.flags |= IFF_PROMISC;
  else dev.flags &= ~IFF_PROMISC;
  dev_set_rx_mode(dev);
  return 0;
}

export function dev_set_allmulti(dev: net_device, inc: number): number {
  dev.allmulti += inc;
  if (dev.allmulti > 0) dev.flags |= IFF_ALLMULTI;
  else dev.flags &= ~IFF_ALLMULTI;
  dev_set_rx_mode(dev);
  return 0;
}

const sameAddress = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, i) => byte === b[i]);

function addAddress(dev: net_device, list: Uint8Array[], address: Uint8Array): number {
  if (list.some((known) => sameAddress(known, address))) return -EEXIST;
  list.push(address.slice());
  dev_set_rx_mode(dev);
  return 0;
}

function deleteAddress(dev: net_device, list: Uint8Array[], address: Uint8Array): number {
  const index = list.findIndex((known) => sameAddress(known, address));
  if (index < 0) return -EINVAL;
  list.splice(index, 1);
  dev_set_rx_mode(dev);
  return 0;
}

export const dev_uc_add = (dev: net_device, address: Uint8Array): number => addAddress(dev, dev.uc, address);
export const dev_uc_del = (dev: net_device, address: Uint8Array): number => deleteAddress(dev, dev.uc, address);
export const dev_mc_add = (dev: net_device, address: Uint8Array): number => addAddress(dev, dev.mc, address);
export const dev_mc_del = (dev: net_device, address: Uint8Array): number => deleteAddress(dev, dev.mc, address);

export function netif_set_real_num_tx_queues(dev: net_device, txq: number): number {
  if (txq < 1 || txq > dev.num_tx_queues) return -EINVAL;
  dev.real_num_tx_queues = txq;
  return 0;
}

export function netif_set_real_num_rx_queues(dev: net_device, rxq: number): number {
  if (rxq < 1 || rxq > dev.num_rx_queues) return -EINVAL;
  dev.real_num_rx_queues = rxq;
  return 0;
}

/** XPS: the CPUs of `mask` (a bit each) send on queue `index`. */
export function netif_set_xps_queue(dev: net_device, mask: number, index: number): number {
  if (index >= dev.num_tx_queues) return -EINVAL;
  const cpus = dev.nd_net.kernel.percpu.length;
  while (dev.xps_cpus.length < cpus) dev.xps_cpus.push(-1);
  for (let cpu = 0; cpu < cpus; cpu++) if ((mask & (1 << cpu)) !== 0) dev.xps_cpus[cpu] = index;
  return 0;
}

/* Features */

/** Features follow what the user wants, as far as the driver can and dependencies allow; tells others when they change. */
export function netdev_update_features(dev: net_device): void {
  if (__netdev_update_features(dev)) netdev_features_change(dev);
}

export function netdev_change_features(dev: net_device): void {
  __netdev_update_features(dev);
  netdev_features_change(dev);
}

function netdev_features_change(dev: net_device): void {
  call_netdevice_notifiers(NETDEV_FEAT_CHANGE, dev);
}

/** True when they changed. */
export function __netdev_update_features(dev: net_device): boolean {
  let features = (dev.features & ~dev.hw_features) | dev.wanted_features;
  features = dev.netdev_ops.ndo_fix_features?.(dev, features) ?? features;
  features = netdev_fix_features(features);
  if (features === dev.features) return false;
  const error = dev.netdev_ops.ndo_set_features?.(dev, features) ?? 0;
  if (error < 0) return false;
  // A driver that returns more than 0 has set them itself.
  if (error === 0) dev.features = features;
  return true;
}

function netdev_has_ip_or_hw_csum(features: number): boolean {
  const both = NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM;
  return (features & both) === both || (features & NETIF_F_HW_CSUM) !== 0;
}

/** Segmentation needs gathering, gathering needs checksums, and the like. */
function netdev_fix_features(features: number): number {
  if ((features & NETIF_F_HW_CSUM) !== 0 && (features & (NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM)) !== 0)
    features &= ~(NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM);
  if ((features & NETIF_F_CSUM_MASK) === 0) features &= ~NETIF_F_ALL_TSO;
  if (!netdev_has_ip_or_hw_csum(features)) features &= ~NETIF_F_GSO_UDP_L4;
  if ((features & NETIF_F_SG) === 0) features &= ~NETIF_F_ALL_TSO;
  if ((features & NETIF_F_SG) === 0) features &= ~NETIF_F_GSO;
  if ((features & NETIF_F_RXCSUM) === 0) features &= ~NETIF_F_GRO_HW;
  return features;
}

/* Looking up */

export const __dev_get_by_name = (network: net, name: string): net_device | null => network.dev_by_name.get(name) ?? null;
export const dev_get_by_name = __dev_get_by_name;

export function __dev_get_by_index(network: net, ifindex: number): net_device | null {
  const devices = network.dev_base;
  for (let i = 0; i < devices.length; i++) if (devices[i]!.ifindex === ifindex) return devices[i]!;
  return null;
}
export const dev_get_by_index = __dev_get_by_index;

export function dev_get_by_index_rcu(network: net, ifindex: number): net_device | null {
  return __dev_get_by_index(network, ifindex);
}

/* Protocol handlers */

/** Packets of `type` (ETH_P_ALL: all, sent ones too) go to `handler`, of all devices or of one. */
export function dev_add_pack(handler: packet_type): void {
  const list = ptype_head(handler);
  if (list !== undefined) list.push(handler);
  else kernel().init_net.ptype_base.set(handler.type, [handler]);
}

export function dev_remove_pack(handler: packet_type): void {
  const list = ptype_head(handler);
  const index = list?.indexOf(handler) ?? -1;
  if (index >= 0) list!.splice(index, 1);
}

function ptype_head(handler: packet_type): packet_type[] | undefined {
  const network = kernel().init_net;
  if (handler.type === ETH_P_ALL) return handler.dev === null ? network.ptype_all : handler.dev.ptype_all;
  return handler.dev === null ? network.ptype_base.get(handler.type) : handler.dev.ptype_specific;
}

/* Counters */

/** `ip -s link`: the driver's counters and those of the core. */
export function dev_get_stats(dev: net_device): rtnl_link_stats64 {
  const stats = Object.assign(new rtnl_link_stats64(), dev.netdev_ops.ndo_get_stats64?.(dev) ?? dev.stats);
  stats.rx_dropped += dev.rx_dropped;
  stats.tx_dropped += dev.tx_dropped;
  stats.rx_nohandler += dev.rx_nohandler;
  return stats;
}
