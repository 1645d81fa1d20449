/**
 * net/core/skbuff.c: bytes of a buffer, wherever they are: linear part, fragments, frag_list.
 * `skb_copy_bits` reads, `skb_store_bits` writes, `skb_checksum` sums, `skb_copy_to_page_nocache` takes them from the user.
 */
import type { ByteBlock } from '../../../sim/byte_heap.ts';
import { kernel } from '../../current.ts';
import { type sk_buff, skb_headlen, skb_put } from '../../include/linux/skbuff.ts';
import { memcpy } from '../../include/linux/string.ts';
import { msg_data_left, type msghdr, type sock } from '../../include/net/sock.ts';
import { chargeChecksum, chargeCopy } from '../../lib/charge.ts';
import { csum_block_add, csum_partial } from '../../lib/checksum.ts';
import type { page } from '../../mm/page_alloc.ts';
import { EFAULT } from '../../uapi/errno.ts';
import { sk_mem_charge, sk_wmem_queued_add } from './sock_mem.ts';

/** Copies `len` bytes from `offset` (relative to data) to `to`; 0 or -EFAULT when the buffer has fewer. A negative offset reads the headroom. */
export function skb_copy_bits(skb: sk_buff, offset: number, to: Uint8Array, toOffset: number, len: number): number {
  const linear = skb_headlen(skb);
  if (offset > skb.len - len) return -EFAULT;
  if (offset + len <= linear) {
    memcpy(to, toOffset, skb.mem.u8, skb.data + offset, len);
    return 0;
  }
  if (offset < linear) {
    const head = linear - offset;
    memcpy(to, toOffset, skb.mem.u8, skb.data + offset, head);
    return copyPaged(skb, linear, to, toOffset + head, len - head);
  }
  return copyPaged(skb, offset, to, toOffset, len);
}

function copyPaged(skb: sk_buff, offset: number, to: Uint8Array, toOffset: number, len: number): number {
  const shinfo = skb.shinfo;
  let start = skb_headlen(skb);
  for (let i = 0; i < shinfo.nr_frags && len > 0; i++) {
    const frag = shinfo.frags[i]!;
    const end = start + frag.size;
    if (offset < end) {
      const chunk = Math.min(end - offset, len);
      memcpy(to, toOffset, frag.page.mem.u8, frag.off + offset - start, chunk);
      offset += chunk;
      toOffset += chunk;
      len -= chunk;
    }
    start = end;
  }
  for (let part = shinfo.frag_list; part !== null && len > 0; part = part.next) {
    const end = start + part.len;
    if (offset < end) {
      const chunk = Math.min(end - offset, len);
      skb_copy_bits(part, offset - start, to, toOffset, chunk);
      offset += chunk;
      toOffset += chunk;
      len -= chunk;
    }
    start = end;
  }
  return len === 0 ? 0 : -EFAULT;
}

/** Overwrites `len` bytes at `offset` with those of `from`; 0 or -EFAULT. */
export function skb_store_bits(skb: sk_buff, offset: number, from: Uint8Array, fromOffset: number, len: number): number {
  const linear = skb_headlen(skb);
  if (offset > skb.len - len) return -EFAULT;
  if (offset < linear) {
    const head = Math.min(linear - offset, len);
    memcpy(skb.mem.u8, skb.data + offset, from, fromOffset, head);
    offset += head;
    fromOffset += head;
    len -= head;
  }
  return len === 0 ? 0 : storePaged(skb, offset, from, fromOffset, len);
}

function storePaged(skb: sk_buff, offset: number, from: Uint8Array, fromOffset: number, len: number): number {
  const shinfo = skb.shinfo;
  let start = skb_headlen(skb);
  for (let i = 0; i < shinfo.nr_frags && len > 0; i++) {
    const frag = shinfo.frags[i]!;
    const end = start + frag.size;
    if (offset < end) {
      const chunk = Math.min(end - offset, len);
      memcpy(frag.page.mem.u8, frag.off + offset - start, from, fromOffset, chunk);
      offset += chunk;
      fromOffset += chunk;
      len -= chunk;
    }
    start = end;
  }
  for (let part = shinfo.frag_list; part !== null && len > 0; part = part.next) {
    const end = start + part.len;
    if (offset < end) {
      const chunk = Math.min(end - offset, len);
      skb_store_bits(part, offset - start, from, fromOffset, chunk);
      offset += chunk;
      fromOffset += chunk;
      len -= chunk;
    }
    start = end;
  }
  return len === 0 ? 0 : -EFAULT;
}

/** Adds `len` bytes from `offset` on to the sum `csum`. Reading them costs time. */
export function skb_checksum(skb: sk_buff, offset: number, len: number, csum: number): number {
  chargeChecksum(len);
  return sumBits(skb, offset, len, csum, 0);
}

/** `pos`: how many bytes have been summed before, since sums turn with each odd one. */
function sumBits(skb: sk_buff, offset: number, len: number, csum: number, pos: number): number {
  const linear = skb_headlen(skb);
  if (offset < linear) {
    const head = Math.min(linear - offset, len);
    csum = csum_block_add(csum, csum_partial(skb.mem.u8, skb.data + offset, head, 0), pos);
    if (head === len) return csum;
    offset += head;
    pos += head;
    len -= head;
  }
  return sumPaged(skb, offset, len, csum, pos);
}

function sumPaged(skb: sk_buff, offset: number, len: number, csum: number, pos: number): number {
  const shinfo = skb.shinfo;
  let start = skb_headlen(skb);
  for (let i = 0; i < shinfo.nr_frags && len > 0; i++) {
    const frag = shinfo.frags[i]!;
    const end = start + frag.size;
    if (offset < end) {
      const chunk = Math.min(end - offset, len);
      csum = csum_block_add(csum, csum_partial(frag.page.mem.u8, frag.off + offset - start, chunk, 0), pos);
      offset += chunk;
      pos += chunk;
      len -= chunk;
    }
    start = end;
  }
  for (let part = shinfo.frag_list; part !== null && len > 0; part = part.next) {
    const end = start + part.len;
    if (offset < end) {
      const chunk = Math.min(end - offset, len);
      csum = sumBits(part, offset - start, chunk, csum, pos);
      offset += chunk;
      pos += chunk;
      len -= chunk;
    }
    start = end;
  }
  return csum;
}

/** Copies and sums in one go, as ICMP answers do: the bytes are read once. Returns the sum. */
export function skb_copy_and_csum_bits(skb: sk_buff, offset: number, to: Uint8Array, toOffset: number, len: number): number {
  chargeCopy(kernel().copies.skbToSkb, len);
  skb_copy_bits(skb, offset, to, toOffset, len);
  return sumBits(skb, offset, len, 0, 0);
}

/** Takes `copy` bytes of the user's into a page that the socket fills (`off` counts from the start of its section); 0 or -EFAULT. */
export function skb_copy_to_page_nocache(sk: sock, from: msghdr, skb: sk_buff, p: page, off: number, copy: number): number {
  const error = copyFromUser(from, p.mem.block, off, copy);
  if (error !== 0) return error;
  skb.len += copy;
  skb.data_len += copy;
  skb.truesize += copy;
  sk_wmem_queued_add(sk, copy);
  sk_mem_charge(sk, copy);
  return 0;
}

/** Takes `copy` bytes of the user's into the linear part, which has room for them; 0 or -EFAULT. */
export function skb_add_data_nocache(_sk: sock, skb: sk_buff, from: msghdr, copy: number): number {
  const at = skb_put(skb, copy);
  const error = copyFromUser(from, skb.mem.block, at, copy);
  if (error === 0) return 0;
  skb.tail -= copy;
  skb.len -= copy;
  return error;
}

/** copy_from_iter_full(): counted and paid for. */
export function copyFromUser(from: msghdr, to: ByteBlock, toOffset: number, copy: number): number {
  // Beyond the array there is no memory of the user's.
  if (copy > msg_data_left(from) || from.offset + copy > from.data.length) return -EFAULT;
  from.block.copyTo(to, toOffset, from.offset, copy);
  from.offset += copy;
  from.size -= copy;
  chargeCopy(kernel().copies.userToSkb, copy);
  return 0;
}

/** Appends `len` bytes; returns where they are. */
export function skb_put_data(skb: sk_buff, data: Uint8Array, offset: number, len: number): number {
  const at = skb_put(skb, len);
  memcpy(skb.mem.u8, at, data, offset, len);
  return at;
}

export function skb_put_zero(skb: sk_buff, len: number): number {
  const at = skb_put(skb, len);
  skb.mem.u8.fill(0, at, at + len);
  return at;
}

export function skb_copy_to_linear_data(skb: sk_buff, from: Uint8Array, fromOffset: number, len: number): void {
  memcpy(skb.mem.u8, skb.data, from, fromOffset, len);
}
