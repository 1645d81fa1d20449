/** What every CPU has of its own: run queue, softirqs, timers, network queues, counters. */
import type { Cpu } from '../../../machine/cpu.ts';
import { WIDE } from '../../../sim/wide.ts';
import type { rq } from '../../kernel/sched.ts';
import type { hrtimer_cpu_base } from '../../kernel/time/hrtimer.ts';
import type { timer_base } from '../../kernel/time/timer.ts';
import type { work_struct } from '../../kernel/workqueue.ts';
import { NR_SOFTIRQS } from './interrupt.ts';
import type { softnet_data } from './netdevice.ts';
import type { task_struct } from './sched.ts';

export class percpu {
  readonly cpu: Cpu;
  readonly rq: rq;
  readonly timer_base: timer_base;
  readonly hrtimer_base: hrtimer_cpu_base;
  /** Set when the network core initialises (net_dev_init). */
  softnet_data: softnet_data = null as unknown as softnet_data;
  /** The task that runs; the idle task when none does. */
  current: task_struct;
  /** Bit mask of raised softirqs. */
  __softirq_pending = 0;
  /** Depth of local_bh_disable(). */
  softirq_disable_depth = 0;
  in_softirq = false;
  /** Rounds and start of the run of softirqs since the last time the CPU was free of them. */
  softirqRounds = 0;
  softirqSince = WIDE;
  /** ksoftirqd has taken over: softirqs run at the rank of a task. */
  ksoftirqdAwake = false;
  ksoftirqd: task_struct;
  /** Work items of system_bh_wq that wait for TASKLET_SOFTIRQ here: kernel/workqueue.ts. */
  readonly bhWork: work_struct[] = [];
  /** tsq_work: set by tcp_tsq_work_init(). */
  tsq_work: unknown = null;
  /** Local timer interrupts taken here: LOC of /proc/interrupts. */
  apic_timer_irqs = 0;
  /** /proc/softirqs: how often each ran here. */
  readonly softirqs = new Float64Array(NR_SOFTIRQS);

  constructor(cpu: Cpu, runqueue: rq, timers: timer_base, hrtimers: hrtimer_cpu_base, idle: task_struct, ksoftirqd: task_struct) {
    this.cpu = cpu;
    this.rq = runqueue;
    this.timer_base = timers;
    this.hrtimer_base = hrtimers;
    this.current = idle;
    this.ksoftirqd = ksoftirqd;
  }
}
