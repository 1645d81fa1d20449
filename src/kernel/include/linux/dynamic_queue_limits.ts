/** include/linux/dynamic_queue_limits.h: byte queue limits of one transmit queue. The algorithm is in lib/dynamic_queue_limits.ts. */
import { WIDE } from '../../../sim/wide.ts';
export class dql {
  num_queued = WIDE;
  adj_limit = WIDE;
  last_obj_cnt = WIDE;
  limit = 0;
  num_completed = WIDE;
  prev_ovlimit = 0;
  prev_num_queued = WIDE;
  prev_last_obj_cnt = WIDE;
  lowest_slack = Number.MAX_SAFE_INTEGER;
  slack_start_time = WIDE;
  max_limit = 1879048192;
  min_limit = 0;
  slack_hold_time = 0;
}
