/**
 * drivers/net/ethernet/intel/igb/igb_main.c: hands packets to the device.
 * `igb_xmit_frame` → `igb_xmit_frame_ring` → `igb_maybe_stop_tx` → `igb_tso` or `igb_tx_csum` → `igb_tx_ctxtdesc` → `igb_tx_map` → the tail register.
 */
import * as D from '../../../../../../hw/igb/e1000_defines.ts';
import { e1000_adv_tx_context_desc, e1000_adv_tx_desc_read } from '../../../../../../hw/igb/e1000_desc.ts';
import { dev_err } from '../../../../../include/linux/device.ts';
import { SCM_TSTAMP_SND } from '../../../../../include/linux/errqueue.ts';
import {
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
  type net_device,
  netdev_priv,
  type netdev_tx_t,
  netdev_xmit_more,
  netif_stop_subqueue,
  netif_xmit_stopped,
} from '../../../../../include/linux/netdevice.ts';
import {
  CHECKSUM_PARTIAL,
  SKB_GSO_UDP_L4,
  SKBTX_HW_TSTAMP_NOBPF,
  SKBTX_IN_PROGRESS,
  SKBTX_SW_TSTAMP,
  type sk_buff,
  skb_checksum_start_offset,
  skb_get,
  skb_headlen,
  skb_is_gso,
  skb_network_offset,
} from '../../../../../include/linux/skbuff.ts';
import { DMA_TO_DEVICE, dma_map_single, dma_mapping_error, dma_unmap_page, skb_frag_dma_map } from '../../../../../kernel/dma/mapping.ts';
import { jiffies } from '../../../../../kernel/time/timer.ts';
import { cancel_work_sync, schedule_work } from '../../../../../kernel/workqueue.ts';
import { dev_kfree_skb_any, netdev_tx_sent_queue, netif_wake_subqueue } from '../../../../../net/core/dev_tx_queue.ts';
import { skb_checksum_help } from '../../../../../net/core/skbuff_csum.ts';
import { skb_tstamp_tx } from '../../../../../net/core/skbuff_errqueue.ts';
import { skb_cow_head, skb_put_padto } from '../../../../../net/core/skbuff_reshape.ts';
import { skb_clone_tx_timestamp } from '../../../../../net/core/timestamping.ts';
import { EBUSY } from '../../../../../uapi/errno.ts';
import { iphdr, tcphdr } from '../../../../../uapi/in.ts';
import { HWTSTAMP_TX_ON } from '../../../../../uapi/net_tstamp.ts';
import { wr32 } from './e1000_hw.ts';
import {
  __IGB_PTP_TX_IN_PROGRESS,
  DESC_NEEDED,
  IGB_MAX_DATA_PER_TXD,
  IGB_TX_CTXTDESC,
  IGB_TX_DESC,
  IGB_TX_FLAGS_CSUM,
  IGB_TX_FLAGS_IPV4,
  IGB_TX_FLAGS_TSO,
  IGB_TX_FLAGS_TSTAMP,
  IGB_TX_FLAGS_VLAN,
  IGB_TX_FLAGS_VLAN_MASK,
  IGB_TX_FLAGS_VLAN_SHIFT,
  IGB_TXD_DCMD,
  type igb_adapter,
  igb_desc_unused,
  type igb_ring,
  type igb_tx_buffer,
  stateHas,
  TXD_USE_COUNT,
  txring_txq,
} from './igb.ts';

/** The device pads to 60 bytes itself, but can't take less than this. */
const MIN_TX_LENGTH = 17;
const TCP_CHECK_OFFSET = 16;
const UDP_CHECK_OFFSET = 6;
const SCTP_CHECK_OFFSET = 8;
const UDP_HEADER = 8;
const IPPROTO_SCTP = 132;
const IPV6_PAYLOAD_LEN = 4;
const NO_CHECKSUM = -1;
/** csum_fold(0): with nothing between IP and transport header, the IP checksum starts from minus zero. */
const CSUM_OF_NOTHING = 0xffff;
const TUCMD_CONTEXT = D.E1000_TXD_CMD_DEXT | D.E1000_ADVTXD_DTYP_CTXT;
const CMD_DATA = D.E1000_ADVTXD_DTYP_DATA | D.E1000_ADVTXD_DCMD_DEXT | D.E1000_ADVTXD_DCMD_IFCS;

export function igb_xmit_frame(skb: sk_buff, dev: net_device): netdev_tx_t {
  const adapter = netdev_priv<igb_adapter>(dev);
  if (skb.len < MIN_TX_LENGTH && skb_put_padto(skb, MIN_TX_LENGTH) !== 0) return NETDEV_TX_OK;
  return igb_xmit_frame_ring(skb, igb_tx_queue_mapping(adapter, skb));
}

function igb_tx_queue_mapping(adapter: igb_adapter, skb: sk_buff): igb_ring {
  const queue = skb.queue_mapping;
  return adapter.tx_ring[queue < adapter.num_tx_queues ? queue : queue % adapter.num_tx_queues]!;
}

export function igb_xmit_frame_ring(skb: sk_buff, ring: igb_ring): netdev_tx_t {
  // 3 more: the context descriptor and the gap between tail and head.
  if (igb_maybe_stop_tx(ring, descriptorsFor(skb) + 3) !== 0) return NETDEV_TX_BUSY;
  const first = ring.tx_buffer_info[ring.next_to_use]!;
  first.skb = skb;
  first.bytecount = skb.len;
  first.gso_segs = 1;
  first.tx_flags = skb.vlan_present ? IGB_TX_FLAGS_VLAN | (skb.vlan_tci << IGB_TX_FLAGS_VLAN_SHIFT) : 0;
  first.protocol = skb.protocol;
  if ((skb.shinfo.tx_flags & SKBTX_HW_TSTAMP_NOBPF) !== 0) stampInHardware(ring.q_vector.adapter, first);
  const hdr_len = igb_tso(ring, first);
  if (hdr_len < 0) {
    giveUp(ring.q_vector.adapter, first);
    return NETDEV_TX_OK;
  }
  if (hdr_len === 0) igb_tx_csum(ring, first);
  igb_tx_map(ring, first, hdr_len);
  return NETDEV_TX_OK;
}

/** The device has room for one stamp: of packets that want one while another's is under way none is taken. */
function stampInHardware(adapter: igb_adapter, first: igb_tx_buffer): void {
  if (adapter.tstamp_config.tx_type !== HWTSTAMP_TX_ON || stateHas(adapter, __IGB_PTP_TX_IN_PROGRESS)) {
    adapter.tx_hwtstamp_skipped++;
    return;
  }
  const skb = first.skb!;
  adapter.state |= __IGB_PTP_TX_IN_PROGRESS;
  skb.shinfo.tx_flags |= SKBTX_IN_PROGRESS;
  first.tx_flags |= IGB_TX_FLAGS_TSTAMP;
  adapter.ptp_tx_skb = skb_get(skb);
  adapter.ptp_tx_start = jiffies();
  schedule_work(adapter.ptp_tx_work);
}

function descriptorsFor(skb: sk_buff): number {
  const { nr_frags, frags } = skb.shinfo;
  let count = TXD_USE_COUNT(skb_headlen(skb));
  for (let f = 0; f < nr_frags; f++) count += TXD_USE_COUNT(frags[f]!.size);
  return count;
}

/** Stops the queue when less than `size` descriptors are free; -EBUSY then. */
function igb_maybe_stop_tx(ring: igb_ring, size: number): number {
  return igb_desc_unused(ring) >= size ? 0 : __igb_maybe_stop_tx(ring, size);
}

function __igb_maybe_stop_tx(ring: igb_ring, size: number): number {
  netif_stop_subqueue(ring.netdev, ring.queue_index);
  // Another CPU may have made room between the two looks.
  if (igb_desc_unused(ring) < size) return -EBUSY;
  netif_wake_subqueue(ring.netdev, ring.queue_index);
  ring.tx_stats.restart_queue2++;
  return 0;
}

/**
 * Prepares a large send: the device makes segments from it and fills in lengths, sequence numbers and checksums. Returns the length of the
 * headers, 0 when there is nothing to segment, or a negative error.
 */
function igb_tso(ring: igb_ring, first: igb_tx_buffer): number {
  const skb = first.skb!;
  if (skb.ip_summed !== CHECKSUM_PARTIAL || !skb_is_gso(skb)) return 0;
  const error = skb_cow_head(skb, 0);
  if (error < 0) return error;
  const view = skb.mem.view;
  const network = skb.network_header;
  const transport = skb.csum_start;
  const isUdp = (skb.shinfo.gso_type & SKB_GSO_UDP_L4) !== 0;
  let type_tucmd = isUdp ? D.E1000_ADVTXD_TUCMD_L4T_UDP : D.E1000_ADVTXD_TUCMD_L4T_TCP;
  first.tx_flags |= IGB_TX_FLAGS_TSO | IGB_TX_FLAGS_CSUM;
  if (view.getUint8(network) >>> 4 === 4) {
    const ip = new iphdr(view, network);
    ip.check = CSUM_OF_NOTHING;
    ip.tot_len = 0;
    type_tucmd |= D.E1000_ADVTXD_TUCMD_IPV4;
    first.tx_flags |= IGB_TX_FLAGS_IPV4;
  } else view.setUint16(network + IPV6_PAYLOAD_LEN, 0);
  const l4_offset = transport - skb.data;
  const l4len = isUdp ? UDP_HEADER : new tcphdr(view, transport).doff * 4;
  const check = transport + (isUdp ? UDP_CHECK_OFFSET : TCP_CHECK_OFFSET);
  view.setUint16(check, csumWithout(view.getUint16(check), skb.len - l4_offset));
  const hdr_len = l4len + l4_offset;
  first.gso_segs = skb.shinfo.gso_segs;
  first.bytecount += (first.gso_segs - 1) * hdr_len;
  const mss_l4len_idx = (l4len << D.E1000_ADVTXD_L4LEN_SHIFT) | (skb.shinfo.gso_size << D.E1000_ADVTXD_MSS_SHIFT);
  igb_tx_ctxtdesc(ring, contextLengths(first, skb, transport - network), type_tucmd, mss_l4len_idx >>> 0);
  return hdr_len;
}

/** A pseudo header's sum without the length in it: each segment has its own (RFC 1624). */
function csumWithout(check: number, length: number): number {
  let sum = (~check & 0xffff) + (length >>> 16) + (length & 0xffff);
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** VLAN tag, length of the MAC header, length of the network header. */
function contextLengths(first: igb_tx_buffer, skb: sk_buff, networkLength: number): number {
  const vlan = first.tx_flags & IGB_TX_FLAGS_VLAN_MASK;
  return (networkLength | (skb_network_offset(skb) << D.E1000_ADVTXD_MACLEN_SHIFT) | vlan) >>> 0;
}

/** Lets the device insert the transport checksum; a kind it doesn't know is computed here. A VLAN tag needs a context, too. */
function igb_tx_csum(ring: igb_ring, first: igb_tx_buffer): void {
  const skb = first.skb!;
  const type_tucmd = skb.ip_summed === CHECKSUM_PARTIAL ? checksumType(skb) : NO_CHECKSUM;
  if (type_tucmd !== NO_CHECKSUM) {
    first.tx_flags |= IGB_TX_FLAGS_CSUM;
    const networkLength = skb_checksum_start_offset(skb) - skb_network_offset(skb);
    igb_tx_ctxtdesc(ring, contextLengths(first, skb, networkLength), type_tucmd, 0);
    return;
  }
  if (skb.ip_summed === CHECKSUM_PARTIAL) skb_checksum_help(skb);
  if ((first.tx_flags & IGB_TX_FLAGS_VLAN) !== 0) igb_tx_ctxtdesc(ring, contextLengths(first, skb, 0), 0, 0);
}

function checksumType(skb: sk_buff): number {
  if (skb.csum_offset === TCP_CHECK_OFFSET) return D.E1000_ADVTXD_TUCMD_L4T_TCP;
  if (skb.csum_offset === UDP_CHECK_OFFSET) return D.E1000_ADVTXD_TUCMD_L4T_UDP;
  if (skb.csum_offset === SCTP_CHECK_OFFSET && new iphdr(skb.mem.view, skb.network_header).protocol === IPPROTO_SCTP)
    return D.E1000_ADVTXD_TUCMD_L4T_SCTP;
  return NO_CHECKSUM;
}

function igb_tx_ctxtdesc(ring: igb_ring, vlan_macip_lens: number, type_tucmd: number, mss_l4len_idx: number): void {
  const i = ring.next_to_use;
  const desc = new e1000_adv_tx_context_desc(ring.descView, IGB_TX_CTXTDESC(ring, i));
  ring.next_to_use = i + 1 < ring.count ? i + 1 : 0;
  desc.vlan_macip_lens = vlan_macip_lens;
  desc.seqnum_seed = 0;
  desc.type_tucmd_mlhl = (type_tucmd | TUCMD_CONTEXT) >>> 0;
  desc.mss_l4len_idx = mss_l4len_idx;
}

function igb_tx_cmd_type(tx_flags: number): number {
  let cmd = CMD_DATA;
  if ((tx_flags & IGB_TX_FLAGS_VLAN) !== 0) cmd |= D.E1000_ADVTXD_DCMD_VLE;
  if ((tx_flags & IGB_TX_FLAGS_TSO) !== 0) cmd |= D.E1000_ADVTXD_DCMD_TSE;
  if ((tx_flags & IGB_TX_FLAGS_TSTAMP) !== 0) cmd |= D.E1000_ADVTXD_MAC_TSTAMP;
  return cmd;
}

function igb_tx_olinfo_status(tx_flags: number, paylen: number): number {
  let olinfo = paylen << D.E1000_ADVTXD_PAYLEN_SHIFT;
  if ((tx_flags & IGB_TX_FLAGS_CSUM) !== 0) olinfo |= D.E1000_ADVTXD_POPTS_TXSM;
  if ((tx_flags & IGB_TX_FLAGS_IPV4) !== 0) olinfo |= D.E1000_ADVTXD_POPTS_IXSM;
  return olinfo >>> 0;
}

/** Maps the packet's pieces, describes them, and rings the doorbell unless more packets follow at once. */
function igb_tx_map(ring: igb_ring, first: igb_tx_buffer, hdr_len: number): void {
  const skb = first.skb!;
  const { nr_frags, frags } = skb.shinfo;
  const start = ring.next_to_use;
  const cmd = igb_tx_cmd_type(first.tx_flags);
  let olinfo = igb_tx_olinfo_status(first.tx_flags, skb.len - hdr_len);
  let i = start;
  let size = skb_headlen(skb);
  let buffer = first;
  let dma = dma_map_single(ring.dev, skb.mem, skb.data, size, DMA_TO_DEVICE, skb.packetId);
  for (let f = 0; ; f++) {
    if (dma_mapping_error(ring.dev, dma)) {
      undoMapping(ring, first, i);
      return;
    }
    buffer.len = size;
    buffer.dma = dma;
    while (size > IGB_MAX_DATA_PER_TXD) {
      writeDataDescriptor(ring, i, dma, cmd | IGB_MAX_DATA_PER_TXD, olinfo);
      olinfo = 0;
      dma += IGB_MAX_DATA_PER_TXD;
      size -= IGB_MAX_DATA_PER_TXD;
      if (++i === ring.count) i = 0;
    }
    if (f === nr_frags) break;
    writeDataDescriptor(ring, i, dma, cmd | size, olinfo);
    olinfo = 0;
    if (++i === ring.count) i = 0;
    const frag = frags[f]!;
    size = frag.size;
    dma = skb_frag_dma_map(ring.dev, frag, 0, size, DMA_TO_DEVICE);
    buffer = ring.tx_buffer_info[i]!;
  }
  writeDataDescriptor(ring, i, dma, cmd | size | IGB_TXD_DCMD, olinfo);
  netdev_tx_sent_queue(txring_txq(ring), first.bytecount);
  first.time_stamp = jiffies();
  skb_tx_timestamp(skb);
  // Only now is the packet visible to igb_clean_tx_irq: the descriptors are complete (C has a write barrier here).
  first.next_to_watch = i;
  if (++i === ring.count) i = 0;
  ring.next_to_use = i;
  igb_maybe_stop_tx(ring, DESC_NEEDED);
  if (netif_xmit_stopped(txring_txq(ring)) || !netdev_xmit_more()) wr32(ring.hw, ring.tail, i);
}

function writeDataDescriptor(ring: igb_ring, i: number, dma: number, cmd_type_len: number, olinfo_status: number): void {
  const desc = new e1000_adv_tx_desc_read(ring.descView, IGB_TX_DESC(ring, i));
  desc.buffer_addr = dma;
  desc.cmd_type_len = cmd_type_len >>> 0;
  desc.olinfo_status = olinfo_status;
}

/** A piece could not be mapped: what was mapped before it is given back, and the packet dropped. */
function undoMapping(ring: igb_ring, first: igb_tx_buffer, i: number): void {
  dev_err(ring.dev, 'TX DMA map failed');
  let buffer = ring.tx_buffer_info[i]!;
  while (buffer !== first) {
    unmapBuffer(ring, buffer);
    i = i === 0 ? ring.count - 1 : i - 1;
    buffer = ring.tx_buffer_info[i]!;
  }
  unmapBuffer(ring, first);
  giveUp(ring.q_vector.adapter, first);
  ring.next_to_use = i;
}

/** The packet is dropped; a stamp that was to be taken of it never will be. */
function giveUp(adapter: igb_adapter, first: igb_tx_buffer): void {
  dev_kfree_skb_any(first.skb!, 'igb_xmit_frame_ring');
  first.skb = null;
  if ((first.tx_flags & IGB_TX_FLAGS_TSTAMP) === 0) return;
  cancel_work_sync(adapter.ptp_tx_work);
  dev_kfree_skb_any(adapter.ptp_tx_skb!, 'igb_xmit_frame_ring');
  adapter.ptp_tx_skb = null;
  adapter.state &= ~__IGB_PTP_TX_IN_PROGRESS;
}

function unmapBuffer(ring: igb_ring, buffer: igb_tx_buffer): void {
  if (buffer.len !== 0) dma_unmap_page(ring.dev, buffer.dma, buffer.len, DMA_TO_DEVICE);
  buffer.len = 0;
}

/** Stamps in software, if the sender wants any, are taken as the packet goes to the device. */
function skb_tx_timestamp(skb: sk_buff): void {
  skb_clone_tx_timestamp(skb);
  if ((skb.shinfo.tx_flags & SKBTX_SW_TSTAMP) !== 0) skb_tstamp_tx(skb, 0n, SCM_TSTAMP_SND);
}
