/**
 * net/ipv4/tcp_output.c: SYN-ACKs of half-open connections, which have no socket of their own yet: `tcp_make_synack`, and its repetition `tcp_rtx_synack`.
 */
import { kernel, trace } from '../../current.ts';
import {
  CHECKSUM_PARTIAL,
  type sk_buff,
  skb_dst_set,
  skb_push,
  skb_reserve,
  skb_reset_transport_header,
} from '../../include/linux/skbuff.ts';
import { type tcp_fastopen_cookie, tcp_sk } from '../../include/linux/tcp.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { type dst_entry, dst_metric_advmss, dst_release } from '../../include/net/dst.ts';
import { flowi4 } from '../../include/net/inet_sock.ts';
import { NET_INC_STATS, TCP_INC_STATS } from '../../include/net/net_namespace.ts';
import { inet_rsk, type request_sock, tcp_rsk } from '../../include/net/request_sock.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  MAX_TCP_HEADER,
  TCP_SYNACK_COOKIE,
  TCP_SYNACK_FASTOPEN,
  TCP_SYNACK_RETRANS,
  TCPHDR_ACK,
  TCPHDR_SYN,
  tcp_clock_ns,
  tcp_mss_clamp,
  tcp_passive_fastopen,
  tcp_skb_timestamp_us,
  tcp_synack_window,
} from '../../include/net/tcp.ts';
import { tcphdr } from '../../uapi/in.ts';
import { LINUX_MIB_TCPSYNRETRANS, TCP_MIB_OUTSEGS, TCP_MIB_RETRANSSEGS } from '../../uapi/snmp.ts';
import { alloc_skb } from '../core/skbuff.ts';
import { skb_set_owner_edemux } from '../core/sock_edemux.ts';
import { skb_set_owner_w } from '../core/sock_owner.ts';
import { cookie_init_timestamp } from './syncookies.ts';
import { tcp_v4_md5_hash_skb } from './tcp_ipv4_md5.ts';
import { tcp_options_write, tcp_synack_options } from './tcp_output_options.ts';
import { skb_set_delivery_time } from './tcp_output_transmit.ts';

const SOCK_TXREHASH_ENABLED = 1;

/**
 * Builds a SYN-ACK for `req`. `dst` is the packet's from now on. A Fast Open SYN-ACK belongs to the child socket, one with a cookie to nobody (there is
 * no state for it), others to the request.
 */
export function tcp_make_synack(
  sk: sock,
  dst: dst_entry,
  req: request_sock,
  foc: tcp_fastopen_cookie | null,
  synack_type: number,
  _syn_skb: sk_buff | null,
): sk_buff | null {
  const skb = alloc_skb(MAX_TCP_HEADER, GFP_ATOMIC);
  if (skb === null) {
    dst_release(dst);
    return null;
  }
  skb_reserve(skb, MAX_TCP_HEADER);
  if (synack_type === TCP_SYNACK_FASTOPEN) skb_set_owner_w(skb, sk);
  else if (synack_type !== TCP_SYNACK_COOKIE) skb_set_owner_edemux(skb, req as unknown as sock);
  skb_dst_set(skb, dst);
  const now = tcp_clock_ns();
  stampSynack(req, skb, synack_type, now);
  skb.hash = tcp_rsk(req).txhash;
  skb.l4_hash = true;
  skb.tcp.tcp_flags = TCPHDR_SYN | TCPHDR_ACK;
  writeSynack(sk, skb, dst, req, foc, synack_type);
  TCP_INC_STATS(sock_net(sk), TCP_MIB_OUTSEGS);
  const tx_delay = tcp_sk(sk).tcp_tx_delay;
  skb_set_delivery_time(skb, now + tx_delay * 1000);
  skb.packetId = kernel().machine.simulation.takePacketIds(1);
  return skb;
}

/** The timestamp option is computed from the delivery time; a SYN cookie hides options in its low bits. */
function stampSynack(req: request_sock, skb: sk_buff, synack_type: number, now: number): void {
  if (synack_type === TCP_SYNACK_COOKIE && inet_rsk(req).tstamp_ok) {
    skb_set_delivery_time(skb, cookie_init_timestamp(req, now));
    return;
  }
  skb_set_delivery_time(skb, now);
  const treq = tcp_rsk(req);
  if (treq.snt_synack === 0) treq.snt_synack = tcp_skb_timestamp_us(skb);
}

function writeSynack(
  sk: sock,
  skb: sk_buff,
  dst: dst_entry,
  req: request_sock,
  foc: tcp_fastopen_cookie | null,
  synack_type: number,
): void {
  const mss = tcp_mss_clamp(tcp_sk(sk), dst_metric_advmss(dst));
  const opts = sock_net(sk).ipv4.tcpOutOptions;
  opts.clear();
  const tcp_header_size = tcp_synack_options(sk, req, mss, skb, opts, foc, synack_type) + tcphdr.size;
  skb_push(skb, tcp_header_size);
  skb_reset_transport_header(skb);
  const th = new tcphdr(skb.mem.view, skb.data);
  th.flagWord = ((tcp_header_size >> 2) << 12) | TCPHDR_SYN | TCPHDR_ACK;
  if (inet_rsk(req).ecn_ok) th.ece = 1;
  th.source = req.skc_num;
  th.dest = req.skc_dport;
  th.seq = tcp_rsk(req).snt_isn;
  th.ack_seq = tcp_rsk(req).rcv_nxt;
  th.window = tcp_synack_window(req); // RFC 7323 2.2: never scaled in a SYN.
  th.check = 0;
  th.urg_ptr = 0;
  tcp_options_write(skb.mem.view, skb.data + tcphdr.size, null, opts);
  if (opts.md5_key !== null) tcp_v4_md5_hash_skb(skb.mem.u8, opts.hash_location, opts.md5_key, req.skc_rcv_saddr, req.skc_daddr, skb);
  skb.mark = inet_rsk(req).ir_mark;
  skb.ip_summed = CHECKSUM_PARTIAL;
}

/** Sends the SYN-ACK again; it may take another path through the network, by another flow hash. */
export function tcp_rtx_synack(sk: sock, req: request_sock): number {
  if (sk.sk_txrehash === SOCK_TXREHASH_ENABLED) tcp_rsk(req).txhash = kernel().random.below(0xffff_ffff) + 1;
  const res = req.af_specific!.send_synack(sk, null, new flowi4(), req, null, TCP_SYNACK_RETRANS, null);
  if (res !== 0) return res;
  const network = sock_net(sk);
  TCP_INC_STATS(network, TCP_MIB_RETRANSSEGS);
  NET_INC_STATS(network, LINUX_MIB_TCPSYNRETRANS);
  if (tcp_passive_fastopen(sk)) tcp_sk(sk).total_retrans++;
  trace().tcp_retransmit_synack?.(sk, req);
  req.num_retrans++;
  return 0;
}
