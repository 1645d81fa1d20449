/**
 * net/core/dev.c: the flow limit of a CPU's backlog: once it is half full, packets of a flow that has had more than half of the last 128 places are dropped,
 * so that small flows get through (net.core.flow_limit_cpu_bitmap, flow_limit_table_len).
 */
import { this_cpu_ptr } from '../../current.ts';
import { hash_32 } from '../../include/linux/hash.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { ilog2 } from '../../include/linux/types.ts';
import { skb_get_hash } from './flow_dissector.ts';

const FLOW_LIMIT_HISTORY = 128;

/** struct sd_flow_limit: how often each flow (by hash) is among the last packets. */
export class sd_flow_limit {
  readonly log_buckets: number;
  readonly buckets: Uint8Array;
  readonly history = new Uint16Array(FLOW_LIMIT_HISTORY);
  history_head = 0;
  count = 0;

  constructor(table_len: number) {
    this.log_buckets = ilog2(table_len);
    this.buckets = new Uint8Array(table_len);
  }
}

/** True: the packet's flow has too large a part of a backlog that is filling up (`qlen` packets). */
export function skb_flow_limit(skb: sk_buff, qlen: number, max_backlog: number): boolean {
  if (qlen < max_backlog >> 1) return false;
  const fl = this_cpu_ptr().softnet_data.flow_limit;
  if (fl === null) return false;
  const new_flow = hash_32(skb_get_hash(skb), fl.log_buckets);
  const old_flow = fl.history[fl.history_head]!;
  fl.history[fl.history_head] = new_flow;
  fl.history_head = (fl.history_head + 1) & (FLOW_LIMIT_HISTORY - 1);
  if (fl.buckets[old_flow]! > 0) fl.buckets[old_flow]!--;
  if (++fl.buckets[new_flow]! <= FLOW_LIMIT_HISTORY >> 1) return false;
  fl.count++;
  return true;
}
