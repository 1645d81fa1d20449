/**
 * net/socket.c, net/core/sock.c: control messages of the socket layer. With received packets come timestamps and losses
 * (`sock_recv_cmsgs` → `__sock_recv_timestamp`, `sock_recv_drops`); with a send, which stamps it asks for (`sock_cmsg_send`, `__sock_tx_timestamp`).
 * `sock_enable_timestamp`, `sock_disable_timestamp`: whether packets are to be stamped on arrival.
 */
import {
  SKBTX_COMPLETION_TSTAMP,
  SKBTX_HW_TSTAMP_NOBPF,
  SKBTX_SCHED_TSTAMP,
  SKBTX_SW_TSTAMP,
  type sk_buff,
} from '../../include/linux/skbuff.ts';
import {
  type msghdr,
  SK_FLAGS_TIMESTAMP,
  SOCK_RCVMARK,
  SOCK_RCVPRIORITY,
  SOCK_RCVTSTAMP,
  SOCK_RCVTSTAMPNS,
  SOCK_RXQ_OVFL,
  SOCK_TIMESTAMPING_RX_SOFTWARE,
  SOCK_TXTIME,
  type sock,
  sock_flag,
  sock_net,
  sock_reset_flag,
  sock_set_flag,
} from '../../include/net/sock.ts';
import { ktime_get_real } from '../../kernel/time/hrtimer.ts';
import { EINVAL } from '../../uapi/errno.ts';
import * as ts from '../../uapi/net_tstamp.ts';
import {
  SCM_CREDENTIALS,
  SCM_RIGHTS,
  SCM_TIMESTAMPING_PKTINFO,
  SCM_TXTIME,
  SO_MARK,
  SO_PRIORITY,
  SO_RXQ_OVFL,
  SO_TIMESTAMP,
  SO_TIMESTAMPING,
  SO_TIMESTAMPNS,
  SOL_SOCKET,
} from '../../uapi/socket.ts';
import { net_disable_timestamp, net_enable_timestamp } from './dev_timestamp.ts';
import { put_cmsg } from './scm.ts';

/** SCM_TIMESTAMPING: ns since the simulation's epoch (ts[0]) and by the device's clock (ts[2]); 0 and 0n where there is no such stamp. */
export interface scm_timestamping {
  software: number;
  hardware: bigint;
}

/** SCM_TIMESTAMPING_PKTINFO: which device stamped the packet, and how long it was there. */
export interface scm_ts_pktinfo {
  if_index: number;
  pkt_length: number;
}

/* Receiving */

export function sock_recv_cmsgs(msg: msghdr, sk: sock, skb: sk_buff): void {
  if (sock_flag(sk, SOCK_RCVTSTAMP | SOCK_TIMESTAMPING_RX_SOFTWARE) || sk.sk_tsflags !== 0) __sock_recv_timestamp(msg, sk, skb);
  if (sock_flag(sk, SOCK_RXQ_OVFL)) sock_recv_drops(msg, skb);
  if (sock_flag(sk, SOCK_RCVMARK)) put_cmsg(msg, SOL_SOCKET, SO_MARK, skb.mark);
  if (sock_flag(sk, SOCK_RCVPRIORITY)) put_cmsg(msg, SOL_SOCKET, SO_PRIORITY, skb.priority);
}

export const sock_recv_timestamp = sock_recv_cmsgs;

export function __sock_recv_timestamp(msg: msghdr, sk: sock, skb: sk_buff): void {
  // A packet that came before stamps were asked for gets the time of its reading.
  if (sock_flag(sk, SOCK_RCVTSTAMP)) putStamp(msg, sk, skb.tstamp !== 0 ? skb.tstamp : ktime_get_real());
  const errqueue = skb.exterr !== null;
  const wantsSoftware = reportsStamp(sk, ts.SOF_TIMESTAMPING_SOFTWARE, errqueue ? 0 : ts.SOF_TIMESTAMPING_RX_SOFTWARE);
  // A clone in the error queue shares the hardware's stamp; it is about one of the two.
  const ofSoftware = errqueue && skb.tstamp !== 0;
  const wantsHardware = !ofSoftware && reportsStamp(sk, ts.SOF_TIMESTAMPING_RAW_HARDWARE, errqueue ? 0 : ts.SOF_TIMESTAMPING_RX_HARDWARE);
  const software = wantsSoftware ? skb.tstamp : 0;
  const hardware = wantsHardware ? skb.shinfo.hwtstamps : 0n;
  if (hardware !== 0n && !errqueue && (sk.sk_tsflags & ts.SOF_TIMESTAMPING_OPT_PKTINFO) !== 0) put_ts_pktinfo(msg, skb);
  if (software !== 0 || hardware !== 0n) putTimestamping(msg, { software, hardware });
}

/** Is the socket told stamps of this kind (`report`)? With SOF_TIMESTAMPING_OPT_RX_FILTER only if it asked for their generation (`generate`), too. */
export function reportsStamp(sk: sock, report: number, generate: number): boolean {
  const flags = sk.sk_tsflags;
  if ((flags & report) === 0) return false;
  return generate === 0 || (flags & generate) !== 0 || (flags & ts.SOF_TIMESTAMPING_OPT_RX_FILTER) === 0;
}

/** SO_TIMESTAMP, in µs, or SO_TIMESTAMPNS, in ns. */
export function putStamp(msg: msghdr, sk: sock, stamp: number): void {
  if (sock_flag(sk, SOCK_RCVTSTAMPNS)) put_cmsg(msg, SOL_SOCKET, SO_TIMESTAMPNS, stamp);
  else put_cmsg(msg, SOL_SOCKET, SO_TIMESTAMP, Math.floor(stamp / 1000));
}

export function putTimestamping(msg: msghdr, stamps: scm_timestamping): void {
  put_cmsg(msg, SOL_SOCKET, SO_TIMESTAMPING, stamps);
}

function put_ts_pktinfo(msg: msghdr, skb: sk_buff): void {
  const data: scm_ts_pktinfo = { if_index: skb.skb_iif, pkt_length: skb.len + skb.data - skb.mac_header };
  put_cmsg(msg, SOL_SOCKET, SCM_TIMESTAMPING_PKTINFO, data);
}

function sock_recv_drops(msg: msghdr, skb: sk_buff): void {
  if (skb.dropcount > 0) put_cmsg(msg, SOL_SOCKET, SO_RXQ_OVFL, skb.dropcount);
}

/* Sending */

/** What a send asks for that begins as its socket's: struct sockcm_cookie. */
export interface sockcm_cookie {
  tsflags: number;
  mark: number;
  priority: number;
  /** SCM_TXTIME: when the packet shall leave, ns of the clock that SO_TXTIME named; fq keeps to it. */
  transmit_time: number;
}

/** Reads the message's control messages of the socket's level: 0 or -EINVAL. */
export function sock_cmsg_send(sk: sock, msg: msghdr, sockc: sockcm_cookie): number {
  for (const { cmsg_level, cmsg_type, data } of msg.msg_control) {
    if (cmsg_level !== SOL_SOCKET) continue;
    const err = __sock_cmsg_send(sk, cmsg_type, data, sockc);
    if (err !== 0) return err;
  }
  return 0;
}

function __sock_cmsg_send(sk: sock, cmsg_type: number, data: unknown, sockc: sockcm_cookie): number {
  if (cmsg_type === SCM_RIGHTS || cmsg_type === SCM_CREDENTIALS) return 0;
  const value = data as number;
  if (typeof data !== 'number') return -EINVAL;
  switch (cmsg_type) {
    case SO_MARK:
      sockc.mark = value >>> 0;
      return 0;
    case SO_PRIORITY:
      sockc.priority = value;
      return 0;
    case SCM_TXTIME:
      if (!sock_flag(sk, SOCK_TXTIME)) return -EINVAL;
      sockc.transmit_time = value;
      return 0;
    case SO_TIMESTAMPING:
      if ((value & ~ts.SOF_TIMESTAMPING_TX_RECORD_MASK) !== 0) return -EINVAL;
      sockc.tsflags = (sockc.tsflags & ~ts.SOF_TIMESTAMPING_TX_RECORD_MASK) | value;
      return 0;
    default:
      return -EINVAL;
  }
}

/** The skb's tx_flags for what SO_TIMESTAMPING asks of the way out. */
export function __sock_tx_timestamp(tsflags: number): number {
  let flags = 0;
  if ((tsflags & ts.SOF_TIMESTAMPING_TX_HARDWARE) !== 0) flags |= SKBTX_HW_TSTAMP_NOBPF;
  if ((tsflags & ts.SOF_TIMESTAMPING_TX_SOFTWARE) !== 0) flags |= SKBTX_SW_TSTAMP;
  if ((tsflags & ts.SOF_TIMESTAMPING_TX_SCHED) !== 0) flags |= SKBTX_SCHED_TSTAMP;
  if ((tsflags & ts.SOF_TIMESTAMPING_TX_COMPLETION) !== 0) flags |= SKBTX_COMPLETION_TSTAMP;
  return flags;
}

/** A packet that the program made whole. */
export function skb_setup_tx_timestamp(skb: sk_buff, sk: sock, tsflags: number): void {
  skb.shinfo.tx_flags |= __sock_tx_timestamp(tsflags);
  const numbered = (tsflags & ts.SOF_TIMESTAMPING_OPT_ID) !== 0 && (tsflags & ts.SOF_TIMESTAMPING_TX_RECORD_MASK) !== 0;
  if (numbered) skb.shinfo.tskey = sk.sk_tskey++;
}

/* Stamps on arrival */

export function sock_enable_timestamp(sk: sock, flag: number): void {
  const before = sk.skc_flags;
  sock_set_flag(sk, flag);
  if ((before & SK_FLAGS_TIMESTAMP) === 0) net_enable_timestamp(sock_net(sk));
}

export function sock_disable_timestamp(sk: sock, flags: number): void {
  if ((sk.skc_flags & flags) === 0) return;
  sock_reset_flag(sk, flags);
  if ((sk.skc_flags & SK_FLAGS_TIMESTAMP) === 0) net_disable_timestamp(sock_net(sk));
}
