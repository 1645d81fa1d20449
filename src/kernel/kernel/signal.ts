/**
 * kernel/signal.c: signals, as far as system calls know them: a pending one ends an interruptible sleep; the task dies on its way back to user mode.
 *
 * Simplified: a signal is ignored or fatal; there are no handlers, masks or queues of them.
 */
import { TASK_INTERRUPTIBLE, type task_struct } from '../include/linux/sched.ts';
import { try_to_wake_up } from './sched.ts';

export const SIGINT = 2;
export const SIGKILL = 9;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;

export function send_sig(sig: number, task: task_struct): void {
  if ((task.ignoredSignals & (1 << sig)) !== 0 && sig !== SIGKILL) return;
  task.signalPending = sig;
  if (task.__state === TASK_INTERRUPTIBLE) try_to_wake_up(task);
}
