/** What ss prints of one connection: its timer (-o), its memory (-m), details (-e) and tcp_info (-i), in the order and the words of iproute2 6.x. */
import type { tcp_sock } from '../../kernel/include/linux/tcp.ts';
import { SK_PACING_UNLIMITED, type sock } from '../../kernel/include/net/sock.ts';
import type { skMeminfo } from '../../kernel/net/core/sock_getsockopt.ts';
import type { inet_diag_msg } from '../../kernel/net/ipv4/inet_diag.ts';
import type { tcp_bbr_info } from '../../kernel/net/ipv4/tcp_bbr.ts';
import type { tcp_dctcp_info } from '../../kernel/net/ipv4/tcp_dctcp.ts';
import { tcp_get_info, tcp_info } from '../../kernel/net/ipv4/tcp_info.ts';
import { SHUTDOWN_MASK } from '../../kernel/uapi/socket.ts';
import {
  TCP_LISTEN,
  TCP_TIME_WAIT,
  TCPI_OPT_ECN,
  TCPI_OPT_ECN_SEEN,
  TCPI_OPT_SACK,
  TCPI_OPT_SYN_DATA,
  TCPI_OPT_TIMESTAMPS,
  TCPI_OPT_WSCALE,
} from '../../kernel/uapi/tcp.ts';
import { inet_ntoa } from '../inet.ts';
import { significant } from './ping_statistics.ts';

const TIMERS = ['off', 'on', 'keepalive', 'timewait', 'persist', 'unknown'] as const;
/** RTO of a connection that has not measured anything; ss leaves it out. */
const UNMEASURED_RTO_US = 3_000_000;

/** ` timer:(on,204ms,0)`; nothing when none runs. */
export function timerText({ idiag_timer, idiag_expires, idiag_retrans }: inet_diag_msg): string {
  if (idiag_timer === 0) return '';
  return ` timer:(${TIMERS[Math.min(idiag_timer, 5)]},${duration(idiag_expires)},${idiag_retrans})`;
}

/** `1min30sec`, `9.500ms` (9.5 s), `204ms`: as coarse as the time is long. */
function duration(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  let seconds = Math.floor(ms / 1000) % 60;
  let rest = ms % 1000;
  let text = '';
  if (minutes > 0) {
    text += `${minutes}min`;
    rest = 0;
    if (minutes > 9) seconds = 0;
  }
  if (seconds > 0) {
    if (seconds > 9) rest = 0;
    text += `${seconds}${rest > 0 ? '.' : 'sec'}`;
  }
  return rest > 0 ? `${text}${String(rest).padStart(3, '0')}ms` : text;
}

/** ` ino:1 sk:1 <->`: half arrows for directions that were shut down. */
export function detailText({ idiag_uid, idiag_inode, id, sk }: inet_diag_msg): string {
  const text = `${idiag_uid === 0 ? '' : ` uid:${idiag_uid}`} ino:${idiag_inode} sk:${id.cookie.toString(16)}`;
  if (sk === null) return text;
  const shut = sk.sk_shutdown & SHUTDOWN_MASK;
  return `${text} ${(shut & 1) !== 0 ? '-' : '<'}-${(shut & 2) !== 0 ? '-' : '>'}`;
}

export const memoryText = (m: skMeminfo): string =>
  ` skmem:(r${m.SK_MEMINFO_RMEM_ALLOC},rb${m.SK_MEMINFO_RCVBUF},t${m.SK_MEMINFO_WMEM_ALLOC},tb${m.SK_MEMINFO_SNDBUF},f${m.SK_MEMINFO_FWD_ALLOC},w${m.SK_MEMINFO_WMEM_QUEUED},o${m.SK_MEMINFO_OPTMEM},bl${m.SK_MEMINFO_BACKLOG},d${m.SK_MEMINFO_DROPS})`;

/** tcp_info; `options` adds the TCP options that are in use (-e, -o). */
export function tcpText(sk: sock, options: boolean): string {
  const info = new tcp_info();
  tcp_get_info(sk, info);
  const tp = sk as tcp_sock;
  const parts = [
    ...(options ? optionWords(info) : []),
    tp.icsk_ca_ops?.name ?? '',
    ...basics(info),
    ...transferred(info),
    ...model(tp),
    ...rates(info),
    ...limits(info),
    ...losses(info, sk.skc_state),
    ...receiver(info),
    md5Keys(tp),
  ];
  return parts.filter((part) => part !== '').map((part) => ` ${part}`).join(''); // biome-ignore format: short
}

function optionWords({ tcpi_options: bits }: tcp_info): string[] {
  const words: readonly [number, string][] = [[TCPI_OPT_TIMESTAMPS, 'ts'], [TCPI_OPT_SACK, 'sack'], [TCPI_OPT_ECN, 'ecn'], [TCPI_OPT_ECN_SEEN, 'ecnseen'], [TCPI_OPT_SYN_DATA, 'fastopen']]; // biome-ignore format: a table
  return words.filter(([bit]) => (bits & bit) !== 0).map(([, word]) => word);
}

/** `name:value`, or nothing for 0. */
const unlessZero = (name: string, value: number, text = String(value)): string => (value === 0 ? '' : `${name}:${text}`);
const thousandths = (us: number): string => significant(us / 1000);
const ms = (name: string, us: number): string => unlessZero(name, us, thousandths(us));

function basics(info: tcp_info): string[] {
  const { tcpi_rto: rto, tcpi_rtt: rtt, tcpi_rttvar: rttvar, tcpi_snd_ssthresh: ssthresh } = info;
  return [
    (info.tcpi_options & TCPI_OPT_WSCALE) === 0 ? '' : `wscale:${info.tcpi_snd_wscale},${info.tcpi_rcv_wscale}`,
    rto === UNMEASURED_RTO_US ? '' : ms('rto', rto),
    unlessZero('backoff', info.tcpi_backoff),
    rtt === 0 ? '' : `rtt:${thousandths(rtt)}/${thousandths(rttvar)}`,
    ms('ato', info.tcpi_ato),
    unlessZero('mss', info.tcpi_snd_mss),
    unlessZero('pmtu', info.tcpi_pmtu),
    unlessZero('rcvmss', info.tcpi_rcv_mss),
    unlessZero('advmss', info.tcpi_advmss),
    unlessZero('cwnd', info.tcpi_snd_cwnd),
    ssthresh < 0xffff ? unlessZero('ssthresh', ssthresh) : '',
  ];
}

const transferred = (info: tcp_info): string[] => [
  unlessZero('bytes_sent', info.tcpi_bytes_sent),
  unlessZero('bytes_retrans', info.tcpi_bytes_retrans),
  unlessZero('bytes_acked', info.tcpi_bytes_acked),
  unlessZero('bytes_received', info.tcpi_bytes_received),
  unlessZero('segs_out', info.tcpi_segs_out),
  unlessZero('segs_in', info.tcpi_segs_in),
  unlessZero('data_segs_out', info.tcpi_data_segs_out),
  unlessZero('data_segs_in', info.tcpi_data_segs_in),
];

/** What the congestion control tells of itself: BBR's view of the path, DCTCP's share of marks. */
function model(tp: tcp_sock): string[] {
  // inet_sk_diag_fill() asks only in the states before TIME_WAIT's number: not in LISTEN, CLOSE_WAIT, LAST_ACK, CLOSING.
  if (tp.skc_state >= TCP_TIME_WAIT) return [];
  const info = tp.icsk_ca_ops?.get_info?.(tp, 0);
  if (isDctcp(info)) {
    const { dctcp_ce_state, dctcp_alpha, dctcp_ab_ecn, dctcp_ab_tot } = info;
    return [`dctcp:(ce_state:${dctcp_ce_state},alpha:${dctcp_alpha},ab_ecn:${dctcp_ab_ecn},ab_tot:${dctcp_ab_tot})`];
  }
  return isBbr(info) ? [bbrText(info)] : [];
}

const isBbr = (info: unknown): info is tcp_bbr_info => typeof info === 'object' && info !== null && 'bbr_min_rtt' in info;
const isDctcp = (info: unknown): info is tcp_dctcp_info => typeof info === 'object' && info !== null && 'dctcp_alpha' in info;

function bbrText({ bbr_bw_lo, bbr_bw_hi, bbr_min_rtt, bbr_pacing_gain, bbr_cwnd_gain }: tcp_bbr_info): string {
  const pacing = bbr_pacing_gain === 0 ? '' : `,pacing_gain:${significant(bbr_pacing_gain / 256)}`;
  const cwnd = bbr_cwnd_gain === 0 ? '' : `,cwnd_gain:${significant(bbr_cwnd_gain / 256)}`;
  return `bbr:(bw:${((bbr_bw_hi * 2 ** 32 + bbr_bw_lo) * 8).toFixed(0)}bps,mrtt:${thousandths(bbr_min_rtt)}${pacing}${cwnd})`;
}

const bps = (bytesPerSecond: number): string => `${(bytesPerSecond * 8).toFixed(0)}bps`;

function rates(info: tcp_info): string[] {
  const { tcpi_rtt: rtt, tcpi_snd_mss: mss, tcpi_snd_cwnd: cwnd } = info;
  const known = (rate: number): boolean => rate !== 0 && rate < SK_PACING_UNLIMITED;
  const most = known(info.tcpi_max_pacing_rate) ? `/${bps(info.tcpi_max_pacing_rate)}` : '';
  return [
    rtt > 0 && mss > 0 && cwnd > 0 ? `send ${((cwnd * mss * 8_000_000) / rtt).toFixed(0)}bps` : '',
    unlessZero('lastsnd', info.tcpi_last_data_sent),
    unlessZero('lastrcv', info.tcpi_last_data_recv),
    unlessZero('lastack', info.tcpi_last_ack_recv),
    known(info.tcpi_pacing_rate) ? `pacing_rate ${bps(info.tcpi_pacing_rate)}${most}` : '',
    info.tcpi_delivery_rate === 0 ? '' : `delivery_rate ${bps(info.tcpi_delivery_rate)}`,
    unlessZero('delivered', info.tcpi_delivered),
    unlessZero('delivered_ce', info.tcpi_delivered_ce),
    info.tcpi_delivery_rate_app_limited !== 0 ? 'app_limited' : '',
  ];
}

function limits({ tcpi_busy_time: busy, tcpi_rwnd_limited: window, tcpi_sndbuf_limited: buffer }: tcp_info): string[] {
  if (busy === 0) return [];
  const share = (name: string, us: number): string =>
    us === 0 ? '' : `${name}:${Math.floor(us / 1000)}ms(${((100 * us) / busy).toFixed(1)}%)`;
  return [`busy:${Math.floor(busy / 1000)}ms`, share('rwnd_limited', window), share('sndbuf_limited', buffer)];
}

function losses(info: tcp_info, state: number): string[] {
  const { tcpi_retrans: retrans, tcpi_total_retrans: total, tcpi_reordering: reordering } = info;
  return [
    unlessZero('unacked', info.tcpi_unacked),
    retrans === 0 && total === 0 ? '' : `retrans:${retrans}/${total}`,
    unlessZero('lost', info.tcpi_lost),
    state === TCP_LISTEN ? '' : unlessZero('sacked', info.tcpi_sacked),
    unlessZero('dsack_dups', info.tcpi_dsack_dups),
    reordering === 3 ? '' : `reordering:${reordering}`,
    unlessZero('reord_seen', info.tcpi_reord_seen),
  ];
}

/** The keys of a signed connection. */
const md5Keys = ({ md5sig_info }: tcp_sock): string =>
  md5sig_info === null || md5sig_info.head.length === 0
    ? ''
    : `md5keys:${md5sig_info.head.map(({ addr, prefixlen, key }) => `${inet_ntoa(addr)}/${prefixlen}=${Buffer.from(key).toString('latin1')}`).join(',')}`;

const receiver = (info: tcp_info): string[] => [
  ms('rcv_rtt', info.tcpi_rcv_rtt),
  unlessZero('rcv_space', info.tcpi_rcv_space),
  unlessZero('rcv_ssthresh', info.tcpi_rcv_ssthresh),
  unlessZero('notsent', info.tcpi_notsent_bytes),
  info.tcpi_min_rtt === 0xffff_ffff ? '' : ms('minrtt', info.tcpi_min_rtt),
  unlessZero('rcv_ooopack', info.tcpi_rcv_ooopack),
  unlessZero('snd_wnd', info.tcpi_snd_wnd),
];
