/** uapi/linux/errqueue.h, linux/errqueue.h: what comes with a packet in a socket's error queue. */

export const SO_EE_ORIGIN_NONE = 0;
export const SO_EE_ORIGIN_LOCAL = 1;
export const SO_EE_ORIGIN_ICMP = 2;
export const SO_EE_ORIGIN_ICMP6 = 3;
export const SO_EE_ORIGIN_TIMESTAMPING = 4;
export const SO_EE_ORIGIN_ZEROCOPY = 5;

export const SCM_TSTAMP_SND = 0;
export const SCM_TSTAMP_SCHED = 1;
export const SCM_TSTAMP_ACK = 2;
export const SCM_TSTAMP_COMPLETION = 3;

/** struct sock_extended_err and the address that goes with it. */
export class sock_exterr_skb {
  ee_errno = 0;
  ee_origin = SO_EE_ORIGIN_NONE;
  ee_type = 0;
  ee_code = 0;
  ee_info = 0;
  ee_data = 0;
  /** Offset in the packet of the address that the error is about (IP_RECVERR). */
  addr_offset = 0;
  port = 0;
  /** The offender's address: SO_EE_OFFENDER. */
  offender = 0;
}
