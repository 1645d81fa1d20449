/**
 * net/core/skbuff.c: when a MSG_ZEROCOPY call's buffer is free again. `msg_zerocopy_realloc` numbers the call, every skb that carries its data holds a
 * reference (`skb_zcopy_set`), the last one to go tells the socket's error queue (`msg_zerocopy_complete` → `__msg_zerocopy_callback`).
 *
 * Simplified: the data are copied all the same, so that pages of the user's need not be pinned; truesize is that of the copy. Who needs them in the kernel's
 * memory (a tun device, a receiver on this host) says so, and the completion then tells that a copy was made (SO_EE_CODE_ZEROCOPY_COPIED), as in Linux.
 */
import { SO_EE_ORIGIN_ZEROCOPY, sock_exterr_skb } from '../../include/linux/errqueue.ts';
import type { sk_buff, ubuf_info } from '../../include/linux/skbuff.ts';
import { GFP_KERNEL } from '../../include/linux/types.ts';
import { SOCK_DEAD, type sock, sock_flag, sock_hold } from '../../include/net/sock.ts';
import { alloc_skb } from './skbuff.ts';
import { sock_queue_err_skb } from './skbuff_errqueue.ts';
import { kfree_skb } from './skbuff_free.ts';
import { sock_put } from './sock_life.ts';

const SO_EE_CODE_ZEROCOPY_COPIED = 1;
/** Notifications of one completion cover at most so many bytes. */
const BYTE_LIMIT = 1 << 19;
const U32 = 0x1_0000_0000;

/** struct ubuf_info_msgzc: calls `id` to `id + len - 1`. */
export class ubuf_info_msgzc implements ubuf_info {
  readonly sk: sock;
  readonly id: number;
  len = 1;
  bytelen: number;
  refcnt = 1;
  flags = 0;
  zerocopy = true;

  constructor(sk: sock, id: number, bytelen: number) {
    this.sk = sk;
    this.id = id;
    this.bytelen = bytelen;
  }

  complete(_skb: sk_buff | null, uarg: ubuf_info, success: boolean): void {
    if (!success) this.zerocopy = false;
    if (--uarg.refcnt === 0) __msg_zerocopy_callback(this);
  }
}

function msg_zerocopy_alloc(sk: sock, size: number): ubuf_info_msgzc {
  const uarg = new ubuf_info_msgzc(sk, sk.sk_zckey, size);
  sk.sk_zckey = (sk.sk_zckey + 1) % U32;
  sock_hold(sk);
  return uarg;
}

/** For a call of `size` bytes; joins that of the segment at the queue's end, `uarg`, when the calls follow each other. The caller gets a reference. */
export function msg_zerocopy_realloc(sk: sock, size: number, uarg: ubuf_info | null): ubuf_info_msgzc {
  if (!(uarg instanceof ubuf_info_msgzc)) return msg_zerocopy_alloc(sk, size);
  const joins = (uarg.id + uarg.len) % U32 === sk.sk_zckey && uarg.bytelen + size <= BYTE_LIMIT;
  if (!joins) return msg_zerocopy_alloc(sk, size);
  uarg.len++;
  uarg.bytelen += size;
  uarg.refcnt++;
  sk.sk_zckey = (sk.sk_zckey + 1) % U32;
  return uarg;
}

/** The skb carries data of the call. False when it carries another's. */
export function skb_zcopy_set(skb: sk_buff, uarg: ubuf_info): boolean {
  const shinfo = skb.shinfo;
  if (shinfo.destructor_arg === uarg) return true;
  if (shinfo.destructor_arg !== null) return false;
  shinfo.destructor_arg = uarg;
  uarg.refcnt++;
  return true;
}

export function net_zcopy_put(uarg: ubuf_info_msgzc): void {
  uarg.complete(null, uarg, true);
}

/** The call came to nothing: its number is used again. */
export function net_zcopy_put_abort(uarg: ubuf_info_msgzc): void {
  uarg.sk.sk_zckey = (uarg.sk.sk_zckey + U32 - 1) % U32;
  uarg.len--;
  net_zcopy_put(uarg);
}

/** Extends what the last entry of the error queue tells, if that goes on where it ends. */
function skb_zerocopy_notify_extend(tail: sock_exterr_skb, lo: number, hi: number, code: number): boolean {
  if (tail.ee_origin !== SO_EE_ORIGIN_ZEROCOPY || tail.ee_code !== code || (tail.ee_data + 1) % U32 !== lo) return false;
  tail.ee_data = hi;
  return true;
}

function __msg_zerocopy_callback(uarg: ubuf_info_msgzc): void {
  const sk = uarg.sk;
  if (uarg.len > 0 && !sock_flag(sk, SOCK_DEAD)) notify(sk, uarg);
  sock_put(sk);
}

function notify(sk: sock, uarg: ubuf_info_msgzc): void {
  const code = uarg.zerocopy ? 0 : SO_EE_CODE_ZEROCOPY_COPIED;
  const hi = (uarg.id + uarg.len - 1) % U32;
  const tail = sk.sk_error_queue.prev?.exterr ?? null;
  if (tail !== null && skb_zerocopy_notify_extend(tail, uarg.id, hi, code)) {
    sk.sk_error_report(sk);
    return;
  }
  const skb = alloc_skb(0, GFP_KERNEL);
  if (skb === null) return;
  const error = new sock_exterr_skb();
  error.ee_origin = SO_EE_ORIGIN_ZEROCOPY;
  error.ee_code = code;
  error.ee_info = uarg.id;
  error.ee_data = hi;
  skb.exterr = error;
  if (sock_queue_err_skb(sk, skb) !== 0) kfree_skb(skb, '__msg_zerocopy_callback');
}
