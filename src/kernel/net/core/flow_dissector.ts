/**
 * net/core/flow_dissector.c: a hash of the flow that a packet belongs to, for those without one of a socket or of the device.
 * `skb_get_hash` → `__skb_get_hash_net` → `__skb_flow_dissect`.
 *
 * Simplified: Jenkins' lookup3 under a secret of the kernel; Linux uses SipHash, so the values differ. IPv4 and ARP only.
 */
import { kernel } from '../../current.ts';
import { jhash_3words } from '../../include/linux/jhash.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import type { flow_keys } from '../../include/net/flow_dissector.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { ETH_P_ARP, ETH_P_IP } from '../../uapi/if_ether.ts';
import { IP_MF, IP_OFFSET, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, ip_hdrlen, iphdr } from '../../uapi/in.ts';
import { skb_copy_bits } from './skbuff_bits.ts';

export const skb_get_hash = (skb: sk_buff): number => {
  if (!skb.l4_hash && !skb.sw_hash) __skb_get_hash_net(kernel().init_net, skb);
  return skb.hash;
};

/** Computes the hash; both directions of a flow have the same one. */
export function __skb_get_hash_net(network: net, skb: sk_buff): void {
  const keys = network.flow_keys;
  __skb_flow_dissect(skb, keys);
  if (network.hashrnd === 0) network.hashrnd = network.kernel.random.u32() || 1;
  const swap = keys.dst < keys.src || (keys.dst === keys.src && keys.ports >>> 16 > (keys.ports & 0xffff));
  const ports = swap ? ((keys.ports << 16) | (keys.ports >>> 16)) >>> 0 : keys.ports;
  const inner = jhash_3words(ports, keys.ip_proto, keys.n_proto, network.hashrnd);
  skb.hash = jhash_3words(swap ? keys.dst : keys.src, swap ? keys.src : keys.dst, inner, network.hashrnd) || 1;
  skb.sw_hash = true;
  skb.l4_hash = keys.ports !== 0;
}

/** Reads addresses, protocol and ports. Starts at the network header. */
function __skb_flow_dissect(skb: sk_buff, keys: flow_keys): void {
  keys.reset();
  keys.n_proto = skb.protocol;
  const nhoff = skb.network_header - skb.data;
  if (skb.protocol === ETH_P_IP && nhoff + iphdr.size <= skb.len - skb.data_len) dissectIp(skb, nhoff, keys);
  else if (skb.protocol === ETH_P_ARP && nhoff + 28 <= skb.len - skb.data_len) {
    keys.src = skb.mem.view.getUint32(skb.data + nhoff + 14);
    keys.dst = skb.mem.view.getUint32(skb.data + nhoff + 24);
  }
}

function dissectIp(skb: sk_buff, nhoff: number, keys: flow_keys): void {
  const iph = new iphdr(skb.mem.view, skb.data + nhoff);
  keys.ip_proto = iph.protocol;
  keys.src = iph.saddr;
  keys.dst = iph.daddr;
  if ((iph.frag_off & (IP_MF | IP_OFFSET)) === 0) skb_flow_get_ports(skb, nhoff + ip_hdrlen(iph), iph.protocol, keys);
}

/** The ports, or ICMP's identifier for those messages that have one. */
function skb_flow_get_ports(skb: sk_buff, thoff: number, protocol: number, keys: flow_keys): void {
  if (thoff + 8 > skb.len) return;
  const word = protocol === IPPROTO_ICMP ? thoff + 4 : thoff;
  if (protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP && protocol !== IPPROTO_ICMP) return;
  if (word + 4 <= skb.len - skb.data_len) {
    keys.ports = skb.mem.view.getUint32(skb.data + word);
    return;
  }
  const bytes = new Uint8Array(4);
  if (skb_copy_bits(skb, word, bytes, 0, 4) === 0) keys.ports = new DataView(bytes.buffer).getUint32(0);
}
