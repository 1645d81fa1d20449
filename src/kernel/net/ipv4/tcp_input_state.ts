/**
 * net/ipv4/tcp_input.c: segments in all states but ESTABLISHED and TIME_WAIT (RFC 9293 (3.10.7)).
 * `tcp_rcv_state_process` → LISTEN: `conn_request`; SYN_SENT: `tcp_rcv_synsent_state_process`; else `tcp_validate_incoming` → `tcp_ack` → what the ACK
 * means for the state → `tcp_urg` → `tcp_data_queue`.
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import {
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_TCP_ABORT_ON_DATA,
  SKB_DROP_REASON_TCP_CLOSE,
  SKB_DROP_REASON_TCP_FLAGS,
  SKB_DROP_REASON_TCP_OLD_ACK,
  SKB_DROP_REASON_TCP_RESET,
} from '../../include/net/dropreason.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import type { request_sock } from '../../include/net/request_sock.ts';
import { SOCK_DEAD, type sock, sock_flag, sock_net, sock_owned_by_user } from '../../include/net/sock.ts';
import {
  after,
  before,
  TCP_TIMEWAIT_LEN,
  TCPHDR_ACK,
  TCPHDR_FIN,
  TCPHDR_RST,
  TCPHDR_SYN,
  TCPOLEN_TSTAMP_ALIGNED,
  tcp_fast_path_on,
  tcp_fin_time,
  tcp_init_wl,
  u32sub,
} from '../../include/net/tcp.ts';
import { tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { LINUX_MIB_TCPABORTONDATA } from '../../uapi/snmp.ts';
import { RCV_SHUTDOWN, SEND_SHUTDOWN } from '../../uapi/socket.ts';
import {
  TCP_CA_Loss,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_LAST_ACK,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from '../../uapi/tcp.ts';
import { reqsk_fastopen_remove } from '../core/request_sock.ts';
import { __kfree_skb, consume_skb } from '../core/skbuff_free.ts';
import { sk_dst_confirm } from '../core/sock.ts';
import { inet_csk_reset_keepalive_timer } from './inet_connection_sock.ts';
import { tcp_fastopen_active_disable } from './tcp_fastopen_active.ts';
import { tcp_ack } from './tcp_input_ack.ts';
import { tcp_ack_snd_check, tcp_data_snd_check } from './tcp_input_ack_snd.ts';
import { tcp_send_challenge_ack } from './tcp_input_challenge.ts';
import { tcp_rcv_synsent_state_process, tcp_try_undo_spurious_syn } from './tcp_input_connect.ts';
import { tcp_initialize_rcv_mss, tcp_rearm_rto, tcp_retrans_stamp_cleanup, tcp_update_rto_time } from './tcp_input_cwnd.ts';
import { tcp_data_queue } from './tcp_input_data.ts';
import { tcp_drop_reason, tcp_reset } from './tcp_input_fin.ts';
import { FLAG_NO_CHALLENGE_ACK, FLAG_SLOWPATH, FLAG_UPDATE_TS_RECENT } from './tcp_input_flags.ts';
import { tcp_synack_rtt_meas, tcp_update_pacing_rate } from './tcp_input_rtt.ts';
import { tcp_init_transfer } from './tcp_input_transfer.ts';
import { tcp_try_undo_recovery } from './tcp_input_undo.ts';
import { tcp_urg } from './tcp_input_urg.ts';
import { tcp_validate_incoming } from './tcp_input_validate.ts';
import { tcp_update_metrics } from './tcp_metrics.ts';
import { tcp_time_wait } from './tcp_minisocks.ts';
import { tcp_check_req } from './tcp_minisocks_req.ts';
import { tcp_mstamp_refresh } from './tcp_output_transmit.ts';
import { tcp_done, tcp_set_state } from './tcp_state.ts';

/** What is to become of the segment after its ACK. */
const GO_ON = 0;
const CONSUME = 1;
const ABORT = 2;

function discard(sk: sock, skb: sk_buff, reason: number): number {
  tcp_drop_reason(sk, skb, reason, 'tcp_rcv_state_process');
  return 0;
}

function consume(skb: sk_buff): number {
  __kfree_skb(skb);
  return 0;
}

/** RFC 9293 (3.10.7.2). An ACK is for the caller to reset. */
function rcvListen(sk: sock, skb: sk_buff): number {
  const flags = skb.tcp.tcp_flags;
  if ((flags & TCPHDR_ACK) !== 0) return SKB_DROP_REASON_TCP_FLAGS;
  if ((flags & TCPHDR_RST) !== 0) return discard(sk, skb, SKB_DROP_REASON_TCP_RESET);
  if ((flags & TCPHDR_SYN) === 0 || (flags & TCPHDR_FIN) !== 0) return discard(sk, skb, SKB_DROP_REASON_TCP_FLAGS);
  inet_csk(sk).icsk_af_ops.conn_request(sk, skb);
  consume_skb(skb, 'tcp_rcv_state_process');
  return 0;
}

function rcvSynSent(sk: sock, skb: sk_buff): number {
  tcp_sk(sk).rx_opt.saw_tstamp = false;
  tcp_mstamp_refresh(tcp_sk(sk));
  const queued = tcp_rcv_synsent_state_process(sk, skb);
  if (queued >= 0) return queued;
  tcp_urg(sk, skb);
  __kfree_skb(skb);
  tcp_data_snd_check(sk);
  return 0;
}

/** The handshake of a Fast Open child ends; data may have been sent already. */
function tcp_rcv_synrecv_state_fastopen(sk: sock, req: request_sock): void {
  const tp = tcp_sk(sk);
  // The SYN-ACK timed out: perhaps needlessly.
  if (inet_csk(sk).icsk_ca_state === TCP_CA_Loss && tp.packets_out === 0) tcp_try_undo_recovery(sk);
  tcp_update_rto_time(tp);
  inet_csk(sk).icsk_retransmits = 0;
  tcp_retrans_stamp_cleanup(sk);
  reqsk_fastopen_remove(sk, req, false);
  tcp_rearm_rto(sk);
}

/** Our SYN is acknowledged: established. */
function ackInSynRecv(sk: sock, skb: sk_buff, req: request_sock | null): void {
  const tp = tcp_sk(sk);
  tp.delivered++;
  if (tp.srtt_us === 0) tcp_synack_rtt_meas(sk, req);
  if (tp.rx_opt.tstamp_ok) tp.advmss -= TCPOLEN_TSTAMP_ALIGNED;
  if (req !== null) tcp_rcv_synrecv_state_fastopen(sk, req);
  else {
    tcp_try_undo_spurious_syn(sk);
    tp.retrans_stamp = 0;
    tcp_init_transfer(sk);
    tp.copied_seq = tp.rcv_nxt;
  }
  tcp_set_state(sk, TCP_ESTABLISHED);
  sk.sk_state_change(sk);
  tp.snd_una = skb.tcp.ack_seq;
  tp.snd_wnd = skb.mem.view.getUint16(skb.transport_header + 14) << tp.rx_opt.snd_wscale;
  tcp_init_wl(tp, skb.tcp.seq);
  if (inet_csk(sk).icsk_ca_ops.cong_control === undefined) tcp_update_pacing_rate(sk);
  tp.lsndtime = tcp_jiffies32();
  tcp_initialize_rcv_mss(sk);
  tcp_fast_path_on(tp);
  if ((sk.sk_shutdown & SEND_SHUTDOWN) !== 0) sk.skc_prot.shutdown!(sk, SEND_SHUTDOWN);
}

/** Data, or a FIN beyond what is expected, for a socket that nobody reads any more. */
function isDataForNobody(sk: sock, skb: sk_buff): boolean {
  const fin = (skb.tcp.tcp_flags & TCPHDR_FIN) !== 0 ? 1 : 0;
  return skb.tcp.end_seq !== skb.tcp.seq && after(u32sub(skb.tcp.end_seq, fin), tcp_sk(sk).rcv_nxt);
}

function abortOnData(sk: sock): number {
  tcp_done(sk);
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPABORTONDATA);
  return ABORT;
}

/** Our FIN is acknowledged: FIN_WAIT2. An orphan waits there for a limited time, most of it as a timewait socket. */
function ackInFinWait1(sk: sock, skb: sk_buff, req: request_sock | null): number {
  const tp = tcp_sk(sk);
  const fin = (skb.tcp.tcp_flags & TCPHDR_FIN) !== 0;
  if (req !== null) tcp_rcv_synrecv_state_fastopen(sk, req);
  if (tp.snd_una !== tp.write_seq) return GO_ON;
  tcp_set_state(sk, TCP_FIN_WAIT2);
  sk.sk_shutdown |= SEND_SHUTDOWN;
  sk_dst_confirm(sk);
  if (!sock_flag(sk, SOCK_DEAD)) {
    // Who lingers in close() waits for this.
    sk.sk_state_change(sk);
    return GO_ON;
  }
  if (tp.linger2 < 0) return abortOnData(sk);
  if (isDataForNobody(sk, skb)) {
    if (tp.syn_fastopen && fin) tcp_fastopen_active_disable(sk);
    return abortOnData(sk);
  }
  const tmo = tcp_fin_time(sk);
  if (tmo > TCP_TIMEWAIT_LEN()) inet_csk_reset_keepalive_timer(sk, tmo - TCP_TIMEWAIT_LEN());
  // A FIN in this very segment must not be lost to the timewait socket.
  else if (fin || sock_owned_by_user(sk)) inet_csk_reset_keepalive_timer(sk, tmo);
  else {
    tcp_time_wait(sk, TCP_FIN_WAIT2, tmo);
    return CONSUME;
  }
  return GO_ON;
}

/** RFC 9293 (3.10.7.4), fifth: by state. */
function processAck(sk: sock, skb: sk_buff, req: request_sock | null): number {
  const tp = tcp_sk(sk);
  switch (sk.skc_state) {
    case TCP_SYN_RECV:
      ackInSynRecv(sk, skb, req);
      return GO_ON;
    case TCP_FIN_WAIT1:
      return ackInFinWait1(sk, skb, req);
    case TCP_CLOSING:
      if (tp.snd_una !== tp.write_seq) return GO_ON;
      tcp_time_wait(sk, TCP_TIME_WAIT, 0);
      return CONSUME;
    case TCP_LAST_ACK:
      if (tp.snd_una !== tp.write_seq) return GO_ON;
      tcp_update_metrics(sk);
      tcp_done(sk);
      return CONSUME;
    default:
      return GO_ON;
  }
}

/** RFC 9293 (3.10.7.4), seventh, and RFC 1122 (4.2.2.13): data after close() gets a RST. Negative: it does; 1: the segment was queued. */
function processText(sk: sock, skb: sk_buff): number {
  const tp = tcp_sk(sk);
  const state = sk.skc_state;
  const peerIsDone = state === TCP_CLOSE_WAIT || state === TCP_CLOSING || state === TCP_LAST_ACK;
  if (peerIsDone && !before(skb.tcp.seq, tp.rcv_nxt)) return 0;
  if (peerIsDone || state === TCP_FIN_WAIT1 || state === TCP_FIN_WAIT2) {
    if ((sk.sk_shutdown & RCV_SHUTDOWN) !== 0 && isDataForNobody(sk, skb)) {
      NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPABORTONDATA);
      tcp_reset(sk, skb);
      return -1;
    }
  } else if (state !== TCP_ESTABLISHED) return 0;
  tcp_data_queue(sk, skb);
  return 1;
}

/** The ACK field: 0 when acceptable (or old, while closing); else `discarded` or a drop reason that the caller answers with a RST. */
function rejectAck(sk: sock, skb: sk_buff): number {
  const result = tcp_ack(sk, skb, FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT | FLAG_NO_CHALLENGE_ACK);
  if (result > 0) return 0;
  if (sk.skc_state === TCP_SYN_RECV) return result === 0 ? SKB_DROP_REASON_TCP_OLD_ACK : -result;
  if (result === 0) return 0;
  tcp_send_challenge_ack(sk);
  tcp_drop_reason(sk, skb, -result, 'tcp_rcv_state_process');
  return -1;
}

/** 0: dealt with. Else the caller sends a RST, for this drop reason, and frees the segment. */
export function tcp_rcv_state_process(sk: sock, skb: sk_buff): number {
  const tp = tcp_sk(sk);
  if (sk.skc_state === TCP_CLOSE) return discard(sk, skb, SKB_DROP_REASON_TCP_CLOSE);
  if (sk.skc_state === TCP_LISTEN) return rcvListen(sk, skb);
  if (sk.skc_state === TCP_SYN_SENT) return rcvSynSent(sk, skb);
  tcp_mstamp_refresh(tp);
  tp.rx_opt.saw_tstamp = false;
  const req = tp.fastopen_rsk;
  if (req !== null && tcp_check_req(sk, skb, req, true) === null) return discard(sk, skb, req.dropReason);
  if ((skb.tcp.tcp_flags & (TCPHDR_ACK | TCPHDR_RST | TCPHDR_SYN)) === 0) return discard(sk, skb, SKB_DROP_REASON_TCP_FLAGS);
  if (!tcp_validate_incoming(sk, skb, false)) return 0;
  const rejected = rejectAck(sk, skb);
  if (rejected !== 0) return Math.max(rejected, 0);
  const fate = processAck(sk, skb, req);
  if (fate === CONSUME) return consume(skb);
  if (fate === ABORT) return SKB_DROP_REASON_TCP_ABORT_ON_DATA;
  tcp_urg(sk, skb);
  const queued = processText(sk, skb);
  if (queued < 0) return SKB_DROP_REASON_TCP_ABORT_ON_DATA;
  // The FIN may have made it a timewait socket.
  if (sk.skc_state !== TCP_CLOSE) {
    tcp_data_snd_check(sk);
    tcp_ack_snd_check(sk);
  }
  return queued === 1 ? 0 : discard(sk, skb, SKB_DROP_REASON_NOT_SPECIFIED);
}
