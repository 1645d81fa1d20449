/** include/trace/events/irq.h, sched.h, timer.h */
import { smp_processor_id } from '../../current.ts';
import { softirq_to_name } from '../../include/linux/interrupt.ts';
import { TASK_DEAD, TASK_INTERRUPTIBLE, TASK_RUNNING, TASK_UNINTERRUPTIBLE, type task_struct } from '../../include/linux/sched.ts';
import type { hrtimer } from '../../kernel/time/hrtimer.ts';
import { jiffies, type timer_list } from '../../kernel/time/timer.ts';
import { cast, flags, named, number, type PrintArgument, type SymbolRow, symbolic, text } from '../print_argument.ts';
import type { EventSource, EventTable } from '../trace_event.ts';

const vector: EventSource<[vec: number]> = {
  fields: 'unsigned int vec',
  print: 'vec=%u [action=%s]',
  arguments: ['vec', symbolic('vec', named(softirq_to_name))],
  assign: (record, vec) => record.u32(vec),
};

export const irq_events: EventTable = {
  irq_handler_entry: {
    fields: 'int irq; __data_loc char[] name',
    print: 'irq=%d name=%s',
    arguments: ['irq', 'name'],
    assign: (record, irq, name) => {
      record.u32(irq);
      record.text(name);
    },
  },
  irq_handler_exit: {
    fields: 'int irq; int ret',
    print: 'irq=%d ret=%s',
    arguments: ['irq', text('REC->ret ? "handled" : "unhandled"', (r) => (r.number('ret') !== 0 ? 'handled' : 'unhandled'))],
    assign: (record, irq, ret) => {
      record.u32(irq);
      record.u32(ret);
    },
  },
  softirq_entry: vector,
  softirq_exit: vector,
  softirq_raise: vector,
};

/** All tasks have nice 0. */
const PRIORITY = 120;
const COMM_BYTES = 16;

/** States that a task is reported in, by the bit that stands for each; a preempted one has the bit above all. */
const STATE_BITS = [0x00, 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40];
const REPORTED_DEAD = 0x10;
const REPORTED_PREEMPTED = 0x100;
const hex8 = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;
const STATE_LIMIT = `(((${STATE_BITS.map(hex8).join(' | ')}) + 1) << 1)`;
const STATE_EXPRESSION = `REC->prev_state & (${STATE_LIMIT} - 1)`;
const STATE_ROWS: readonly SymbolRow[] = [...'SDTtXZPI'].map((name, bit) => ({ value: 1 << bit, name, constant: hex8(1 << bit) }));

const reportedState = (task: task_struct): number => {
  if (task.__state === TASK_RUNNING) return task.pid === 0 ? 0 : REPORTED_PREEMPTED;
  if (task.__state === TASK_DEAD) return REPORTED_DEAD;
  return task.__state & (TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE);
};

const state: PrintArgument = {
  kind: 'choice',
  condition: `(${STATE_EXPRESSION})`,
  holds: (r) => (r.number('prev_state') & (REPORTED_PREEMPTED - 1)) !== 0,
  argument: flags('prev_state', STATE_ROWS, STATE_EXPRESSION),
  otherwise: 'R',
};
const preempted = text(`REC->prev_state & ${STATE_LIMIT} ? "+" : ""`, (r) =>
  (r.number('prev_state') & REPORTED_PREEMPTED) !== 0 ? '+' : '',
);

const wakeup: EventSource<[p: task_struct]> = {
  fields: 'char comm[16]; pid_t pid; int prio; int target_cpu',
  print: 'comm=%s pid=%d prio=%d target_cpu=%03d',
  arguments: ['comm', 'pid', 'prio', 'target_cpu'],
  assign: (record, p) => {
    record.chars(p.comm, COMM_BYTES);
    record.u32(p.pid);
    record.u32(PRIORITY);
    record.u32(p.cpu);
  },
};

export const sched_events: EventTable = {
  sched_switch: {
    fields: 'char prev_comm[16]; pid_t prev_pid; int prev_prio; long prev_state; char next_comm[16]; pid_t next_pid; int next_prio',
    print: 'prev_comm=%s prev_pid=%d prev_prio=%d prev_state=%s%s ==> next_comm=%s next_pid=%d next_prio=%d',
    arguments: ['prev_comm', 'prev_pid', 'prev_prio', state, preempted, 'next_comm', 'next_pid', 'next_prio'],
    assign: (record, prev, next) => {
      record.chars(prev.comm, COMM_BYTES);
      record.u32(prev.pid);
      record.u32(PRIORITY);
      record.u64(reportedState(prev));
      record.chars(next.comm, COMM_BYTES);
      record.u32(next.pid);
      record.u32(PRIORITY);
    },
  },
  sched_waking: wakeup,
  sched_wakeup: wakeup,
  sched_process_fork: {
    fields: '__data_loc char[] parent_comm; pid_t parent_pid; __data_loc char[] child_comm; pid_t child_pid',
    print: 'comm=%s pid=%d child_comm=%s child_pid=%d',
    arguments: ['parent_comm', 'parent_pid', 'child_comm', 'child_pid'],
    assign: (record, parent, child) => {
      record.text(parent.comm);
      record.u32(parent.pid);
      record.text(child.comm);
      record.u32(child.pid);
    },
  },
  sched_process_exit: {
    fields: 'char comm[16]; pid_t pid; int prio; bool group_dead',
    print: 'comm=%s pid=%d prio=%d group_dead=%s',
    arguments: [
      'comm',
      'pid',
      'prio',
      text('REC->group_dead ? "true" : "false"', (r) => (r.number('group_dead') !== 0 ? 'true' : 'false')),
    ],
    assign: (record, p) => {
      record.chars(p.comm, COMM_BYTES);
      record.u32(p.pid);
      record.u32(PRIORITY);
      record.bool(true);
    },
  },
};

/** The CPU, and the bucket above it: timer_list.flags. No timer of ours is deferrable, pinned or irqsafe. */
const BUCKET_SHIFT = 22;
const TIMER_FLAGS = '(0x00040000 | 0x00080000 | 0x00100000 | 0x00200000)';
const TIMER_ROWS: readonly SymbolRow[] = [...'MDPI'].map((name, bit) => {
  const value = 0x40000 << bit;
  return { value, name, constant: hex8(value) };
});

const timerOnly: EventSource<[timer: timer_list]> = {
  fields: 'void * timer',
  print: 'timer=%p',
  arguments: ['timer'],
  assign: (record, timer) => record.pointer(timer),
};

const hrtimerOnly: EventSource<[timer: hrtimer]> = {
  fields: 'void * hrtimer',
  print: 'hrtimer=%p',
  arguments: ['hrtimer'],
  assign: (record, timer) => record.pointer(timer),
};

/** Simplified: timers are absolute here, and those in softirq context pinned, as TCP's are; Linux shows the mode of each call. */
const HRTIMER_MODE_ABS = 0;
const HRTIMER_MODE_ABS_PINNED_SOFT = 6;
const modeOf = (timer: hrtimer): number => (timer.soft ? HRTIMER_MODE_ABS_PINNED_SOFT : HRTIMER_MODE_ABS);
const MODE_ROWS: readonly SymbolRow[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((value) => {
  const words = [(value & 1) !== 0 ? 'REL' : 'ABS', ...((value & 2) !== 0 ? ['PINNED'] : [])];
  if (value >= 8) words.push('HARD');
  else if (value >= 4) words.push('SOFT');
  return { value, name: words.join('|'), constant: `HRTIMER_MODE_${words.join('_')}` };
});
const mode = symbolic('mode', MODE_ROWS);
const CLOCK_MONOTONIC = 1;
const clocks: readonly SymbolRow[] = [
  { value: 0, name: 'CLOCK_REALTIME', constant: '0' },
  { value: CLOCK_MONOTONIC, name: 'CLOCK_MONOTONIC', constant: '1' },
  { value: 7, name: 'CLOCK_BOOTTIME', constant: '7' },
  { value: 11, name: 'CLOCK_TAI', constant: '11' },
];

export const timer_events: EventTable = {
  timer_init: timerOnly,
  timer_start: {
    fields: 'void * timer; void * function; unsigned long expires; unsigned long bucket_expiry; unsigned long now; unsigned int flags',
    print: 'timer=%p function=%ps expires=%lu [timeout=%ld] bucket_expiry=%lu cpu=%u idx=%u flags=%s',
    arguments: [
      'timer',
      'function',
      'expires',
      number('(long)REC->expires - REC->now', (r) => r.number('expires') - r.number('now')),
      'bucket_expiry',
      number('REC->flags & 0x0003FFFF', (r) => r.number('flags') & 0x3ffff),
      number('REC->flags >> 22', (r) => r.number('flags') >>> BUCKET_SHIFT),
      flags('flags', TIMER_ROWS, `REC->flags & ${TIMER_FLAGS}`, 'REC->flags & 0x003C0000'),
    ],
    assign: (record, timer, bucket_expiry) => {
      record.pointer(timer);
      record.symbol(timer.name);
      record.u64(timer.expires);
      record.u64(bucket_expiry);
      record.u64(jiffies());
      record.u32(smp_processor_id() | (timer.bucket << BUCKET_SHIFT));
    },
  },
  timer_cancel: timerOnly,
  timer_expire_entry: {
    fields: 'void * timer; unsigned long now; void * function; unsigned long baseclk',
    print: 'timer=%p function=%ps now=%lu baseclk=%lu',
    arguments: ['timer', 'function', 'now', 'baseclk'],
    assign: (record, timer, baseclk) => {
      record.pointer(timer);
      record.u64(jiffies());
      record.symbol(timer.name);
      record.u64(baseclk);
    },
  },
  timer_expire_exit: timerOnly,
  hrtimer_setup: {
    fields: 'void * hrtimer; clockid_t clockid; enum hrtimer_mode mode',
    print: 'hrtimer=%p clockid=%s mode=%s',
    arguments: ['hrtimer', symbolic('clockid', clocks), mode],
    assign: (record, timer) => {
      record.pointer(timer);
      record.u32(CLOCK_MONOTONIC);
      record.u32(modeOf(timer));
    },
  },
  hrtimer_start: {
    fields: 'void * hrtimer; void * function; s64 expires; s64 softexpires; enum hrtimer_mode mode; bool was_armed',
    print: 'hrtimer=%p function=%ps expires=%llu softexpires=%llu mode=%s was_armed=%d',
    arguments: ['hrtimer', 'function', cast('expires', 'unsigned long long'), cast('softexpires', 'unsigned long long'), mode, 'was_armed'],
    assign: (record, timer, was_armed) => {
      record.pointer(timer);
      record.symbol(timer.name);
      record.u64(timer.expires);
      record.u64(timer.expires);
      record.u32(modeOf(timer));
      record.bool(was_armed);
    },
  },
  hrtimer_cancel: hrtimerOnly,
  hrtimer_expire_entry: {
    fields: 'void * hrtimer; s64 now; void * function',
    print: 'hrtimer=%p function=%ps now=%llu',
    arguments: ['hrtimer', 'function', cast('now', 'unsigned long long')],
    assign: (record, timer) => {
      record.pointer(timer);
      record.u64(timer.expires);
      record.symbol(timer.name);
    },
  },
  hrtimer_expire_exit: hrtimerOnly,
};
