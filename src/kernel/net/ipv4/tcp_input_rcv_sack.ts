/**
 * net/ipv4/tcp_input.c: the SACK blocks that we send (RFC 2018 (4)): the first is the one that changed last; and D-SACK for what came twice (RFC 2883).
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { type tcp_sack_block, tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { NET_ADD_STATS, NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { after, before, TCP_MAX_QUICKACKS, TCP_NUM_SACKS, tcp_is_sack } from '../../include/net/tcp.ts';
import { hrtimer_try_to_cancel } from '../../kernel/time/hrtimer.ts';
import {
  LINUX_MIB_DELAYEDACKLOST,
  LINUX_MIB_TCPACKCOMPRESSED,
  LINUX_MIB_TCPDSACKOFOSENT,
  LINUX_MIB_TCPDSACKOLDSENT,
} from '../../uapi/snmp.ts';
import { __sock_put } from '../core/sock.ts';
import { tcp_enter_quickack_mode } from './tcp_input_quickack.ts';
import { tcp_send_ack } from './tcp_output_send.ts';

/** Blocks that fit an ACK with some loss of ACKs to spare: when a block beyond them changes, a compressed ACK must go now. */
const TCP_SACK_BLOCKS_EXPECTED = 2;

/** Joins seq … end_seq to a block that it touches. */
function tcp_sack_extend(sp: tcp_sack_block, seq: number, end_seq: number): boolean {
  if (after(seq, sp.end_seq) || after(sp.start_seq, end_seq)) return false;
  if (before(seq, sp.start_seq)) sp.start_seq = seq;
  if (after(end_seq, sp.end_seq)) sp.end_seq = end_seq;
  return true;
}

export function tcp_dsack_set(sk: sock, seq: number, end_seq: number): void {
  const tp = tcp_sk(sk);
  if (!tcp_is_sack(tp) || sock_net(sk).ipv4.sysctl_tcp_dsack === 0) return;
  NET_INC_STATS(sock_net(sk), before(seq, tp.rcv_nxt) ? LINUX_MIB_TCPDSACKOLDSENT : LINUX_MIB_TCPDSACKOFOSENT);
  tp.rx_opt.dsack = true;
  tp.duplicate_sack[0].start_seq = seq;
  tp.duplicate_sack[0].end_seq = end_seq;
}

export function tcp_dsack_extend(sk: sock, seq: number, end_seq: number): void {
  const tp = tcp_sk(sk);
  if (!tp.rx_opt.dsack) tcp_dsack_set(sk, seq, end_seq);
  else tcp_sack_extend(tp.duplicate_sack[0], seq, end_seq);
}

/** Answers an unacceptable segment; old data gets a D-SACK, since our ACKs seem to be lost. */
export function tcp_send_dupack(sk: sock, skb: sk_buff): void {
  const tp = tcp_sk(sk);
  const cb = skb.tcp;
  if (cb.end_seq !== cb.seq && before(cb.seq, tp.rcv_nxt)) {
    NET_INC_STATS(sock_net(sk), LINUX_MIB_DELAYEDACKLOST);
    tcp_enter_quickack_mode(sk, TCP_MAX_QUICKACKS);
    tcp_dsack_set(sk, cb.seq, after(cb.end_seq, tp.rcv_nxt) ? tp.rcv_nxt : cb.end_seq);
  }
  tcp_send_ack(sk);
}

/** Sends the ACK that stands for those that were compressed. */
export function tcp_sack_compress_send_ack(sk: sock): void {
  const tp = tcp_sk(sk);
  if (tp.compressed_ack === 0) return;
  if (hrtimer_try_to_cancel(tp.compressed_ack_timer) === 1) __sock_put(sk);
  // The one that is sent is not one that was saved.
  NET_ADD_STATS(sock_net(sk), LINUX_MIB_TCPACKCOMPRESSED, tp.compressed_ack - 1);
  tp.compressed_ack = 0;
  tcp_send_ack(sk);
}

/** Takes out block `i`: its object goes to the end, for later use. */
function removeBlock(tp: tcp_sock, i: number): void {
  const blocks = tp.selective_acks;
  const gone = blocks[i]!;
  for (let k = i; k < tp.rx_opt.num_sacks - 1; k++) blocks[k] = blocks[k + 1]!;
  blocks[tp.rx_opt.num_sacks - 1] = gone;
  tp.rx_opt.num_sacks--;
}

/** Block `i` becomes the first, the others follow in their order. */
function moveToFront(tp: tcp_sock, i: number): void {
  const blocks = tp.selective_acks;
  const block = blocks[i]!;
  for (let k = i; k > 0; k--) blocks[k] = blocks[k - 1]!;
  blocks[0] = block;
}

/** The first block has grown: it may touch others now. */
function tcp_sack_maybe_coalesce(tp: tcp_sock): void {
  const first = tp.selective_acks[0]!;
  for (let i = 1; i < tp.rx_opt.num_sacks; ) {
    const other = tp.selective_acks[i]!;
    if (tcp_sack_extend(first, other.start_seq, other.end_seq)) removeBlock(tp, i);
    else i++;
  }
}

/** A segment came out of order. */
export function tcp_sack_new_ofo_skb(sk: sock, seq: number, end_seq: number): void {
  const tp = tcp_sk(sk);
  const blocks = tp.selective_acks;
  const cur_sacks = tp.rx_opt.num_sacks;
  for (let i = 0; i < cur_sacks; i++) {
    if (!tcp_sack_extend(blocks[i]!, seq, end_seq)) continue;
    if (i >= TCP_SACK_BLOCKS_EXPECTED) tcp_sack_compress_send_ack(sk);
    moveToFront(tp, i);
    if (cur_sacks > 1) tcp_sack_maybe_coalesce(tp);
    return;
  }
  if (cur_sacks >= TCP_SACK_BLOCKS_EXPECTED) tcp_sack_compress_send_ack(sk);
  // The oldest is forgotten when there is no place.
  if (cur_sacks < TCP_NUM_SACKS) tp.rx_opt.num_sacks++;
  moveToFront(tp, tp.rx_opt.num_sacks - 1);
  blocks[0]!.start_seq = seq;
  blocks[0]!.end_seq = end_seq;
}

/** rcv_nxt advanced: blocks that it covers go. */
export function tcp_sack_remove(tp: tcp_sock): void {
  if (tp.out_of_order_queue.first === null) {
    tp.rx_opt.num_sacks = 0;
    return;
  }
  for (let i = 0; i < tp.rx_opt.num_sacks; ) {
    if (before(tp.rcv_nxt, tp.selective_acks[i]!.start_seq)) i++;
    else removeBlock(tp, i);
  }
}
