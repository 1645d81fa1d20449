/**
 * drivers/net/ethernet/intel/igb/igb_main.c: takes received frames from the ring to the stack.
 * `igb_clean_rx_irq` → `igb_get_rx_buffer` → `igb_build_skb` (first buffer) or `igb_add_rx_frag` (the others) → `igb_put_rx_buffer` → `igb_is_non_eop`
 * → `igb_cleanup_headers` → `igb_process_skb_fields` → `napi_gro_receive`.
 *
 * A page has two halves. While the stack holds one, the device gets the other; when the stack has let go of it by the time the page comes round again, the
 * page is used anew and never leaves its mapping. The driver takes references in bulk (`pagecnt_bias`): what it has not given away is its own.
 */
import * as D from '../../../../../../hw/igb/e1000_defines.ts';
import { e1000_adv_rx_desc_wb } from '../../../../../../hw/igb/e1000_desc.ts';
import { kernel } from '../../../../../current.ts';
import { NETIF_F_HW_VLAN_CTAG_RX, NETIF_F_RXALL, NETIF_F_RXCSUM, NETIF_F_RXHASH } from '../../../../../include/linux/netdevice.ts';
import {
  __skb_put,
  __vlan_hwaccel_put_tag,
  CHECKSUM_NONE,
  CHECKSUM_UNNECESSARY,
  PKT_HASH_TYPE_L3,
  type sk_buff,
  skb_fill_page_desc,
  skb_record_rx_queue,
  skb_reserve,
  skb_set_hash,
} from '../../../../../include/linux/skbuff.ts';
import { DMA_FROM_DEVICE, dma_sync_single_range_for_cpu, dma_unmap_page_attrs } from '../../../../../kernel/dma/mapping.ts';
import { chargeCopy } from '../../../../../lib/charge.ts';
import { __page_frag_cache_drain, page_ref_add, page_ref_count } from '../../../../../mm/page_alloc.ts';
import { dev_kfree_skb_any } from '../../../../../net/core/dev_tx_queue.ts';
import { napi_gro_receive } from '../../../../../net/core/gro.ts';
import { napi_alloc_skb, napi_build_skb } from '../../../../../net/core/skbuff.ts';
import { kfree_skb } from '../../../../../net/core/skbuff_free.ts';
import { skb_put_padto } from '../../../../../net/core/skbuff_reshape.ts';
import { eth_type_trans } from '../../../../../net/ethernet/eth.ts';
import { ETH_P_8021Q, ETH_ZLEN } from '../../../../../uapi/if_ether.ts';
import {
  IGB_RX_BUFFER_WRITE,
  IGB_RX_DESC,
  IGB_RX_HDR_LEN,
  IGB_SKB_PAD,
  igb_desc_unused,
  type igb_q_vector,
  type igb_ring,
  type igb_rx_buffer,
  igb_rx_pg_size,
  ring_uses_build_skb,
  rxTruesize,
  USHRT_MAX,
} from './igb.ts';
import { igb_alloc_rx_buffers } from './igb_main_rx_alloc.ts';
import { igb_ptp_rx_rgtstamp } from './igb_ptp.ts';

/** Where in a descriptor the device writes status and length: read as words, since this is done for every frame. */
const STATUS_ERROR = e1000_adv_rx_desc_wb.offset.status_error;
const LENGTH = e1000_adv_rx_desc_wb.offset.length;

/** Takes up to `budget` frames; returns how many. */
export function igb_clean_rx_irq(q_vector: igb_q_vector, budget: number): number {
  const ring = q_vector.rx.ring!;
  const view = ring.descView;
  let skb = ring.skb;
  let bytes = 0;
  let packets = 0;
  let cleaned = igb_desc_unused(ring);
  while (packets < budget) {
    // Buffers go back in groups: a doorbell each would be too dear.
    if (cleaned >= IGB_RX_BUFFER_WRITE) {
      igb_alloc_rx_buffers(ring, cleaned);
      cleaned = 0;
    }
    const at = IGB_RX_DESC(ring, ring.next_to_clean);
    const size = view.getUint16(at + LENGTH, true);
    if (size === 0) break;
    const buffer = ring.rx_buffer_info[ring.next_to_clean]!;
    const pagesHeld = page_ref_count(buffer.page!);
    skb = takeBuffer(q_vector, ring, buffer, skb, size);
    if (skb === null) break;
    igb_put_rx_buffer(ring, buffer, pagesHeld);
    cleaned++;
    const status = view.getUint32(at + STATUS_ERROR, true);
    if (igb_is_non_eop(ring, status)) continue;
    if (igb_cleanup_headers(ring, status, skb)) {
      skb = null;
      continue;
    }
    bytes += skb.len;
    igb_process_skb_fields(ring, at, skb);
    napi_gro_receive(q_vector.napi, skb);
    skb = null;
    packets++;
  }
  ring.skb = skb;
  ring.rx_stats.packets += packets;
  ring.rx_stats.bytes += bytes;
  q_vector.rx.total_packets += packets;
  q_vector.rx.total_bytes += bytes;
  if (cleaned > 0) igb_alloc_rx_buffers(ring, cleaned);
  return packets;
}

/** Puts a buffer's bytes into the frame's skb, which is made for the first one; null when there is no memory for it. */
function takeBuffer(q_vector: igb_q_vector, ring: igb_ring, buffer: igb_rx_buffer, skb: sk_buff | null, size: number): sk_buff | null {
  dma_sync_single_range_for_cpu(ring.dev, buffer.dma, buffer.page_offset, size, DMA_FROM_DEVICE);
  buffer.pagecnt_bias--;
  if (skb !== null) {
    igb_add_rx_frag(ring, buffer, skb, size);
    return skb;
  }
  const packetId = kernel().machine.dma.tag(buffer.dma + buffer.page_offset);
  const fresh = ring_uses_build_skb(ring) ? igb_build_skb(ring, buffer, size) : igb_construct_skb(q_vector, ring, buffer, size);
  if (fresh === null) {
    ring.rx_stats.alloc_failed++;
    ring.rxAllocFailed = true;
    buffer.pagecnt_bias++;
    return null;
  }
  fresh.packetId = packetId;
  return fresh;
}

/** An skb around the half page: nothing is copied, the headroom before and the shared info behind are part of the buffer. */
function igb_build_skb(ring: igb_ring, buffer: igb_rx_buffer, size: number): sk_buff | null {
  const page = buffer.page!;
  const truesize = rxTruesize(ring);
  const skb = napi_build_skb(page, page.offset + buffer.page_offset - IGB_SKB_PAD, truesize);
  if (skb === null) return null;
  skb_reserve(skb, IGB_SKB_PAD);
  __skb_put(skb, size);
  buffer.page_offset ^= truesize;
  return skb;
}

/**
 * The older way (ethtool's private flag legacy-rx): headers are copied, the rest is a fragment.
 * Simplified: Linux finds out where the headers end; here the first 256 bytes are copied.
 */
function igb_construct_skb(q_vector: igb_q_vector, ring: igb_ring, buffer: igb_rx_buffer, size: number): sk_buff | null {
  const page = buffer.page!;
  const from = page.offset + buffer.page_offset;
  const skb = napi_alloc_skb(q_vector.napi.dev, IGB_RX_HDR_LEN);
  if (skb === null) return null;
  const headlen = Math.min(size, IGB_RX_HDR_LEN);
  skb.mem.u8.set(page.mem.u8.subarray(from, from + headlen), __skb_put(skb, headlen));
  chargeCopy(kernel().copies.skbToSkb, headlen);
  if (size > headlen) {
    addFragment(skb, page, from + headlen, size - headlen, rxTruesize(ring));
    buffer.page_offset ^= rxTruesize(ring);
  } else buffer.pagecnt_bias++;
  return skb;
}

function igb_add_rx_frag(ring: igb_ring, buffer: igb_rx_buffer, skb: sk_buff, size: number): void {
  const page = buffer.page!;
  const truesize = rxTruesize(ring);
  addFragment(skb, page, page.offset + buffer.page_offset, size, truesize);
  buffer.page_offset ^= truesize;
}

function addFragment(skb: sk_buff, page: NonNullable<igb_rx_buffer['page']>, offset: number, size: number, truesize: number): void {
  skb_fill_page_desc(skb, skb.shinfo.nr_frags, page, offset, size);
  skb.len += size;
  skb.data_len += size;
  skb.truesize += truesize;
}

/** The page goes to the slot that is filled next, or back to the system. `pagesHeld` was counted before this frame took its share. */
function igb_put_rx_buffer(ring: igb_ring, buffer: igb_rx_buffer, pagesHeld: number): void {
  if (igb_can_reuse_rx_page(buffer, pagesHeld)) igb_reuse_rx_page(ring, buffer);
  else {
    dma_unmap_page_attrs(ring.dev, buffer.dma, igb_rx_pg_size(ring), DMA_FROM_DEVICE);
    __page_frag_cache_drain(buffer.page!, buffer.pagecnt_bias);
  }
  buffer.page = null;
}

/** Only if the stack holds no more than the half just handed over: then the other half is free. */
function igb_can_reuse_rx_page(buffer: igb_rx_buffer, pagesHeld: number): boolean {
  if (pagesHeld - buffer.pagecnt_bias > 1) return false;
  if (buffer.pagecnt_bias === 1) {
    page_ref_add(buffer.page!, USHRT_MAX - 1);
    buffer.pagecnt_bias = USHRT_MAX;
  }
  return true;
}

function igb_reuse_rx_page(ring: igb_ring, old: igb_rx_buffer): void {
  const nta = ring.next_to_alloc;
  const fresh = ring.rx_buffer_info[nta]!;
  ring.next_to_alloc = nta + 1 < ring.count ? nta + 1 : 0;
  fresh.dma = old.dma;
  fresh.page = old.page;
  fresh.page_offset = old.page_offset;
  fresh.pagecnt_bias = old.pagecnt_bias;
}

/** Steps on; true when the frame goes on in the next buffer. */
function igb_is_non_eop(ring: igb_ring, status: number): boolean {
  const next = ring.next_to_clean + 1;
  ring.next_to_clean = next < ring.count ? next : 0;
  return (status & D.E1000_RXD_STAT_EOP) === 0;
}

/** Drops damaged frames (unless they are asked for) and pads short ones; true when the skb is gone. */
function igb_cleanup_headers(ring: igb_ring, status: number, skb: sk_buff): boolean {
  if ((status & D.E1000_RXDEXT_ERR_FRAME_ERR_MASK) !== 0 && (ring.netdev.features & NETIF_F_RXALL) === 0) {
    dev_kfree_skb_any(skb, 'igb_clean_rx_irq');
    return true;
  }
  return skb.len < ETH_ZLEN && skb_put_padto(skb, ETH_ZLEN) !== 0;
}

/** What the descriptor tells of the frame: hash, checksums, VLAN; then queue and protocol. */
function igb_process_skb_fields(ring: igb_ring, at: number, skb: sk_buff): void {
  const desc = new e1000_adv_rx_desc_wb(ring.descView, at);
  const status = desc.status_error;
  const features = ring.netdev.features;
  if ((features & NETIF_F_RXHASH) !== 0) skb_set_hash(skb, desc.rss, PKT_HASH_TYPE_L3);
  igb_rx_checksum(ring, status, skb);
  if ((status & D.E1000_RXDADV_STAT_TS) !== 0) igb_ptp_rx_rgtstamp(ring.q_vector, skb);
  if ((features & NETIF_F_HW_VLAN_CTAG_RX) !== 0 && (status & D.E1000_RXD_STAT_VP) !== 0)
    __vlan_hwaccel_put_tag(skb, ETH_P_8021Q, desc.vlan);
  skb_record_rx_queue(skb, ring.queue_index);
  skb.protocol = eth_type_trans(skb, ring.netdev);
}

function igb_rx_checksum(ring: igb_ring, status: number, skb: sk_buff): void {
  skb.ip_summed = CHECKSUM_NONE;
  if ((status & D.E1000_RXD_STAT_IXSM) !== 0 || (ring.netdev.features & NETIF_F_RXCSUM) === 0) return;
  if ((status & (D.E1000_RXDEXT_STATERR_TCPE | D.E1000_RXDEXT_STATERR_IPE)) !== 0) {
    // Erratum: the bit is wrong for SCTP in frames of 60 bytes. The stack checks for itself in any case.
    if (skb.len !== ETH_ZLEN || !ring.rxSctpCsum) ring.rx_stats.csum_err++;
    return;
  }
  if ((status & (D.E1000_RXD_STAT_TCPCS | D.E1000_RXD_STAT_UDPCS)) !== 0) skb.ip_summed = CHECKSUM_UNNECESSARY;
}

/** Frees what the ring holds: the device has been reset. */
export function igb_clean_rx_ring(ring: igb_ring): void {
  if (ring.skb !== null) kfree_skb(ring.skb, 'igb_clean_rx_ring');
  ring.skb = null;
  for (let i = ring.next_to_clean; i !== ring.next_to_alloc; i = i + 1 === ring.count ? 0 : i + 1) {
    const buffer = ring.rx_buffer_info[i]!;
    dma_unmap_page_attrs(ring.dev, buffer.dma, igb_rx_pg_size(ring), DMA_FROM_DEVICE);
    __page_frag_cache_drain(buffer.page!, buffer.pagecnt_bias);
    buffer.page = null;
  }
  ring.next_to_alloc = 0;
  ring.next_to_clean = 0;
  ring.next_to_use = 0;
}
