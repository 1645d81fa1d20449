/**
 * drivers/net/tun.c: an interface whose wire is a program: what is sent is read from a file, what is written to the file is received.
 * Out: `tun_net_xmit` → the reader. In: `tun_get_user` → `tun_alloc_skb` → `netif_receive_skb`, in the writer's context: no NAPI, so no GRO.
 *
 * IFF_TUN (no link layer), IFF_NO_PI, IFF_VNET_HDR: super-packets and unfinished checksums pass both ways.
 *
 * Simplified: the file is a pair of functions: the reader is called as a packet goes out, so there is no ring that could overflow. Multiple queues,
 * filters, IFF_TAP, IFF_NAPI and XDP are not there.
 */

import { PAGE_SIZE } from '../../../machine/memory.ts';
import { SCM_TSTAMP_SND } from '../../include/linux/errqueue.ts';
import {
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_POINTOPOINT,
  NETDEV_TX_OK,
  NETIF_F_ALL_TSO,
  NETIF_F_FRAGLIST,
  NETIF_F_HW_CSUM,
  NETIF_F_SG,
  NETIF_F_TSO_MANGLEID,
  type net_device,
  type net_device_ops,
  netif_running,
  rtnl_link_stats64,
} from '../../include/linux/netdevice.ts';
import {
  SKB_GSO_DODGY,
  SKB_GSO_TCPV4,
  SKBTX_SW_TSTAMP,
  type sk_buff,
  skb_orphan,
  skb_put,
  skb_reserve,
  skb_reset_mac_header,
  skb_reset_network_header,
} from '../../include/linux/skbuff.ts';
import { GFP_KERNEL } from '../../include/linux/types.ts';
import { local_bh_disable, local_bh_enable } from '../../kernel/softirq.ts';
import { alloc_netdev_mqs, register_netdev } from '../../net/core/dev.ts';
import { netif_receive_skb } from '../../net/core/dev_receive.ts';
import { skb_store_bits } from '../../net/core/skbuff_bits.ts';
import { skb_tstamp_tx } from '../../net/core/skbuff_errqueue.ts';
import { consume_skb, kfree_skb, skb_orphan_frags_rx } from '../../net/core/skbuff_free.ts';
import { alloc_skb_with_frags } from '../../net/core/skbuff_with_frags.ts';
import { EINVAL, EIO, ENOMEM } from '../../uapi/errno.ts';
import { ARPHRD_NONE, ETH_P_IP, ETH_P_IPV6 } from '../../uapi/if_ether.ts';

/** Packets that wait for a reader. */
const TUN_READQ_SIZE = 500;
/** Room in front of a packet (NET_SKB_PAD). */
const TUN_ALIGN = 64;
const PAGE_ALLOC_COSTLY_ORDER = 3;
/** sock_alloc_send_pskb() leaves no more than a page linear. */
const SKB_MAX_HEAD = PAGE_SIZE - TUN_ALIGN - 320;

/** Takes a packet that went out. The skb is only lent. */
export type TunReader = (skb: sk_buff) => void;

/** struct tun_struct */
export class tun_struct {
  readonly stats = new rtnl_link_stats64();
  reader: TunReader | null = null;
}

function tun_net_xmit(skb: sk_buff, dev: net_device): number {
  const tun = dev.priv as tun_struct;
  if ((skb.shinfo.tx_flags & SKBTX_SW_TSTAMP) !== 0) skb_tstamp_tx(skb, 0n, SCM_TSTAMP_SND);
  skb_orphan_frags_rx(skb);
  // Whoever reads may take its time: the sender's buffer must not wait for that.
  skb_orphan(skb);
  tun.stats.tx_packets++;
  tun.stats.tx_bytes += skb.len;
  tun.reader?.(skb);
  consume_skb(skb);
  return NETDEV_TX_OK;
}

const tun_netdev_ops: net_device_ops = {
  ndo_open: () => 0,
  ndo_stop: () => 0,
  ndo_start_xmit: tun_net_xmit,
  ndo_change_mtu(dev, mtu) {
    dev.mtu = mtu;
    return 0;
  },
  ndo_get_stats64: (dev) => Object.assign(new rtnl_link_stats64(), (dev.priv as tun_struct).stats),
};

/** TUNSETOFFLOAD with TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6 and TUN_F_TSO_ECN: the reader can take what these say. */
const READER_OFFLOADS = NETIF_F_HW_CSUM | (NETIF_F_ALL_TSO & ~NETIF_F_TSO_MANGLEID);

function tun_net_init(dev: net_device): void {
  dev.hard_header_len = 0;
  dev.addr_len = 0;
  dev.mtu = 1500;
  dev.min_mtu = 68;
  dev.max_mtu = 65535;
  dev.flags = IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST;
  dev.tx_queue_len = TUN_READQ_SIZE;
  dev.lltx = true;
  dev.hw_features = NETIF_F_SG | NETIF_F_FRAGLIST | READER_OFFLOADS;
  dev.features = dev.hw_features;
  dev.netdev_ops = tun_netdev_ops;
  dev.priv = new tun_struct();
}

/** TUNSETIFF: makes the interface. */
export function tun_set_iff(name: string): net_device {
  const dev = alloc_netdev_mqs(name, ARPHRD_NONE, tun_net_init, 1, 1);
  register_netdev(dev);
  return dev;
}

/** The program writes a packet; `gso_size` other than 0 makes it a TCP super-packet (virtio_net_hdr). Returns its length or a negative errno. */
export function tun_get_user(dev: net_device, packet: Uint8Array, gso_size: number): number {
  const tun = dev.priv as tun_struct;
  if (!netif_running(dev)) return -EIO;
  const skb = tun_alloc_skb(packet.length);
  if (skb === null) {
    tun.stats.rx_dropped++;
    return -ENOMEM;
  }
  skb_store_bits(skb, 0, packet, 0, packet.length);
  const protocol = protocolOf(packet);
  if (protocol === 0) {
    tun.stats.rx_dropped++;
    kfree_skb(skb, 'tun_get_user');
    return -EINVAL;
  }
  skb_reset_mac_header(skb);
  skb.protocol = protocol;
  skb.dev = dev;
  // A program's word on segments is not trusted: whoever relies on their number counts them.
  if (gso_size !== 0) setGso(skb, gso_size);
  skb_reset_network_header(skb);
  tun.stats.rx_packets++;
  tun.stats.rx_bytes += packet.length;
  local_bh_disable();
  netif_receive_skb(skb);
  local_bh_enable();
  return packet.length;
}

function setGso(skb: sk_buff, gso_size: number): void {
  skb.shinfo.gso_size = gso_size;
  skb.shinfo.gso_type = SKB_GSO_TCPV4 | SKB_GSO_DODGY;
  skb.shinfo.gso_segs = 0;
}

/** Without packet information the IP version says what it is. */
function protocolOf(packet: Uint8Array): number {
  const version = (packet[0] ?? 0) >>> 4;
  return version === 4 ? ETH_P_IP : version === 6 ? ETH_P_IPV6 : 0;
}

/** Linear up to a page, the rest in pages. */
function tun_alloc_skb(len: number): sk_buff | null {
  const linear = TUN_ALIGN + len < PAGE_SIZE ? len : Math.min(len, SKB_MAX_HEAD);
  const skb = alloc_skb_with_frags(TUN_ALIGN + linear, len - linear, PAGE_ALLOC_COSTLY_ORDER, GFP_KERNEL);
  if (skb === null) return null;
  skb_reserve(skb, TUN_ALIGN);
  skb_put(skb, linear);
  return skb;
}
