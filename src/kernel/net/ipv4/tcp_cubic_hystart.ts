/**
 * net/ipv4/tcp_cubic.c: CUBIC's state, and HyStart: slow start ends before it loses packets, when a train of ACKs takes half the least round trip,
 * or when the round trip grows by an eighth (4 to 16 ms).
 */

import { WIDE } from '../../../sim/wide.ts';
import { kernel } from '../../current.ts';
import type { module } from '../../include/linux/module.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { U32_MAX } from '../../include/linux/types.ts';
import { inet_csk_ca } from '../../include/net/inet_sock.ts';
import { NET_ADD_STATS, NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { SK_PACING_NONE, type sock, sock_net } from '../../include/net/sock.ts';
import { after } from '../../include/net/tcp.ts';
import {
  LINUX_MIB_TCPHYSTARTDELAYCWND,
  LINUX_MIB_TCPHYSTARTDELAYDETECT,
  LINUX_MIB_TCPHYSTARTTRAINCWND,
  LINUX_MIB_TCPHYSTARTTRAINDETECT,
} from '../../uapi/snmp.ts';

const HYSTART_MIN_SAMPLES = 8;
const HYSTART_DELAY_MIN = 4000;
const HYSTART_DELAY_MAX = 16000;
const HYSTART_LOW_WINDOW = 16;
const HYSTART_ACK_DELTA_US = 2000;
const USEC_PER_MSEC = 1000;

/** hystart_detect: which of its two signals HyStart heeds. */
const HYSTART_ACK_TRAIN = 1;
const HYSTART_DELAY = 2;

/** The module's parameters that the model heeds (/sys/module/tcp_cubic/parameters), as they are at boot. */
export const cubicModule = (): module => ({
  name: 'tcp_cubic',
  version: '2.3',
  params: { hystart: 1, hystart_detect: HYSTART_ACK_TRAIN | HYSTART_DELAY },
});

/** Times in jiffies (last_time, epoch_start), µs (delays, round_start, last_ack), 1/1024 s (bic_K). */
export class bictcp {
  cnt = 0;
  last_max_cwnd = 0;
  last_cwnd = 0;
  last_time = WIDE;
  bic_origin_point = WIDE;
  bic_K = WIDE;
  delay_min = WIDE;
  epoch_start = WIDE;
  ack_cnt = 0;
  tcp_cwnd = 0;
  sample_cnt = 0;
  found = false;
  round_start = WIDE;
  end_seq = WIDE;
  last_ack = WIDE;
  curr_rtt = WIDE;
  readonly params = kernel().modules.get('tcp_cubic')!.params;
}

/** A round begins: it ends when what is sent now is acknowledged. */
export function bictcp_hystart_reset(sk: sock): void {
  const tp = tcp_sk(sk);
  const ca = inet_csk_ca<bictcp>(sk);
  ca.round_start = ca.last_ack = tp.tcp_mstamp;
  ca.end_seq = tp.snd_nxt;
  ca.curr_rtt = U32_MAX;
  ca.sample_cnt = 0;
}

/** Segments wait for TSO and GRO to fill: four of the largest, at the pacing rate, but at most a millisecond. */
function hystart_ack_delay(sk: sock): number {
  const rate = sk.sk_pacing_rate;
  return rate === 0 ? 0 : Math.min(USEC_PER_MSEC, Math.floor((sk.sk_gso_max_size * 4 * 1_000_000) / rate));
}

export function hystart_update(sk: sock, delay: number): void {
  const tp = tcp_sk(sk);
  const ca = inet_csk_ca<bictcp>(sk);
  if (after(tp.snd_una, ca.end_seq)) bictcp_hystart_reset(sk);
  if (tp.snd_cwnd < HYSTART_LOW_WINDOW) return;
  const detect = ca.params['hystart_detect']!;
  if ((detect & HYSTART_ACK_TRAIN) !== 0) detectTrain(sk, ca);
  if ((detect & HYSTART_DELAY) !== 0) detectDelay(sk, ca, delay);
}

/** ACKs in close succession since the round began: the train's length is the path's bandwidth times what is in flight. */
function detectTrain(sk: sock, ca: bictcp): void {
  const now = tcp_sk(sk).tcp_mstamp;
  if (now - ca.last_ack > HYSTART_ACK_DELTA_US) return;
  ca.last_ack = now;
  let threshold = ca.delay_min + hystart_ack_delay(sk);
  // Pacing alone spreads them over half a round trip.
  if (sk.sk_pacing_status === SK_PACING_NONE) threshold >>>= 1;
  if (now - ca.round_start > threshold) exitSlowStart(sk, ca, LINUX_MIB_TCPHYSTARTTRAINDETECT, LINUX_MIB_TCPHYSTARTTRAINCWND);
}

function detectDelay(sk: sock, ca: bictcp, delay: number): void {
  if (ca.curr_rtt > delay) ca.curr_rtt = delay;
  if (ca.sample_cnt < HYSTART_MIN_SAMPLES) {
    ca.sample_cnt++;
    return;
  }
  const margin = Math.min(Math.max(ca.delay_min >>> 3, HYSTART_DELAY_MIN), HYSTART_DELAY_MAX);
  if (ca.curr_rtt > ca.delay_min + margin) exitSlowStart(sk, ca, LINUX_MIB_TCPHYSTARTDELAYDETECT, LINUX_MIB_TCPHYSTARTDELAYCWND);
}

function exitSlowStart(sk: sock, ca: bictcp, detected: number, cwnd: number): void {
  const tp = tcp_sk(sk);
  ca.found = true;
  NET_INC_STATS(sock_net(sk), detected);
  NET_ADD_STATS(sock_net(sk), cwnd, tp.snd_cwnd);
  tp.snd_ssthresh = tp.snd_cwnd;
}
