/**
 * drivers/net/ethernet/intel/igb/igb_main.c: gives receive buffers to the device.
 * `igb_alloc_rx_buffers` → `igb_alloc_mapped_page` for slots whose page was not used again → the tail register.
 */
import { e1000_adv_rx_desc_read, e1000_adv_rx_desc_wb } from '../../../../../../hw/igb/e1000_desc.ts';
import { GFP_ATOMIC } from '../../../../../include/linux/types.ts';
import { DMA_FROM_DEVICE, dma_map_page, dma_mapping_error, dma_sync_single_range_for_device } from '../../../../../kernel/dma/mapping.ts';
import { __free_pages, alloc_pages, page_ref_add } from '../../../../../mm/page_alloc.ts';
import { wr32 } from './e1000_hw.ts';
import {
  IGB_RX_DESC,
  type igb_ring,
  type igb_rx_buffer,
  igb_rx_bufsz,
  igb_rx_offset,
  igb_rx_pg_order,
  igb_rx_pg_size,
  USHRT_MAX,
} from './igb.ts';

/** A slot keeps the page it got back from `igb_reuse_rx_page`; others get a fresh one, with a stock of references. */
function igb_alloc_mapped_page(ring: igb_ring, bi: igb_rx_buffer): boolean {
  if (bi.page !== null) return true;
  const order = igb_rx_pg_order(ring);
  const page = alloc_pages(GFP_ATOMIC, order);
  if (page === null) return allocFailed(ring);
  const dma = dma_map_page(ring.dev, page, 0, igb_rx_pg_size(ring), DMA_FROM_DEVICE);
  if (dma_mapping_error(ring.dev, dma)) {
    __free_pages(page, order);
    return allocFailed(ring);
  }
  bi.dma = dma;
  bi.page = page;
  bi.page_offset = igb_rx_offset(ring);
  page_ref_add(page, USHRT_MAX - 1);
  bi.pagecnt_bias = USHRT_MAX;
  return true;
}

/** The watchdog looks at the flag: an interrupt of its making tries again. */
function allocFailed(ring: igb_ring): boolean {
  ring.rx_stats.alloc_failed++;
  ring.rxAllocFailed = true;
  return false;
}

/** Fills `cleaned_count` descriptors from `next_to_use` on and rings the doorbell once. */
export function igb_alloc_rx_buffers(ring: igb_ring, cleaned_count: number): void {
  if (cleaned_count === 0) return;
  const view = ring.descView;
  const bufsz = igb_rx_bufsz(ring);
  let i = ring.next_to_use;
  while (cleaned_count > 0) {
    const bi = ring.rx_buffer_info[i]!;
    if (!igb_alloc_mapped_page(ring, bi)) break;
    dma_sync_single_range_for_device(ring.dev, bi.dma, bi.page_offset, bufsz, DMA_FROM_DEVICE);
    // The device's write-back erased the address, even where the page stays the same.
    const desc = new e1000_adv_rx_desc_read(view, IGB_RX_DESC(ring, i));
    desc.pkt_addr = bi.dma + bi.page_offset;
    if (++i === ring.count) i = 0;
    // Length 0 tells "not written back" of the first descriptor that is not the device's.
    new e1000_adv_rx_desc_wb(view, IGB_RX_DESC(ring, i)).length = 0;
    cleaned_count--;
  }
  if (ring.next_to_use === i) return;
  ring.next_to_use = i;
  ring.next_to_alloc = i;
  wr32(ring.hw, ring.tail, i);
}
