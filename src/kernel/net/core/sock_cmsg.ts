/**
 * net/socket.c, net/core/sock.c: control messages that come with received packets: timestamps and losses.
 * `sock_recv_cmsgs` → `__sock_recv_timestamp`, `sock_recv_drops`.
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import {
  type msghdr,
  SOCK_RCVTSTAMP,
  SOCK_RCVTSTAMPNS,
  SOCK_RXQ_OVFL,
  SOCK_TIMESTAMPING_RX_SOFTWARE,
  type sock,
  sock_flag,
} from '../../include/net/sock.ts';
import { ktime_get_real } from '../../kernel/time/hrtimer.ts';
import { SOF_TIMESTAMPING_RAW_HARDWARE, SOF_TIMESTAMPING_SOFTWARE } from '../../uapi/net_tstamp.ts';
import { SO_RXQ_OVFL, SO_TIMESTAMP, SO_TIMESTAMPING, SO_TIMESTAMPNS, SOL_SOCKET } from '../../uapi/socket.ts';

/** SCM_TIMESTAMPING: ns since the simulation's epoch; 0 where there is no such stamp. */
export interface scm_timestamping {
  software: number;
  hardware: number;
}

export function sock_recv_cmsgs(msg: msghdr, sk: sock, skb: sk_buff): void {
  if (sock_flag(sk, SOCK_RCVTSTAMP | SOCK_TIMESTAMPING_RX_SOFTWARE) || sk.sk_tsflags !== 0) __sock_recv_timestamp(msg, sk, skb);
  if (sock_flag(sk, SOCK_RXQ_OVFL)) sock_recv_drops(msg, skb);
}

export const sock_recv_timestamp = sock_recv_cmsgs;

export function __sock_recv_timestamp(msg: msghdr, sk: sock, skb: sk_buff): void {
  if (sock_flag(sk, SOCK_RCVTSTAMP)) putStamp(msg, sk, skb);
  const flags = sk.sk_tsflags;
  const software = (flags & SOF_TIMESTAMPING_SOFTWARE) !== 0 ? skb.tstamp : 0;
  const hardware = (flags & SOF_TIMESTAMPING_RAW_HARDWARE) !== 0 ? skb.shinfo.hwtstamps : 0;
  if (software !== 0 || hardware !== 0) putTimestamping(msg, { software, hardware });
}

function putStamp(msg: msghdr, sk: sock, skb: sk_buff): void {
  // A packet that came before stamps were asked for gets the time of its reading.
  const stamp = skb.tstamp !== 0 ? skb.tstamp : ktime_get_real();
  const nanoseconds = sock_flag(sk, SOCK_RCVTSTAMPNS);
  msg.msg_control.push({
    cmsg_level: SOL_SOCKET,
    cmsg_type: nanoseconds ? SO_TIMESTAMPNS : SO_TIMESTAMP,
    data: nanoseconds ? stamp : Math.floor(stamp / 1000),
  });
}

function putTimestamping(msg: msghdr, stamps: scm_timestamping): void {
  msg.msg_control.push({ cmsg_level: SOL_SOCKET, cmsg_type: SO_TIMESTAMPING, data: stamps });
}

function sock_recv_drops(msg: msghdr, skb: sk_buff): void {
  if (skb.dropcount > 0) msg.msg_control.push({ cmsg_level: SOL_SOCKET, cmsg_type: SO_RXQ_OVFL, data: skb.dropcount });
}
