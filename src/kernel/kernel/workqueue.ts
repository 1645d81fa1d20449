/**
 * kernel/workqueue.c: the part of workqueues that the network uses: system_bh_wq, whose work runs in softirq context of the CPU that queued it
 * (`queue_work` → TASKLET_SOFTIRQ → `workqueue_softirq_action`), and system_wq, whose work runs in a kernel thread of that CPU
 * (`schedule_work` → `worker_thread` → `process_one_work`).
 *
 * Simplified: one worker thread a CPU, made when it is first needed; there are no other workqueues.
 */
import { kernel, smp_processor_id, this_cpu_ptr } from '../current.ts';
import { TASKLET_SOFTIRQ } from '../include/linux/interrupt.ts';
import { type Sleeping, TASK_INTERRUPTIBLE, task_struct } from '../include/linux/sched.ts';
import { cond_resched, schedule, set_current_state, wake_up_new_task, wake_up_process } from './sched.ts';
import { open_softirq, raise_softirq_irqoff } from './softirq.ts';
import { jiffies, mod_timer, timer_delete, timer_list, timer_pending } from './time/timer.ts';

export class work_struct {
  readonly func: () => void;
  pending = false;

  constructor(func: () => void) {
    this.func = func;
  }
}

/** Queues work on this CPU; false when it waits already. */
export function queue_work(work: work_struct): boolean {
  if (work.pending) return false;
  work.pending = true;
  this_cpu_ptr().bhWork.push(work);
  raise_softirq_irqoff(TASKLET_SOFTIRQ);
  return true;
}

/** TASKLET_SOFTIRQ. Work that is queued meanwhile raises the softirq again. */
function workqueue_softirq_action(): void {
  const queue = this_cpu_ptr().bhWork;
  for (let left = queue.length; left > 0; left--) {
    const work = queue.shift()!;
    work.pending = false;
    work.func();
  }
}

export function workqueue_init(): void {
  open_softirq(TASKLET_SOFTIRQ, workqueue_softirq_action);
}

/** A kernel thread that does the work of system_wq on one CPU. */
export class worker {
  readonly task: task_struct;
  readonly works: work_struct[] = [];

  constructor(cpu: number) {
    this.task = new task_struct(11 + 6 * cpu, `kworker/${cpu}:1`, cpu, worker_thread(this.works));
  }
}

function* worker_thread(works: work_struct[]): Sleeping<number> {
  for (;;) {
    while (works.length > 0) {
      process_one_work(works.shift()!);
      // Work that queues itself again, to wait for a device, must not keep the CPU from it.
      yield* cond_resched();
    }
    set_current_state(TASK_INTERRUPTIBLE);
    yield* schedule();
  }
}

function process_one_work(work: work_struct): void {
  work.pending = false;
  work.func();
}

/** Queues work for this CPU's thread; false when it waits already. */
export function schedule_work(work: work_struct): boolean {
  if (work.pending) return false;
  work.pending = true;
  const cpu = smp_processor_id();
  const existing = kernel().workers[cpu];
  const target = existing ?? (kernel().workers[cpu] = new worker(cpu));
  target.works.push(work);
  if (existing === undefined) wake_up_new_task(target.task);
  else wake_up_process(target.task);
  return true;
}

/** Work that is queued when a timer has run out: struct delayed_work. */
export class delayed_work {
  readonly work: work_struct;
  readonly timer: timer_list;

  constructor(func: () => void) {
    this.work = new work_struct(func);
    this.timer = new timer_list(() => void schedule_work(this.work), 'delayed_work_timer_fn');
  }
}

/** In `delay` jiffies; false when it waits already. */
export function schedule_delayed_work(dwork: delayed_work, delay: number): boolean {
  if (dwork.work.pending || timer_pending(dwork.timer)) return false;
  mod_timer(dwork.timer, jiffies() + delay);
  return true;
}

export function cancel_delayed_work_sync(dwork: delayed_work): boolean {
  const waited = timer_delete(dwork.timer);
  return cancel_work_sync(dwork.work) || waited;
}

/** Takes work that has not begun off its thread's list; true when it was there. */
export function cancel_work_sync(work: work_struct): boolean {
  if (!work.pending) return false;
  for (const thread of kernel().workers) {
    const index = thread === undefined ? -1 : thread.works.indexOf(work);
    if (index < 0) continue;
    thread.works.splice(index, 1);
    work.pending = false;
    return true;
  }
  return false;
}
