/**
 * net/core/skbuff.c: a socket's error queue: ICMP errors with the packet they are about, transmit timestamps, zero-copy completions.
 * `skb_tstamp_tx` → `__skb_tstamp_tx` → `sock_queue_err_skb`; the reader: `sock_dequeue_err_skb`.
 */
import { this_cpu } from '../../../machine/cpu.ts';
import { SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_TIMESTAMPING, sock_exterr_skb } from '../../include/linux/errqueue.ts';
import {
  __skb_dequeue,
  __skb_queue_tail,
  PACKET_OUTGOING,
  SKBTX_IN_PROGRESS,
  type sk_buff,
  skb_orphan,
} from '../../include/linux/skbuff.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { skb_dst_force } from '../../include/net/dst.ts';
import { SOCK_DEAD, type sock, sock_flag } from '../../include/net/sock.ts';
import { ENOMEM, ENOMSG } from '../../uapi/errno.ts';
import { IPPROTO_TCP } from '../../uapi/in.ts';
import { SOF_TIMESTAMPING_OPT_ID, SOF_TIMESTAMPING_OPT_TSONLY, SOF_TIMESTAMPING_OPT_TX_SWHW } from '../../uapi/net_tstamp.ts';
import { alloc_skb } from './skbuff.ts';
import { skb_clone } from './skbuff_clone.ts';
import { kfree_skb } from './skbuff_free.ts';

function sock_rmem_free(skb: sk_buff): void {
  (skb.sk as sock).sk_rmem_alloc -= skb.truesize;
}

/** Takes over the skb; 0, or -ENOMEM when the receive buffer is full (the caller still has the skb then). */
export function sock_queue_err_skb(sk: sock, skb: sk_buff): number {
  if (sk.sk_rmem_alloc + skb.truesize >= sk.sk_rcvbuf) return -ENOMEM;
  skb_orphan(skb);
  skb.sk = sk;
  skb.destructor = sock_rmem_free;
  sk.sk_rmem_alloc += skb.truesize;
  skb.pkt_type = PACKET_OUTGOING;
  skb_dst_force(skb);
  __skb_queue_tail(sk.sk_error_queue, skb);
  if (!sock_flag(sk, SOCK_DEAD)) sk.sk_error_report(sk);
  return 0;
}

const is_icmp_err_skb = (skb: sk_buff | null): boolean => skb !== null && skb.exterr?.ee_origin === SO_EE_ORIGIN_ICMP;

/** The oldest entry, or null. The socket's error becomes that of the next ICMP error, or none when the last one of them is taken. */
export function sock_dequeue_err_skb(sk: sock): sk_buff | null {
  const skb = __skb_dequeue(sk.sk_error_queue);
  const next = sk.sk_error_queue.next;
  if (skb === null) return null;
  if (is_icmp_err_skb(next)) sk.sk_err = next!.exterr!.ee_errno;
  else if (is_icmp_err_skb(skb)) sk.sk_err = 0;
  if (next !== null) sk.sk_error_report(sk);
  return skb;
}

/** Reports when `orig_skb` passed a point (SCM_TSTAMP_*): by the clock of this CPU, or by the hardware's (`hwtstamps` ns, 0n for none). */
export function __skb_tstamp_tx(orig_skb: sk_buff, hwtstamps: bigint, sk: sock | null, tstype: number): void {
  if (sk === null) return;
  const tsflags = sk.sk_tsflags;
  const tx_flags = orig_skb.shinfo.tx_flags;
  if (hwtstamps === 0n && (tsflags & SOF_TIMESTAMPING_OPT_TX_SWHW) === 0 && (tx_flags & SKBTX_IN_PROGRESS) !== 0) return;
  const tsonly = (tsflags & SOF_TIMESTAMPING_OPT_TSONLY) !== 0;
  const skb = tsonly ? alloc_skb(0, GFP_ATOMIC) : skb_clone(orig_skb, GFP_ATOMIC);
  if (skb === null) return;
  if (tsonly) {
    skb.shinfo.tx_flags |= tx_flags;
    skb.shinfo.tskey = orig_skb.shinfo.tskey;
  }
  if (hwtstamps !== 0n) skb.shinfo.hwtstamps = hwtstamps;
  else skb.tstamp = this_cpu.clock;
  skb_complete_tx_timestamp(skb, sk, tstype);
}

/** The device has sent it. */
export function skb_tstamp_tx(orig_skb: sk_buff, hwtstamps: bigint, tstype: number): void {
  __skb_tstamp_tx(orig_skb, hwtstamps, orig_skb.sk as sock | null, tstype);
}

export function skb_complete_tx_timestamp(skb: sk_buff, sk: sock, tstype: number): void {
  const error = new sock_exterr_skb();
  error.ee_errno = ENOMSG;
  error.ee_origin = SO_EE_ORIGIN_TIMESTAMPING;
  error.ee_info = tstype;
  if ((sk.sk_tsflags & SOF_TIMESTAMPING_OPT_ID) !== 0) {
    error.ee_data = skb.shinfo.tskey;
    if (sk.sk_protocol === IPPROTO_TCP) error.ee_data = (error.ee_data - sk.sk_tskey) >>> 0;
  }
  skb.exterr = error;
  if (sock_queue_err_skb(sk, skb) !== 0) kfree_skb(skb, '__skb_complete_tx_timestamp');
}
