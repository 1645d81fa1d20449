/**
 * net/core/sock.c: what a socket does when data, room or an error arrives: it wakes those who sleep in read, write, poll or epoll, with the poll
 * events as key, so that who waits for something else sleeps on.
 */
import { trace } from '../../current.ts';
import type { sock } from '../../include/net/sock.ts';
import { skwq_has_sleeper, sock_writeable } from '../../include/net/sock.ts';
import { wake_up_interruptible_all, wake_up_interruptible_poll, wake_up_interruptible_sync_poll } from '../../kernel/sched.ts';
import { mod_timer, timer_delete, timer_delete_sync, type timer_list } from '../../kernel/time/timer.ts';
import { AF_INET, POLLERR, POLLIN, POLLOUT, POLLPRI, POLLRDBAND, POLLRDNORM, POLLWRBAND, POLLWRNORM } from '../../uapi/socket.ts';

export function sock_def_wakeup(sk: sock): void {
  if (skwq_has_sleeper(sk.sk_wq)) wake_up_interruptible_all(sk.sk_wq!);
}

export function sock_def_readable(sk: sock): void {
  trace().sk_data_ready?.(sk);
  if (skwq_has_sleeper(sk.sk_wq)) wake_up_interruptible_sync_poll(sk.sk_wq!, POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND);
}

/** A writer is woken only once half of the send buffer is free: else it would be woken for every packet. */
export function sock_def_write_space(sk: sock): void {
  if (!sock_writeable(sk) || !skwq_has_sleeper(sk.sk_wq)) return;
  wake_up_interruptible_sync_poll(sk.sk_wq!, POLLOUT | POLLWRNORM | POLLWRBAND);
}

export function sock_def_error_report(sk: sock): void {
  if (skwq_has_sleeper(sk.sk_wq)) wake_up_interruptible_poll(sk.sk_wq!, POLLERR);
}

export function sk_error_report(sk: sock): void {
  sk.sk_error_report(sk);
  if (sk.skc_family === AF_INET) trace().inet_sk_error_report?.(sk);
}

/** (Re)arms a socket's timer; an armed timer holds the socket. */
export function sk_reset_timer(sk: sock, timer: timer_list, expires: number): void {
  if (!mod_timer(timer, expires)) sk.skc_refcnt++;
}

export function sk_stop_timer(sk: sock, timer: timer_list): void {
  if (timer_delete(timer)) sk.skc_refcnt--;
}

export function sk_stop_timer_sync(sk: sock, timer: timer_list): void {
  if (timer_delete_sync(timer)) sk.skc_refcnt--;
}
