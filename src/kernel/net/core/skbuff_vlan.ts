/**
 * net/core/skbuff.c, linux/if_vlan.h: VLAN tags (IEEE 802.1Q) between the packet and its metadata.
 * Out, for devices that do not insert tags: `vlan_insert_tag_set_proto`. In, for devices that do not strip them: `skb_vlan_untag`.
 */
import {
  __vlan_hwaccel_clear_tag,
  __vlan_hwaccel_put_tag,
  type sk_buff,
  skb_push,
  skb_reset_mac_len,
  skb_reset_network_header,
} from '../../include/linux/skbuff.ts';
import { memcpy } from '../../include/linux/string.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { ETH_ALEN, ETH_P_802_2, ETH_P_802_3_MIN, VLAN_HLEN } from '../../uapi/if_ether.ts';
import { skb_share_check } from './skbuff_clone.ts';
import { skb_pull_rcsum } from './skbuff_csum.ts';
import { kfree_skb } from './skbuff_free.ts';
import { pskb_may_pull, skb_cow_head } from './skbuff_reshape.ts';

/** Writes the tag into the Ethernet header at `data`; null without memory, when the packet is gone. */
export function vlan_insert_tag_set_proto(skb: sk_buff): sk_buff | null {
  if (skb_cow_head(skb, VLAN_HLEN) !== 0) {
    kfree_skb(skb, 'vlan_insert_tag_set_proto');
    return null;
  }
  const at = skb_push(skb, VLAN_HLEN);
  memcpy(skb.mem.u8, at, skb.mem.u8, at + VLAN_HLEN, 2 * ETH_ALEN);
  skb.mac_header = at;
  skb.mem.view.setUint16(at + 2 * ETH_ALEN, skb.vlan_proto);
  skb.mem.view.setUint16(at + 2 * ETH_ALEN + 2, skb.vlan_tci);
  skb.protocol = skb.vlan_proto;
  __vlan_hwaccel_clear_tag(skb);
  return skb;
}

/** Takes the tag, which data start with, out of the packet; null when the packet is too short, and gone. */
export function skb_vlan_untag(skb: sk_buff): sk_buff | null {
  const own = skb_share_check(skb, GFP_ATOMIC);
  if (own === null) return null;
  if (!pskb_may_pull(own, VLAN_HLEN + 2)) {
    kfree_skb(own, 'skb_vlan_untag');
    return null;
  }
  const tci = own.mem.view.getUint16(own.data);
  const inner = own.mem.view.getUint16(own.data + 2);
  __vlan_hwaccel_put_tag(own, own.protocol, tci);
  skb_pull_rcsum(own, VLAN_HLEN);
  own.protocol = inner >= ETH_P_802_3_MIN ? inner : ETH_P_802_2;
  own.mem.u8.copyWithin(own.mac_header + VLAN_HLEN, own.mac_header, own.mac_header + 2 * ETH_ALEN);
  own.mac_header += VLAN_HLEN;
  skb_reset_network_header(own);
  skb_reset_mac_len(own);
  return own;
}
