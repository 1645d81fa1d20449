/** include/linux/dynamic_queue_limits.h: byte queue limits of one transmit queue. The algorithm is in lib/dynamic_queue_limits.ts. */
export class dql {
  num_queued = 0;
  adj_limit = 0;
  last_obj_cnt = 0;
  limit = 0;
  num_completed = 0;
  prev_ovlimit = 0;
  prev_num_queued = 0;
  prev_last_obj_cnt = 0;
  lowest_slack = Number.MAX_SAFE_INTEGER;
  slack_start_time = 0;
  max_limit = 1879048192;
  min_limit = 0;
  slack_hold_time = 0;
}
