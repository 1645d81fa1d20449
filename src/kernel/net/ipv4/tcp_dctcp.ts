/**
 * net/ipv4/tcp_dctcp.c, tcp_dctcp.h: Data Center TCP (RFC 8257): the window shrinks by the share of marked packets (alpha, × 1024).
 * As receiver `dctcp_ece_ack_update` echoes marks exactly; as sender `dctcp_update_alpha` per ACK, `dctcp_ssthresh` on a mark.
 *
 * Simplified: Linux can also move a congested connection to another path (PLB, off by default); here net.ipv4.tcp_plb_enabled has no effect.
 */
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { INET_ECN_dontxmit } from '../../include/net/inet_ecn.ts';
import { ICSK_ACK_NOW, ICSK_ACK_TIMER, inet_csk, inet_csk_ca } from '../../include/net/inet_sock.ts';
import type { sock } from '../../include/net/sock.ts';
import { before, TCP_ECN_DEMAND_CWR, tcp_ecn_mode_any, u32sub } from '../../include/net/tcp.ts';
import {
  CA_EVENT_ECN_IS_CE,
  CA_EVENT_ECN_NO_CE,
  CA_EVENT_LOSS,
  TCP_CONG_NEEDS_ECN,
  type tcp_congestion_ops,
} from '../../include/net/tcp_congestion_ops.ts';
import { TCP_CA_Recovery, TCP_CLOSE, TCP_LISTEN } from '../../uapi/tcp.ts';
import { tcp_reno_cong_avoid, tcp_reno_ssthresh, tcp_reno_undo_cwnd } from './tcp_cong.ts';
import { __tcp_send_ack } from './tcp_output.ts';

const DCTCP_MAX_ALPHA = 1024;
/** g = 1/16. */
const dctcp_shift_g = 4;

class dctcp_state {
  old_delivered = 0;
  old_delivered_ce = 0;
  prior_rcv_nxt = 0;
  dctcp_alpha = 0;
  next_seq = 0;
  ce_state = 0;
  loss_cwnd = 0;
}

const ca_of = (sk: sock): dctcp_state => inet_csk_ca<dctcp_state>(sk);

function dctcp_reset(tp: tcp_sock, ca: dctcp_state): void {
  ca.next_seq = tp.snd_nxt;
  ca.old_delivered = tp.delivered;
  ca.old_delivered_ce = tp.delivered_ce;
}

/** Without ECN it is Reno. */
function dctcp_init(sk: sock): void {
  const tp = tcp_sk(sk);
  if (!tcp_ecn_mode_any(tp) && sk.skc_state !== TCP_LISTEN && sk.skc_state !== TCP_CLOSE) {
    inet_csk(sk).icsk_ca_ops = dctcp_reno;
    INET_ECN_dontxmit(sk);
    return;
  }
  const ca = ca_of(sk);
  ca.prior_rcv_nxt = tp.rcv_nxt;
  ca.dctcp_alpha = DCTCP_MAX_ALPHA;
  ca.loss_cwnd = 0;
  ca.ce_state = 0;
  dctcp_reset(tp, ca);
}

/** RFC 8257 (3.4): cwnd × (1 - alpha/2). */
function dctcp_ssthresh(sk: sock): number {
  const ca = ca_of(sk);
  const cwnd = tcp_sk(sk).snd_cwnd;
  ca.loss_cwnd = cwnd;
  return Math.max(cwnd - ((cwnd * ca.dctcp_alpha) >>> 11), 2);
}

/** RFC 8257 (3.3), once a round trip: alpha = (1 - g) × alpha + g × share of marked packets. */
function dctcp_update_alpha(sk: sock): void {
  const tp = tcp_sk(sk);
  const ca = ca_of(sk);
  if (before(tp.snd_una, ca.next_seq)) return;
  const delivered = u32sub(tp.delivered, ca.old_delivered);
  const delivered_ce = u32sub(tp.delivered_ce, ca.old_delivered_ce);
  // A rest too small to be divided by 16 goes at once.
  let alpha = ca.dctcp_alpha - (ca.dctcp_alpha >>> dctcp_shift_g || ca.dctcp_alpha);
  if (delivered_ce !== 0) {
    const share = Math.floor((delivered_ce * 2 ** (10 - dctcp_shift_g)) / Math.max(1, delivered));
    alpha = Math.min(alpha + share, DCTCP_MAX_ALPHA);
  }
  ca.dctcp_alpha = alpha;
  dctcp_reset(tp, ca);
}

function dctcp_react_to_loss(sk: sock): void {
  const tp = tcp_sk(sk);
  ca_of(sk).loss_cwnd = tp.snd_cwnd;
  tp.snd_ssthresh = Math.max(tp.snd_cwnd >>> 1, 2);
}

/** Timeouts are dealt with in dctcp_cwnd_event(), so that a round trip sees one reaction. */
function dctcp_state_changed(sk: sock, new_state: number): void {
  if (new_state === TCP_CA_Recovery && new_state !== inet_csk(sk).icsk_ca_state) dctcp_react_to_loss(sk);
}

function dctcp_ece_ack_cwr(sk: sock, ce_state: number): void {
  const tp = tcp_sk(sk);
  if (ce_state === 1) tp.ecn_flags |= TCP_ECN_DEMAND_CWR;
  else tp.ecn_flags &= ~TCP_ECN_DEMAND_CWR;
}

/** RFC 8257 (3.2): when marking starts or stops, what came before is acknowledged first, with the echo it is due. */
function dctcp_ece_ack_update(sk: sock, event: number, ca: dctcp_state): void {
  const new_ce_state = event === CA_EVENT_ECN_IS_CE ? 1 : 0;
  const ack = inet_csk(sk).icsk_ack;
  if (ca.ce_state !== new_ce_state) {
    if ((ack.pending & ICSK_ACK_TIMER) !== 0) {
      dctcp_ece_ack_cwr(sk, ca.ce_state);
      __tcp_send_ack(sk, ca.prior_rcv_nxt, 0);
    }
    ack.pending |= ICSK_ACK_NOW;
  }
  ca.prior_rcv_nxt = tcp_sk(sk).rcv_nxt;
  ca.ce_state = new_ce_state;
  dctcp_ece_ack_cwr(sk, new_ce_state);
}

function dctcp_cwnd_event(sk: sock, event: number): void {
  if (event === CA_EVENT_ECN_IS_CE || event === CA_EVENT_ECN_NO_CE) dctcp_ece_ack_update(sk, event, ca_of(sk));
  else if (event === CA_EVENT_LOSS) dctcp_react_to_loss(sk);
}

/** struct tcp_dctcp_info. */
export interface tcp_dctcp_info {
  dctcp_enabled: number;
  dctcp_ce_state: number;
  dctcp_alpha: number;
  dctcp_ab_ecn: number;
  dctcp_ab_tot: number;
}

function dctcp_get_info(sk: sock): tcp_dctcp_info {
  if (inet_csk(sk).icsk_ca_ops === dctcp_reno)
    return { dctcp_enabled: 0, dctcp_ce_state: 0, dctcp_alpha: 0, dctcp_ab_ecn: 0, dctcp_ab_tot: 0 };
  const tp = tcp_sk(sk);
  const ca = ca_of(sk);
  return {
    dctcp_enabled: 1,
    dctcp_ce_state: ca.ce_state,
    dctcp_alpha: ca.dctcp_alpha,
    dctcp_ab_ecn: tp.mss_cache * u32sub(tp.delivered_ce, ca.old_delivered_ce),
    dctcp_ab_tot: tp.mss_cache * u32sub(tp.delivered, ca.old_delivered),
  };
}

function dctcp_cwnd_undo(sk: sock): number {
  return Math.max(tcp_sk(sk).snd_cwnd, ca_of(sk).loss_cwnd);
}

export const dctcp: tcp_congestion_ops = {
  name: 'dctcp',
  flags: TCP_CONG_NEEDS_ECN,
  newPriv: () => new dctcp_state(),
  init: dctcp_init,
  in_ack_event: dctcp_update_alpha,
  cwnd_event: dctcp_cwnd_event,
  ssthresh: dctcp_ssthresh,
  cong_avoid: tcp_reno_cong_avoid,
  undo_cwnd: dctcp_cwnd_undo,
  set_state: dctcp_state_changed,
  get_info: dctcp_get_info,
};

const dctcp_reno: tcp_congestion_ops = {
  name: 'dctcp-reno',
  flags: 0,
  ssthresh: tcp_reno_ssthresh,
  cong_avoid: tcp_reno_cong_avoid,
  undo_cwnd: tcp_reno_undo_cwnd,
  get_info: dctcp_get_info,
};
