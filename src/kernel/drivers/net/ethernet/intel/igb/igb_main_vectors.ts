/**
 * drivers/net/ethernet/intel/igb/igb_main.c: how many queues and vectors there are, and which rings a vector serves.
 * `igb_init_queue_configuration` → `igb_init_interrupt_scheme` → `igb_set_interrupt_capability`, `igb_alloc_q_vectors` → `igb_alloc_q_vector`.
 */
import { E1000_EITR } from '../../../../../../hw/igb/e1000_regs.ts';
import { kernel } from '../../../../../current.ts';
import { netif_napi_add, netif_napi_del } from '../../../../../net/core/dev_napi.ts';
import { pci_disable_msi, pci_disable_msix, pci_enable_msi, pci_enable_msix_range } from '../../../../pci/msi/api.ts';
import {
  IGB_FLAG_HAS_MSI,
  IGB_FLAG_HAS_MSIX,
  IGB_FLAG_QUEUE_PAIRS,
  IGB_MAX_RX_QUEUES,
  type igb_adapter,
  igb_q_vector,
  igb_ring,
  type igb_ring_container,
  NON_Q_VECTORS,
} from './igb.ts';
import { igb_poll } from './igb_main_poll.ts';

export function igb_init_queue_configuration(adapter: igb_adapter): void {
  const max_rss_queues = IGB_MAX_RX_QUEUES;
  adapter.rss_queues = Math.min(max_rss_queues, kernel().percpu.length);
  igb_set_flag_queue_pairs(adapter, max_rss_queues);
}

/** Above half of what the device has, each vector serves a receive and a transmit queue; below, each queue has its own. */
export function igb_set_flag_queue_pairs(adapter: igb_adapter, max_rss_queues: number): void {
  if (adapter.rss_queues > max_rss_queues / 2) adapter.flags |= IGB_FLAG_QUEUE_PAIRS;
  else adapter.flags &= ~IGB_FLAG_QUEUE_PAIRS;
}

/** `msix` false: MSI-X has been tried in vain. */
export function igb_init_interrupt_scheme(adapter: igb_adapter, msix: boolean): number {
  igb_set_interrupt_capability(adapter, msix);
  igb_alloc_q_vectors(adapter);
  igb_cache_ring_register(adapter);
  return 0;
}

export function igb_clear_interrupt_scheme(adapter: igb_adapter): void {
  igb_free_q_vectors(adapter);
  igb_reset_interrupt_capability(adapter);
}

export function igb_reset_interrupt_capability(adapter: igb_adapter): void {
  if ((adapter.flags & IGB_FLAG_HAS_MSIX) !== 0) pci_disable_msix(adapter.pdev);
  else if ((adapter.flags & IGB_FLAG_HAS_MSI) !== 0) pci_disable_msi(adapter.pdev);
}

/** MSI-X with a vector for each queue or pair and one for the rest; else one queue pair and MSI; else the wire. */
function igb_set_interrupt_capability(adapter: igb_adapter, msix: boolean): void {
  if (msix && enableMsix(adapter)) return;
  adapter.flags &= ~IGB_FLAG_HAS_MSIX;
  adapter.rss_queues = 1;
  adapter.flags |= IGB_FLAG_QUEUE_PAIRS;
  adapter.num_rx_queues = 1;
  adapter.num_tx_queues = 1;
  adapter.num_q_vectors = 1;
  if (pci_enable_msi(adapter.pdev) === 0) adapter.flags |= IGB_FLAG_HAS_MSI;
}

function enableMsix(adapter: igb_adapter): boolean {
  adapter.flags |= IGB_FLAG_HAS_MSIX;
  adapter.num_rx_queues = adapter.rss_queues;
  adapter.num_tx_queues = adapter.rss_queues;
  let vectors = adapter.num_rx_queues;
  if ((adapter.flags & IGB_FLAG_QUEUE_PAIRS) === 0) vectors += adapter.num_tx_queues;
  adapter.num_q_vectors = vectors;
  const wanted = vectors + NON_Q_VECTORS;
  for (let i = 0; i < wanted; i++) adapter.msix_entries[i]!.entry = i;
  return pci_enable_msix_range(adapter.pdev, adapter.msix_entries, wanted, wanted) >= 0;
}

/** Queue n is queue n of the device. (With SR-IOV it would be another.) */
function igb_cache_ring_register(adapter: igb_adapter): void {
  for (const ring of adapter.rx_ring) ring.reg_idx = ring.queue_index;
  for (const ring of adapter.tx_ring) ring.reg_idx = ring.queue_index;
}

function igb_alloc_q_vectors(adapter: igb_adapter): void {
  const { num_rx_queues, num_tx_queues, num_q_vectors } = adapter;
  if (num_q_vectors >= num_rx_queues + num_tx_queues) {
    for (let i = 0; i < num_rx_queues; i++) igb_alloc_q_vector(adapter, -1, i);
    for (let i = 0; i < num_tx_queues; i++) igb_alloc_q_vector(adapter, i, -1);
  } else for (let i = 0; i < num_q_vectors; i++) igb_alloc_q_vector(adapter, i, i);
}

/** A vector for a transmit and a receive queue, or one of them (-1: none). */
function igb_alloc_q_vector(adapter: igb_adapter, tx: number, rx: number): void {
  const q_vector = new igb_q_vector(adapter);
  q_vector.napi = netif_napi_add(adapter.netdev, igb_poll);
  q_vector.napi.owner = q_vector;
  q_vector.itr_register = E1000_EITR(0);
  q_vector.tx.work_limit = adapter.tx_work_limit;
  const setting = rx >= 0 ? adapter.rx_itr_setting : adapter.tx_itr_setting;
  if (setting === 0 || setting > 3) q_vector.itr_val = setting;
  adapter.q_vector.push(q_vector);
  if (tx >= 0) {
    const ring = new igb_ring(q_vector, tx, adapter.tx_ring_count);
    igb_add_ring(ring, q_vector.tx);
    adapter.tx_ring[tx] = ring;
  }
  if (rx < 0) return;
  const ring = new igb_ring(q_vector, rx, adapter.rx_ring_count);
  igb_add_ring(ring, q_vector.rx);
  ring.rxSctpCsum = true;
  adapter.rx_ring[rx] = ring;
}

function igb_add_ring(ring: igb_ring, head: igb_ring_container): void {
  head.ring = ring;
  head.count++;
}

function igb_free_q_vectors(adapter: igb_adapter): void {
  for (const q_vector of adapter.q_vector) netif_napi_del(q_vector.napi);
  adapter.q_vector.length = 0;
  adapter.tx_ring.length = 0;
  adapter.rx_ring.length = 0;
  adapter.num_tx_queues = 0;
  adapter.num_rx_queues = 0;
  adapter.num_q_vectors = 0;
}
