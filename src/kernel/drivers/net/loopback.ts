/**
 * drivers/net/loopback.c: `lo`. What is sent is received: `loopback_xmit` → `__netif_rx`. Super-packets stay whole, checksums are not computed.
 */

import { SCM_TSTAMP_SND } from '../../include/linux/errqueue.ts';
import {
  IFF_LIVE_ADDR_CHANGE,
  IFF_LOOPBACK,
  IFF_NO_QUEUE,
  IFF_XMIT_DST_RELEASE,
  NET_RX_SUCCESS,
  NETDEV_TX_OK,
  NETIF_F_FRAGLIST,
  NETIF_F_GSO_SOFTWARE,
  NETIF_F_HIGHDMA,
  NETIF_F_HW_CSUM,
  NETIF_F_LOOPBACK,
  NETIF_F_RXCSUM,
  NETIF_F_SCTP_CRC,
  NETIF_F_SG,
  type net_device,
  type net_device_ops,
  rtnl_link_stats64,
} from '../../include/linux/netdevice.ts';
import { SKBTX_SW_TSTAMP, type sk_buff, skb_orphan } from '../../include/linux/skbuff.ts';
import { skb_dst_force } from '../../include/net/dst.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { alloc_netdev_mqs, register_netdev } from '../../net/core/dev.ts';
import { __netif_rx } from '../../net/core/dev_receive.ts';
import { skb_tstamp_tx } from '../../net/core/skbuff_errqueue.ts';
import { skb_orphan_frags_rx } from '../../net/core/skbuff_free.ts';
import { eth_header_ops, eth_type_trans } from '../../net/ethernet/eth.ts';
import { ARPHRD_LOOPBACK, ETH_ALEN, ETH_HLEN } from '../../uapi/if_ether.ts';

const LOOPBACK_MTU = 64 * 1024;

class loopbackStats {
  packets = 0;
  bytes = 0;
}

function loopback_xmit(skb: sk_buff, dev: net_device): number {
  if ((skb.shinfo.tx_flags & SKBTX_SW_TSTAMP) !== 0) skb_tstamp_tx(skb, 0n, SCM_TSTAMP_SND);
  skb.tstamp = 0;
  skb_orphan_frags_rx(skb);
  // The sender's buffer is free again; the receiver's is charged when the packet reaches its socket.
  skb_orphan(skb);
  // It waits in the backlog, beyond the reach of whoever lent the route.
  skb_dst_force(skb);
  skb.protocol = eth_type_trans(skb, dev);
  const len = skb.len;
  if (__netif_rx(skb) === NET_RX_SUCCESS) {
    const stats = dev.priv as loopbackStats;
    stats.packets++;
    stats.bytes += len;
  }
  return NETDEV_TX_OK;
}

const loopback_ops: net_device_ops = {
  ndo_open: () => 0,
  ndo_stop: () => 0,
  ndo_start_xmit: loopback_xmit,
  ndo_get_stats64(dev: net_device): rtnl_link_stats64 {
    const counted = dev.priv as loopbackStats;
    const stats = new rtnl_link_stats64();
    stats.rx_packets = stats.tx_packets = counted.packets;
    stats.rx_bytes = stats.tx_bytes = counted.bytes;
    return stats;
  },
};

function loopback_setup(dev: net_device): void {
  dev.mtu = LOOPBACK_MTU;
  dev.min_mtu = 0;
  dev.max_mtu = 0;
  dev.hard_header_len = ETH_HLEN;
  dev.addr_len = ETH_ALEN;
  dev.flags = IFF_LOOPBACK;
  dev.priv_flags |= IFF_LIVE_ADDR_CHANGE | IFF_NO_QUEUE;
  // Routes of packets to oneself are looked up once: the receiving side uses the sender's.
  dev.priv_flags &= ~IFF_XMIT_DST_RELEASE;
  dev.lltx = true;
  dev.hw_features = NETIF_F_GSO_SOFTWARE;
  dev.features =
    NETIF_F_SG |
    NETIF_F_FRAGLIST |
    NETIF_F_GSO_SOFTWARE |
    NETIF_F_HW_CSUM |
    NETIF_F_RXCSUM |
    NETIF_F_SCTP_CRC |
    NETIF_F_HIGHDMA |
    NETIF_F_LOOPBACK;
  dev.header_ops = eth_header_ops;
  dev.netdev_ops = loopback_ops;
  dev.broadcast.fill(0);
  dev.priv = new loopbackStats();
}

export function loopback_net_init(network: net): void {
  const dev = alloc_netdev_mqs('lo', ARPHRD_LOOPBACK, loopback_setup, 1, 1);
  network.loopback_dev = dev;
  register_netdev(dev);
}
