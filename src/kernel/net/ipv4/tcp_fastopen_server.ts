/**
 * net/ipv4/tcp_fastopen.c: TCP Fast Open (RFC 7413), the server's side.
 * SYN: `tcp_try_fastopen` → cookie made or checked → `tcp_fastopen_create_child` → `tcp_fastopen_add_skb`: the data can be read before the handshake is over.
 */
import { __skb_pull, type sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_fastopen_cookie, tcp_hdr, tcp_hdrlen, tcp_sk } from '../../include/linux/tcp.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { type dst_entry, skb_dst_drop } from '../../include/net/dst.ts';
import { ICSK_TIME_RETRANS, inet_csk } from '../../include/net/inet_sock.ts';
import { ip_hdr } from '../../include/net/ip.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import type { request_sock } from '../../include/net/request_sock.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  TCPHDR_FIN,
  TCPHDR_SYN,
  TFO_SERVER_COOKIE_NOT_REQD,
  TFO_SERVER_ENABLE,
  tcp_add_receive_queue,
  tcp_cleanup_skb,
  tcp_segs_in,
  tcp_timeout_init,
  u32add,
} from '../../include/net/tcp.ts';
import { jiffies } from '../../kernel/time/timer.ts';
import { siphash, type siphash_key_t } from '../../lib/siphash.ts';
import {
  LINUX_MIB_TCPFASTOPENCOOKIEREQD,
  LINUX_MIB_TCPFASTOPENLISTENOVERFLOW,
  LINUX_MIB_TCPFASTOPENPASSIVE,
  LINUX_MIB_TCPFASTOPENPASSIVEALTKEY,
  LINUX_MIB_TCPFASTOPENPASSIVEFAIL,
} from '../../uapi/snmp.ts';
import { reqsk_put } from '../core/request_sock.ts';
import { skb_clone } from '../core/skbuff_clone.ts';
import { sk_forced_mem_schedule, skb_set_owner_r } from '../core/sock.ts';
import { TCP_FASTOPEN_COOKIE_SIZE, tcp_fastopen_get_ctx, tcp_fastopen_no_cookie } from './tcp_fastopen.ts';
import { tcp_fin } from './tcp_input_fin.ts';
import { tcp_init_transfer } from './tcp_input_transfer.ts';
import { tcp_reset_xmit_timer } from './tcp_state.ts';

/** Puts the data of a SYN into the receive queue; the SYN itself is a byte of sequence space before it. */
export function tcp_fastopen_add_skb(sk: sock, syn: sk_buff): void {
  const tp = tcp_sk(sk);
  if (syn.tcp.end_seq === tp.rcv_nxt) return;
  const skb = skb_clone(syn, GFP_ATOMIC);
  if (skb === null) return;
  tcp_cleanup_skb(skb);
  skb_dst_drop(skb);
  // The child counted its SYN when it was made; here it is counted with its data.
  tp.segs_in = 0;
  tcp_segs_in(tp, skb);
  __skb_pull(skb, tcp_hdrlen(skb));
  sk_forced_mem_schedule(sk, skb.truesize);
  skb_set_owner_r(skb, sk);
  skb.tcp.seq = u32add(skb.tcp.seq, 1);
  skb.tcp.tcp_flags &= ~TCPHDR_SYN;
  tp.rcv_nxt = skb.tcp.end_seq;
  tcp_add_receive_queue(sk, skb);
  tp.syn_data_acked = true;
  tp.bytes_received = skb.len;
  if ((skb.tcp.tcp_flags & TCPHDR_FIN) !== 0) tcp_fin(sk);
}

/** The cookie is a hash of the addresses under one of our keys. */
function __tcp_fastopen_cookie_gen_cipher(syn: sk_buff, key: siphash_key_t, foc: tcp_fastopen_cookie): void {
  const iph = ip_hdr(syn);
  const path = new Uint8Array(8);
  const view = new DataView(path.buffer);
  view.setUint32(0, iph.saddr);
  view.setUint32(4, iph.daddr);
  siphash(path, key);
  const value = new DataView(foc.val.buffer, foc.val.byteOffset);
  value.setUint32(0, key.lo, true);
  value.setUint32(4, key.hi, true);
  foc.len = TCP_FASTOPEN_COOKIE_SIZE;
}

function tcp_fastopen_cookie_gen(sk: sock, syn: sk_buff, foc: tcp_fastopen_cookie): void {
  const context = tcp_fastopen_get_ctx(sk);
  if (context !== null) __tcp_fastopen_cookie_gen_cipher(syn, context.key[0]!, foc);
}

/** Which key made the cookie: 1 the first, 2 the backup, 0 none. `valid` is a good cookie in any case. */
function tcp_fastopen_cookie_gen_check(sk: sock, syn: sk_buff, orig: tcp_fastopen_cookie, valid: tcp_fastopen_cookie): number {
  const keys = tcp_fastopen_get_ctx(sk)?.key ?? [];
  let found = 0;
  for (let i = keys.length - 1; i >= 0; i--) {
    __tcp_fastopen_cookie_gen_cipher(syn, keys[i]!, valid);
    if (sameCookie(orig, valid)) found = i + 1;
  }
  return found;
}

const sameCookie = (a: tcp_fastopen_cookie, b: tcp_fastopen_cookie): boolean =>
  a.len === b.len && a.val.subarray(0, a.len).every((byte, i) => byte === b.val[i]);

/** The connection, with its request beside it until the handshake is over. It is not in the accept queue yet: tcp_conn_request() sees to that. */
function tcp_fastopen_create_child(sk: sock, skb: sk_buff, req: request_sock): sock | null {
  const child = inet_csk(sk).icsk_af_ops.syn_recv_sock(sk, skb, req, null, null);
  if (child === null) return null;
  inet_csk(sk).icsk_accept_queue.fastopenq.qlen++;
  const tp = tcp_sk(child);
  tp.fastopen_rsk = req;
  req.tfo_listener = true;
  // RFC 7323 (2.2): the window of a SYN is not scaled.
  tp.snd_wnd = tcp_hdr(skb).window;
  tp.max_window = tp.snd_wnd;
  // The child's own timer repeats the SYN-ACK.
  req.timeout = tcp_timeout_init(child);
  tcp_reset_xmit_timer(child, ICSK_TIME_RETRANS, req.timeout, false);
  req.skc_refcnt = 2;
  tcp_init_transfer(child);
  tp.rcv_nxt = u32add(skb.tcp.seq, 1);
  tcp_fastopen_add_skb(child, skb);
  req.rcv_nxt = tp.rcv_nxt;
  tp.rcv_wup = tp.rcv_nxt;
  return child;
}

/** Does the listener take Fast Open, and is there room? A request that a RST ended makes room after a minute. */
function tcp_fastopen_queue_check(sk: sock): boolean {
  const fastopenq = inet_csk(sk).icsk_accept_queue.fastopenq;
  if (fastopenq.max_qlen === 0) return false;
  if (fastopenq.qlen < fastopenq.max_qlen) return true;
  const oldest = fastopenq.rskq_rst_head;
  if (oldest === null || oldest.rsk_timer.expires > jiffies()) {
    NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPFASTOPENLISTENOVERFLOW);
    return false;
  }
  fastopenq.rskq_rst_head = oldest.dl_next;
  fastopenq.qlen--;
  reqsk_put(oldest);
  return true;
}

function copyCookie(to: tcp_fastopen_cookie, from: tcp_fastopen_cookie): void {
  to.exp = from.exp;
  to.len = from.len;
  to.val.set(from.val);
}

/**
 * A SYN with data, or with a Fast Open option (`foc.len` ≥ 0). Returns the child if the data was taken; then, and else, `foc` is the cookie that goes
 * into the SYN-ACK (`len` -1: none).
 */
export function tcp_try_fastopen(sk: sock, skb: sk_buff, req: request_sock, foc: tcp_fastopen_cookie, dst: dst_entry | null): sock | null {
  const network = sock_net(sk);
  const syn_data = skb.tcp.end_seq !== u32add(skb.tcp.seq, 1);
  if (foc.len === 0) NET_INC_STATS(network, LINUX_MIB_TCPFASTOPENCOOKIEREQD);
  const enabled = (network.ipv4.sysctl_tcp_fastopen & TFO_SERVER_ENABLE) !== 0;
  if (!enabled || !(syn_data || foc.len >= 0) || !tcp_fastopen_queue_check(sk)) {
    foc.len = -1;
    return null;
  }
  const valid_foc = new tcp_fastopen_cookie();
  let key = 1;
  if (!tcp_fastopen_no_cookie(sk, dst, TFO_SERVER_COOKIE_NOT_REQD)) {
    if (foc.len === 0) tcp_fastopen_cookie_gen(sk, skb, valid_foc);
    key = foc.len > 0 ? tcp_fastopen_cookie_gen_check(sk, skb, foc, valid_foc) : 0;
    if (key === 0 && foc.len > 0) NET_INC_STATS(network, LINUX_MIB_TCPFASTOPENPASSIVEFAIL);
  }
  valid_foc.exp = foc.exp;
  const child = key === 0 ? null : openFast(sk, skb, req);
  if (child === null) copyCookie(foc, valid_foc);
  else if (key === 2) {
    // Made with the old key: the peer gets one of the new.
    copyCookie(foc, valid_foc);
    NET_INC_STATS(network, LINUX_MIB_TCPFASTOPENPASSIVEALTKEY);
  } else foc.len = -1;
  return child;
}

function openFast(sk: sock, skb: sk_buff, req: request_sock): sock | null {
  const child = tcp_fastopen_create_child(sk, skb, req);
  NET_INC_STATS(sock_net(sk), child === null ? LINUX_MIB_TCPFASTOPENPASSIVEFAIL : LINUX_MIB_TCPFASTOPENPASSIVE);
  return child;
}
