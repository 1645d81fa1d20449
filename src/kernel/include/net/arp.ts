/** include/net/arp.h: finding a neighbour that is there, without a reference. */
import { jiffies } from '../../kernel/time/timer.ts';
import { IFF_LOOPBACK, IFF_POINTOPOINT, type net_device } from '../linux/netdevice.ts';
import { NUD_VALID, type neighbour } from './neighbour.ts';

/** 32 bits, of which the table takes the upper ones. */
export const arp_hashfn = (pkey: number, dev: net_device, hash_rnd: number): number =>
  Math.imul(pkey ^ Math.imul(dev.ifindex, 0x61c8_8647), hash_rnd) >>> 0;

/** All addresses behind loopback and point-to-point devices are one neighbour. */
export function __ipv4_neigh_lookup_noref(dev: net_device, key: number): neighbour | null {
  if ((dev.flags & (IFF_LOOPBACK | IFF_POINTOPOINT)) !== 0) key = 0;
  const nht = dev.nd_net.arp_tbl.nht;
  let n: neighbour | null = nht.hash_buckets[arp_hashfn(key, dev, nht.hash_rnd) >>> (32 - nht.hash_shift)]!;
  while (n !== null && (n.primary_key !== key || n.dev !== dev)) n = n.next;
  return n;
}

/** The transport got proof that the neighbour hears us. */
export function __ipv4_confirm_neigh(dev: net_device, key: number): void {
  const n = __ipv4_neigh_lookup_noref(dev, key);
  if (n !== null && (n.nud_state & NUD_VALID) !== 0) n.confirmed = jiffies();
}
