/**
 * net/ipv4/tcp_input.c: the state machine of loss recovery.
 *
 * Open: nothing unusual. Disorder: SACKs or duplicate ACKs. CWR: the window shrinks because of ECN or a full local queue. Recovery: it shrinks and lost
 * segments are retransmitted. Loss: the same after a timeout, from a window of one segment. All but Open end when high_seq is acknowledged.
 * `tcp_fastretrans_alert` → `tcp_check_sack_reneging`, leaving a state, `tcp_process_loss`, `tcp_identify_packet_loss`, `tcp_enter_recovery`.
 * It decides nothing about what is sent: see `tcp_xmit_recovery`.
 */
import { tcp_sk } from '../../include/linux/tcp.ts';
import { ICSK_TIME_RETRANS, inet_csk } from '../../include/net/inet_sock.ts';
import type { sock } from '../../include/net/sock.ts';
import {
  after,
  before,
  tcp_is_reno,
  tcp_rtx_queue_empty,
  tcp_snd_cwnd_set,
  tcp_wnd_end,
  tcp_write_queue_empty,
} from '../../include/net/tcp.ts';
import type { ackContext } from '../../include/net/tcp_input_state.ts';
import { msecs_to_jiffies, usecs_to_jiffies } from '../../kernel/time/timer.ts';
import { TCP_CA_CWR, TCP_CA_Disorder, TCP_CA_Loss, TCP_CA_Open, TCP_CA_Recovery } from '../../uapi/tcp.ts';
import { tcp_set_ca_state } from './tcp_cong.ts';
import {
  tcp_any_retrans_done,
  tcp_end_cwnd_reduction,
  tcp_enter_cwr,
  tcp_enter_recovery,
  tcp_reset_reno_sack,
  tcp_update_rto_time,
  tcp_verify_left_out,
} from './tcp_input_cwnd.ts';
import {
  FLAG_DATA_SACKED,
  FLAG_ECE,
  FLAG_LOST_RETRANS,
  FLAG_ORIG_SACK_ACKED,
  FLAG_SACK_RENEGING,
  FLAG_SET_XMIT_TIMER,
  FLAG_SND_UNA_ADVANCED,
  REXMIT_LOST,
  REXMIT_NEW,
} from './tcp_input_flags.ts';
import { tcp_mtup_probe_failed, tcp_simple_retransmit } from './tcp_input_mtup.ts';
import { tcp_add_reno_sack } from './tcp_input_reorder.ts';
import { tcp_try_keep_open, tcp_try_undo_dsack, tcp_try_undo_loss, tcp_try_undo_partial, tcp_try_undo_recovery } from './tcp_input_undo.ts';
import { tcp_newreno_mark_lost, tcp_rack_mark_lost } from './tcp_recovery.ts';
import { tcp_reset_xmit_timer } from './tcp_state.ts';

/**
 * The ACK points at a segment that was SACKed: has the receiver dropped it (RFC 2018 (8))? It gets half a round trip, at least 10 ms, to send ACKs
 * that clear this up, before a timeout forgets all SACKs.
 */
function tcp_check_sack_reneging(sk: sock, ctx: ackContext): boolean {
  if ((ctx.flag & FLAG_SACK_RENEGING) === 0 || (ctx.flag & FLAG_SND_UNA_ADVANCED) === 0) return false;
  const delay = Math.max(usecs_to_jiffies(Math.floor(tcp_sk(sk).srtt_us / 16)), msecs_to_jiffies(10));
  tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, delay, false);
  ctx.flag &= ~FLAG_SET_XMIT_TIMER;
  return true;
}

function tcp_try_to_open(sk: sock, flag: number): void {
  const tp = tcp_sk(sk);
  tcp_verify_left_out(tp);
  if (!tcp_any_retrans_done(sk)) tp.retrans_stamp = 0;
  if ((flag & FLAG_ECE) !== 0) tcp_enter_cwr(sk);
  if (inet_csk(sk).icsk_ca_state !== TCP_CA_CWR) tcp_try_keep_open(sk);
}

/** F-RTO with SACK (RFC 5682 (3.1)). True if the ACK is dealt with. */
function processFrto(sk: sock, ctx: ackContext, num_dupack: number, recovered: boolean): boolean {
  const tp = tcp_sk(sk);
  // Step 3.b: something that was sent once only has arrived, so the timeout was spurious.
  if ((ctx.flag & FLAG_ORIG_SACK_ACKED) !== 0 && tcp_try_undo_loss(sk, true)) return true;
  if (after(tp.snd_nxt, tp.high_seq)) {
    // Step 3.a: the loss was real.
    if ((ctx.flag & FLAG_DATA_SACKED) !== 0 || num_dupack !== 0) tp.frto = false;
  } else if ((ctx.flag & FLAG_SND_UNA_ADVANCED) !== 0 && !recovered) {
    // Step 2.b: new data will tell, if there is any and the window allows it.
    tp.high_seq = tp.snd_nxt;
    if (!tcp_write_queue_empty(sk) && after(tcp_wnd_end(tp), tp.snd_nxt)) {
      ctx.rexmit = REXMIT_NEW;
      return true;
    }
    tp.frto = false;
  }
  return false;
}

function tcp_process_loss(sk: sock, ctx: ackContext, num_dupack: number): void {
  const tp = tcp_sk(sk);
  const flag = ctx.flag;
  const recovered = !before(tp.snd_una, tp.high_seq);
  const advanced = (flag & FLAG_SND_UNA_ADVANCED) !== 0;
  if ((advanced || tp.fastopen_rsk !== null) && tcp_try_undo_loss(sk, false)) return;
  if (tp.frto && processFrto(sk, ctx, num_dupack, recovered)) return;
  if (recovered) {
    tcp_try_undo_recovery(sk);
    return;
  }
  if (tcp_is_reno(tp)) {
    // A duplicate ACK is for new data of F-RTO's step 2.b.
    if (after(tp.snd_nxt, tp.high_seq) && num_dupack !== 0) tcp_add_reno_sack(sk, num_dupack, (flag & FLAG_ECE) !== 0);
    else if (advanced) tcp_reset_reno_sack(tp);
  }
  ctx.rexmit = REXMIT_LOST;
}

function tcp_identify_packet_loss(sk: sock, ctx: ackContext): void {
  const tp = tcp_sk(sk);
  if (tcp_rtx_queue_empty(sk)) return;
  if (tcp_is_reno(tp)) {
    tcp_newreno_mark_lost(sk, (ctx.flag & FLAG_SND_UNA_ADVANCED) !== 0);
    return;
  }
  const prior_retrans = tp.retrans_out;
  if (tcp_rack_mark_lost(sk)) ctx.flag &= ~FLAG_SET_XMIT_TIMER;
  if (prior_retrans > tp.retrans_out) ctx.flag |= FLAG_LOST_RETRANS;
}

/** high_seq is acknowledged: CWR and Recovery end. True if nothing else is to be done. */
function leaveState(sk: sock): boolean {
  const tp = tcp_sk(sk);
  const state = inet_csk(sk).icsk_ca_state;
  if (state === TCP_CA_CWR) {
    // One more segment must be acknowledged, so that CWR has reached the peer.
    if (tp.snd_una !== tp.high_seq) {
      tcp_end_cwnd_reduction(sk);
      tcp_set_ca_state(sk, TCP_CA_Open);
    }
  } else if (state === TCP_CA_Recovery) {
    if (tcp_is_reno(tp)) tcp_reset_reno_sack(tp);
    if (tcp_try_undo_recovery(sk)) return true;
    tcp_end_cwnd_reduction(sk);
  }
  return false;
}

/** True if the ACK leaves us in Recovery, or puts us there anew. */
function processRecovery(sk: sock, ctx: ackContext, flag: number, prior_snd_una: number, num_dupack: number): boolean {
  const tp = tcp_sk(sk);
  const ece_ack = (flag & FLAG_ECE) !== 0;
  if ((flag & FLAG_SND_UNA_ADVANCED) === 0) {
    if (tcp_is_reno(tp)) tcp_add_reno_sack(sk, num_dupack, ece_ack);
  } else if (tcp_try_undo_partial(sk, prior_snd_una)) return false;
  if (tcp_try_undo_dsack(sk)) tcp_try_to_open(sk, flag);
  tcp_identify_packet_loss(sk, ctx);
  if (inet_csk(sk).icsk_ca_state === TCP_CA_Recovery) return true;
  if (tp.lost_out === 0) return false;
  tcp_enter_recovery(sk, ece_ack);
  return true;
}

/** Open, Disorder, CWR, and Loss when it ended or a retransmission was lost. True if Recovery was entered. */
function processOthers(sk: sock, ctx: ackContext, flag: number, num_dupack: number): boolean {
  const icsk = inet_csk(sk);
  const tp = tcp_sk(sk);
  const ece_ack = (flag & FLAG_ECE) !== 0;
  if (tcp_is_reno(tp)) {
    if ((flag & FLAG_SND_UNA_ADVANCED) !== 0) tcp_reset_reno_sack(tp);
    tcp_add_reno_sack(sk, num_dupack, ece_ack);
  }
  if (icsk.icsk_ca_state <= TCP_CA_Disorder) tcp_try_undo_dsack(sk);
  tcp_identify_packet_loss(sk, ctx);
  if (tp.lost_out === 0) {
    tcp_try_to_open(sk, flag);
    return false;
  }
  if (icsk.icsk_ca_state < TCP_CA_CWR && icsk.icsk_mtup.probe_size !== 0 && tp.snd_una === tp.mtu_probe.probe_seq_start) {
    // What is lost is the probe: no congestion, and the segment of window that it took comes back.
    tcp_mtup_probe_failed(sk);
    tcp_snd_cwnd_set(tp, tp.snd_cwnd + 1);
    tcp_simple_retransmit(sk);
    return false;
  }
  tcp_enter_recovery(sk, ece_ack);
  return true;
}

const caState = (sk: sock): number => inet_csk(sk).icsk_ca_state;

/** For every ACK while not Open, and for those that bring SACKs, ECE, or are duplicates. */
export function tcp_fastretrans_alert(sk: sock, prior_snd_una: number, num_dupack: number, ctx: ackContext): void {
  const tp = tcp_sk(sk);
  const flag = ctx.flag;
  if (tp.packets_out === 0 && tp.sacked_out !== 0) tp.sacked_out = 0;
  // What ECN demands cannot be undone.
  if ((flag & FLAG_ECE) !== 0) tp.prior_ssthresh = 0;
  if (tcp_check_sack_reneging(sk, ctx)) return;
  tcp_verify_left_out(tp);
  if (caState(sk) === TCP_CA_Open) tp.retrans_stamp = 0;
  else if (!before(tp.snd_una, tp.high_seq) && leaveState(sk)) return;
  if (caState(sk) === TCP_CA_Recovery) {
    if (processRecovery(sk, ctx, flag, prior_snd_una, num_dupack)) ctx.rexmit = REXMIT_LOST;
    return;
  }
  if (caState(sk) === TCP_CA_Loss) {
    tcp_process_loss(sk, ctx, num_dupack);
    if (caState(sk) !== TCP_CA_Loss) tcp_update_rto_time(tp);
    tcp_identify_packet_loss(sk, ctx);
    if (caState(sk) !== TCP_CA_Open && (ctx.flag & FLAG_LOST_RETRANS) === 0) return;
  }
  if (processOthers(sk, ctx, flag, num_dupack)) ctx.rexmit = REXMIT_LOST;
}
