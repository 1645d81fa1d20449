/** net/ipv4/tcp_input.c: what processing found out about an ACK, as bits, and what recovery is to send after it. */

/** The segment carries data. */
export const FLAG_DATA = 0x01;
/** It updated the window. */
export const FLAG_WIN_UPDATE = 0x02;
/** It acknowledged new data. */
export const FLAG_DATA_ACKED = 0x04;
/** Some of that had been retransmitted. */
export const FLAG_RETRANS_DATA_ACKED = 0x08;
export const FLAG_SYN_ACKED = 0x10;
/** New SACK information. */
export const FLAG_DATA_SACKED = 0x20;
export const FLAG_ECE = 0x40;
/** A retransmission was found lost again. */
export const FLAG_LOST_RETRANS = 0x80;
/** All checks are to be made. */
export const FLAG_SLOWPATH = 0x100;
/** Data that was never retransmitted was (S)ACKed: what F-RTO asks for. */
export const FLAG_ORIG_SACK_ACKED = 0x200;
export const FLAG_SND_UNA_ADVANCED = 0x400;
export const FLAG_DSACKING_ACK = 0x800;
/** The retransmission timer is to be set anew. */
export const FLAG_SET_XMIT_TIMER = 0x1000;
export const FLAG_SACK_RENEGING = 0x2000;
export const FLAG_UPDATE_TS_RECENT = 0x4000;
export const FLAG_NO_CHALLENGE_ACK = 0x8000;
export const FLAG_ACK_MAYBE_DELAYED = 0x10000;
/** A D-SACK for the tail loss probe: the original had arrived, too. */
export const FLAG_DSACK_TLP = 0x20000;
export const FLAG_TS_PROGRESS = 0x40000;

export const FLAG_ACKED = FLAG_DATA_ACKED | FLAG_SYN_ACKED;
export const FLAG_NOT_DUP = FLAG_DATA | FLAG_WIN_UPDATE | FLAG_ACKED;
export const FLAG_CA_ALERT = FLAG_DATA_SACKED | FLAG_ECE | FLAG_DSACKING_ACK;
export const FLAG_FORWARD_PROGRESS = FLAG_ACKED | FLAG_DATA_SACKED;

export const REXMIT_NONE = 0;
export const REXMIT_LOST = 1;
/** F-RTO: send new data rather than retransmit. */
export const REXMIT_NEW = 2;
