/**
 * net/ipv4/arp.c: the Address Resolution Protocol (RFC 826) as the IPv4 side of the neighbour table.
 * Out: `neigh_probe` → `arp_solicit` → `arp_send_dst` → `arp_create` → `arp_xmit` → `dev_queue_xmit`.
 * In: `arp_rcv` → `arp_process` → reply (`arp_send_dst`) or `neigh_update`.
 *
 * Simplified: no proxy ARP (proxy_arp, `ip neigh add proxy`), no ARP hooks of netfilter.
 */
import {
  IN_DEV_ARP_ACCEPT,
  IN_DEV_ARP_ANNOUNCE,
  IN_DEV_ARP_IGNORE,
  IN_DEV_ARPFILTER,
  IN_DEV_NET_ROUTE_LOCALNET,
  type in_device,
  inet_ifa_match,
} from '../../include/linux/inetdevice.ts';
import {
  IFF_LOOPBACK,
  IFF_NOARP,
  IFF_POINTOPOINT,
  NET_RX_DROP,
  NET_RX_SUCCESS,
  type net_device,
  type packet_type,
} from '../../include/linux/netdevice.ts';
import {
  PACKET_HOST,
  PACKET_LOOPBACK,
  PACKET_OTHERHOST,
  type sk_buff,
  skb_dst_set,
  skb_put,
  skb_reserve,
  skb_reset_network_header,
} from '../../include/linux/skbuff.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { arp_hashfn } from '../../include/net/arp.ts';
import { SKB_DROP_REASON_HDR_TRUNC, SKB_DROP_REASON_NEIGH_FAILED, SKB_DROP_REASON_NOT_SPECIFIED } from '../../include/net/dropreason.ts';
import { type dst_entry, dst_link_failure, dst_release, LL_RESERVED_SPACE } from '../../include/net/dst.ts';
import { ip_hdr } from '../../include/net/ip.ts';
import { RT_SCOPE_HOST, RT_SCOPE_LINK, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } from '../../include/net/ip_fib.ts';
import {
  NEIGH_UPDATE_F_OVERRIDE,
  NUD_NOARP,
  NUD_REACHABLE,
  NUD_STALE,
  NUD_VALID,
  type neigh_ops,
  neigh_parms,
  neigh_table,
  type neighbour,
} from '../../include/net/neighbour.ts';
import { NET_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import { HZ, jiffies } from '../../kernel/time/timer.ts';
import { EINVAL } from '../../uapi/errno.ts';
import { ARPOP_REPLY, ARPOP_REQUEST, arphdr, ETH_P_ARP, ETH_P_IP } from '../../uapi/if_ether.ts';
import { ipv4_is_loopback, ipv4_is_multicast } from '../../uapi/in.ts';
import { LINUX_MIB_ARPFILTER } from '../../uapi/snmp.ts';
import { dev_add_pack } from '../core/dev.ts';
import { dev_queue_xmit } from '../core/dev_queue_xmit.ts';
import {
  neigh_changeaddr,
  neigh_create,
  neigh_event_ns,
  neigh_ifdown,
  neigh_lookup,
  neigh_release,
  neigh_table_init,
  neigh_timer_handler,
  neigh_update,
} from '../core/neighbour.ts';
import { neigh_connected_output, neigh_direct_output, neigh_resolve_output } from '../core/neighbour_output.ts';
import { alloc_skb } from '../core/skbuff.ts';
import { skb_share_check } from '../core/skbuff_clone.ts';
import { consume_skb, kfree_skb, kfree_skb_reason } from '../core/skbuff_free.ts';
import { pskb_may_pull } from '../core/skbuff_reshape.ts';
import { inet_addr_onlink, inet_confirm_addr, inet_select_addr } from './devinet.ts';
import { inet_addr_type_dev_table } from './fib_frontend.ts';
import { ip_route_input_noref, ip_route_output, rt_cache_flush } from './route.ts';

const AF_INET = 2;

/** Neighbours whose link-layer header can be cached. */
const arp_hh_ops: neigh_ops = {
  family: AF_INET,
  solicit: arp_solicit,
  error_report: arp_error_report,
  output: neigh_resolve_output,
  connected_output: neigh_resolve_output,
};
const arp_generic_ops: neigh_ops = { ...arp_hh_ops, connected_output: neigh_connected_output };
/** Devices without link-layer headers. */
const arp_direct_ops: neigh_ops = {
  family: AF_INET,
  solicit: () => undefined,
  error_report: arp_error_report,
  output: neigh_direct_output,
  connected_output: neigh_direct_output,
};

const arp_packet_type: packet_type = { type: ETH_P_ARP, dev: null, func: arp_rcv };

export function arp_init(network: net): void {
  const tbl = new neigh_table(AF_INET, 'arp_cache', arp_constructor, defaultParms(HZ()));
  tbl.hash = arp_hash;
  tbl.key_eq = arp_key_eq;
  tbl.timer_handler = neigh_timer_handler;
  network.arp_tbl = tbl;
  neigh_table_init(tbl);
  dev_add_pack(arp_packet_type);
}

/** net.ipv4.neigh.default.* */
function defaultParms(hz: number): neigh_parms {
  return Object.assign(new neigh_parms(), {
    base_reachable_time: 30 * hz,
    retrans_time: hz,
    delay_probe_time: 5 * hz,
    gc_staletime: 60 * hz,
    anycast_delay: hz,
    proxy_delay: Math.floor((8 * hz) / 10),
    locktime: hz,
  });
}

function arp_hash(pkey: number, dev: net_device, hash_rnd: number): number {
  return arp_hashfn(pkey, dev, hash_rnd);
}

function arp_key_eq(n: neighbour, pkey: number): boolean {
  return n.primary_key === pkey;
}

/** What kind of neighbour is it: to be asked for, or known by its very address? */
function arp_constructor(neigh: neighbour): number {
  const dev = neigh.dev;
  if ((dev.flags & (IFF_LOOPBACK | IFF_POINTOPOINT)) !== 0) neigh.primary_key = 0;
  const in_dev = dev.ip_ptr;
  if (in_dev === null) return -EINVAL;
  neigh.type = inet_addr_type_dev_table(dev.nd_net, dev, neigh.primary_key);
  neigh.parms = in_dev.arp_parms;
  if (dev.header_ops === null) {
    neigh.nud_state = NUD_NOARP;
    neigh.ops = arp_direct_ops;
    neigh.output = neigh_direct_output;
    return 0;
  }
  knownAddress(neigh, dev);
  neigh.ops = dev.header_ops.cache !== undefined ? arp_hh_ops : arp_generic_ops;
  neigh.output = (neigh.nud_state & NUD_VALID) !== 0 ? neigh.ops.connected_output : neigh.ops.output;
  return 0;
}

/** Link-layer addresses that follow from the IP address: multicast (RFC 1112 6.4), broadcast, the device's own. */
function knownAddress(neigh: neighbour, dev: net_device): void {
  if (neigh.type === RTN_MULTICAST) arp_mc_map(neigh.primary_key, neigh.ha);
  else if ((dev.flags & (IFF_NOARP | IFF_LOOPBACK)) !== 0) neigh.ha.set(dev.dev_addr);
  else if (neigh.type === RTN_BROADCAST || (dev.flags & IFF_POINTOPOINT) !== 0) neigh.ha.set(dev.broadcast);
  else return;
  neigh.nud_state = NUD_NOARP;
}

function arp_mc_map(addr: number, haddr: Uint8Array): void {
  haddr[0] = 0x01;
  haddr[1] = 0x00;
  haddr[2] = 0x5e;
  haddr[3] = (addr >>> 16) & 0x7f;
  haddr[4] = (addr >>> 8) & 0xff;
  haddr[5] = addr & 0xff;
}

/** The packet's sender is told that its host is unreachable. */
function arp_error_report(_neigh: neighbour, skb: sk_buff): void {
  dst_link_failure(skb);
  kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_FAILED, 'neigh_invalidate');
}

/** Asks for a neighbour: first (when an address is known) by unicast, then by broadcast. `skb` is a packet that waits for it. */
function arp_solicit(neigh: neighbour, skb: sk_buff | null): void {
  const dev = neigh.dev;
  const in_dev = dev.ip_ptr;
  if (in_dev === null) return;
  const target = neigh.primary_key;
  const saddr = announcedAddress(in_dev, skb, target) || inet_select_addr(dev, target, RT_SCOPE_LINK);
  const p = neigh.parms;
  const unicast = neigh.probes < p.ucast_solicit;
  // Simplified: app_solicit (a user space resolver, over netlink) is never served.
  if (!unicast && neigh.probes - p.ucast_solicit < p.app_solicit) return;
  arp_send_dst(ARPOP_REQUEST, ETH_P_ARP, target, dev, saddr, unicast ? neigh.ha : null, dev.dev_addr, null, null);
}

/** arp_announce: which of our addresses may be given as the sender's; 0 to have one chosen. */
function announcedAddress(in_dev: in_device, skb: sk_buff | null, target: number): number {
  const announce = IN_DEV_ARP_ANNOUNCE(in_dev);
  if (skb === null || announce >= 2) return 0;
  const saddr = ip_hdr(skb).saddr;
  if (inet_addr_type_dev_table(in_dev.dev.nd_net, in_dev.dev, saddr) !== RTN_LOCAL) return 0;
  return announce === 0 || inet_addr_onlink(in_dev, target, saddr) ? saddr : 0;
}

/* Sending */

export function arp_send(
  type: number,
  ptype: number,
  dest_ip: number,
  dev: net_device,
  src_ip: number,
  dest_hw: Uint8Array | null,
  src_hw: Uint8Array | null,
  target_hw: Uint8Array | null,
): void {
  arp_send_dst(type, ptype, dest_ip, dev, src_ip, dest_hw, src_hw, target_hw, null);
}

function arp_send_dst(
  type: number,
  ptype: number,
  dest_ip: number,
  dev: net_device,
  src_ip: number,
  dest_hw: Uint8Array | null,
  src_hw: Uint8Array | null,
  target_hw: Uint8Array | null,
  dst: dst_entry | null,
): void {
  if ((dev.flags & IFF_NOARP) !== 0) return;
  const skb = arp_create(type, ptype, dest_ip, dev, src_ip, dest_hw, src_hw, target_hw);
  if (skb === null) return;
  skb_dst_set(skb, dst);
  arp_xmit(skb);
}

/** An ARP frame, ready to be sent. `dest_hw` null: to everybody; `target_hw` null: the address that is asked for. */
export function arp_create(
  type: number,
  ptype: number,
  dest_ip: number,
  dev: net_device,
  src_ip: number,
  dest_hw: Uint8Array | null,
  src_hw: Uint8Array | null,
  target_hw: Uint8Array | null,
): sk_buff | null {
  const hlen = LL_RESERVED_SPACE(dev);
  const skb = alloc_skb(arphdr.size + hlen + dev.needed_tailroom, GFP_ATOMIC);
  if (skb === null) return null;
  skb_reserve(skb, hlen);
  skb_reset_network_header(skb);
  const at = skb_put(skb, arphdr.size);
  skb.dev = dev;
  skb.protocol = ETH_P_ARP;
  const source = src_hw ?? dev.dev_addr;
  if (dev.header_ops !== null && dev.header_ops.create(skb, dev, ptype, dest_hw ?? dev.broadcast, source, skb.len) < 0) {
    kfree_skb(skb, 'arp_create');
    return null;
  }
  fillArp(skb, at, dev, type, source, src_ip, target_hw, dest_ip);
  return skb;
}

function fillArp(
  skb: sk_buff,
  at: number,
  dev: net_device,
  op: number,
  sha: Uint8Array,
  sip: number,
  tha: Uint8Array | null,
  tip: number,
): void {
  const arp = new arphdr(skb.mem.view, at);
  arp.ar_hrd = dev.type;
  arp.ar_pro = ETH_P_IP;
  arp.ar_hln = dev.addr_len;
  arp.ar_pln = 4;
  arp.ar_op = op;
  skb.mem.u8.set(sha, at + arphdr.offset.ar_sha);
  arp.ar_sip = sip;
  if (tha !== null) skb.mem.u8.set(tha, at + arphdr.offset.ar_tha);
  else skb.mem.u8.fill(0, at + arphdr.offset.ar_tha, at + arphdr.offset.ar_tip);
  arp.ar_tip = tip;
}

export function arp_xmit(skb: sk_buff): void {
  dev_queue_xmit(skb);
}

/* Receiving */

export function arp_rcv(skb: sk_buff, dev: net_device, _pt: packet_type, _orig_dev: net_device): number {
  if ((dev.flags & IFF_NOARP) !== 0 || skb.pkt_type === PACKET_OTHERHOST || skb.pkt_type === PACKET_LOOPBACK) {
    consume_skb(skb, 'arp_rcv');
    return NET_RX_SUCCESS;
  }
  const own = skb_share_check(skb, GFP_ATOMIC);
  if (own === null) return NET_RX_DROP;
  if (!pskb_may_pull(own, arphdr.size)) return dropArp(own, SKB_DROP_REASON_HDR_TRUNC);
  const arp = new arphdr(own.mem.view, own.network_header);
  if (arp.ar_hln !== dev.addr_len || arp.ar_pln !== 4) return dropArp(own, SKB_DROP_REASON_NOT_SPECIFIED);
  return arp_process(dev.nd_net, own);
}

function dropArp(skb: sk_buff, reason: number): number {
  kfree_skb_reason(skb, reason, 'arp_rcv');
  return NET_RX_DROP;
}

function arp_process(network: net, skb: sk_buff): number {
  const dev = skb.dev!;
  const in_dev = dev.ip_ptr;
  const arp = new arphdr(skb.mem.view, skb.network_header);
  if (in_dev === null || !acceptable(in_dev, arp)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, 'arp_process');
    return NET_RX_DROP;
  }
  if (!answer(network, skb, dev, in_dev, arp)) learn(network, skb, dev, in_dev, arp);
  consume_skb(skb, 'arp_process');
  // What a reply would be sent through, if tunnels had told.
  dst_release(null);
  return NET_RX_SUCCESS;
}

function acceptable(in_dev: in_device, arp: arphdr): boolean {
  const { dev } = in_dev;
  if (arp.ar_pro !== ETH_P_IP || arp.ar_hrd !== dev.type) return false;
  if (arp.ar_op !== ARPOP_REPLY && arp.ar_op !== ARPOP_REQUEST) return false;
  if (ipv4_is_multicast(arp.ar_tip) || (ipv4_is_loopback(arp.ar_tip) && !IN_DEV_NET_ROUTE_LOCALNET(in_dev))) return false;
  return arp.ar_sip !== arp.ar_tip || in_dev.cnf.drop_gratuitous_arp + dev.nd_net.ipv4.devconf_all.drop_gratuitous_arp === 0;
}

const hwAddress = (skb: sk_buff, arp: arphdr, offset: number): Uint8Array => skb.mem.u8.subarray(arp.base + offset, arp.base + offset + 6);

/** Somebody asks for us: reply, and remember who asked. True when nothing else is to be done with the message. */
function answer(network: net, skb: sk_buff, dev: net_device, in_dev: in_device, arp: arphdr): boolean {
  const sip = arp.ar_sip;
  const tip = arp.ar_tip;
  const sha = hwAddress(skb, arp, arphdr.offset.ar_sha);
  // Duplicate address detection (RFC 5227 2.1.1): there is nobody to remember yet.
  if (sip === 0) {
    if (arp.ar_op === ARPOP_REQUEST && inet_addr_type_dev_table(network, dev, tip) === RTN_LOCAL && !arp_ignore(in_dev, sip, tip))
      arp_send_dst(ARPOP_REPLY, ETH_P_ARP, sip, dev, tip, sha, dev.dev_addr, sha, null);
    return true;
  }
  if (arp.ar_op !== ARPOP_REQUEST || ip_route_input_noref(skb, tip, sip, 0, dev) !== 0) return false;
  if (skb._skb_refdst!.rt_type !== RTN_LOCAL) return false;
  if (arp_ignore(in_dev, sip, tip) || (IN_DEV_ARPFILTER(in_dev) && arp_filter(sip, tip, dev))) return true;
  const n = neigh_event_ns(network.arp_tbl, sha, sip, dev);
  if (n === null) return true;
  arp_send_dst(ARPOP_REPLY, ETH_P_ARP, sip, dev, tip, sha, dev.dev_addr, sha, null);
  neigh_release(n);
  return true;
}

/** An answer to us, or something overheard: it updates what we know, and only with arp_accept makes us know more. */
function learn(network: net, skb: sk_buff, dev: net_device, in_dev: in_device, arp: arphdr): void {
  let n = neigh_lookup(network.arp_tbl, arp.ar_sip, dev);
  const garp = n !== null && arp_is_garp(network, skb, dev, arp);
  if (arp_accept(in_dev, arp.ar_sip) && n === null && (arp_is_garp(network, skb, dev, arp) || unicastReply(network, dev, arp)))
    n = neigh_create(network.arp_tbl, arp.ar_sip, dev);
  if (n === null) return;
  // Of several answers the first counts, since it came the fastest way; later ones must wait for locktime.
  const override = garp || jiffies() > n.updated + n.parms.locktime;
  const state = arp.ar_op === ARPOP_REPLY && skb.pkt_type === PACKET_HOST ? NUD_REACHABLE : NUD_STALE;
  neigh_update(n, hwAddress(skb, arp, arphdr.offset.ar_sha), state, override ? NEIGH_UPDATE_F_OVERRIDE : 0);
  neigh_release(n);
}

const unicastReply = (network: net, dev: net_device, arp: arphdr): boolean =>
  arp.ar_op === ARPOP_REPLY && inet_addr_type_dev_table(network, dev, arp.ar_sip) === RTN_UNICAST;

/** A gratuitous message: sender and target are the same (RFC 5227 3). */
function arp_is_garp(network: net, skb: sk_buff, dev: net_device, arp: arphdr): boolean {
  if (arp.ar_sip !== arp.ar_tip) return false;
  if (arp.ar_op === ARPOP_REPLY) {
    const { u8 } = skb.mem;
    for (let i = 0; i < 6; i++) if (u8[arp.base + arphdr.offset.ar_sha + i] !== u8[arp.base + arphdr.offset.ar_tha + i]) return false;
  }
  return inet_addr_type_dev_table(network, dev, arp.ar_sip) === RTN_UNICAST;
}

/** arp_accept: may messages nobody asked for create entries? */
function arp_accept(in_dev: in_device, sip: number): boolean {
  const accept = IN_DEV_ARP_ACCEPT(in_dev);
  if (accept === 2) return in_dev.ifa_list.some((ifa) => inet_ifa_match(sip, ifa));
  return accept === 1;
}

/** arp_ignore: true when a request for `tip` that came in here is not to be answered. */
function arp_ignore(in_dev: in_device, sip: number, tip: number): boolean {
  const network = in_dev.dev.nd_net;
  switch (IN_DEV_ARP_IGNORE(in_dev)) {
    case 1:
      return inet_confirm_addr(network, in_dev, 0, tip, RT_SCOPE_HOST) === 0;
    case 2:
      return inet_confirm_addr(network, in_dev, sip, tip, RT_SCOPE_HOST) === 0;
    case 3:
      return inet_confirm_addr(network, null, 0, tip, RT_SCOPE_LINK) === 0;
    case 8:
      return true;
    default:
      return false;
  }
}

/** arp_filter: true when we would not answer through this device. */
function arp_filter(sip: number, tip: number, dev: net_device): boolean {
  const network = dev.nd_net;
  const rt = ip_route_output(network, sip, tip, 0, 0);
  if (typeof rt === 'number') return true;
  const other = rt.dev !== dev;
  if (other) NET_INC_STATS(network, LINUX_MIB_ARPFILTER);
  dst_release(rt);
  return other;
}

/* Devices */

export function arp_ifdown(dev: net_device): void {
  neigh_ifdown(dev.nd_net.arp_tbl, dev);
}

/** The device got another address: neighbours learned it wrong, and so did we. */
export function arpChangeAddress(dev: net_device): void {
  neigh_changeaddr(dev.nd_net.arp_tbl, dev);
  rt_cache_flush(dev.nd_net);
}
