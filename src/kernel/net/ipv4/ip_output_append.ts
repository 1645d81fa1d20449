/**
 * net/ipv4/ip_output.c: datagrams built from a user's data, for UDP, raw sockets and ICMP.
 * `ip_append_data` → `ip_setup_cork` → `__ip_append_data` (pieces of at most an MTU) … `ip_push_pending_frames` → `__ip_make_skb` (the header) → `ip_send_skb`;
 * `ip_make_skb` does both at once without the socket's queue.
 *
 * Simplified: pieces are always linear. Linux puts what exceeds a header into pages when the device gathers and the piece is larger than 16 KiB or
 * appended later; bytes on the wire are the same. `ip_append_data` does not sleep: when the send buffer is full it returns -EAGAIN before anything
 * was consumed, and the caller waits (sock_wait_for_wmem).
 */
import { kernel } from '../../current.ts';
import { NETIF_F_HW_CSUM, NETIF_F_IP_CSUM, NETIF_F_SG } from '../../include/linux/netdevice.ts';
import {
  __skb_dequeue,
  __skb_pull,
  __skb_queue_tail,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  type sk_buff,
  sk_buff_head,
  skb_dst_set,
  skb_network_header_len,
  skb_network_offset,
  skb_peek_tail,
  skb_put,
  skb_queue_empty,
  skb_reserve,
  skb_set_network_header,
} from '../../include/linux/skbuff.ts';
import { dst_mtu, dst_release, LL_RESERVED_SPACE, type rtable } from '../../include/net/dst.ts';
import { icmp_hdr, icmp_out_count } from '../../include/net/icmp.ts';
import { type flowi4, inet_sk } from '../../include/net/inet_sock.ts';
import {
  type getfrag_t,
  IP_HLEN,
  IP_MAX_MTU,
  inet_cork,
  inetdev_valid_mtu,
  ip_copy_addrs,
  ip_dont_fragment,
  ip_hdr,
  ip_select_ttl,
  ip_sk_ignore_df,
  ip_sk_use_pmtu,
  type ipcm_cookie,
  optlen,
} from '../../include/net/ip.ts';
import { RTN_MULTICAST } from '../../include/net/ip_fib.ts';
import { IP_INC_STATS } from '../../include/net/net_namespace.ts';
import { type msghdr, PAGE_FRAG_ORDER, SOCK_NOSPACE, sk_wmem_alloc_get, type sock, sock_error, sock_net } from '../../include/net/sock.ts';
import { csum_block_add, csum_partial, csum_sub } from '../../lib/checksum.ts';
import { EAGAIN, EFAULT, EMSGSIZE, ENETUNREACH, ENOBUFS, EPIPE } from '../../uapi/errno.ts';
import { IP_DF, IP_PMTUDISC_DO, IP_PMTUDISC_PROBE, IPPROTO_ICMP } from '../../uapi/in.ts';
import { SOF_TIMESTAMPING_OPT_ID } from '../../uapi/net_tstamp.ts';
import { IPSTATS_MIB_OUTDISCARDS } from '../../uapi/snmp.ts';
import { MSG_CONFIRM, MSG_MORE, MSG_PROBE, SEND_SHUTDOWN, SOCK_RAW } from '../../uapi/socket.ts';
import { alloc_skb, truesizeFor } from '../core/skbuff.ts';
import { copyFromUser, skb_copy_and_csum_bits } from '../core/skbuff_bits.ts';
import { kfree_skb } from '../core/skbuff_free.ts';
import { pskb_trim } from '../core/skbuff_reshape.ts';
import { alloc_skb_with_frags } from '../core/skbuff_with_frags.ts';
import { __sock_tx_timestamp } from '../core/sock_cmsg.ts';
import { skb_set_dst_pending_confirm } from '../core/sock_dst.ts';
import { skb_set_owner_w, sock_wfree } from '../core/sock_owner.ts';
import { ip_options_build } from './ip_options_output.ts';
import { ip_select_ident_segs } from './ip_output_ident.ts';
import { ip_send_skb } from './ip_output_xmit.ts';
import { ip_local_error } from './ip_sockglue_error.ts';

/** Largest piece in one part: four pages, less what every buffer needs. */
const SKB_MAX_ALLOC = 16384 - 320;

/** Takes a user's data, and its sum if no device will make it: the getfrag of who sends messages. */
export function ip_generic_getfrag(from: unknown, to: number, _offset: number, len: number, odd: number, skb: sk_buff): number {
  if (copyFromUser(from as msghdr, skb.mem.block, to, len) !== 0) return -EFAULT;
  if (skb.ip_summed !== CHECKSUM_PARTIAL) {
    const { checksum } = kernel().copies;
    checksum.count++;
    checksum.bytes += len;
    skb.csum = csum_block_add(skb.csum, csum_partial(skb.mem.u8, to, len, 0), odd);
  }
  return 0;
}

/** Adds data to the socket's datagram, or begins one (then `rt`'s reference is taken over). 0 or -errno. */
export function ip_append_data(
  sk: sock,
  fl4: flowi4,
  getfrag: getfrag_t,
  from: unknown,
  length: number,
  transhdrlen: number,
  ipc: ipcm_cookie | null,
  rt: rtable | null,
  flags: number,
): number {
  if ((flags & MSG_PROBE) !== 0) return 0;
  const inet = inet_sk(sk);
  inet.cork ??= new inet_cork();
  if (skb_queue_empty(sk.sk_write_queue)) {
    const err = ip_setup_cork(sk, inet.cork, ipc!, rt!);
    if (err !== 0) return err;
  } else transhdrlen = 0;
  return __ip_append_data(sk, fl4, sk.sk_write_queue, inet.cork, getfrag, from, length, transhdrlen, flags);
}

function ip_setup_cork(sk: sock, cork: inet_cork, ipc: ipcm_cookie, rt: rtable): number {
  cork.flags = 0;
  cork.fragsize = ip_sk_use_pmtu(sk) ? dst_mtu(rt) : rt.dev.mtu;
  if (!inetdev_valid_mtu(cork.fragsize)) return -ENETUNREACH;
  cork.gso_size = ipc.gso_size;
  cork.addr = ipc.addr;
  cork.dst = rt;
  cork.length = 0;
  cork.ttl = ipc.ttl;
  cork.tos = ipc.tos;
  cork.mark = ipc.mark;
  cork.priority = ipc.priority;
  cork.transmit_time = ipc.transmit_time;
  cork.tx_flags = __sock_tx_timestamp(ipc.tsflags);
  cork.opt = ipc.opt;
  return 0;
}

function __ip_append_data(
  sk: sock,
  fl4: flowi4,
  queue: sk_buff_head,
  cork: inet_cork,
  getfrag: getfrag_t,
  from: unknown,
  length: number,
  transhdrlen: number,
  flags: number,
): number {
  const rt = cork.dst!;
  const mtu = cork.gso_size !== 0 ? IP_MAX_MTU : cork.fragsize;
  const headerLength = fragheaderlen(cork);
  const maxfraglen = ((mtu - headerLength) & ~7) + headerLength;
  if (cork.length + length > (ip_sk_ignore_df(sk) ? IP_MAX_MTU : mtu) - headerLength) {
    ip_local_error(sk, EMSGSIZE, fl4.daddr, fl4.fl4_dport, mtu);
    return -EMSGSIZE;
  }
  const hardware = (rt.dev.features & (NETIF_F_HW_CSUM | NETIF_F_IP_CSUM)) !== 0;
  const whole = length + headerLength <= mtu && ((flags & MSG_MORE) === 0 || cork.gso_size !== 0);
  let csummode = transhdrlen !== 0 && whole && hardware ? CHECKSUM_PARTIAL : CHECKSUM_NONE;
  const hold_tskey = cork.tx_flags !== 0 && (sk.sk_tsflags & SOF_TIMESTAMPING_OPT_ID) !== 0;
  cork.ts_opt_id = hold_tskey ? sk.sk_tskey++ : 0;
  cork.length += length;
  let skb = skb_peek_tail(queue);
  let offset = 0;
  while (length > 0) {
    let room = skb === null ? 0 : mtu - skb.len;
    if (room < length && skb !== null) room = maxfraglen - skb.len;
    if (skb !== null && room > 0) {
      const copy = Math.min(room, length);
      const odd = skb.len;
      if (getfrag(from, skb_put(skb, copy), offset, copy, odd, skb) < 0) return giveUp(sk, cork, length, -EFAULT, hold_tskey);
      if (appendsPages(rt)) chargeAppended(sk, skb, copy);
      offset += copy;
      length -= copy;
      continue;
    }
    const fresh = newPiece(sk, queue, cork, rt, skb, length, transhdrlen, maxfraglen, mtu, csummode, flags);
    if (typeof fresh === 'number') return giveUp(sk, cork, length, fresh, hold_tskey);
    const gap = skb === null ? 0 : skb.len - maxfraglen;
    const copy = fillPiece(fresh, skb, gap, transhdrlen, maxfraglen, getfrag, from, offset);
    if (copy < 0) {
      kfree_skb(fresh, '__ip_append_data');
      return giveUp(sk, cork, length, copy, hold_tskey);
    }
    offset += copy;
    length -= copy + transhdrlen;
    transhdrlen = 0;
    csummode = CHECKSUM_NONE;
    payPiece(sk, fresh);
    __skb_queue_tail(queue, fresh);
    skb = fresh;
  }
  return 0;
}

/** Of each piece's header. */
const fragheaderlen = (cork: inet_cork): number => IP_HLEN + optlen(cork.opt);

function giveUp(sk: sock, cork: inet_cork, length: number, err: number, hold_tskey: boolean): number {
  cork.length -= length;
  IP_INC_STATS(sock_net(sk), IPSTATS_MIB_OUTDISCARDS);
  if (hold_tskey) sk.sk_tskey--;
  return err;
}

/** A piece with its header's room and `length` more bytes, or as many as fit; for one that will be appended to, with room for a whole MTU. */
function newPiece(
  sk: sock,
  _queue: sk_buff_head,
  cork: inet_cork,
  rt: rtable,
  prev: sk_buff | null,
  length: number,
  transhdrlen: number,
  maxfraglen: number,
  mtu: number,
  csummode: number,
  flags: number,
): sk_buff | number {
  const hh_len = LL_RESERVED_SPACE(rt.dev);
  const fraggap = prev === null ? 0 : prev.len - maxfraglen;
  const headerLength = fragheaderlen(cork);
  let datalen = length + fraggap;
  if (datalen > mtu - headerLength) datalen = maxfraglen - headerLength;
  const fraglen = datalen + headerLength;
  const held = fraglen + hh_len + 15;
  const size = (flags & MSG_MORE) !== 0 ? mtu + hh_len + 15 : held;
  const truesize = appendsPages(rt) ? pieceTruesize(held, fraglen - headerLength - transhdrlen) : truesizeFor(size);
  const skb = transhdrlen !== 0 ? allocFirst(sk, size, truesize) : allocMore(sk, size, truesize);
  if (typeof skb === 'number') return skb;
  skb.ip_summed = csummode;
  skb.csum = 0;
  skb_reserve(skb, hh_len);
  skb_put(skb, fraglen);
  skb_set_network_header(skb, 0);
  skb.transport_header = skb.network_header + headerLength;
  // Stamps are of a datagram's first piece.
  skb.shinfo.tx_flags = cork.tx_flags;
  skb.shinfo.tskey = cork.ts_opt_id;
  cork.tx_flags = cork.ts_opt_id = 0;
  if ((flags & MSG_CONFIRM) !== 0 && prev === null) skb_set_dst_pending_confirm(skb, true);
  return skb;
}

/** sock_alloc_send_skb() for who cannot sleep: -EAGAIN when the send buffer is full. It pays for `truesize`. */
function allocFirst(sk: sock, size: number, truesize: number): sk_buff | number {
  const err = sock_error(sk);
  if (err !== 0) return err;
  if ((sk.sk_shutdown & SEND_SHUTDOWN) !== 0) return -EPIPE;
  if (sk_wmem_alloc_get(sk) >= sk.sk_sndbuf) {
    if (sk.sk_socket !== null) sk.sk_socket.flags |= SOCK_NOSPACE;
    return -EAGAIN;
  }
  const skb = alloc_skb_with_frags(size, 0, PAGE_FRAG_ORDER, sk.sk_allocation);
  if (skb === null) return -ENOBUFS;
  skb.truesize = truesize;
  skb_set_owner_w(skb, sk);
  return skb;
}

/** Further pieces may exceed the buffer, up to twice its size, rather than leave a datagram half done. */
function allocMore(sk: sock, size: number, truesize: number): sk_buff | number {
  const skb = sk_wmem_alloc_get(sk) <= 2 * sk.sk_sndbuf ? alloc_skb(size, sk.sk_allocation) : null;
  if (skb === null) return -ENOBUFS;
  skb.truesize = truesize;
  return skb;
}

/** With a device that gathers, the payload of large pieces would be in pages. */
const pieceTruesize = (held: number, payload: number): number =>
  held < SKB_MAX_ALLOC ? truesizeFor(held) : truesizeFor(held - payload) + payload;

/** With a device that gathers, what is appended goes to pages, and is paid for as it comes; the room that is kept for it here is not. */
const appendsPages = (rt: rtable): boolean => (rt.dev.features & NETIF_F_SG) !== 0;

function chargeAppended(sk: sock, skb: sk_buff, bytes: number): void {
  skb.truesize += bytes;
  sk.sk_wmem_alloc += bytes;
}

/** What the piece before holds beyond its last whole 8 bytes goes to the front, then the user's data. Returns how many of these. */
function fillPiece(
  skb: sk_buff,
  prev: sk_buff | null,
  fraggap: number,
  transhdrlen: number,
  maxfraglen: number,
  getfrag: getfrag_t,
  from: unknown,
  offset: number,
): number {
  const data = skb.transport_header + transhdrlen;
  if (prev !== null && fraggap > 0) {
    skb.csum = skb_copy_and_csum_bits(prev, maxfraglen, skb.mem.u8, data, fraggap);
    prev.csum = csum_sub(prev.csum, skb.csum);
    pskb_trim(prev, maxfraglen);
  }
  const copy = skb.len - skb_network_header_len(skb) - transhdrlen - Math.max(fraggap, 0);
  if (copy > 0 && getfrag(from, data + Math.max(fraggap, 0), offset, copy, Math.max(fraggap, 0), skb) < 0) return -EFAULT;
  return Math.max(copy, 0);
}

function payPiece(sk: sock, skb: sk_buff): void {
  if (skb.destructor !== null) return;
  skb.destructor = sock_wfree;
  skb.sk = sk;
  sk.sk_wmem_alloc += skb.truesize;
}

/* Sending what was collected */

/** Joins the pieces under one IP header; the socket's datagram is done. Null when there is none. */
export function __ip_make_skb(sk: sock, fl4: flowi4, queue: sk_buff_head, cork: inet_cork): sk_buff | null {
  const skb = __skb_dequeue(queue);
  if (skb === null) return null;
  if (skb.data < skb.network_header) __skb_pull(skb, skb_network_offset(skb));
  joinPieces(skb, queue);
  const rt = cork.dst!;
  skb.ignore_df = ip_sk_ignore_df(sk);
  writeHeader(sk, skb, fl4, cork, rt);
  skb.priority = cork.priority;
  skb.mark = cork.mark;
  skb.tstamp = cork.transmit_time;
  cork.dst = null;
  skb_dst_set(skb, rt);
  if (sk.sk_protocol === IPPROTO_ICMP) icmp_out_count(sock_net(sk), icmpTypeOf(sk, skb, fl4));
  ip_cork_release(cork);
  return skb;
}

/** Raw sockets (such as the host's own for ICMP) say in the flow what they send; answers to timestamp requests do not, and count as type 0. */
function icmpTypeOf(sk: sock, skb: sk_buff, fl4: flowi4): number {
  return sk.sk_type === SOCK_RAW ? fl4.fl4_icmp_type : icmp_hdr(skb).type;
}

function joinPieces(skb: sk_buff, queue: sk_buff_head): void {
  let last: sk_buff | null = null;
  for (let piece = __skb_dequeue(queue); piece !== null; piece = __skb_dequeue(queue)) {
    __skb_pull(piece, skb_network_header_len(skb));
    if (last === null) skb.shinfo.frag_list = piece;
    else last.next = piece;
    last = piece;
    skb.len += piece.len;
    skb.data_len += piece.len;
    skb.truesize += piece.truesize;
    piece.destructor = null;
    piece.sk = null;
  }
}

function writeHeader(sk: sock, skb: sk_buff, fl4: flowi4, cork: inet_cork, rt: rtable): void {
  const inet = inet_sk(sk);
  const iph = ip_hdr(skb);
  const { pmtudisc } = inet;
  const df = pmtudisc === IP_PMTUDISC_DO || pmtudisc === IP_PMTUDISC_PROBE || (skb.len <= dst_mtu(rt) && ip_dont_fragment(sk, rt));
  iph.version_ihl = 0x40 | (fragheaderlen(cork) >> 2);
  iph.tos = cork.tos !== -1 ? cork.tos : inet.tos;
  iph.frag_off = df ? IP_DF : 0;
  iph.ttl = cork.ttl !== 0 ? cork.ttl : rt.rt_type === RTN_MULTICAST ? inet.mc_ttl : ip_select_ttl(sk, rt);
  iph.protocol = sk.sk_protocol;
  ip_copy_addrs(iph, fl4);
  ip_select_ident_segs(sock_net(sk), skb, sk, 1);
  if (cork.opt !== null) ip_options_build(sock_net(sk), skb, cork.opt);
}

function ip_cork_release(cork: inet_cork): void {
  cork.flags &= ~1;
  dst_release(cork.dst);
  cork.dst = null;
  cork.opt = null;
}

export const ip_finish_skb = (sk: sock, fl4: flowi4): sk_buff | null => __ip_make_skb(sk, fl4, sk.sk_write_queue, inet_sk(sk).cork!);

export function ip_push_pending_frames(sk: sock, fl4: flowi4): number {
  const skb = ip_finish_skb(sk, fl4);
  return skb === null ? 0 : ip_send_skb(sock_net(sk), skb);
}

export function ip_flush_pending_frames(sk: sock): void {
  __ip_flush_pending_frames(sk, sk.sk_write_queue, inet_sk(sk).cork);
}

function __ip_flush_pending_frames(_sk: sock, queue: sk_buff_head, cork: inet_cork | null): void {
  for (let skb = __skb_dequeue(queue); skb !== null; skb = __skb_dequeue(queue)) kfree_skb(skb, '__ip_flush_pending_frames');
  if (cork !== null) ip_cork_release(cork);
}

/** A whole datagram at once. Takes over `rt`'s reference. The skb, null (MSG_PROBE), or -errno. */
export function ip_make_skb(
  sk: sock,
  fl4: flowi4,
  getfrag: getfrag_t,
  from: unknown,
  length: number,
  transhdrlen: number,
  ipc: ipcm_cookie,
  rt: rtable,
  cork: inet_cork,
  flags: number,
): sk_buff | null | number {
  if ((flags & MSG_PROBE) !== 0) return null;
  const { listPool } = sock_net(sk).ipv4;
  const queue = listPool.pop() ?? new sk_buff_head();
  let err = ip_setup_cork(sk, cork, ipc, rt);
  if (err === 0) err = __ip_append_data(sk, fl4, queue, cork, getfrag, from, length, transhdrlen, flags);
  if (err !== 0) __ip_flush_pending_frames(sk, queue, cork);
  const skb = err !== 0 ? err : __ip_make_skb(sk, fl4, queue, cork);
  listPool.push(queue);
  return skb;
}
