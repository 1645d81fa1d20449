/** include/trace/events/irq.h, sched.h, timer.h */
import { smp_processor_id } from '../../current.ts';
import { softirq_to_name } from '../../include/linux/interrupt.ts';
import { TASK_DEAD, TASK_INTERRUPTIBLE, TASK_UNINTERRUPTIBLE, type task_struct } from '../../include/linux/sched.ts';
import { hrtimer_is_queued } from '../../kernel/time/hrtimer.ts';
import { jiffies } from '../../kernel/time/timer.ts';
import { pointer } from '../print.ts';
import type { EventFormats } from '../trace_event.ts';

const vector = (vec: number): string => `vec=${vec} [action=${softirq_to_name[vec] ?? vec}]`;

export const irq_events: EventFormats = {
  irq_handler_entry: (irq, name) => `irq=${irq} name=${name}`,
  irq_handler_exit: (irq, ret) => `irq=${irq} ret=${ret !== 0 ? 'handled' : 'unhandled'}`,
  softirq_entry: vector,
  softirq_exit: vector,
  softirq_raise: vector,
};

const PRIORITY = 120;
const stateLetter = (task: task_struct): string =>
  task.__state === TASK_INTERRUPTIBLE ? 'S' : task.__state === TASK_UNINTERRUPTIBLE ? 'D' : task.__state === TASK_DEAD ? 'X' : 'R';
const wakeup = (p: task_struct): string => `comm=${p.comm} pid=${p.pid} prio=${PRIORITY} target_cpu=${String(p.cpu).padStart(3, '0')}`;

export const sched_events: EventFormats = {
  sched_switch: (prev, next) =>
    `prev_comm=${prev.comm} prev_pid=${prev.pid} prev_prio=${PRIORITY} prev_state=${stateLetter(prev)} ==> ` +
    `next_comm=${next.comm} next_pid=${next.pid} next_prio=${PRIORITY}`,
  sched_waking: wakeup,
  sched_wakeup: wakeup,
  sched_process_exit: (p) => `comm=${p.comm} pid=${p.pid} prio=${PRIORITY} group_dead=true`,
};

export const timer_events: EventFormats = {
  timer_start: (timer, bucket_expiry) =>
    `timer=${pointer(timer)} function=${timer.function.name} expires=${timer.expires} [timeout=${timer.expires - jiffies()}] ` +
    `bucket_expiry=${bucket_expiry} cpu=${smp_processor_id()} idx=${timer.bucket} flags=`,
  timer_cancel: (timer) => `timer=${pointer(timer)}`,
  timer_expire_entry: (timer, baseclk) => `timer=${pointer(timer)} function=${timer.function.name} now=${jiffies()} baseclk=${baseclk}`,
  timer_expire_exit: (timer) => `timer=${pointer(timer)}`,
  hrtimer_start: (timer) =>
    `hrtimer=${pointer(timer)} function=${timer.function.name} expires=${timer.expires} softexpires=${timer.expires} mode=ABS${timer.soft ? '|SOFT' : ''} was_armed=${hrtimer_is_queued(timer) ? 1 : 0}`,
  hrtimer_cancel: (timer) => `hrtimer=${pointer(timer)}`,
  hrtimer_expire_entry: (timer) => `hrtimer=${pointer(timer)} now=${timer.expires} function=${timer.function.name}`,
  hrtimer_expire_exit: (timer) => `hrtimer=${pointer(timer)}`,
};
