/**
 * drivers/net/ethernet/intel/igb/igb_main.c: writes the configuration after a reset.
 * `igb_configure` → `igb_setup_tctl`, `igb_setup_mrqc`, `igb_setup_rctl`, `igb_configure_tx`, `igb_configure_rx` → `igb_alloc_rx_buffers`.
 */
import * as D from '../../../../../../hw/igb/e1000_defines.ts';
import { DESCRIPTOR_SIZE, e1000_adv_rx_desc_wb } from '../../../../../../hw/igb/e1000_desc.ts';
import * as R from '../../../../../../hw/igb/e1000_regs.ts';
import { NETIF_F_RXALL } from '../../../../../include/linux/netdevice.ts';
import { usleep_range } from '../../../../../kernel/time/delay.ts';
import { netdev_rss_key_fill } from '../../../../../net/ethtool/common.ts';
import { igb_rx_fifo_flush_82575, igb_vmdq_set_loopback_pf, igb_vmdq_set_replication_pf } from './e1000_82575.ts';
import { e1000_fc_rx_pause, modify32, rd32, wr32, wrfl } from './e1000_hw.ts';
import { igb_config_collision_dist } from './e1000_mac.ts';
import {
  IGB_FLAG_RSS_FIELD_IPV4_UDP,
  IGB_FLAG_RSS_FIELD_IPV6_UDP,
  IGB_FLAG_RX_LEGACY,
  IGB_MAX_FRAME_BUILD_SKB,
  IGB_RETA_SIZE,
  IGB_RX_DESC,
  IGB_RX_HDR_LEN,
  IGB_RX_HTHRESH,
  IGB_RX_PTHRESH,
  IGB_RX_WTHRESH,
  IGB_RXBUFFER_2048,
  IGB_RXBUFFER_3072,
  IGB_TX_HTHRESH,
  IGB_TX_PTHRESH,
  IGB_TX_WTHRESH,
  type igb_adapter,
  igb_desc_unused,
  type igb_ring,
  ring_uses_large_buffer,
} from './igb.ts';
import { igb_restore_vlan, igb_set_default_mac_filter, igb_set_rx_mode } from './igb_main_filter.ts';
import { igb_alloc_rx_buffers } from './igb_main_rx_alloc.ts';

export function igb_configure(adapter: igb_adapter): void {
  igb_get_hw_control(adapter);
  igb_set_rx_mode(adapter.netdev);
  igb_restore_vlan(adapter);
  igb_setup_tctl(adapter);
  igb_setup_mrqc(adapter);
  igb_setup_rctl(adapter);
  igb_configure_tx(adapter);
  igb_configure_rx(adapter);
  igb_rx_fifo_flush_82575(adapter.hw);
  for (const ring of adapter.rx_ring) igb_alloc_rx_buffers(ring, igb_desc_unused(ring));
}

/** Firmware learns that a driver has taken over. */
export function igb_get_hw_control(adapter: igb_adapter): void {
  modify32(adapter.hw, R.E1000_CTRL_EXT, 0, D.E1000_CTRL_EXT_DRV_LOAD);
}

export function igb_release_hw_control(adapter: igb_adapter): void {
  modify32(adapter.hw, R.E1000_CTRL_EXT, D.E1000_CTRL_EXT_DRV_LOAD, 0);
}

export function igb_setup_tctl(adapter: igb_adapter): void {
  const hw = adapter.hw;
  // Queue 0 is enabled after a reset.
  wr32(hw, R.E1000_TXDCTL(0), 0);
  const before = rd32(hw, R.E1000_TCTL) & ~D.E1000_TCTL_CT;
  igb_config_collision_dist(hw);
  const collisions = D.E1000_COLLISION_THRESHOLD << D.E1000_CT_SHIFT;
  wr32(hw, R.E1000_TCTL, (before | D.E1000_TCTL_PSP | D.E1000_TCTL_RTLC | collisions | D.E1000_TCTL_EN) >>> 0);
}

/** Receive side scaling: key, redirection table, which headers are hashed. */
function igb_setup_mrqc(adapter: igb_adapter): void {
  const hw = adapter.hw;
  const key = new Uint8Array(40);
  netdev_rss_key_fill(key);
  const words = new DataView(key.buffer);
  for (let i = 0; i < 10; i++) wr32(hw, R.E1000_RSSRK(i), words.getUint32(4 * i, true));
  const queues = adapter.rss_queues;
  if (adapter.rss_indir_tbl_init !== queues) {
    for (let i = 0; i < IGB_RETA_SIZE; i++) adapter.rss_indir_tbl[i] = Math.floor((i * queues) / IGB_RETA_SIZE);
    adapter.rss_indir_tbl_init = queues;
  }
  igb_write_rss_indir_tbl(adapter);
  // PCSD: the descriptor carries the hash in place of a raw checksum.
  modify32(hw, R.E1000_RXCSUM, 0, D.E1000_RXCSUM_PCSD | D.E1000_RXCSUM_CRCOFL);
  igb_vmm_control(adapter);
  wr32(hw, R.E1000_MRQC, hashFields(adapter) | D.E1000_MRQC_ENABLE_RSS_MQ);
}

function hashFields(adapter: igb_adapter): number {
  let fields = D.E1000_MRQC_RSS_FIELD_IPV4 | D.E1000_MRQC_RSS_FIELD_IPV4_TCP | D.E1000_MRQC_RSS_FIELD_IPV6;
  fields |= D.E1000_MRQC_RSS_FIELD_IPV6_TCP | D.E1000_MRQC_RSS_FIELD_IPV6_TCP_EX;
  if ((adapter.flags & IGB_FLAG_RSS_FIELD_IPV4_UDP) !== 0) fields |= D.E1000_MRQC_RSS_FIELD_IPV4_UDP;
  if ((adapter.flags & IGB_FLAG_RSS_FIELD_IPV6_UDP) !== 0) fields |= D.E1000_MRQC_RSS_FIELD_IPV6_UDP;
  return fields;
}

/** Four entries a register, the lowest first. */
export function igb_write_rss_indir_tbl(adapter: igb_adapter): void {
  const table = adapter.rss_indir_tbl;
  for (let i = 0; i < IGB_RETA_SIZE; i += 4) {
    const word = table[i]! | (table[i + 1]! << 8) | (table[i + 2]! << 16) | (table[i + 3]! << 24);
    wr32(adapter.hw, R.E1000_RETA(i >>> 2), word >>> 0);
  }
}

/** No virtual machines: VLAN tags are stripped from replicated packets, nothing is switched inside the device. */
function igb_vmm_control(adapter: igb_adapter): void {
  const hw = adapter.hw;
  modify32(hw, R.E1000_DTXCTL, 0, D.E1000_DTXCTL_VLAN_ADDED);
  modify32(hw, R.E1000_RPLOLR, 0, D.E1000_RPLOLR_STRVLAN);
  igb_vmdq_set_loopback_pf(hw, false);
  igb_vmdq_set_replication_pf(hw, false);
}

export function igb_setup_rctl(adapter: igb_adapter): void {
  const hw = adapter.hw;
  let rctl = rd32(hw, R.E1000_RCTL);
  rctl &= ~(D.E1000_RCTL_MO_MASK | D.E1000_RCTL_LBM_MASK | D.E1000_RCTL_SBP | D.E1000_RCTL_SZ_256);
  rctl |= D.E1000_RCTL_EN | D.E1000_RCTL_BAM | D.E1000_RCTL_SECRC | D.E1000_RCTL_LPE | (hw.mac.mc_filter_type << D.E1000_RCTL_MO_SHIFT);
  // A tail written to an enabled queue that is not configured yet would start it.
  wr32(hw, R.E1000_RXDCTL(0), 0);
  if ((adapter.netdev.features & NETIF_F_RXALL) !== 0) {
    rctl |= D.E1000_RCTL_SBP | D.E1000_RCTL_BAM | D.E1000_RCTL_PMCF;
    rctl &= ~(D.E1000_RCTL_DPF | D.E1000_RCTL_CFIEN);
  }
  wr32(hw, R.E1000_RCTL, rctl >>> 0);
}

function igb_configure_tx(adapter: igb_adapter): void {
  const hw = adapter.hw;
  for (const ring of adapter.tx_ring) wr32(hw, R.E1000_TXDCTL(ring.reg_idx), 0);
  wrfl(hw);
  usleep_range(10000, 20000);
  for (const ring of adapter.tx_ring) igb_configure_tx_ring(adapter, ring);
}

export function igb_configure_tx_ring(adapter: igb_adapter, ring: igb_ring): void {
  const hw = adapter.hw;
  const i = ring.reg_idx;
  wr32(hw, R.E1000_TDLEN(i), ring.count * DESCRIPTOR_SIZE);
  wr32(hw, R.E1000_TDBAL(i), ring.dma >>> 0);
  wr32(hw, R.E1000_TDBAH(i), Math.floor(ring.dma / 0x1_0000_0000));
  ring.tail = R.E1000_TDT(i);
  wr32(hw, R.E1000_TDH(i), 0);
  wr32(hw, ring.tail, 0);
  for (const buffer of ring.tx_buffer_info) buffer.clear();
  const thresholds = IGB_TX_PTHRESH | (IGB_TX_HTHRESH << 8) | (IGB_TX_WTHRESH(adapter) << 16);
  wr32(hw, R.E1000_TXDCTL(i), thresholds | D.E1000_TXDCTL_QUEUE_ENABLE);
}

function igb_configure_rx(adapter: igb_adapter): void {
  igb_set_default_mac_filter(adapter);
  for (const ring of adapter.rx_ring) {
    igb_set_rx_buffer_len(adapter, ring);
    igb_configure_rx_ring(adapter, ring);
  }
}

/** Frames that don't fit into half a page with headroom and shared info get half of two pages. */
function igb_set_rx_buffer_len(adapter: igb_adapter, ring: igb_ring): void {
  ring.usesBuildSkb = false;
  ring.uses3kBuffer = false;
  if ((adapter.flags & IGB_FLAG_RX_LEGACY) !== 0) return;
  ring.usesBuildSkb = true;
  if (adapter.max_frame_size > IGB_MAX_FRAME_BUILD_SKB || (rd32(adapter.hw, R.E1000_RCTL) & D.E1000_RCTL_SBP) !== 0)
    ring.uses3kBuffer = true;
}

export function igb_configure_rx_ring(adapter: igb_adapter, ring: igb_ring): void {
  const hw = adapter.hw;
  const i = ring.reg_idx;
  wr32(hw, R.E1000_RXDCTL(i), 0);
  wr32(hw, R.E1000_RDBAL(i), ring.dma >>> 0);
  wr32(hw, R.E1000_RDBAH(i), Math.floor(ring.dma / 0x1_0000_0000));
  wr32(hw, R.E1000_RDLEN(i), ring.count * DESCRIPTOR_SIZE);
  ring.tail = R.E1000_RDT(i);
  wr32(hw, R.E1000_RDH(i), 0);
  wr32(hw, ring.tail, 0);
  igb_setup_srrctl(adapter, ring);
  igb_set_vmolr(adapter, i & 0x7);
  for (const buffer of ring.rx_buffer_info) buffer.clear();
  new e1000_adv_rx_desc_wb(ring.descView, IGB_RX_DESC(ring, 0)).length = 0;
  const thresholds = IGB_RX_PTHRESH | (IGB_RX_HTHRESH << 8) | (IGB_RX_WTHRESH(adapter) << 16);
  wr32(hw, R.E1000_RXDCTL(i), thresholds | D.E1000_RXDCTL_QUEUE_ENABLE);
}

/** Buffer sizes and descriptor type. A queue drops frames it has no buffer for only if pausing the sender would not help. */
export function igb_setup_srrctl(adapter: igb_adapter, ring: igb_ring): void {
  const size = ring_uses_large_buffer(ring) ? IGB_RXBUFFER_3072 : IGB_RXBUFFER_2048;
  let srrctl =
    (IGB_RX_HDR_LEN << D.E1000_SRRCTL_BSIZEHDRSIZE_SHIFT) | (size >>> D.E1000_SRRCTL_BSIZEPKT_SHIFT) | D.E1000_SRRCTL_DESCTYPE_ADV_ONEBUF;
  const pauses = (adapter.hw.fc.current_mode & e1000_fc_rx_pause) !== 0;
  if (!pauses && adapter.num_rx_queues > 1) srrctl |= D.E1000_SRRCTL_DROP_EN;
  wr32(adapter.hw, R.E1000_SRRCTL(ring.reg_idx), srrctl >>> 0);
}

/** Pool 0 takes broadcasts and spreads by RSS; all pools take untagged frames. */
function igb_set_vmolr(adapter: igb_adapter, pool: number): void {
  let vmolr = rd32(adapter.hw, R.E1000_VMOLR(pool)) | D.E1000_VMOLR_AUPE;
  vmolr &= ~(D.E1000_VMOLR_BAM | D.E1000_VMOLR_RSSE);
  if (pool === 0) vmolr |= D.E1000_VMOLR_BAM | (adapter.rss_queues > 1 ? D.E1000_VMOLR_RSSE : 0);
  wr32(adapter.hw, R.E1000_VMOLR(pool), vmolr >>> 0);
}
