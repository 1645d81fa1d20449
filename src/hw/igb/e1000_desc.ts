/**
 * Layouts of the 82576's descriptors: 16 bytes in host memory that driver and device hand back and forth. Each has the form in which
 * software writes it ("read", because the device reads it) and the form in which the device writes it back ("wb").
 */
import { le16, le32, le64, struct, u8 } from '../../machine/struct.ts';

/** Bytes of every descriptor. */
export const DESCRIPTOR_SIZE = 16;

/** Advanced transmit data descriptor as software writes it (82576 datasheet 7.2.2.4). */
export const e1000_adv_tx_desc_read = struct('e1000_adv_tx_desc_read', { buffer_addr: le64, cmd_type_len: le32, olinfo_status: le32 });

/** The same after the device is done with it (7.2.2.4.1). */
export const e1000_adv_tx_desc_wb = struct('e1000_adv_tx_desc_wb', { rsvd: le64, nxtseq_seed: le32, status: le32 });

/** Advanced transmit context descriptor (7.2.2.3): header lengths and offload parameters of the packets that follow. */
export const e1000_adv_tx_context_desc = struct('e1000_adv_tx_context_desc', {
  vlan_macip_lens: le32,
  seqnum_seed: le32,
  type_tucmd_mlhl: le32,
  mss_l4len_idx: le32,
});

/** Advanced receive descriptor as software writes it (7.1.5.1). Bit 0 of `hdr_addr` is DD in the wb form: software leaves it 0. */
export const e1000_adv_rx_desc_read = struct('e1000_adv_rx_desc_read', { pkt_addr: le64, hdr_addr: le64 });

/** Advanced receive descriptor as the device writes it back (7.1.5.2). */
export const e1000_adv_rx_desc_wb = struct('e1000_adv_rx_desc_wb', {
  /** RSS type in bits 3:0, packet type in bits 16:4. */
  pkt_info: le16,
  /** Header length in bits 14:5, split in bit 15. */
  hdr_info: le16,
  /** The RSS hash, or with RXCSUM.PCSD = 0 the fragment's identification and checksum. */
  rss: le32,
  status_error: le32,
  length: le16,
  vlan: le16,
});

/** The other reading of `rss` (RXCSUM.PCSD = 0). */
export const e1000_adv_rx_desc_wb_csum = struct('e1000_adv_rx_desc_wb_csum', { pkt_info: le16, hdr_info: le16, ip_id: le16, csum: le16 });

/** Legacy transmit descriptor (7.2.2.1). `cmd` and `status` are the upper and lower ends of what E1000_TXD_… masks address as one word. */
export const e1000_tx_desc = struct('e1000_tx_desc', {
  buffer_addr: le64,
  length: le16,
  cso: u8,
  cmd: u8,
  status: u8,
  css: u8,
  special: le16,
});

/** Legacy receive descriptor (7.1.4). */
export const e1000_rx_desc = struct('e1000_rx_desc', {
  buffer_addr: le64,
  length: le16,
  csum: le16,
  status: u8,
  errors: u8,
  special: le16,
});
