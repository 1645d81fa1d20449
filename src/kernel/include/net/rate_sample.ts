/** include/net/tcp.h: struct rate_sample, one ACK's view of the delivery rate. */
import { WIDE } from '../../../sim/wide.ts';
export class rate_sample {
  prior_mstamp = WIDE;
  prior_delivered = 0;
  prior_delivered_ce = 0;
  delivered = 0;
  delivered_ce = 0;
  interval_us = 0;
  snd_interval_us = 0;
  rcv_interval_us = 0;
  rtt_us = 0;
  losses = 0;
  acked_sacked = 0;
  prior_in_flight = 0;
  last_end_seq = WIDE;
  is_app_limited = false;
  is_retrans = false;
  is_ack_delayed = false;
}
