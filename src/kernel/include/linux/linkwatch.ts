/** What net/core/link_watch.ts keeps: devices whose carrier changed, and when they may be dealt with. */
import type { timer_list } from '../../kernel/time/timer.ts';
import type { work_struct } from '../../kernel/workqueue.ts';
import type { net_device } from './netdevice.ts';

export interface linkwatchState {
  readonly events: net_device[];
  /** Jiffies before which only urgent events are handled: a flapping link is looked at once a second. */
  nextevent: number;
  readonly work: work_struct;
  readonly timer: timer_list;
}
