/** drivers/net/ethernet/intel/igb/igb.h: the driver's own state: adapter, interrupt vectors, rings and the bookkeeping of their descriptors. */
import { E1000_ADVTXD_DCMD_EOP, E1000_ADVTXD_DCMD_RS, E1000_VLAN_FILTER_TBL_SIZE } from '../../../../../../hw/igb/e1000_defines.ts';
import { DESCRIPTOR_SIZE } from '../../../../../../hw/igb/e1000_desc.ts';
import { PAGE_SIZE } from '../../../../../../machine/memory.ts';
import { WIDE } from '../../../../../../sim/wide.ts';
import type { device } from '../../../../../include/linux/device.ts';
import { type napi_struct, type net_device, type netdev_queue, rtnl_link_stats64 } from '../../../../../include/linux/netdevice.ts';
import { msix_entry, type pci_dev } from '../../../../../include/linux/pci.ts';
import type { ptp_clock } from '../../../../../include/linux/ptp_clock_kernel.ts';
import { MAX_SKB_FRAGS, NET_IP_ALIGN, SKB_WITH_OVERHEAD, type sk_buff } from '../../../../../include/linux/skbuff.ts';
import type { coherentMemory } from '../../../../../kernel/dma/mapping.ts';
import type { timecounter } from '../../../../../kernel/time/timecounter.ts';
import type { timer_list } from '../../../../../kernel/time/timer.ts';
import type { delayed_work, work_struct } from '../../../../../kernel/workqueue.ts';
import type { page } from '../../../../../mm/page_alloc.ts';
import { ETH_FCS_LEN, ETH_HLEN, VLAN_HLEN } from '../../../../../uapi/if_ether.ts';
import { HWTSTAMP_FILTER_NONE, HWTSTAMP_TX_OFF, type hwtstamp_config } from '../../../../../uapi/net_tstamp.ts';
import { e1000_hw, e1000_hw_stats } from './e1000_hw.ts';

/** Interrupt intervals in units of 1/4 µs: EITR has the interval in µs from bit 2 on. */
export const IGB_START_ITR = 648;
export const IGB_4K_ITR = 980;
export const IGB_20K_ITR = 196;
export const IGB_70K_ITR = 56;
export const IGB_DEFAULT_ITR = 3;
export const IGB_MAX_ITR_USECS = 10000;
export const IGB_MIN_ITR_USECS = 10;

export const IGB_DEFAULT_TXD = 256;
export const IGB_DEFAULT_TX_WORK = 128;
export const IGB_MIN_TXD = 64;
export const IGB_MAX_TXD = 4096;
export const IGB_DEFAULT_RXD = 256;
export const IGB_MIN_RXD = 64;
export const IGB_MAX_RXD = 4096;
export const IGB_MAX_RX_QUEUES = 8;
export const IGB_MAX_TX_QUEUES = 8;
export const MAX_Q_VECTORS = 8;
export const NON_Q_VECTORS = 1;
export const IGB_RETA_SIZE = 128;

/** Descriptor thresholds: prefetch below P when H are there, write back in groups of W. */
export const IGB_RX_PTHRESH = 8;
export const IGB_RX_HTHRESH = 8;
export const IGB_TX_PTHRESH = 8;
export const IGB_TX_HTHRESH = 1;
export const IGB_RX_WTHRESH = (adapter: igb_adapter): number => ((adapter.flags & IGB_FLAG_HAS_MSIX) !== 0 ? 1 : 4);
export const IGB_TX_WTHRESH = (adapter: igb_adapter): number => ((adapter.flags & IGB_FLAG_HAS_MSIX) !== 0 ? 1 : 16);

export const IGB_ETH_PKT_HDR_PAD = ETH_HLEN + ETH_FCS_LEN + VLAN_HLEN * 2;
export const IGB_RXBUFFER_256 = 256;
export const IGB_RXBUFFER_1536 = 1536;
export const IGB_RXBUFFER_2048 = 2048;
export const IGB_RXBUFFER_3072 = 3072;
export const IGB_RX_HDR_LEN = IGB_RXBUFFER_256;
export const IGB_MAX_FRAME_BUILD_SKB = IGB_RXBUFFER_1536 - NET_IP_ALIGN;
/** Headroom before a received frame: what a half page leaves beside an ordinary frame and the skb's shared info. */
export const IGB_SKB_PAD = SKB_WITH_OVERHEAD(PAGE_SIZE / 2) - (IGB_RXBUFFER_1536 - NET_IP_ALIGN);
/** Buffers given back to the device at once. */
export const IGB_RX_BUFFER_WRITE = 16;
export const USHRT_MAX = 0xffff;

export const IGB_MAX_DATA_PER_TXD = 1 << 15;
export const TXD_USE_COUNT = (size: number): number => (size + IGB_MAX_DATA_PER_TXD - 1) >> 15;
/** Most descriptors an skb takes: its fragments, its head, a context, and the gap between tail and head. */
export const DESC_NEEDED = MAX_SKB_FRAGS + 4;
export const IGB_TXD_DCMD = E1000_ADVTXD_DCMD_EOP | E1000_ADVTXD_DCMD_RS;

export const IGB_TX_FLAGS_VLAN = 0x01;
export const IGB_TX_FLAGS_TSO = 0x02;
export const IGB_TX_FLAGS_TSTAMP = 0x04;
export const IGB_TX_FLAGS_IPV4 = 0x10;
export const IGB_TX_FLAGS_CSUM = 0x20;
export const IGB_TX_FLAGS_VLAN_MASK = 0xffff0000;
export const IGB_TX_FLAGS_VLAN_SHIFT = 16;

export const IGB_FLAG_HAS_MSI = 1 << 0;
export const IGB_FLAG_QUEUE_PAIRS = 1 << 3;
export const IGB_FLAG_RSS_FIELD_IPV4_UDP = 1 << 6;
export const IGB_FLAG_RSS_FIELD_IPV6_UDP = 1 << 7;
export const IGB_FLAG_HAS_MSIX = 1 << 13;
export const IGB_FLAG_RX_LEGACY = 1 << 16;
export const IGB_PTP_ENABLED = 1 << 0;
export const IGB_PTP_OVERFLOW_CHECK = 1 << 1;

/** Bits of igb_adapter.state. */
export const __IGB_TESTING = 1 << 0;
export const __IGB_RESETTING = 1 << 1;
export const __IGB_DOWN = 1 << 2;
export const __IGB_PTP_TX_IN_PROGRESS = 1 << 3;

export const lowest_latency = 0;
export const low_latency = 1;
export const bulk_latency = 2;

/** What the driver remembers of a descriptor that carries a packet, or a part of it, to the device. */
export class igb_tx_buffer {
  /** Index of the packet's last descriptor, in the buffer of its first one; -1 while nothing is pending. */
  next_to_watch = -1;
  /** jiffies when it was handed over. */
  time_stamp = WIDE;
  skb: sk_buff | null = null;
  bytecount = 0;
  gso_segs = 0;
  protocol = 0;
  dma = 0;
  /** Bytes mapped; 0 when the descriptor maps nothing of its own. */
  len = 0;
  tx_flags = 0;

  clear(): void {
    this.next_to_watch = -1;
    this.time_stamp = 0;
    this.skb = null;
    this.bytecount = 0;
    this.gso_segs = 0;
    this.protocol = 0;
    this.dma = 0;
    this.len = 0;
    this.tx_flags = 0;
  }
}

/** A page of which one half belongs to the device. */
export class igb_rx_buffer {
  dma = 0;
  page: page | null = null;
  /** Where in the page the device writes. */
  page_offset = 0;
  /** References to the page that the driver holds in stock. */
  pagecnt_bias = 0;

  clear(): void {
    this.dma = 0;
    this.page = null;
    this.page_offset = 0;
    this.pagecnt_bias = 0;
  }
}

export class igb_tx_queue_stats {
  packets = WIDE;
  bytes = WIDE;
  restart_queue = 0;
  restart_queue2 = 0;
}

export class igb_rx_queue_stats {
  packets = WIDE;
  bytes = WIDE;
  drops = 0;
  csum_err = 0;
  alloc_failed = 0;
}

/** The rings of one direction on a vector (one at most), and what they did since the last interrupt. */
export class igb_ring_container {
  ring: igb_ring | null = null;
  total_bytes = 0;
  total_packets = 0;
  work_limit = 0;
  count = 0;
  itr = lowest_latency;
}

export class igb_ring {
  readonly q_vector: igb_q_vector;
  readonly netdev: net_device;
  readonly dev: device;
  readonly hw: e1000_hw;
  /** One of the two is empty: a ring sends or receives. */
  readonly tx_buffer_info: igb_tx_buffer[] = [];
  readonly rx_buffer_info: igb_rx_buffer[] = [];
  /** The descriptors; null until the ring is set up. `descView` and `descBase` are where they stand. */
  desc: coherentMemory | null = null;
  descView: DataView = null as unknown as DataView;
  descBase = 0;
  dma = 0;
  /** Offset of the tail register. */
  tail = 0;
  count = 0;
  readonly queue_index: number;
  reg_idx = 0;
  /** ring flags */
  uses3kBuffer = false;
  usesBuildSkb = false;
  rxSctpCsum = false;
  detectTxHang = false;
  rxAllocFailed = false;

  next_to_clean = 0;
  next_to_use = 0;
  next_to_alloc = 0;
  readonly tx_stats = new igb_tx_queue_stats();
  readonly rx_stats = new igb_rx_queue_stats();
  /** A frame whose last buffer has not come yet. */
  skb: sk_buff | null = null;

  constructor(q_vector: igb_q_vector, queue_index: number, count: number) {
    const adapter = q_vector.adapter;
    this.q_vector = q_vector;
    this.netdev = adapter.netdev;
    this.dev = adapter.pdev.dev;
    this.hw = adapter.hw;
    this.queue_index = queue_index;
    this.count = count;
  }
}

/** An interrupt vector with its NAPI instance. */
export class igb_q_vector {
  readonly adapter: igb_adapter;
  napi: napi_struct = null as unknown as napi_struct;
  eims_value = 0;
  itr_val = IGB_START_ITR;
  /** The device has to be told `itr_val`. */
  set_itr = false;
  /** Offset of its EITR. */
  itr_register = 0;
  readonly rx = new igb_ring_container();
  readonly tx = new igb_ring_container();
  name = '';

  constructor(adapter: igb_adapter) {
    this.adapter = adapter;
  }
}

/** A slot of the receive address table. */
export class igb_mac_addr {
  readonly addr = new Uint8Array(6);
  queue = 0;
  inUse = false;
  isDefault = false;
}

export class igb_adapter {
  readonly netdev: net_device;
  readonly pdev: pci_dev;
  readonly hw: e1000_hw;
  state = 0;
  flags = 0;
  ptp_flags = 0;

  num_q_vectors = 0;
  readonly msix_entries: msix_entry[] = [];
  readonly q_vector: igb_q_vector[] = [];
  rx_itr_setting = IGB_DEFAULT_ITR;
  tx_itr_setting = IGB_DEFAULT_ITR;

  tx_work_limit = IGB_DEFAULT_TX_WORK;
  tx_timeout_count = 0;
  num_tx_queues = 0;
  readonly tx_ring: igb_ring[] = [];
  num_rx_queues = 0;
  readonly rx_ring: igb_ring[] = [];

  max_frame_size = 0;
  min_frame_size = 0;
  tx_ring_count = IGB_DEFAULT_TXD;
  rx_ring_count = IGB_DEFAULT_RXD;
  rss_queues = 0;
  /** Queues the redirection table was last filled for. */
  rss_indir_tbl_init = 0;
  readonly rss_indir_tbl = new Uint8Array(IGB_RETA_SIZE);

  watchdog_timer: timer_list = null as unknown as timer_list;
  phy_info_timer: timer_list = null as unknown as timer_list;
  watchdog_task: work_struct = null as unknown as work_struct;
  reset_task: work_struct = null as unknown as work_struct;

  link_speed = 0;
  link_duplex = 0;
  fc_autoneg = true;
  tx_timeout_factor = 1;
  eims_enable_mask = 0;
  eims_other = 0;

  readonly stats = new e1000_hw_stats();
  readonly stats64 = new rtnl_link_stats64();
  readonly mac_table: igb_mac_addr[] = [];
  readonly active_vlans = new Set<number>();
  readonly shadow_vfta = new Uint32Array(E1000_VLAN_FILTER_TBL_SIZE);
  fw_version = '';

  ptp_clock: ptp_clock | null = null;
  tc: timecounter = null as unknown as timecounter;
  ptp_overflow_work: delayed_work = null as unknown as delayed_work;
  ptp_tx_work: work_struct = null as unknown as work_struct;
  /** The packet that is sent with a stamp, with a reference of the driver's own, and since when (jiffies). */
  ptp_tx_skb: sk_buff | null = null;
  ptp_tx_start = 0;
  /** jiffies. */
  last_rx_ptp_check = WIDE;
  last_rx_timestamp = 0;
  readonly tstamp_config: hwtstamp_config = { flags: 0, tx_type: HWTSTAMP_TX_OFF, rx_filter: HWTSTAMP_FILTER_NONE };
  /** Causes that the interrupt test has seen. */
  test_icr = 0;
  /** What a loopback test that is under way holds: rings of its own and the frame that it sends. */
  test_tx_ring: igb_ring | null = null;
  test_rx_ring: igb_ring | null = null;
  testFrame: sk_buff | null = null;
  tx_hwtstamp_timeouts = 0;
  tx_hwtstamp_skipped = 0;
  rx_hwtstamp_cleared = 0;

  constructor(netdev: net_device, pdev: pci_dev) {
    this.netdev = netdev;
    this.pdev = pdev;
    this.hw = new e1000_hw(pdev.slot);
    for (let i = 0; i < MAX_Q_VECTORS + NON_Q_VECTORS; i++) this.msix_entries.push(new msix_entry());
    for (let i = 0; i < this.hw.mac.rar_entry_count; i++) this.mac_table.push(new igb_mac_addr());
  }
}

/** Where descriptor `i` stands in `ring.descView`: make a window there (`new e1000_adv_tx_desc_read(ring.descView, …)`). */
export const IGB_TX_DESC = (ring: igb_ring, i: number): number => ring.descBase + i * DESCRIPTOR_SIZE;
export const IGB_RX_DESC = IGB_TX_DESC;
export const IGB_TX_CTXTDESC = IGB_TX_DESC;

/** Descriptors that may still be filled: one always stays empty, so that a full ring differs from an empty one. */
export function igb_desc_unused(ring: igb_ring): number {
  const gap = ring.next_to_clean - ring.next_to_use - 1;
  return gap >= 0 ? gap : gap + ring.count;
}

export const txring_txq = (ring: igb_ring): netdev_queue => ring.netdev._tx[ring.queue_index]!;
export const ring_uses_build_skb = (ring: igb_ring): boolean => ring.usesBuildSkb;
export const ring_uses_large_buffer = (ring: igb_ring): boolean => ring.uses3kBuffer;

export const igb_rx_bufsz = (ring: igb_ring): number => {
  if (ring.uses3kBuffer) return IGB_RXBUFFER_3072;
  return ring.usesBuildSkb ? IGB_MAX_FRAME_BUILD_SKB : IGB_RXBUFFER_2048;
};
/** Two buffers of 3 KiB with headroom and shared info take two pages. */
export const igb_rx_pg_order = (ring: igb_ring): number => (ring.uses3kBuffer ? 1 : 0);
export const igb_rx_pg_size = (ring: igb_ring): number => PAGE_SIZE << igb_rx_pg_order(ring);
/** Memory each received buffer stands for: half of its page. */
export const rxTruesize = (ring: igb_ring): number => igb_rx_pg_size(ring) / 2;
export const igb_rx_offset = (ring: igb_ring): number => (ring.usesBuildSkb ? IGB_SKB_PAD : 0);

export const stateHas = (adapter: igb_adapter, bit: number): boolean => (adapter.state & bit) !== 0;
