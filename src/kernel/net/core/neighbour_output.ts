/** net/core/neighbour.c: output through neighbours: with the cached header, with a header of its own, or after the neighbour has been asked for. */
import { NET_XMIT_DROP, type net_device } from '../../include/linux/netdevice.ts';
import { __skb_pull, type sk_buff, skb_headroom, skb_network_offset } from '../../include/linux/skbuff.ts';
import { SKB_DROP_REASON_NEIGH_HH_FILLFAIL } from '../../include/net/dropreason.ts';
import { type hh_cache, NUD_CONNECTED, type neighbour } from '../../include/net/neighbour.ts';
import { EINVAL } from '../../uapi/errno.ts';
import { dev_queue_xmit } from './dev_queue_xmit.ts';
import { neigh_event_send } from './neighbour.ts';
import { kfree_skb_reason } from './skbuff_free.ts';

/** Ethernet headers are cached with 2 bytes in front, so that 16 can be copied. */
const HH_DATA_MOD = 16;
const HH_DATA_OFF = (len: number): number => HH_DATA_MOD - (((len - 1) & (HH_DATA_MOD - 1)) + 1);

/** Sends an IP packet to its neighbour: fast, with the cached header, while the neighbour is known to be there. */
export function neigh_output(n: neighbour, skb: sk_buff, skip_cache: boolean): number {
  const hh = n.hh;
  if (!skip_cache && (n.nud_state & NUD_CONNECTED) !== 0 && hh.hh_len !== 0) return neigh_hh_output(hh, skb);
  return n.output(n, skb);
}

/** Copies the cached link-layer header in front of the packet and queues it. */
export function neigh_hh_output(hh: hh_cache, skb: sk_buff): number {
  const hh_len = hh.hh_len;
  if (skb_headroom(skb) < hh_len) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_HH_FILLFAIL, 'neigh_hh_output');
    return NET_XMIT_DROP;
  }
  const u8 = skb.mem.u8;
  const source = hh.hh_data;
  skb.data -= hh_len;
  skb.len += hh_len;
  for (let at = skb.data, from = HH_DATA_OFF(hh_len), end = from + hh_len; from < end; from++, at++) u8[at] = source[from]!;
  return dev_queue_xmit(skb);
}

function dev_hard_header(skb: sk_buff, dev: net_device, type: number, daddr: Uint8Array | null, len: number): number {
  return dev.header_ops === null ? 0 : dev.header_ops.create(skb, dev, type, daddr, null, len);
}

/** For neighbours that may have to be asked for first. */
export function neigh_resolve_output(neigh: neighbour, skb: sk_buff): number {
  if (neigh_event_send(neigh, skb) !== 0) return 0;
  const dev = neigh.dev;
  if (neigh.hh.hh_len === 0 && dev.header_ops?.cache !== undefined) neigh_hh_init(neigh);
  return sendWithHeader(neigh, skb);
}

/** For neighbours that are known to be there. */
export function neigh_connected_output(neigh: neighbour, skb: sk_buff): number {
  return sendWithHeader(neigh, skb);
}

export function neigh_direct_output(_neigh: neighbour, skb: sk_buff): number {
  return dev_queue_xmit(skb);
}

function sendWithHeader(neigh: neighbour, skb: sk_buff): number {
  __skb_pull(skb, skb_network_offset(skb));
  if (dev_hard_header(skb, neigh.dev, skb.protocol, neigh.ha, skb.len) >= 0) return dev_queue_xmit(skb);
  kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_HH_FILLFAIL, 'neigh_resolve_output');
  return -EINVAL;
}

/** Prepares the cached header once the link-layer address is known. */
export function neigh_hh_init(n: neighbour): void {
  if (n.hh.hh_len === 0) n.dev.header_ops!.cache!(n, n.hh, n.tbl.protocol);
}
