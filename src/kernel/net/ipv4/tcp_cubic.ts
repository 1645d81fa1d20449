/**
 * net/ipv4/tcp_cubic.c: CUBIC (RFC 9438) in the fixed-point arithmetic of Linux: time in 1/1024 s, C = 0.4, beta = 717/1024.
 * Per ACK `cubictcp_acked` (delays, HyStart: tcp_cubic_hystart.ts), then `cubictcp_cong_avoid` → `bictcp_update` → `tcp_cong_avoid_ai`;
 * on congestion `cubictcp_recalc_ssthresh`.
 */
import { tcp_sk } from '../../include/linux/tcp.ts';
import { inet_csk_ca } from '../../include/net/inet_sock.ts';
import type { sock } from '../../include/net/sock.ts';
import { tcp_in_slow_start, tcp_is_cwnd_limited } from '../../include/net/tcp.ts';
import {
  type ack_sample,
  CA_EVENT_TX_START,
  TCP_CONG_NON_RESTRICTED,
  type tcp_congestion_ops,
} from '../../include/net/tcp_congestion_ops.ts';
import { HZ, tcp_jiffies32, usecs_to_jiffies } from '../../kernel/time/timer.ts';
import { TCP_CA_Loss } from '../../uapi/tcp.ts';
import { tcp_cong_avoid_ai, tcp_reno_undo_cwnd, tcp_slow_start } from './tcp_cong.ts';
import { bictcp, bictcp_hystart_reset, hystart_update } from './tcp_cubic_hystart.ts';

const BICTCP_BETA_SCALE = 1024;
const BICTCP_HZ = 10;
const BETA = 717;
const BIC_SCALE = 41;
/** C × 1024 × 10, and what follows from it and beta: see cubictcp_register(). */
const cube_rtt_scale = BIC_SCALE * 10;
const beta_scale = Math.floor(Math.floor((8 * (BICTCP_BETA_SCALE + BETA)) / 3) / (BICTCP_BETA_SCALE - BETA));
/** What cube_rtt_scale × t³ is to be divided by: 2^10 for the scale, and t counts 2^10 a second. */
const CUBE_UNIT = 2 ** (10 + 3 * BICTCP_HZ);
const cube_factor = Math.floor(CUBE_UNIT / (BIC_SCALE * 10));
/** Up to here cube_rtt_scale × offs³ is below 2^53. */
const EXACT_OFFS = 28_000;

const ca_of = (sk: sock): bictcp => inet_csk_ca<bictcp>(sk);

function bictcp_reset(ca: bictcp): void {
  ca.cnt = ca.last_max_cwnd = ca.last_cwnd = ca.last_time = 0;
  ca.bic_origin_point = ca.bic_K = 0;
  ca.delay_min = ca.epoch_start = ca.ack_cnt = ca.tcp_cwnd = 0;
  ca.found = false;
}

export function cubictcp_init(sk: sock): void {
  bictcp_reset(ca_of(sk));
  bictcp_hystart_reset(sk);
}

/** Sending resumes after a pause: the curve stands still meanwhile. */
function cubictcp_cwnd_event(sk: sock, event: number): void {
  if (event !== CA_EVENT_TX_START) return;
  const ca = ca_of(sk);
  const now = tcp_jiffies32();
  const delta = now - tcp_sk(sk).lsndtime;
  if (ca.epoch_start !== 0 && delta > 0) ca.epoch_start = Math.min(ca.epoch_start + delta, now);
}

/** cbrt(x << 18) - 1 for x in 0 … 63, as tabulated in Linux. */
const CBRT = Uint8Array.of(
  0, 54, 54, 54, 118, 118, 118, 118, 123, 129, 134, 138, 143, 147, 151, 156, 157, 161, 164, 168, 170, 173, 176, 179, 181, 185, 187, 190, 192,
  194, 197, 199, 200, 202, 204, 206, 209, 211, 213, 215, 217, 219, 221, 222, 224, 225, 227, 229, 231, 232, 234, 236, 237, 239, 240, 242, 244,
  245, 246, 248, 250, 251, 252, 254,
); // biome-ignore format: a table

/** Position of the highest bit set, from 1; 0 for 0. */
function fls64(a: number): number {
  const high = Math.floor(a / 0x1_0000_0000);
  return high !== 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(a >>> 0);
}

/** Cube root to 0.2 %: six leading bits by table, then one step of Newton's method. */
export function cubic_root(a: number): number {
  let b = fls64(a);
  if (b < 7) return (CBRT[a]! + 35) >> 6;
  b = ((b * 84) >> 8) - 1;
  const shift = Math.floor(a / 2 ** (b * 3));
  let x = ((CBRT[shift]! + 10) << b) >>> 6;
  x = 2 * x + Math.floor(a / (x * (x - 1)));
  return Math.floor((x * 341) / 1024);
}

/** cube_rtt_scale × offs³ >> 40, in 64 bits. */
function cubeOf(offs: number): number {
  if (offs <= EXACT_OFFS) return Math.floor((cube_rtt_scale * offs * offs * offs) / CUBE_UNIT);
  const cube = BigInt.asUintN(64, BigInt(cube_rtt_scale) * BigInt(offs) ** 3n);
  return Number(BigInt.asUintN(32, cube >> BigInt(10 + 3 * BICTCP_HZ)));
}

/** A new epoch starts at the window that loss left: K is how long the curve takes back to the old one. */
function startEpoch(ca: bictcp, cwnd: number, acked: number): void {
  ca.epoch_start = tcp_jiffies32();
  ca.ack_cnt = acked;
  ca.tcp_cwnd = cwnd;
  if (ca.last_max_cwnd <= cwnd) {
    ca.bic_K = 0;
    ca.bic_origin_point = cwnd;
  } else {
    ca.bic_K = cubic_root(cube_factor * (ca.last_max_cwnd - cwnd));
    ca.bic_origin_point = ca.last_max_cwnd;
  }
}

/** W(t + RTT) of RFC 9438 (4.2). */
function cubicTarget(ca: bictcp): number {
  const elapsed = tcp_jiffies32() - ca.epoch_start + usecs_to_jiffies(ca.delay_min);
  const t = Math.floor((elapsed * (1 << BICTCP_HZ)) / HZ());
  const delta = cubeOf(Math.abs(t - ca.bic_K));
  return (t < ca.bic_K ? ca.bic_origin_point - delta : ca.bic_origin_point + delta) >>> 0;
}

/** RFC 9438 (4.3): never slower than Reno would be. */
function beFriendly(ca: bictcp, cwnd: number): void {
  const perSegment = (cwnd * beta_scale) >>> 3;
  while (ca.ack_cnt > perSegment) {
    ca.ack_cnt -= perSegment;
    ca.tcp_cwnd++;
  }
  if (ca.tcp_cwnd > cwnd) ca.cnt = Math.min(ca.cnt, Math.floor(cwnd / (ca.tcp_cwnd - cwnd)));
}

/** Computes ca.cnt: how many segments must be acknowledged for the window to grow by one. */
export function bictcp_update(ca: bictcp, cwnd: number, acked: number): void {
  const now = tcp_jiffies32();
  ca.ack_cnt += acked;
  if (ca.last_cwnd === cwnd && now - ca.last_time <= Math.floor(HZ() / 32)) return;
  // Once a jiffy is enough, unless a reduction ended the epoch.
  if (ca.epoch_start === 0 || now !== ca.last_time) {
    ca.last_cwnd = cwnd;
    ca.last_time = now;
    if (ca.epoch_start === 0) startEpoch(ca, cwnd, acked);
    const target = cubicTarget(ca);
    ca.cnt = target > cwnd ? Math.floor(cwnd / (target - cwnd)) : 100 * cwnd;
    // Before the first loss nothing is known of the path: at least 5 % a round trip.
    if (ca.last_max_cwnd === 0 && ca.cnt > 20) ca.cnt = 20;
  }
  beFriendly(ca, cwnd);
  // At most half a segment more per segment acknowledged: 1.5 times a round trip.
  ca.cnt = Math.max(ca.cnt, 2);
}

function cubictcp_cong_avoid(sk: sock, _ack: number, acked: number): void {
  const tp = tcp_sk(sk);
  if (!tcp_is_cwnd_limited(sk)) return;
  if (tcp_in_slow_start(tp)) {
    acked = tcp_slow_start(tp, acked);
    if (acked === 0) return;
  }
  const ca = ca_of(sk);
  bictcp_update(ca, tp.snd_cwnd, acked);
  tcp_cong_avoid_ai(tp, ca.cnt, acked);
}

/** Multiplicative decrease; with fast convergence (RFC 9438 (4.7)) when the window had not even come back to its last maximum. */
export function cubictcp_recalc_ssthresh(sk: sock): number {
  const cwnd = tcp_sk(sk).snd_cwnd;
  const ca = ca_of(sk);
  ca.epoch_start = 0;
  ca.last_max_cwnd = cwnd < ca.last_max_cwnd ? Math.floor((cwnd * (BICTCP_BETA_SCALE + BETA)) / (2 * BICTCP_BETA_SCALE)) : cwnd;
  return Math.max(Math.floor((cwnd * BETA) / BICTCP_BETA_SCALE), 2);
}

function cubictcp_state(sk: sock, new_state: number): void {
  if (new_state !== TCP_CA_Loss) return;
  bictcp_reset(ca_of(sk));
  bictcp_hystart_reset(sk);
}

function cubictcp_acked(sk: sock, sample: ack_sample): void {
  if (sample.rtt_us < 0) return;
  const ca = ca_of(sk);
  // Delays right after a recovery say nothing of the path.
  if (ca.epoch_start !== 0 && tcp_jiffies32() - ca.epoch_start < HZ()) return;
  const delay = sample.rtt_us || 1;
  if (ca.delay_min === 0 || ca.delay_min > delay) ca.delay_min = delay;
  if (!ca.found && tcp_in_slow_start(tcp_sk(sk))) hystart_update(sk, delay);
}

export const cubictcp: tcp_congestion_ops = {
  name: 'cubic',
  flags: TCP_CONG_NON_RESTRICTED,
  newPriv: () => new bictcp(),
  init: cubictcp_init,
  ssthresh: cubictcp_recalc_ssthresh,
  cong_avoid: cubictcp_cong_avoid,
  set_state: cubictcp_state,
  undo_cwnd: tcp_reno_undo_cwnd,
  cwnd_event: cubictcp_cwnd_event,
  pkts_acked: cubictcp_acked,
};
