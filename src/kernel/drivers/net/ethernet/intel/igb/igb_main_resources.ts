/**
 * drivers/net/ethernet/intel/igb/igb_main.c: memory of the rings: descriptors that the device reads and writes, and what the driver remembers of each.
 * `igb_setup_all_tx_resources`, `igb_setup_all_rx_resources`; `igb_free_all_tx_resources`, `igb_free_all_rx_resources`.
 */
import { DESCRIPTOR_SIZE } from '../../../../../../hw/igb/e1000_desc.ts';
import { PAGE_SIZE } from '../../../../../../machine/memory.ts';
import { dev_err } from '../../../../../include/linux/device.ts';
import { ALIGN } from '../../../../../include/linux/types.ts';
import { dma_alloc_coherent, dma_free_coherent } from '../../../../../kernel/dma/mapping.ts';
import { ENOMEM } from '../../../../../uapi/errno.ts';
import { type igb_adapter, type igb_ring, igb_rx_buffer, igb_tx_buffer } from './igb.ts';
import { igb_clean_rx_ring } from './igb_main_rx.ts';
import { igb_clean_tx_ring } from './igb_main_tx_clean.ts';

/** Descriptors of one ring; false when there is no memory. */
function allocDescriptors(ring: igb_ring): boolean {
  const desc = dma_alloc_coherent(ring.dev, ALIGN(ring.count * DESCRIPTOR_SIZE, PAGE_SIZE));
  if (desc === null) return false;
  ring.desc = desc;
  ring.dma = desc.dma;
  ring.descView = desc.page.mem.view;
  ring.descBase = desc.page.offset;
  ring.next_to_use = 0;
  ring.next_to_clean = 0;
  ring.next_to_alloc = 0;
  return true;
}

function freeDescriptors(ring: igb_ring): void {
  if (ring.desc !== null) dma_free_coherent(ring.dev, ring.desc);
  ring.desc = null;
}

export function igb_setup_tx_resources(ring: igb_ring): number {
  ring.tx_buffer_info.length = 0;
  for (let i = 0; i < ring.count; i++) ring.tx_buffer_info.push(new igb_tx_buffer());
  return allocDescriptors(ring) ? 0 : noMemory(ring, 'Tx');
}

export function igb_setup_rx_resources(ring: igb_ring): number {
  ring.rx_buffer_info.length = 0;
  for (let i = 0; i < ring.count; i++) ring.rx_buffer_info.push(new igb_rx_buffer());
  return allocDescriptors(ring) ? 0 : noMemory(ring, 'Rx');
}

function noMemory(ring: igb_ring, kind: 'Tx' | 'Rx'): number {
  ring.tx_buffer_info.length = 0;
  ring.rx_buffer_info.length = 0;
  dev_err(ring.dev, `Unable to allocate memory for the ${kind} descriptor ring`);
  return -ENOMEM;
}

/** Sets up all or none. */
function setupAll(
  adapter: igb_adapter,
  rings: igb_ring[],
  kind: 'Tx' | 'Rx',
  setup: (ring: igb_ring) => number,
  free: (ring: igb_ring) => void,
): number {
  for (const [i, ring] of rings.entries()) {
    const result = setup(ring);
    if (result === 0) continue;
    dev_err(adapter.pdev.dev, `Allocation for ${kind} Queue ${i} failed`);
    for (const done of rings.slice(0, i)) free(done);
    return result;
  }
  return 0;
}

export const igb_setup_all_tx_resources = (adapter: igb_adapter): number =>
  setupAll(adapter, adapter.tx_ring, 'Tx', igb_setup_tx_resources, igb_free_tx_resources);

export const igb_setup_all_rx_resources = (adapter: igb_adapter): number =>
  setupAll(adapter, adapter.rx_ring, 'Rx', igb_setup_rx_resources, igb_free_rx_resources);

export function igb_free_tx_resources(ring: igb_ring): void {
  igb_clean_tx_ring(ring);
  ring.tx_buffer_info.length = 0;
  freeDescriptors(ring);
}

export function igb_free_rx_resources(ring: igb_ring): void {
  igb_clean_rx_ring(ring);
  ring.rx_buffer_info.length = 0;
  freeDescriptors(ring);
}

export function igb_free_all_tx_resources(adapter: igb_adapter): void {
  for (const ring of adapter.tx_ring) igb_free_tx_resources(ring);
}

export function igb_free_all_rx_resources(adapter: igb_adapter): void {
  for (const ring of adapter.rx_ring) igb_free_rx_resources(ring);
}
