/**
 * The tracepoints of a kernel: a slot each, `undefined` while nobody listens, with the arguments of the kernel's TP_PROTO. Formats and fields are
 * in trace/events/; listeners copy at once, since the arguments are live objects.
 */
import type { device } from '../include/linux/device.ts';
import type { napi_struct, net_device } from '../include/linux/netdevice.ts';
import type { task_struct } from '../include/linux/sched.ts';
import type { sk_buff } from '../include/linux/skbuff.ts';
import type { flowi4 } from '../include/net/inet_sock.ts';
import type { neighbour } from '../include/net/neighbour.ts';
import type { request_sock } from '../include/net/request_sock.ts';
import type { Qdisc } from '../include/net/sch_generic.ts';
import type { sock } from '../include/net/sock.ts';
import type { hrtimer } from '../kernel/time/hrtimer.ts';
import type { timer_list } from '../kernel/time/timer.ts';

type Listener<A extends unknown[]> = ((...args: A) => void) | undefined;

export class Tracepoints {
  /* tcp */
  tcp_retransmit_skb: Listener<[sk: sock, skb: sk_buff | null, err: number]> = undefined;
  tcp_send_reset: Listener<[sk: sock | null, skb: sk_buff | null, reason: number]> = undefined;
  tcp_receive_reset: Listener<[sk: sock]> = undefined;
  tcp_destroy_sock: Listener<[sk: sock]> = undefined;
  tcp_rcv_space_adjust: Listener<[sk: sock]> = undefined;
  tcp_rcvbuf_grow: Listener<[sk: sock, time: number]> = undefined;
  tcp_retransmit_synack: Listener<[sk: sock, req: request_sock]> = undefined;
  tcp_sendmsg_locked: Listener<[sk: sock, msg_left: number, skb: sk_buff | null, size_goal: number]> = undefined;
  tcp_probe: Listener<[sk: sock, skb: sk_buff]> = undefined;
  tcp_bad_csum: Listener<[skb: sk_buff]> = undefined;
  tcp_cong_state_set: Listener<[sk: sock, ca_state: number]> = undefined;
  tcp_hash_bad_header: Listener<[sk: sock, skb: sk_buff]> = undefined;
  tcp_hash_md5_required: Listener<[sk: sock, skb: sk_buff]> = undefined;
  tcp_hash_md5_unexpected: Listener<[sk: sock, skb: sk_buff]> = undefined;
  tcp_hash_md5_mismatch: Listener<[sk: sock, skb: sk_buff]> = undefined;
  /* sock */
  inet_sock_set_state: Listener<[sk: sock, oldstate: number, newstate: number]> = undefined;
  sock_rcvqueue_full: Listener<[sk: sock, skb: sk_buff]> = undefined;
  sock_exceed_buf_limit: Listener<[sk: sock, allocated: number, kind: number]> = undefined;
  inet_sk_error_report: Listener<[sk: sock]> = undefined;
  sk_data_ready: Listener<[sk: sock]> = undefined;
  sock_send_length: Listener<[sk: sock, ret: number, flags: number]> = undefined;
  sock_recv_length: Listener<[sk: sock, ret: number, flags: number]> = undefined;
  /* net */
  net_dev_start_xmit: Listener<[skb: sk_buff, dev: net_device]> = undefined;
  net_dev_xmit: Listener<[skb: sk_buff, rc: number, dev: net_device, skb_len: number]> = undefined;
  net_dev_xmit_timeout: Listener<[dev: net_device, queue_index: number]> = undefined;
  net_dev_queue: Listener<[skb: sk_buff]> = undefined;
  netif_receive_skb: Listener<[skb: sk_buff]> = undefined;
  netif_rx: Listener<[skb: sk_buff]> = undefined;
  napi_gro_receive_entry: Listener<[skb: sk_buff]> = undefined;
  napi_gro_receive_exit: Listener<[ret: number]> = undefined;
  netif_receive_skb_entry: Listener<[skb: sk_buff]> = undefined;
  netif_receive_skb_exit: Listener<[ret: number]> = undefined;
  netif_receive_skb_list_entry: Listener<[skb: sk_buff]> = undefined;
  netif_receive_skb_list_exit: Listener<[ret: number]> = undefined;
  netif_rx_entry: Listener<[skb: sk_buff]> = undefined;
  netif_rx_exit: Listener<[ret: number]> = undefined;
  /* skb; `location` is the name of the function that let go of the skb */
  kfree_skb: Listener<[skb: sk_buff, location: string, reason: number, rx_sk: sock | null]> = undefined;
  consume_skb: Listener<[skb: sk_buff, location: string]> = undefined;
  skb_copy_datagram_iovec: Listener<[skb: sk_buff, len: number]> = undefined;
  /* napi, qdisc */
  napi_poll: Listener<[napi: napi_struct, work: number, budget: number]> = undefined;
  qdisc_dequeue: Listener<[qdisc: Qdisc, txq: import('../include/linux/netdevice.ts').netdev_queue, packets: number, skb: sk_buff | null]> =
    undefined;
  qdisc_enqueue: Listener<[qdisc: Qdisc, txq: import('../include/linux/netdevice.ts').netdev_queue, skb: sk_buff]> = undefined;
  qdisc_reset: Listener<[qdisc: Qdisc]> = undefined;
  qdisc_destroy: Listener<[qdisc: Qdisc]> = undefined;
  qdisc_create: Listener<[id: string, dev: net_device, parent: number]> = undefined;
  /* neigh, fib, udp, icmp */
  neigh_create: Listener<[dev: net_device, key: number, exempt_from_gc: boolean, n: neighbour | null]> = undefined;
  neigh_update: Listener<[n: neighbour, lladdr: Uint8Array | null, state: number, flags: number]> = undefined;
  neigh_update_done: Listener<[n: neighbour, err: number]> = undefined;
  neigh_timer_handler: Listener<[n: neighbour, err: number]> = undefined;
  neigh_event_send_done: Listener<[n: neighbour, err: number]> = undefined;
  neigh_event_send_dead: Listener<[n: neighbour, err: number]> = undefined;
  neigh_cleanup_and_release: Listener<[n: neighbour, err: number]> = undefined;
  fib_table_lookup: Listener<[tb_id: number, flp: flowi4, nhc: { dev: net_device | null; gw: number } | null, err: number]> = undefined;
  udp_fail_queue_rcv_skb: Listener<[rc: number, sk: sock, skb: sk_buff]> = undefined;
  icmp_send: Listener<[skb: sk_buff, type: number, code: number]> = undefined;
  /* irq */
  irq_handler_entry: Listener<[irq: number, name: string]> = undefined;
  irq_handler_exit: Listener<[irq: number, ret: number]> = undefined;
  softirq_entry: Listener<[vec: number]> = undefined;
  softirq_exit: Listener<[vec: number]> = undefined;
  softirq_raise: Listener<[vec: number]> = undefined;
  /* sched */
  sched_switch: Listener<[prev: task_struct, next: task_struct]> = undefined;
  sched_waking: Listener<[p: task_struct]> = undefined;
  sched_wakeup: Listener<[p: task_struct]> = undefined;
  sched_process_fork: Listener<[parent: task_struct, child: task_struct]> = undefined;
  sched_process_exit: Listener<[p: task_struct]> = undefined;
  /* timer */
  timer_init: Listener<[timer: timer_list]> = undefined;
  timer_start: Listener<[timer: timer_list, bucket_expiry: number]> = undefined;
  timer_cancel: Listener<[timer: timer_list]> = undefined;
  timer_expire_entry: Listener<[timer: timer_list, baseclk: number]> = undefined;
  timer_expire_exit: Listener<[timer: timer_list]> = undefined;
  hrtimer_setup: Listener<[timer: hrtimer]> = undefined;
  hrtimer_start: Listener<[timer: hrtimer, was_armed: boolean]> = undefined;
  hrtimer_cancel: Listener<[timer: hrtimer]> = undefined;
  hrtimer_expire_entry: Listener<[timer: hrtimer]> = undefined;
  hrtimer_expire_exit: Listener<[timer: hrtimer]> = undefined;
  /* dma; `tag` is the packet id that rides with the mapping */
  dma_map_phys: Listener<[dev: device, addr: number, size: number, dir: number, tag: number]> = undefined;
  dma_unmap_phys: Listener<[dev: device, addr: number, size: number, dir: number]> = undefined;
  dma_alloc: Listener<[dev: device, virt: number, addr: number, size: number]> = undefined;
  dma_free: Listener<[dev: device, virt: number, addr: number, size: number]> = undefined;
  /* syscalls: number on x86-64, arguments, result */
  sys_enter: Listener<[id: number, args: readonly number[]]> = undefined;
  sys_exit: Listener<[id: number, ret: number]> = undefined;
}
