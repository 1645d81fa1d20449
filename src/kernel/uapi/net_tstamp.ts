/** uapi/linux/net_tstamp.h: SO_TIMESTAMPING's flags. */
export const SOF_TIMESTAMPING_TX_HARDWARE = 1 << 0;
export const SOF_TIMESTAMPING_TX_SOFTWARE = 1 << 1;
export const SOF_TIMESTAMPING_RX_HARDWARE = 1 << 2;
export const SOF_TIMESTAMPING_RX_SOFTWARE = 1 << 3;
export const SOF_TIMESTAMPING_SOFTWARE = 1 << 4;
export const SOF_TIMESTAMPING_SYS_HARDWARE = 1 << 5;
export const SOF_TIMESTAMPING_RAW_HARDWARE = 1 << 6;
export const SOF_TIMESTAMPING_OPT_ID = 1 << 7;
export const SOF_TIMESTAMPING_TX_SCHED = 1 << 8;
export const SOF_TIMESTAMPING_TX_ACK = 1 << 9;
export const SOF_TIMESTAMPING_OPT_CMSG = 1 << 10;
export const SOF_TIMESTAMPING_OPT_TSONLY = 1 << 11;
export const SOF_TIMESTAMPING_OPT_STATS = 1 << 12;
export const SOF_TIMESTAMPING_OPT_PKTINFO = 1 << 13;
export const SOF_TIMESTAMPING_OPT_TX_SWHW = 1 << 14;
export const SOF_TIMESTAMPING_BIND_PHC = 1 << 15;
export const SOF_TIMESTAMPING_OPT_ID_TCP = 1 << 16;
export const SOF_TIMESTAMPING_OPT_RX_FILTER = 1 << 17;
export const SOF_TIMESTAMPING_TX_COMPLETION = 1 << 18;
export const SOF_TIMESTAMPING_LAST = SOF_TIMESTAMPING_TX_COMPLETION;
/** Those that ask for stamps of what is sent. */
export const SOF_TIMESTAMPING_TX_RECORD_MASK =
  SOF_TIMESTAMPING_TX_HARDWARE |
  SOF_TIMESTAMPING_TX_SOFTWARE |
  SOF_TIMESTAMPING_TX_SCHED |
  SOF_TIMESTAMPING_TX_ACK |
  SOF_TIMESTAMPING_TX_COMPLETION;

/** SIOCSHWTSTAMP, SIOCGHWTSTAMP: what the device stamps. A driver may stamp more than it was asked for and says so in `rx_filter`. */
export interface hwtstamp_config {
  flags: number;
  tx_type: number;
  rx_filter: number;
}

export const HWTSTAMP_TX_OFF = 0;
export const HWTSTAMP_TX_ON = 1;
export const __HWTSTAMP_TX_CNT = 4;

export const HWTSTAMP_FILTER_NONE = 0;
export const HWTSTAMP_FILTER_ALL = 1;
export const HWTSTAMP_FILTER_SOME = 2;
export const HWTSTAMP_FILTER_PTP_V1_L4_EVENT = 3;
export const HWTSTAMP_FILTER_PTP_V1_L4_SYNC = 4;
export const HWTSTAMP_FILTER_PTP_V1_L4_DELAY_REQ = 5;
export const HWTSTAMP_FILTER_PTP_V2_L4_EVENT = 6;
export const HWTSTAMP_FILTER_PTP_V2_L4_SYNC = 7;
export const HWTSTAMP_FILTER_PTP_V2_L4_DELAY_REQ = 8;
export const HWTSTAMP_FILTER_PTP_V2_L2_EVENT = 9;
export const HWTSTAMP_FILTER_PTP_V2_L2_SYNC = 10;
export const HWTSTAMP_FILTER_PTP_V2_L2_DELAY_REQ = 11;
export const HWTSTAMP_FILTER_PTP_V2_EVENT = 12;
export const HWTSTAMP_FILTER_PTP_V2_SYNC = 13;
export const HWTSTAMP_FILTER_PTP_V2_DELAY_REQ = 14;
export const HWTSTAMP_FILTER_NTP_ALL = 15;
export const __HWTSTAMP_FILTER_CNT = 16;
