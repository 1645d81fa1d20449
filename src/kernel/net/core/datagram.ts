/**
 * net/core/datagram.c: from buffers to the user: `skb_copy_datagram_msg` → `skb_copy_datagram_iter` → `__skb_datagram_iter` → `simple_copy_to_iter`.
 */
import type { ByteBlock } from '../../../sim/byte_heap.ts';
import { kernel, trace } from '../../current.ts';
import { type sk_buff, skb_headlen } from '../../include/linux/skbuff.ts';
import { msg_data_left, type msghdr } from '../../include/net/sock.ts';
import { chargeCopy } from '../../lib/charge.ts';
import { csum_add, csum_fold, csum_partial } from '../../lib/checksum.ts';
import { EFAULT, EINVAL } from '../../uapi/errno.ts';
import { skb_checksum } from './skbuff_bits.ts';
import { __skb_checksum_complete } from './skbuff_csum.ts';

/** Copies `size` bytes from `offset` on to the user; 0 or -EFAULT. */
export function skb_copy_datagram_msg(skb: sk_buff, offset: number, msg: msghdr, size: number): number {
  return skb_copy_datagram_iter(skb, offset, msg, size);
}

export function skb_copy_datagram_iter(skb: sk_buff, offset: number, to: msghdr, len: number): number {
  trace().skb_copy_datagram_iovec?.(skb, len);
  return copyDatagram(skb, offset, to, len);
}

/** include/net/udp.h: of a datagram in one piece; no tracepoint tells of it, and none of what was checked while it was copied. */
export const copy_linear_skb = (skb: sk_buff, len: number, off: number, to: msghdr): number => copyDatagram(skb, off, to, len);

function copyDatagram(skb: sk_buff, offset: number, to: msghdr, len: number): number {
  if (offset + len > skb.len || len > msg_data_left(to) || to.offset + len > to.data.length) return -EFAULT;
  __skb_datagram_iter(skb, offset, to, len);
  chargeCopy(kernel().copies.skbToUser, len);
  return 0;
}

function __skb_datagram_iter(skb: sk_buff, offset: number, to: msghdr, len: number): void {
  let start = skb_headlen(skb);
  if (offset < start) {
    const chunk = Math.min(start - offset, len);
    simple_copy_to_iter(skb.mem.block, skb.data + offset, chunk, to);
    offset += chunk;
    len -= chunk;
  }
  const shinfo = skb.shinfo;
  for (let i = 0; i < shinfo.nr_frags && len > 0; i++) {
    const frag = shinfo.frags[i]!;
    const end = start + frag.size;
    if (offset < end) {
      const chunk = Math.min(end - offset, len);
      simple_copy_to_iter(frag.page.mem.block, frag.off + offset - start, chunk, to);
      offset += chunk;
      len -= chunk;
    }
    start = end;
  }
  for (let part = shinfo.frag_list; part !== null && len > 0; part = part.next) {
    const end = start + part.len;
    if (offset < end) {
      const chunk = Math.min(end - offset, len);
      __skb_datagram_iter(part, offset - start, to, chunk);
      offset += chunk;
      len -= chunk;
    }
    start = end;
  }
}

function simple_copy_to_iter(from: ByteBlock, at: number, len: number, to: msghdr): void {
  from.copyTo(to.block, to.offset, at, len);
  to.offset += len;
  to.size -= len;
}

/** Copies what follows the first `hlen` bytes and checks the checksum on the way; 0, -EINVAL when it is wrong, -EFAULT. */
export function skb_copy_and_csum_datagram_msg(skb: sk_buff, hlen: number, msg: msghdr): number {
  const chunk = skb.len - hlen;
  if (chunk === 0) return 0;
  if (msg_data_left(msg) < chunk) {
    // What does not fit is not copied, but belongs to the sum.
    if (__skb_checksum_complete(skb) !== 0) return -EINVAL;
    return skb_copy_datagram_msg(skb, hlen, msg, Math.min(chunk, msg_data_left(msg)));
  }
  const header = csum_partial(skb.mem.u8, skb.data, hlen, skb.csum);
  const sum = csum_fold(csum_add(header, skb_checksum(skb, hlen, chunk, 0)));
  if (sum !== 0) return -EINVAL;
  return copyDatagram(skb, hlen, msg, chunk);
}
