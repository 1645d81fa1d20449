/**
 * drivers/net/ethernet/intel/igb/igb_main.c: takes back what the device has sent.
 * `igb_clean_tx_irq`: a packet is done when its last descriptor has DD set: the skb is freed, its pieces unmapped, the queue woken.
 */
import { E1000_STATUS_TXOFF, E1000_TXD_STAT_DD } from '../../../../../../hw/igb/e1000_defines.ts';
import { e1000_adv_tx_desc_wb } from '../../../../../../hw/igb/e1000_desc.ts';
import { E1000_STATUS, E1000_TDH } from '../../../../../../hw/igb/e1000_regs.ts';
import { kernel } from '../../../../../current.ts';
import { dev_err } from '../../../../../include/linux/device.ts';
import { __netif_subqueue_stopped, netif_carrier_ok, netif_stop_subqueue } from '../../../../../include/linux/netdevice.ts';
import { DMA_TO_DEVICE, dma_unmap_page, dma_unmap_single } from '../../../../../kernel/dma/mapping.ts';
import { jiffies, time_after } from '../../../../../kernel/time/timer.ts';
import {
  dev_kfree_skb_any,
  netdev_tx_completed_queue,
  netdev_tx_reset_queue,
  netif_wake_subqueue,
} from '../../../../../net/core/dev_tx_queue.ts';
import { napi_consume_skb } from '../../../../../net/core/skbuff_free.ts';
import { rd32 } from './e1000_hw.ts';
import {
  __IGB_DOWN,
  DESC_NEEDED,
  IGB_TX_DESC,
  igb_desc_unused,
  type igb_q_vector,
  type igb_ring,
  type igb_tx_buffer,
  stateHas,
  txring_txq,
} from './igb.ts';

const TX_WAKE_THRESHOLD = DESC_NEEDED * 2;

const descriptorDone = (ring: igb_ring, i: number): boolean =>
  (new e1000_adv_tx_desc_wb(ring.descView, IGB_TX_DESC(ring, i)).status & E1000_TXD_STAT_DD) !== 0;

/** True when all that was done has been cleaned within the work limit. */
export function igb_clean_tx_irq(q_vector: igb_q_vector, napi_budget: number): boolean {
  const adapter = q_vector.adapter;
  const ring = q_vector.tx.ring!;
  if (stateHas(adapter, __IGB_DOWN)) return true;
  let budget = q_vector.tx.work_limit;
  let bytes = 0;
  let packets = 0;
  let i = ring.next_to_clean;
  while (budget > 0) {
    const first = ring.tx_buffer_info[i]!;
    const eop = first.next_to_watch;
    if (eop < 0 || !descriptorDone(ring, eop)) break;
    // A packet that is being cleaned must not look like a hang.
    first.next_to_watch = -1;
    bytes += first.bytecount;
    packets += first.gso_segs;
    napi_consume_skb(first.skb, napi_budget, 'igb_poll');
    first.skb = null;
    dma_unmap_single(ring.dev, first.dma, first.len, DMA_TO_DEVICE);
    first.len = 0;
    i = unmapFragments(ring, i, eop);
    budget--;
  }
  netdev_tx_completed_queue(txring_txq(ring), packets, bytes);
  ring.next_to_clean = i;
  ring.tx_stats.bytes += bytes;
  ring.tx_stats.packets += packets;
  q_vector.tx.total_bytes += bytes;
  q_vector.tx.total_packets += packets;
  if (ring.detectTxHang && detectHang(q_vector, ring)) return true;
  if (packets > 0) wakeIfRoom(q_vector, ring);
  return budget > 0;
}

/** Unmaps what the descriptors after `i` up to the packet's last one carried; returns the index after that. */
function unmapFragments(ring: igb_ring, i: number, eop: number): number {
  while (i !== eop) {
    if (++i === ring.count) i = 0;
    const buffer = ring.tx_buffer_info[i]!;
    if (buffer.len === 0) continue;
    dma_unmap_page(ring.dev, buffer.dma, buffer.len, DMA_TO_DEVICE);
    buffer.len = 0;
  }
  return i + 1 === ring.count ? 0 : i + 1;
}

function wakeIfRoom(q_vector: igb_q_vector, ring: igb_ring): void {
  if (!netif_carrier_ok(ring.netdev) || igb_desc_unused(ring) < TX_WAKE_THRESHOLD) return;
  if (!__netif_subqueue_stopped(ring.netdev, ring.queue_index) || stateHas(q_vector.adapter, __IGB_DOWN)) return;
  netif_wake_subqueue(ring.netdev, ring.queue_index);
  ring.tx_stats.restart_queue++;
}

/** Asked for by the watchdog every two seconds: a packet that stands there for longer, without the partner having sent pause, means a hang. */
function detectHang(q_vector: igb_q_vector, ring: igb_ring): boolean {
  const adapter = q_vector.adapter;
  const oldest = ring.tx_buffer_info[ring.next_to_clean]!;
  ring.detectTxHang = false;
  if (oldest.next_to_watch < 0 || !time_after(jiffies(), oldest.time_stamp + adapter.tx_timeout_factor * kernel().HZ)) return false;
  if ((rd32(adapter.hw, E1000_STATUS) & E1000_STATUS_TXOFF) !== 0) return false;
  reportHang(ring, oldest);
  netif_stop_subqueue(ring.netdev, ring.queue_index);
  return true;
}

function reportHang(ring: igb_ring, oldest: igb_tx_buffer): void {
  const hex = (value: number): string => `<${value.toString(16)}>`;
  const lines = [
    'Detected Tx Unit Hang',
    `  Tx Queue             <${ring.queue_index}>`,
    `  TDH                  ${hex(rd32(ring.hw, E1000_TDH(ring.reg_idx)))}`,
    `  TDT                  ${hex(rd32(ring.hw, ring.tail))}`,
    `  next_to_use          ${hex(ring.next_to_use)}`,
    `  next_to_clean        ${hex(ring.next_to_clean)}`,
    'buffer_info[next_to_clean]',
    `  time_stamp           ${hex(oldest.time_stamp)}`,
    `  next_to_watch        ${hex(oldest.next_to_watch)}`,
    `  jiffies              ${hex(jiffies())}`,
    `  desc.status          ${hex(new e1000_adv_tx_desc_wb(ring.descView, IGB_TX_DESC(ring, oldest.next_to_watch)).status)}`,
  ];
  dev_err(ring.dev, lines.join('\n'));
}

/** Drops everything that is on the ring: the device has been reset. */
export function igb_clean_tx_ring(ring: igb_ring): void {
  let i = ring.next_to_clean;
  while (i !== ring.next_to_use) {
    const first = ring.tx_buffer_info[i]!;
    dev_kfree_skb_any(first.skb!, 'igb_clean_tx_ring');
    first.skb = null;
    dma_unmap_single(ring.dev, first.dma, first.len, DMA_TO_DEVICE);
    first.len = 0;
    i = unmapFragments(ring, i, first.next_to_watch);
    first.next_to_watch = -1;
  }
  netdev_tx_reset_queue(txring_txq(ring));
  ring.next_to_use = 0;
  ring.next_to_clean = 0;
}
