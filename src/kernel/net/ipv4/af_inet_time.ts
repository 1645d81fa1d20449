/** net/ipv4/af_inet.c: the time that IP and ICMP put into packets. */
import { NSEC_PER_MSEC } from '../../../sim/time.ts';
import { ktime_get_real } from '../../kernel/time/hrtimer.ts';

const MSEC_PER_DAY = 86_400_000;

/** ms since midnight, UTC (RFC 791 3.1, RFC 792). */
export const inet_current_timestamp = (): number => Math.floor(ktime_get_real() / NSEC_PER_MSEC) % MSEC_PER_DAY;
