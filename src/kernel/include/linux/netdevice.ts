/**
 * include/linux/netdevice.h: network devices, their queues, NAPI, and the per-CPU state of the network core.
 */

import { WIDE } from '../../../sim/wide.ts';
import { this_cpu_ptr } from '../../current.ts';
import type { hrtimer } from '../../kernel/time/hrtimer.ts';
import type { timer_list } from '../../kernel/time/timer.ts';
import { page_frag_cache } from '../../mm/page_frag_cache.ts';
import type { sd_flow_limit } from '../../net/core/dev_flow_limit.ts';
import type { hwtstamp_config } from '../../uapi/net_tstamp.ts';
import type { net } from '../net/net_namespace.ts';
import type { rps_dev_flow_table } from '../net/rps.ts';
import type { Qdisc } from '../net/sch_generic.ts';
import { newAddress } from './address.ts';
import type { device } from './device.ts';
import type { dql } from './dynamic_queue_limits.ts';
import type { ethtool_ops } from './ethtool.ts';
import type { in_device } from './inetdevice.ts';
import { type sk_buff, sk_buff_head } from './skbuff.ts';

export const NETDEV_TX_OK = 0x00;
export const NETDEV_TX_BUSY = 0x10;
export type netdev_tx_t = number;

export const NET_XMIT_SUCCESS = 0x00;
export const NET_XMIT_DROP = 0x01;
export const NET_XMIT_CN = 0x02;
export const NET_XMIT_MASK = 0x0f;
export const NET_RX_SUCCESS = 0;
export const NET_RX_DROP = 1;

export const NAPI_POLL_WEIGHT = 64;

export const IFF_UP = 1 << 0;
export const IFF_BROADCAST = 1 << 1;
export const IFF_LOOPBACK = 1 << 3;
export const IFF_POINTOPOINT = 1 << 4;
export const IFF_RUNNING = 1 << 6;
export const IFF_NOARP = 1 << 7;
export const IFF_PROMISC = 1 << 8;
export const IFF_ALLMULTI = 1 << 9;
export const IFF_MULTICAST = 1 << 12;
export const IFF_LOWER_UP = 1 << 16;

/** Features as bits of a number: only those the model knows. */
export const NETIF_F_SG = 1 << 0;
export const NETIF_F_IP_CSUM = 1 << 1;
export const NETIF_F_HW_CSUM = 1 << 2;
export const NETIF_F_IPV6_CSUM = 1 << 3;
export const NETIF_F_HIGHDMA = 1 << 4;
export const NETIF_F_HW_VLAN_CTAG_TX = 1 << 5;
export const NETIF_F_HW_VLAN_CTAG_RX = 1 << 6;
export const NETIF_F_HW_VLAN_CTAG_FILTER = 1 << 7;
export const NETIF_F_GSO = 1 << 8;
export const NETIF_F_GRO = 1 << 9;
export const NETIF_F_TSO = 1 << 10;
export const NETIF_F_TSO_ECN = 1 << 11;
export const NETIF_F_TSO6 = 1 << 12;
export const NETIF_F_GSO_UDP_L4 = 1 << 13;
export const NETIF_F_RXCSUM = 1 << 14;
export const NETIF_F_RXHASH = 1 << 15;
export const NETIF_F_RXALL = 1 << 16;
export const NETIF_F_SCTP_CRC = 1 << 17;
export const NETIF_F_NTUPLE = 1 << 18;
export const NETIF_F_LOOPBACK = 1 << 19;
export const NETIF_F_RXFCS = 1 << 20;
export const NETIF_F_GSO_PARTIAL = 1 << 21;
export const NETIF_F_TSO_MANGLEID = 1 << 22;
export const NETIF_F_GRO_HW = 1 << 23;
export const NETIF_F_FRAGLIST = 1 << 24;
export const NETIF_F_GRO_UDP_FWD = 1 << 25;
export const NETIF_F_NOCACHE_COPY = 1 << 26;
/** Segments of tunnelled packets, of which the device is told the inner part only: NETIF_F_GSO_GRE, _GRE_CSUM, _IPXIP4, _IPXIP6, _UDP_TUNNEL, _UDP_TUNNEL_CSUM. */
export const gsoPartialTunnels = 1 << 27;
export const NETIF_F_CSUM_MASK = NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM | NETIF_F_HW_CSUM;
export const NETIF_F_ALL_TSO = NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_TSO_ECN | NETIF_F_TSO_MANGLEID;
export const NETIF_F_GSO_MASK = NETIF_F_ALL_TSO | NETIF_F_GSO_UDP_L4 | NETIF_F_GSO_PARTIAL;

/** What the stack does in software for any device that can gather. */
export const NETIF_F_GSO_SOFTWARE = NETIF_F_ALL_TSO | NETIF_F_GSO_UDP_L4;
export const NETIF_F_SOFT_FEATURES = NETIF_F_GSO | NETIF_F_GRO;
/** Features of the stack that are off until somebody wants them. */
export const NETIF_F_SOFT_FEATURES_OFF = NETIF_F_GRO_UDP_FWD;

/** priv_flags */
export const IFF_XMIT_DST_RELEASE = 1 << 7;
export const IFF_TX_SKB_SHARING = 1 << 16;
export const IFF_UNICAST_FLT = 1 << 17;
export const IFF_LIVE_ADDR_CHANGE = 1 << 20;
export const IFF_NO_QUEUE = 1 << 21;

/** Flags that dev_change_flags() lets a user set. */
export const IFF_ECHO = 1 << 18;
export const IFF_DEBUG = 1 << 2;
export const IFF_NOTRAILERS = 1 << 5;
export const IFF_PORTSEL = 1 << 13;
export const IFF_AUTOMEDIA = 1 << 14;
export const IFF_DYNAMIC = 1 << 15;
export const IFF_DORMANT = 1 << 17;

export const NETREG_UNINITIALIZED = 0;
export const NETREG_REGISTERED = 1;
export const NETREG_UNREGISTERED = 3;

/** Notifier events. */
export const NETDEV_UP = 1;
export const NETDEV_DOWN = 2;
export const NETDEV_REBOOT = 3;
export const NETDEV_CHANGE = 4;
export const NETDEV_REGISTER = 5;
export const NETDEV_UNREGISTER = 6;
export const NETDEV_CHANGEMTU = 7;
export const NETDEV_CHANGEADDR = 8;
export const NETDEV_GOING_DOWN = 10;
export const NETDEV_FEAT_CHANGE = 12;
export const NETDEV_PRE_UP = 14;

export type netdevice_notifier = (event: number, dev: net_device) => void;

export const GRO_MERGED = 0;
export const GRO_MERGED_FREE = 1;
export const GRO_HELD = 2;
export const GRO_NORMAL = 3;
export const GRO_CONSUMED = 4;

export const GSO_MAX_SIZE = 65536;
export const GSO_LEGACY_MAX_SIZE = 65536;
export const GRO_LEGACY_MAX_SIZE = 65536;
export const GSO_MAX_SEGS = 65535;

export const __QUEUE_STATE_DRV_XOFF = 1 << 0;
export const __QUEUE_STATE_STACK_XOFF = 1 << 1;
export const __QUEUE_STATE_FROZEN = 1 << 2;
export const QUEUE_STATE_ANY_XOFF = __QUEUE_STATE_DRV_XOFF | __QUEUE_STATE_STACK_XOFF;
export const QUEUE_STATE_ANY_XOFF_OR_FROZEN = QUEUE_STATE_ANY_XOFF | __QUEUE_STATE_FROZEN;
export const QUEUE_STATE_DRV_XOFF_OR_FROZEN = __QUEUE_STATE_DRV_XOFF | __QUEUE_STATE_FROZEN;

/** One transmit queue of a device. */
export class netdev_queue {
  readonly address = newAddress(320);
  readonly dev: net_device;
  /** Which of the device's queues. */
  readonly index: number;
  qdisc: Qdisc = null as unknown as Qdisc;
  qdisc_sleeping: Qdisc = null as unknown as Qdisc;
  state = 0;
  trans_start = WIDE;
  trans_timeout = 0;
  dql: dql;
  /** What dev_hard_start_xmit() could not hand to the driver. */
  unsent: sk_buff | null = null;

  constructor(dev: net_device, index: number, limits: dql) {
    this.dev = dev;
    this.index = index;
    this.dql = limits;
  }
}

/** Packets that GRO holds back. */
export class gro_list {
  readonly list = new sk_buff_head();
  count = 0;
}

export const GRO_HASH_BUCKETS = 8;

export const NAPI_STATE_SCHED = 1 << 0;
export const NAPI_STATE_MISSED = 1 << 1;
export const NAPI_STATE_DISABLE = 1 << 2;
export const NAPI_STATE_NPSVC = 1 << 3;
export const NAPI_STATE_IN_BUSY_POLL = 1 << 6;
export const NAPI_STATE_PREFER_BUSY_POLL = 1 << 7;

/** struct napi_struct with its gro_node. */
export class napi_struct {
  readonly address = newAddress(512);
  readonly dev: net_device;
  readonly poll: (napi: napi_struct, budget: number) => number;
  readonly weight: number;
  readonly napi_id: number;
  state = NAPI_STATE_SCHED;
  defer_hard_irqs_count = 0;
  gro_flush_timeout = 0;
  defer_hard_irqs = 0;
  /** In its CPU's poll_list. */
  scheduled = false;
  /** Whose poll_list that is. */
  list_owner: softnet_data | null = null;
  /** The last poll used up its weight: it wants another one. */
  wantsRepoll = false;
  next: napi_struct | null = null;
  gro_bitmask = 0;
  readonly gro_hash: gro_list[] = [];
  readonly rx_list = new sk_buff_head();
  rx_count = 0;
  timer: hrtimer | null = null;
  irq = -1;
  /** What the driver put it in: container_of. */
  owner: unknown = null;

  constructor(dev: net_device, poll: (napi: napi_struct, budget: number) => number, weight: number, napi_id: number) {
    this.dev = dev;
    this.poll = poll;
    this.weight = weight;
    this.napi_id = napi_id;
    for (let i = 0; i < GRO_HASH_BUCKETS; i++) this.gro_hash.push(new gro_list());
  }
}

export interface net_device_ops {
  ndo_init?(dev: net_device): number;
  ndo_open(dev: net_device): number;
  ndo_stop(dev: net_device): number;
  ndo_start_xmit(skb: sk_buff, dev: net_device): netdev_tx_t;
  ndo_features_check?(skb: sk_buff, dev: net_device, features: number): number;
  ndo_select_queue?(dev: net_device, skb: sk_buff): number;
  ndo_set_rx_mode?(dev: net_device): void;
  ndo_set_mac_address?(dev: net_device, address: Uint8Array): number;
  ndo_change_mtu?(dev: net_device, mtu: number): number;
  ndo_tx_timeout?(dev: net_device, queue: number): void;
  ndo_get_stats64?(dev: net_device): rtnl_link_stats64;
  ndo_fix_features?(dev: net_device, features: number): number;
  ndo_set_features?(dev: net_device, features: number): number;
  ndo_vlan_rx_add_vid?(dev: net_device, vid: number): number;
  ndo_vlan_rx_kill_vid?(dev: net_device, vid: number): number;
  /** Fills in, or takes over and corrects, what the device stamps. */
  ndo_hwtstamp_get?(dev: net_device, config: hwtstamp_config): number;
  ndo_hwtstamp_set?(dev: net_device, config: hwtstamp_config): number;
}

/** Builds and parses link-layer headers. */
export interface header_ops {
  create(skb: sk_buff, dev: net_device, type: number, daddr: Uint8Array | null, saddr: Uint8Array | null, len: number): number;
  cache?(neigh: import('../net/neighbour.ts').neighbour, hh: import('../net/neighbour.ts').hh_cache, type: number): number;
  cache_update?(hh: import('../net/neighbour.ts').hh_cache, dev: net_device, haddr: Uint8Array): void;
}

/** `ip -s link`'s counters. */
export class rtnl_link_stats64 {
  rx_packets = WIDE;
  tx_packets = WIDE;
  rx_bytes = WIDE;
  tx_bytes = WIDE;
  rx_errors = 0;
  tx_errors = 0;
  rx_dropped = 0;
  tx_dropped = 0;
  multicast = 0;
  collisions = 0;
  rx_length_errors = 0;
  rx_over_errors = 0;
  rx_crc_errors = 0;
  rx_frame_errors = 0;
  rx_fifo_errors = 0;
  rx_missed_errors = 0;
  tx_aborted_errors = 0;
  tx_carrier_errors = 0;
  tx_fifo_errors = 0;
  tx_heartbeat_errors = 0;
  tx_window_errors = 0;
  rx_nohandler = 0;
}

/** Sees packets of a protocol (`type`) or, on ptype_all, of every protocol, in and out. */
export interface packet_type {
  readonly type: number;
  readonly dev: net_device | null;
  func(skb: sk_buff, dev: net_device, pt: packet_type, orig_dev: net_device): number;
  list_func?(list: sk_buff_head, pt: packet_type, orig_dev: net_device): void;
}

export class net_device {
  /** Final once it is registered: `eth%d` until then. */
  name: string;
  ifindex: number;
  readonly type: number;
  readonly nd_net: net;
  netdev_ops: net_device_ops = null as unknown as net_device_ops;
  ethtool_ops: ethtool_ops | null = null;
  /** dev.parent: the device it is on (SET_NETDEV_DEV); null for virtual ones. */
  parent: device | null = null;
  header_ops: header_ops | null = null;
  flags = 0;
  priv_flags = 0;
  /** NETREG_* */
  reg_state = NETREG_UNINITIALIZED;
  /** __LINK_STATE_PRESENT: false while the driver has it suspended or is resetting it. */
  present = true;
  /** The driver needs no transmit lock (loopback). */
  lltx = false;
  /** A change of the carrier waits for linkwatch. */
  linkwatchPending = false;
  /** __LINK_STATE_*: carrier, presence. */
  carrier = false;
  /** __LINK_STATE_START: set before ndo_open, cleared before ndo_stop, so that a driver knows which way it goes. */
  started = false;
  carrier_changes = 0;
  mtu = 1500;
  min_mtu = 68;
  max_mtu = 1500;
  hard_header_len = 14;
  needed_headroom = 0;
  needed_tailroom = 0;
  addr_len = 6;
  dev_addr: Uint8Array = new Uint8Array(6);
  broadcast: Uint8Array = new Uint8Array(6).fill(0xff);
  features = 0;
  hw_features = 0;
  wanted_features = 0;
  hw_enc_features = 0;
  vlan_features = 0;
  gso_max_size = GSO_LEGACY_MAX_SIZE;
  gso_max_segs = GSO_MAX_SEGS;
  gso_ipv4_max_size = GSO_LEGACY_MAX_SIZE;
  gro_max_size = GRO_LEGACY_MAX_SIZE;
  gro_flush_timeout = 0;
  napi_defer_hard_irqs = 0;
  _tx: netdev_queue[] = [];
  num_tx_queues = 1;
  real_num_tx_queues = 1;
  num_rx_queues = 1;
  real_num_rx_queues = 1;
  tx_queue_len = 1000;
  qdisc: Qdisc = null as unknown as Qdisc;
  /** noop_qdisc: what a device that is down has for a qdisc. */
  noopQdisc: Qdisc = null as unknown as Qdisc;
  /** XPS: transmit queue for each CPU; empty when not set up. */
  xps_cpus: number[] = [];
  /** RPS: CPUs for the packets of each receive queue; none: the CPU that polled them. */
  readonly rps_cpus: (readonly number[])[] = [];
  /** RFS: flows of each receive queue. */
  readonly rps_flow_tables: (rps_dev_flow_table | null)[] = [];
  watchdog_timeo = 0;
  watchdog_timer: timer_list | null = null;
  napi_list: napi_struct[] = [];
  ip_ptr: in_device | null = null;
  ptype_all: packet_type[] = [];
  /** Observers at the place of the packet taps, told of every skb that leaves (`outgoing`) or arrives. They take no reference and change nothing. */
  readonly taps: ((skb: sk_buff, outgoing: boolean) => void)[] = [];
  ptype_specific: packet_type[] = [];
  /** Unicast and multicast filter lists: addresses as bytes. */
  readonly uc: Uint8Array[] = [];
  readonly mc: Uint8Array[] = [];
  promiscuity = 0;
  allmulti = 0;
  readonly stats = new rtnl_link_stats64();
  /** Software counters of the core: dropped for want of a handler, of a queue. */
  rx_dropped = 0;
  tx_dropped = 0;
  rx_nohandler = 0;
  /** The driver's own: netdev_priv(). */
  priv: unknown = null;

  constructor(name: string, ifindex: number, type: number, namespace: net) {
    this.name = name;
    this.ifindex = ifindex;
    this.type = type;
    this.nd_net = namespace;
  }
}

export const dev_net = (dev: net_device): net => dev.nd_net;
export const netdev_priv = <T>(dev: net_device): T => dev.priv as T;
export const netdev_get_tx_queue = (dev: net_device, index: number): netdev_queue => dev._tx[index]!;
export const netif_running = (dev: net_device): boolean => dev.started;
export const netif_carrier_ok = (dev: net_device): boolean => dev.carrier;
export const netif_oper_up = (dev: net_device): boolean => (dev.flags & IFF_UP) !== 0 && dev.carrier;
export const netif_device_present = (dev: net_device): boolean => dev.present;
export function netif_device_attach(dev: net_device): void {
  dev.present = true;
}
export const netif_is_multiqueue = (dev: net_device): boolean => dev.num_tx_queues > 1;
export const netif_xmit_stopped = (txq: netdev_queue): boolean => (txq.state & QUEUE_STATE_ANY_XOFF) !== 0;
export const netif_xmit_frozen_or_stopped = (txq: netdev_queue): boolean => (txq.state & QUEUE_STATE_ANY_XOFF_OR_FROZEN) !== 0;
export const netif_tx_queue_stopped = (txq: netdev_queue): boolean => (txq.state & __QUEUE_STATE_DRV_XOFF) !== 0;
export function netif_tx_stop_queue(txq: netdev_queue): void {
  txq.state |= __QUEUE_STATE_DRV_XOFF;
}
export function netif_tx_start_queue(txq: netdev_queue): void {
  txq.state &= ~__QUEUE_STATE_DRV_XOFF;
}
export const netif_queue_stopped = (dev: net_device): boolean => netif_tx_queue_stopped(dev._tx[0]!);
export const __netif_subqueue_stopped = (dev: net_device, queue_index: number): boolean => netif_tx_queue_stopped(dev._tx[queue_index]!);
export function netif_start_subqueue(dev: net_device, queue_index: number): void {
  netif_tx_start_queue(dev._tx[queue_index]!);
}
export function netif_stop_subqueue(dev: net_device, queue_index: number): void {
  netif_tx_stop_queue(dev._tx[queue_index]!);
}
export function netif_tx_start_all_queues(dev: net_device): void {
  for (let i = 0; i < dev.num_tx_queues; i++) netif_tx_start_queue(dev._tx[i]!);
}
export function netif_tx_stop_all_queues(dev: net_device): void {
  for (let i = 0; i < dev.num_tx_queues; i++) netif_tx_stop_queue(dev._tx[i]!);
}
export const netif_tx_disable = netif_tx_stop_all_queues;
export const netif_start_queue = (dev: net_device): void => netif_tx_start_queue(dev._tx[0]!);
export const netif_stop_queue = (dev: net_device): void => netif_tx_stop_queue(dev._tx[0]!);
export const skb_get_tx_queue = (dev: net_device, skb: sk_buff): netdev_queue => dev._tx[skb.queue_mapping]!;
/** More frames follow at once, so that a driver may wait with its doorbell. */
export const netdev_xmit_more = (): boolean => this_cpu_ptr().softnet_data.xmit_more;

export const dev_xmit_complete = (rc: number): boolean => rc < NET_XMIT_MASK;

/** Per-CPU queues of the network core. */
export class softnet_data {
  /** NAPI instances to poll. */
  poll_list: napi_struct | null = null;
  poll_list_tail: napi_struct | null = null;
  /** Qdiscs to run in NET_TX_SOFTIRQ. */
  output_queue: Qdisc | null = null;
  output_queue_tail: Qdisc | null = null;
  /** Transmitted skbs to free in NET_TX_SOFTIRQ. */
  completion_queue: sk_buff | null = null;
  readonly process_queue = new sk_buff_head();
  readonly input_pkt_queue = new sk_buff_head();
  backlog: napi_struct = null as unknown as napi_struct;
  /** Packets that were ever put into the backlog, and that were taken from it. */
  input_queue_tail = 0;
  input_queue_head = 0;
  flow_limit: sd_flow_limit | null = null;
  in_net_rx_action = false;
  /** More frames follow: netdev_xmit_more(). */
  xmit_more = false;
  xmit_recursion = 0;
  /** skbs freed by NAPI, to be used again. */
  readonly napi_skb_cache: sk_buff[] = [];
  /** skbs of this CPU that others have done with: skb_attempt_defer_free(). */
  defer_list: sk_buff | null = null;
  defer_count = 0;
  /** Packets of a batch that go to the same handler. */
  readonly rxSublist = new sk_buff_head();
  /** Where receive heads are cut from: napi_alloc_cache. */
  readonly skb_frags = new page_frag_cache();
  /** /proc/net/softnet_stat. */
  processed = 0;
  time_squeeze = 0;
  dropped = 0;
  received_rps = 0;
}
