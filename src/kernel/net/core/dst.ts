/**
 * net/core/dst.c: destinations: made, taken out of service, and the ones that only discard.
 * `dst_alloc` → … → `dst_dev_put` when the device or the route goes.
 */
import type { net_device } from '../../include/linux/netdevice.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { DST_OBSOLETE_DEAD, DST_OBSOLETE_NONE, dst_entry, type dst_ops } from '../../include/net/dst.ts';
import type { net } from '../../include/net/net_namespace.ts';
import type { sock } from '../../include/net/sock.ts';
import { jiffies } from '../../kernel/time/timer.ts';
import { kfree_skb } from './skbuff_free.ts';

export function dst_discard_out(_network: net, _sk: sock | null, skb: sk_buff): number {
  kfree_skb(skb, 'dst_discard_out');
  return 0;
}

export function dst_discard(skb: sk_buff): number {
  return dst_discard_out(null as unknown as net, null, skb);
}

/** A destination with one reference. Memory is the garbage collector's: a count of 0 means that nothing uses it, not that it is gone. */
export function dst_alloc(ops: dst_ops, dev: net_device, initial_obsolete: number): dst_entry {
  const dst = new dst_entry(dev, ops, dst_discard, dst_discard_out);
  dst.obsolete = initial_obsolete;
  dst.lastuse = jiffies();
  return dst;
}

/** Whoever still holds it sends into the void. */
export function dst_dev_put(dst: dst_entry): void {
  dst.obsolete = DST_OBSOLETE_DEAD;
  dst.input = dst_discard;
  dst.output = dst_discard_out;
  dst.dev = dst.dev.nd_net.loopback_dev;
}

/** Valid for `timeout` jiffies at most. */
export function dst_set_expires(dst: dst_entry, timeout: number): void {
  const expires = jiffies() + timeout;
  if (dst.expires === 0 || expires < dst.expires) dst.expires = expires;
}

/** Metrics of one's own, copied if they were shared with the route. */
export function dst_metric_set(dst: dst_entry, metric: number, value: number): void {
  dst.metrics = dst.metrics === null ? new Array<number>(18).fill(0) : dst.metrics.slice();
  dst.metrics[metric] = value;
}

const dst_blackhole_ops: dst_ops = {
  family: 2,
  check: () => null,
  default_advmss: () => 536,
  mtu: (dst) => dst.dev.mtu,
  neigh_lookup: () => null,
  update_pmtu: () => undefined,
  redirect: () => undefined,
  negative_advice: () => undefined,
  link_failure: () => undefined,
  local_out: dst_discard_out,
};

/** A destination that discards everything, for sockets whose real one is not to be used. */
export function blackholeDst(network: net): dst_entry {
  network.blackhole_dst ??= dst_alloc(dst_blackhole_ops, network.loopback_dev, DST_OBSOLETE_NONE);
  return network.blackhole_dst;
}
