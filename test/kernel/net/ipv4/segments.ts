/** Received segments for tests of what looks at headers: IP and TCP header in an sk_buff, and the notes tcp_v4_fill_cb() makes of them. */
import type { sk_buff } from '../../../../src/kernel/include/linux/skbuff.ts';
import { skb_put, skb_reserve } from '../../../../src/kernel/include/linux/skbuff.ts';
import { tcp_hdr } from '../../../../src/kernel/include/linux/tcp.ts';
import { alloc_skb } from '../../../../src/kernel/net/core/skbuff.ts';
import { iphdr, type tcphdr } from '../../../../src/kernel/uapi/in.ts';

export interface Segment {
  readonly seq: number;
  readonly ack?: number;
  /** Letters as packetdrill's: S F R P . (the dot is ACK). */
  readonly flags: string;
  readonly len?: number;
  readonly ts?: readonly [val: number, ecr: number];
  readonly from?: readonly [addr: number, port: number];
  readonly to?: readonly [addr: number, port: number];
}

const BITS: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, '.': 16 };

/** Call it inside of BareKernel.run(). */
export function segment(fields: Segment): { skb: sk_buff; th: tcphdr } {
  const hdrlen = fields.ts === undefined ? 20 : 32;
  const skb = alloc_skb(256, 0)!;
  skb_reserve(skb, 64);
  skb.network_header = skb.data - 20;
  skb.transport_header = skb.data;
  skb_put(skb, hdrlen + (fields.len ?? 0));
  const iph = new iphdr(skb.mem.view, skb.network_header);
  [iph.saddr] = fields.from ?? [0];
  [iph.daddr] = fields.to ?? [0];
  const th = tcp_hdr(skb);
  th.flagWord = ((hdrlen >> 2) << 12) | [...fields.flags].reduce((bits, letter) => bits | BITS[letter]!, 0);
  th.source = fields.from?.[1] ?? 0;
  th.dest = fields.to?.[1] ?? 0;
  th.seq = fields.seq;
  th.ack_seq = fields.ack ?? 0;
  if (fields.ts !== undefined) writeTimestamp(skb, fields.ts);
  skb.tcp.seq = fields.seq;
  skb.tcp.end_seq = (fields.seq + th.syn + th.fin + (fields.len ?? 0)) >>> 0;
  skb.tcp.ack_seq = th.ack_seq;
  skb.tcp.tcp_flags = th.flagWord & 0x1ff;
  return { skb, th };
}

function writeTimestamp(skb: sk_buff, [val, ecr]: readonly [number, number]): void {
  const view = skb.mem.view;
  view.setUint32(skb.transport_header + 20, 0x0101_080a);
  view.setUint32(skb.transport_header + 24, val);
  view.setUint32(skb.transport_header + 28, ecr);
}
