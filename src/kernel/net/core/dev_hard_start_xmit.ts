/**
 * net/core/dev.c: from the qdisc to the driver.
 * `validate_xmit_skb_list` → `validate_xmit_skb` (what the device cannot do is done here: segmentation, linearising, checksums)
 * → `dev_hard_start_xmit` → `xmit_one` → taps → `netdev_start_xmit` → `ndo_start_xmit`.
 */
import { this_cpu_ptr, trace } from '../../current.ts';
import {
  dev_xmit_complete,
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
  NETIF_F_CSUM_MASK,
  NETIF_F_FRAGLIST,
  NETIF_F_GSO_MASK,
  NETIF_F_GSO_UDP_L4,
  NETIF_F_HW_CSUM,
  NETIF_F_HW_VLAN_CTAG_TX,
  NETIF_F_IP_CSUM,
  NETIF_F_IPV6_CSUM,
  NETIF_F_SG,
  NETIF_F_TSO,
  NETIF_F_TSO_ECN,
  NETIF_F_TSO_MANGLEID,
  NETIF_F_TSO6,
  type net_device,
  type netdev_queue,
  netif_tx_queue_stopped,
  type packet_type,
} from '../../include/linux/netdevice.ts';
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  PACKET_OUTGOING,
  SKB_GSO_DODGY,
  SKB_GSO_FRAGLIST,
  SKB_GSO_TCP_ACCECN,
  SKB_GSO_TCP_ECN,
  SKB_GSO_TCP_FIXEDID,
  SKB_GSO_TCPV4,
  SKB_GSO_TCPV6,
  SKB_GSO_UDP_L4,
  type sk_buff,
  skb_checksum_start_offset,
  skb_has_frag_list,
  skb_is_gso,
  skb_set_transport_header,
  skb_vlan_tag_present,
} from '../../include/linux/skbuff.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { jiffies } from '../../kernel/time/timer.ts';
import { ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6 } from '../../uapi/if_ether.ts';
import { iphdr } from '../../uapi/in.ts';
import { skb_gso_segment } from './gso.ts';
import { skb_clone } from './skbuff_clone.ts';
import { skb_checksum_help } from './skbuff_csum.ts';
import { consume_skb, kfree_skb } from './skbuff_free.ts';
import { skb_linearize } from './skbuff_reshape.ts';
import { vlan_insert_tag_set_proto } from './skbuff_vlan.ts';

/* Validation */

/** Each packet of a chain made fit for the device; null when none is left. */
export function validate_xmit_skb_list(skb: sk_buff | null, dev: net_device): sk_buff | null {
  let head: sk_buff | null = null;
  let tail: sk_buff | null = null;
  while (skb !== null) {
    const next: sk_buff | null = skb.next;
    skb.next = null;
    // A packet that is segmented has its last segment there.
    skb.prev = skb;
    const valid = validate_xmit_skb(skb, dev);
    skb = next;
    if (valid === null) continue;
    if (tail === null) head = valid;
    else tail.next = valid;
    tail = valid.prev;
  }
  return head;
}

/** The packet, or the chain of segments it becomes; null when it had to be dropped. */
export function validate_xmit_skb(skb: sk_buff, dev: net_device): sk_buff | null {
  const features = netif_skb_features(skb);
  let valid: sk_buff | null =
    skb_vlan_tag_present(skb) && (features & NETIF_F_HW_VLAN_CTAG_TX) === 0 ? vlan_insert_tag_set_proto(skb) : skb;
  if (valid === null) dev.tx_dropped++;
  else if (netif_needs_gso(valid, features)) valid = softwareGso(valid, dev, features);
  else if (!prepare(valid, features)) {
    kfree_skb(valid, 'validate_xmit_skb');
    dev.tx_dropped++;
    valid = null;
  }
  return valid === null ? null : validate_xmit_xfrm(valid);
}

function softwareGso(skb: sk_buff, dev: net_device, features: number): sk_buff | null {
  const segs = skb_gso_segment(skb, features);
  if (typeof segs === 'number') {
    kfree_skb(skb, 'validate_xmit_skb');
    dev.tx_dropped++;
    return null;
  }
  if (segs === null) return skb;
  consume_skb(skb, 'validate_xmit_skb');
  return segs;
}

function prepare(skb: sk_buff, features: number): boolean {
  if (skb_needs_linearize(skb, features) && skb_linearize(skb) !== 0) return false;
  if (skb.ip_summed !== CHECKSUM_PARTIAL) return true;
  skb_set_transport_header(skb, skb_checksum_start_offset(skb));
  return skb_csum_hwoffload_help(skb, features) === 0;
}

/** The checksum is the device's work if it can, else ours; 0 or -errno. */
export function skb_csum_hwoffload_help(skb: sk_buff, features: number): number {
  if ((features & NETIF_F_HW_CSUM) !== 0) return 0;
  if ((features & (NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM)) !== 0) {
    // These devices know TCP and UDP only: whose checksums are where these offsets say.
    if (skb.csum_offset === 16 || skb.csum_offset === 6) return 0;
  }
  return skb_checksum_help(skb);
}

/** Simplified: there is no IPsec, so nothing is to be encrypted. The call is in every recording. */
function validate_xmit_xfrm(skb: sk_buff): sk_buff {
  return skb;
}

/* Features: what the device can do for this packet */

export function netif_skb_features(skb: sk_buff): number {
  const dev = skb.dev!;
  let features = dev.features;
  if (skb_is_gso(skb)) features = gso_features_check(skb, dev, features);
  if (dev.netdev_ops.ndo_features_check !== undefined) features = dev.netdev_ops.ndo_features_check(skb, dev, features);
  return harmonize_features(skb, features);
}

function gso_features_check(skb: sk_buff, dev: net_device, features: number): number {
  const shinfo = skb.shinfo;
  if (shinfo.gso_segs > dev.gso_max_segs || skb.len >= dev.gso_max_size || shinfo.gso_type === 0) return features & ~NETIF_F_GSO_MASK;
  if ((shinfo.gso_type & SKB_GSO_TCPV4) === 0) return features;
  // A device that gives all segments the same IP id may do so only if nobody can fragment them.
  const mayFragment = (new iphdr(skb.mem.view, skb.network_header).frag_off & 0x4000) === 0;
  return mayFragment ? features & ~NETIF_F_TSO_MANGLEID : features;
}

function harmonize_features(skb: sk_buff, features: number): number {
  const type = skb_network_protocol(skb);
  if (skb.ip_summed !== CHECKSUM_NONE && !can_checksum_protocol(features, type)) return features & ~(NETIF_F_CSUM_MASK | NETIF_F_GSO_MASK);
  return features;
}

/** The protocol above Ethernet, behind VLAN tags if there are. */
export function skb_network_protocol(skb: sk_buff): number {
  if (skb.protocol !== ETH_P_8021Q) return skb.protocol;
  return skb.mem.view.getUint16(skb.mac_header + 16);
}

export function can_checksum_protocol(features: number, protocol: number): boolean {
  if ((features & NETIF_F_HW_CSUM) !== 0) return true;
  if (protocol === ETH_P_IP) return (features & NETIF_F_IP_CSUM) !== 0;
  return protocol === ETH_P_IPV6 && (features & NETIF_F_IPV6_CSUM) !== 0;
}

/** Must this packet be segmented here? */
export function netif_needs_gso(skb: sk_buff, features: number): boolean {
  if (!skb_is_gso(skb)) return false;
  return !skb_gso_ok(skb, features) || (skb.ip_summed !== CHECKSUM_PARTIAL && skb.ip_summed !== CHECKSUM_UNNECESSARY);
}

export function skb_gso_ok(skb: sk_buff, features: number): boolean {
  return net_gso_ok(features, skb.shinfo.gso_type) && (!skb_has_frag_list(skb) || (features & NETIF_F_FRAGLIST) !== 0);
}

/** Kinds of segmentation that no device here knows. */
const NEVER_OFFLOADED = SKB_GSO_DODGY | SKB_GSO_TCP_ACCECN | SKB_GSO_FRAGLIST;

/** Does the device know all that `gso_type` asks for? */
export function net_gso_ok(features: number, gso_type: number): boolean {
  let needed = 0;
  if ((gso_type & SKB_GSO_TCPV4) !== 0) needed |= NETIF_F_TSO;
  if ((gso_type & SKB_GSO_TCPV6) !== 0) needed |= NETIF_F_TSO6;
  if ((gso_type & SKB_GSO_TCP_ECN) !== 0) needed |= NETIF_F_TSO_ECN;
  if ((gso_type & SKB_GSO_TCP_FIXEDID) !== 0) needed |= NETIF_F_TSO_MANGLEID;
  if ((gso_type & SKB_GSO_UDP_L4) !== 0) needed |= NETIF_F_GSO_UDP_L4;
  return (features & needed) === needed && (gso_type & NEVER_OFFLOADED) === 0;
}

function skb_needs_linearize(skb: sk_buff, features: number): boolean {
  if (skb.data_len === 0) return false;
  return (skb_has_frag_list(skb) && (features & NETIF_F_FRAGLIST) === 0) || (skb.shinfo.nr_frags > 0 && (features & NETIF_F_SG) === 0);
}

/* To the driver */

/** Hands a chain to the driver. Returns NETDEV_TX_OK or what the driver said; what it did not take is in `txq.unsent`. */
export function dev_hard_start_xmit(first: sk_buff, dev: net_device, txq: netdev_queue): number {
  let skb: sk_buff | null = first;
  let rc = NETDEV_TX_OK;
  while (skb !== null) {
    const next: sk_buff | null = skb.next;
    skb.next = null;
    rc = xmit_one(skb, dev, txq, next !== null);
    if (!dev_xmit_complete(rc)) {
      skb.next = next;
      break;
    }
    skb = next;
    if (skb !== null && netif_tx_queue_stopped(txq)) {
      rc = NETDEV_TX_BUSY;
      break;
    }
  }
  txq.unsent = skb;
  return rc;
}

function xmit_one(skb: sk_buff, dev: net_device, txq: netdev_queue, more: boolean): number {
  if (dev_nit_active(dev)) dev_queue_xmit_nit(skb, dev);
  const len = skb.len;
  trace().net_dev_start_xmit?.(skb, dev);
  const rc = netdev_start_xmit(skb, dev, txq, more);
  trace().net_dev_xmit?.(skb, rc, dev, len);
  return rc;
}

export function netdev_start_xmit(skb: sk_buff, dev: net_device, txq: netdev_queue, more: boolean): number {
  this_cpu_ptr().softnet_data.xmit_more = more;
  const rc = dev.netdev_ops.ndo_start_xmit(skb, dev);
  if (rc === NETDEV_TX_OK && !dev.lltx) txq.trans_start = jiffies();
  return rc;
}

/* Taps */

const dev_nit_active = (dev: net_device): boolean => dev.taps.length > 0 || dev.ptype_all.length > 0 || dev.nd_net.ptype_all.length > 0;

/** Shows a packet that leaves to observers, and gives a clone to each packet socket. */
export function dev_queue_xmit_nit(skb: sk_buff, dev: net_device): void {
  for (let i = 0; i < dev.taps.length; i++) dev.taps[i]!(skb, true);
  for (let i = 0; i < dev.nd_net.ptype_all.length; i++) deliverClone(skb, dev, dev.nd_net.ptype_all[i]!);
  for (let i = 0; i < dev.ptype_all.length; i++) deliverClone(skb, dev, dev.ptype_all[i]!);
}

function deliverClone(skb: sk_buff, dev: net_device, ptype: packet_type): void {
  const copy = skb_clone(skb, GFP_ATOMIC);
  if (copy === null) return;
  copy.mac_header = copy.data;
  if (copy.network_header < copy.data) copy.network_header = copy.data;
  copy.transport_header = copy.network_header;
  copy.pkt_type = PACKET_OUTGOING;
  ptype.func(copy, dev, ptype, dev);
}
