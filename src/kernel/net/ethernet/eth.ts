/**
 * net/ethernet/eth.c: Ethernet headers. Out: `eth_header`, or the copy that neighbours keep (`eth_header_cache`). In: `eth_type_trans`.
 */
import {
  type header_ops,
  IFF_BROADCAST,
  IFF_LOOPBACK,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_TX_SKB_SHARING,
  type net_device,
  netif_running,
} from '../../include/linux/netdevice.ts';
import {
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  type sk_buff,
  skb_pull,
  skb_push,
  skb_reset_mac_header,
} from '../../include/linux/skbuff.ts';
import type { hh_cache, neighbour } from '../../include/net/neighbour.ts';
import { EADDRNOTAVAIL, EBUSY } from '../../uapi/errno.ts';
import { ETH_ALEN, ETH_DATA_LEN, ETH_HLEN, ETH_MIN_MTU, ETH_P_802_2, ETH_P_802_3_MIN } from '../../uapi/if_ether.ts';

export const ETH_P_802_3 = 0x0001;
/** The header is at the end of the cache's 16 bytes, so that it can be copied in one go in front of the IP header. */
export const HH_DATA_OFF = 2;
const DEFAULT_TX_QUEUE_LEN = 1000;

/** Puts a header in front of the packet; its length, or -length when the destination is not known yet. */
export function eth_header(
  skb: sk_buff,
  dev: net_device,
  type: number,
  daddr: Uint8Array | null,
  saddr: Uint8Array | null,
  len: number,
): number {
  const at = skb_push(skb, ETH_HLEN);
  const u8 = skb.mem.u8;
  // IEEE 802.3 frames have their length in the place of the type.
  skb.mem.view.setUint16(at + 2 * ETH_ALEN, type !== ETH_P_802_3 && type !== ETH_P_802_2 ? type : len);
  const source = saddr ?? dev.dev_addr;
  for (let i = 0; i < ETH_ALEN; i++) u8[at + ETH_ALEN + i] = source[i]!;
  if (daddr !== null) for (let i = 0; i < ETH_ALEN; i++) u8[at + i] = daddr[i]!;
  else if ((dev.flags & (IFF_LOOPBACK | IFF_NOARP)) !== 0) u8.fill(0, at, at + ETH_ALEN);
  else return -ETH_HLEN;
  return ETH_HLEN;
}

/** Fills in a neighbour's header; nonzero when there can be none. */
export function eth_header_cache(neigh: neighbour, hh: hh_cache, type: number): number {
  if (type === ETH_P_802_3) return -1;
  hh.hh_data.set(neigh.ha.subarray(0, ETH_ALEN), HH_DATA_OFF);
  hh.hh_data.set(neigh.dev.dev_addr, HH_DATA_OFF + ETH_ALEN);
  hh.hh_data[HH_DATA_OFF + 12] = type >> 8;
  hh.hh_data[HH_DATA_OFF + 13] = type & 0xff;
  hh.hh_len = ETH_HLEN;
  return 0;
}

/** The neighbour has another address now. */
export function eth_header_cache_update(hh: hh_cache, _dev: net_device, haddr: Uint8Array): void {
  hh.hh_data.set(haddr.subarray(0, ETH_ALEN), HH_DATA_OFF);
}

export const eth_header_ops: header_ops = { create: eth_header, cache: eth_header_cache, cache_update: eth_header_cache_update };

/** Takes the header off a received frame, says for whom it is (pkt_type) and returns the protocol. */
export function eth_type_trans(skb: sk_buff, dev: net_device): number {
  skb.dev = dev;
  skb_reset_mac_header(skb);
  const at = skb.data;
  skb_pull(skb, ETH_HLEN);
  skb.pkt_type = packetType(skb.mem.view, at, dev);
  const proto = skb.mem.view.getUint16(at + 2 * ETH_ALEN);
  if (proto >= ETH_P_802_3_MIN) return proto;
  // Novell's raw 802.3 frames begin with an IPX header, whose checksum is always 0xffff.
  return skb.len >= 2 && skb.mem.view.getUint16(skb.data) === 0xffff ? ETH_P_802_3 : ETH_P_802_2;
}

function packetType(view: DataView, at: number, dev: net_device): number {
  if (isAddress(view, at, dev.dev_addr)) return PACKET_HOST;
  if ((view.getUint8(at) & 1) === 0) return PACKET_OTHERHOST;
  return isAddress(view, at, dev.broadcast) ? PACKET_BROADCAST : PACKET_MULTICAST;
}

function isAddress(view: DataView, at: number, address: Uint8Array): boolean {
  for (let i = 0; i < ETH_ALEN; i++) if (view.getUint8(at + i) !== address[i]) return false;
  return true;
}

/** What all Ethernet devices have in common. */
export function ether_setup(dev: net_device): void {
  dev.header_ops = eth_header_ops;
  dev.hard_header_len = ETH_HLEN;
  dev.mtu = ETH_DATA_LEN;
  dev.min_mtu = ETH_MIN_MTU;
  dev.max_mtu = ETH_DATA_LEN;
  dev.addr_len = ETH_ALEN;
  dev.tx_queue_len = DEFAULT_TX_QUEUE_LEN;
  dev.flags = IFF_BROADCAST | IFF_MULTICAST;
  dev.priv_flags |= IFF_TX_SKB_SHARING;
  dev.broadcast.fill(0xff);
}

export const is_multicast_ether_addr = (address: Uint8Array): boolean => (address[0]! & 1) !== 0;
export const is_zero_ether_addr = (address: Uint8Array): boolean => address.every((byte) => byte === 0);
export const is_valid_ether_addr = (address: Uint8Array): boolean => !is_multicast_ether_addr(address) && !is_zero_ether_addr(address);

/** ndo_set_mac_address of devices that need no more than to know it. */
export function eth_mac_addr(dev: net_device, address: Uint8Array): number {
  if (netif_running(dev)) return -EBUSY;
  if (!is_valid_ether_addr(address)) return -EADDRNOTAVAIL;
  eth_hw_addr_set(dev, address);
  return 0;
}

export function eth_hw_addr_set(dev: net_device, address: Uint8Array): void {
  dev.dev_addr = address.slice(0, ETH_ALEN);
}

/** 802.3's multicast address of an IPv4 group (RFC 1112 6.4). */
export function ip_eth_mc_map(group: number): Uint8Array {
  return Uint8Array.of(0x01, 0x00, 0x5e, (group >>> 16) & 0x7f, (group >>> 8) & 0xff, group & 0xff);
}
