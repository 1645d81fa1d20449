/**
 * drivers/net/ethernet/intel/igb/igb_ethtool.c: the loopback test of `ethtool -t`: frames go through a transmit ring of the test's own, the PHY in loopback
 * and a receive ring of the test's own, 64 at a time.
 * `igb_loopback_test` → `igb_setup_desc_rings` → `igb_integrated_phy_loopback` → `igb_run_loopback_test` → `igb_clean_test_rings` → `igb_loopback_cleanup`.
 */
import * as D from '../../../../../../hw/igb/e1000_defines.ts';
import { e1000_adv_rx_desc_wb } from '../../../../../../hw/igb/e1000_desc.ts';
import * as R from '../../../../../../hw/igb/e1000_regs.ts';
import { dev_err } from '../../../../../include/linux/device.ts';
import { NETDEV_TX_OK } from '../../../../../include/linux/netdevice.ts';
import type { Sleeping } from '../../../../../include/linux/sched.ts';
import { type sk_buff, skb_get, skb_put } from '../../../../../include/linux/skbuff.ts';
import { GFP_KERNEL } from '../../../../../include/linux/types.ts';
import { DMA_FROM_DEVICE, DMA_TO_DEVICE, dma_unmap_page_attrs, dma_unmap_single } from '../../../../../kernel/dma/mapping.ts';
import { msleep_interruptible } from '../../../../../kernel/time/sleep_timeout.ts';
import { __page_frag_cache_drain } from '../../../../../mm/page_alloc.ts';
import { dev_kfree_skb_any, netdev_tx_reset_queue } from '../../../../../net/core/dev_tx_queue.ts';
import { alloc_skb } from '../../../../../net/core/skbuff.ts';
import { kfree_skb } from '../../../../../net/core/skbuff_free.ts';
import { rd32, wr32 } from './e1000_hw.ts';
import { igb_check_reset_block, igb_phy_sw_reset, igb_read_phy_reg, igb_write_phy_reg } from './e1000_phy.ts';
import {
  IGB_DEFAULT_RXD,
  IGB_DEFAULT_TXD,
  IGB_RX_DESC,
  IGB_RX_HDR_LEN,
  type igb_adapter,
  igb_desc_unused,
  igb_ring,
  type igb_rx_buffer,
  igb_rx_pg_size,
  txring_txq,
} from './igb.ts';
import { igb_configure_rx_ring, igb_configure_tx_ring, igb_setup_rctl, igb_setup_tctl } from './igb_main_config.ts';
import { igb_free_rx_resources, igb_free_tx_resources, igb_setup_rx_resources, igb_setup_tx_resources } from './igb_main_resources.ts';
import { igb_alloc_rx_buffers } from './igb_main_rx_alloc.ts';
import { igb_xmit_frame_ring } from './igb_main_tx.ts';

/** Frames of a round. */
const ROUND = 64;
/** What the test reports: no memory for the frame, a frame not taken, a frame not seen again. */
const NO_FRAME = 11;
const NOT_SENT = 12;
const NOT_RECEIVED = 13;
const NO_TX_RING = 1;
const NO_RX_RING = 3;

/** The rings of a test: queue 0's registers, but memory of their own. */
interface TestRings {
  readonly tx: igb_ring;
  readonly rx: igb_ring;
}

/** The driver goes while a test sleeps. In Linux it waits for the test's end; at the end of a run nobody wakes the test any more. */
export function abandonLoopbackTest(adapter: igb_adapter): void {
  const { test_tx_ring: tx, test_rx_ring: rx } = adapter;
  if (tx === null || rx === null) return;
  freeTestFrame(adapter);
  igb_free_desc_rings(adapter, { tx, rx });
}

/** 0 when all frames came back. */
export function* igb_loopback_test(adapter: igb_adapter): Sleeping<number> {
  if (igb_check_reset_block(adapter.hw) !== 0) {
    dev_err(adapter.pdev.dev, 'Cannot do PHY loopback test when SoL/IDER is active.');
    return 0;
  }
  const owner = adapter.q_vector[0]!;
  const rings: TestRings = { tx: new igb_ring(owner, 0, IGB_DEFAULT_TXD), rx: new igb_ring(owner, 0, IGB_DEFAULT_RXD) };
  const setup = igb_setup_desc_rings(adapter, rings);
  if (setup !== 0) return setup;
  // How the port is connected decides what can be looped back: this one has a copper PHY.
  rd32(adapter.hw, R.E1000_CTRL_EXT);
  yield* igb_integrated_phy_loopback(adapter);
  const result = yield* igb_run_loopback_test(adapter, rings);
  igb_loopback_cleanup(adapter);
  igb_free_desc_rings(adapter, rings);
  return result;
}

function igb_setup_desc_rings(adapter: igb_adapter, rings: TestRings): number {
  const { tx, rx } = rings;
  if (igb_setup_tx_resources(tx) < 0) return NO_TX_RING;
  igb_setup_tctl(adapter);
  igb_configure_tx_ring(adapter, tx);
  if (igb_setup_rx_resources(rx) < 0) {
    igb_free_tx_resources(tx);
    return NO_RX_RING;
  }
  // No spreading: all frames go to queue 0.
  wr32(adapter.hw, R.E1000_MRQC, 0);
  igb_setup_rctl(adapter);
  igb_configure_rx_ring(adapter, rx);
  igb_alloc_rx_buffers(rx, igb_desc_unused(rx));
  adapter.test_tx_ring = tx;
  adapter.test_rx_ring = rx;
  return 0;
}

function igb_free_desc_rings(adapter: igb_adapter, { tx, rx }: TestRings): void {
  adapter.test_tx_ring = adapter.test_rx_ring = null;
  igb_free_tx_resources(tx);
  freeBetweenEnds(rx);
  igb_free_rx_resources(rx);
}

/** A buffer was taken back but not given again: its page stands outside of what igb_clean_rx_ring() frees. igb forgets it; here that would be a leak. */
function freeBetweenEnds(rx: igb_ring): void {
  for (let i = rx.next_to_alloc; i !== rx.next_to_clean; i = i + 1 === rx.count ? 0 : i + 1) {
    const buffer = rx.rx_buffer_info[i]!;
    if (buffer.page === null) continue;
    dma_unmap_page_attrs(rx.dev, buffer.dma, igb_rx_pg_size(rx), DMA_FROM_DEVICE);
    __page_frag_cache_drain(buffer.page, buffer.pagecnt_bias);
    buffer.page = null;
  }
}

/** The PHY sends back what it is sent, at a speed that PHY and controller are forced to. */
function* igb_integrated_phy_loopback(adapter: igb_adapter): Sleeping<void> {
  const hw = adapter.hw;
  hw.mac.autoneg = false;
  yield* msleep_interruptible(50);
  igb_write_phy_reg(hw, D.PHY_CONTROL, D.MII_CR_LOOPBACK | D.MII_CR_SPEED_1000 | D.MII_CR_FULL_DUPLEX);
  const forced = D.E1000_CTRL_FRCSPD | D.E1000_CTRL_FRCDPX | D.E1000_CTRL_SPD_1000 | D.E1000_CTRL_FD | D.E1000_CTRL_SLU;
  wr32(hw, R.E1000_CTRL, ((rd32(hw, R.E1000_CTRL) & ~D.E1000_CTRL_SPD_SEL) | forced) >>> 0);
  yield* msleep_interruptible(500);
}

function igb_loopback_cleanup(adapter: igb_adapter): void {
  const hw = adapter.hw;
  wr32(hw, R.E1000_RCTL, (rd32(hw, R.E1000_RCTL) & ~D.E1000_RCTL_LBM_MASK) >>> 0);
  hw.mac.autoneg = true;
  const control = igb_read_phy_reg(hw, D.PHY_CONTROL);
  if ((control & D.MII_CR_LOOPBACK) === 0) return;
  igb_write_phy_reg(hw, D.PHY_CONTROL, control & ~D.MII_CR_LOOPBACK);
  igb_phy_sw_reset(hw);
}

/** Twice around the larger ring, and once more. */
function* igb_run_loopback_test(adapter: igb_adapter, rings: TestRings): Sleeping<number> {
  const skb = alloc_skb(IGB_RX_HDR_LEN, GFP_KERNEL);
  if (skb === null) return NO_FRAME;
  adapter.testFrame = skb;
  igb_create_lbtest_frame(skb);
  const rounds = Math.floor(Math.max(rings.rx.count, rings.tx.count) / ROUND) * 2 + 2;
  let result = 0;
  for (let round = 0; round < rounds && result === 0; round++) result = yield* oneRound(rings, skb);
  freeTestFrame(adapter);
  return result;
}

function freeTestFrame(adapter: igb_adapter): void {
  kfree_skb(adapter.testFrame, 'igb_run_loopback_test');
  adapter.testFrame = null;
}

function* oneRound(rings: TestRings, skb: sk_buff): Sleeping<number> {
  for (let i = 0; i < ROUND; i++) if (igb_xmit_frame_ring(skb_get(skb), rings.tx) !== NETDEV_TX_OK) return NOT_SENT;
  yield* msleep_interruptible(200);
  return igb_clean_test_rings(rings) === ROUND ? 0 : NOT_RECEIVED;
}

/** A broadcast: first half ones, then 0xaa with two marks. */
function igb_create_lbtest_frame(skb: sk_buff): void {
  const at = skb_put(skb, IGB_RX_HDR_LEN);
  const half = IGB_RX_HDR_LEN / 2;
  const bytes = skb.mem.u8.subarray(at, at + IGB_RX_HDR_LEN);
  bytes.fill(0xff);
  bytes.fill(0xaa, half, 2 * half - 1);
  bytes[half + 10] = 0xbe;
  bytes[half + 12] = 0xaf;
}

function igb_check_lbtest_frame(buffer: igb_rx_buffer): boolean {
  const page = buffer.page!;
  const at = page.offset + buffer.page_offset;
  const half = IGB_RX_HDR_LEN / 2;
  const { u8 } = page.mem;
  return u8[at + 3] === 0xff && u8[at + half + 10] === 0xbe && u8[at + half + 12] === 0xaf;
}

/** Takes back what has arrived, and for each frame what was sent; returns how many were right. */
function igb_clean_test_rings({ tx, rx }: TestRings): number {
  let count = 0;
  while (new e1000_adv_rx_desc_wb(rx.descView, IGB_RX_DESC(rx, rx.next_to_clean)).length !== 0) {
    if (igb_check_lbtest_frame(rx.rx_buffer_info[rx.next_to_clean]!)) count++;
    const sent = tx.tx_buffer_info[tx.next_to_clean]!;
    dev_kfree_skb_any(sent.skb!, 'igb_clean_test_rings');
    sent.skb = null;
    dma_unmap_single(tx.dev, sent.dma, sent.len, DMA_TO_DEVICE);
    sent.len = 0;
    if (++rx.next_to_clean === rx.count) rx.next_to_clean = 0;
    if (++tx.next_to_clean === tx.count) tx.next_to_clean = 0;
  }
  netdev_tx_reset_queue(txring_txq(tx));
  igb_alloc_rx_buffers(rx, count);
  return count;
}
