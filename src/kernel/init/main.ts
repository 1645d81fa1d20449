/**
 * init/main.c: boots a kernel, subsystem by subsystem in Linux's order of initcalls, then its drivers; and, which Linux has no need of, takes it down
 * again so completely that whatever is left was lost.
 */
import { kernel } from '../current.ts';
import { igb_exit_module, igb_init_module } from '../drivers/net/ethernet/intel/igb/igb_main.ts';
import { loopback_net_init } from '../drivers/net/loopback.ts';
import { exit_files } from '../fs/file.ts';
import type { ehashSock } from '../include/net/inet_hashtables.ts';
import type { inet_timewait_sock } from '../include/net/inet_timewait_sock.ts';
import { net } from '../include/net/net_namespace.ts';
import type { request_sock } from '../include/net/request_sock.ts';
import type { sock } from '../include/net/sock.ts';
import { workqueue_init } from '../kernel/workqueue.ts';
import type { Kernel } from '../kernel.ts';
import { dev_change_name, dev_close, net_dev_init } from '../net/core/dev.ts';
import { skb_init } from '../net/core/skbuff.ts';
import { skb_defer_free_flush } from '../net/core/skbuff_free.ts';
import { inet_init } from '../net/ipv4/af_inet_init.ts';
import { inet_csk_reqsk_queue_drop } from '../net/ipv4/inet_connection_sock.ts';
import { inet_twsk_deschedule_put } from '../net/ipv4/inet_timewait_sock.ts';
import { ipv4_frags_exit_net } from '../net/ipv4/ip_fragment.ts';
import { tcp_done } from '../net/ipv4/tcp_state.ts';
import { register_qdisc } from '../net/sched/sch_api.ts';
import { fq_qdisc_ops } from '../net/sched/sch_fq.ts';
import { netem_qdisc_ops } from '../net/sched/sch_netem.ts';
import { TCP_NEW_SYN_RECV, TCP_TIME_WAIT } from '../uapi/tcp.ts';

export interface BootOptions {
  /** What the network cards are called, in the order of their slots. */
  readonly interfaceNames: readonly string[];
}

/** Boots the kernel that runs on this CPU. */
export function start_kernel(booted: Kernel, options: BootOptions): void {
  const network = new net(booted);
  booted.init_net = network;
  skb_init(booted);
  workqueue_init();
  net_dev_init(network);
  inet_init(network);
  register_qdisc(network, fq_qdisc_ops);
  register_qdisc(network, netem_qdisc_ops);
  loopback_net_init(network);
  igb_init_module();
  nameInterfaces(network, options.interfaceNames);
}

/** What udev would do: a name by the slot. Names that others still have are freed first. */
function nameInterfaces(network: net, names: readonly string[]): void {
  const cards = network.dev_base.filter((dev) => dev !== network.loopback_dev);
  for (const [i, dev] of cards.entries()) dev_change_name(dev, `rename${i}`);
  for (const [i, dev] of cards.entries()) dev_change_name(dev, names[i] ?? `eth${i}`);
}

/** Ends programs, connections and drivers; returns what is still there afterwards and should not be. */
export function stopKernel(stopped: Kernel): string[] {
  for (const task of [...stopped.tasks]) {
    const closing = exit_files(task);
    // Closing may want to wait (SO_LINGER); nobody has the time any more.
    for (let i = 0; i < 1000 && closing.next().done !== true; i++);
  }
  closeConnections(stopped.init_net);
  for (const dev of [...stopped.init_net.dev_base]) dev_close(dev);
  ipv4_frags_exit_net(stopped.init_net);
  igb_exit_module();
  // Buffers that one CPU freed for another wait for that one's next round of NET_RX.
  for (const { softnet_data } of stopped.percpu) skb_defer_free_flush(softnet_data);
  return leaks(stopped);
}

function closeConnections(network: net): void {
  const sockets: ehashSock[] = [];
  for (const chain of network.tcp_hashinfo.ehash) for (let sk = chain; sk !== null; sk = sk.skc_next) sockets.push(sk);
  for (const sk of sockets) {
    if (sk.skc_state === TCP_TIME_WAIT) inet_twsk_deschedule_put(sk as inet_timewait_sock);
    else if (sk.skc_state === TCP_NEW_SYN_RECV) dropRequest(sk as request_sock);
    else tcp_done(sk as sock);
  }
}

function dropRequest(req: request_sock): void {
  if (req.rsk_listener !== null) inet_csk_reqsk_queue_drop(req.rsk_listener, req);
}

function leaks(stopped: Kernel): string[] {
  const found: string[] = [];
  if (stopped.skb.live !== 0) found.push(`${stopped.skb.live} sk_buffs`);
  if (stopped.machine.dma.live !== 0) found.push(`${stopped.machine.dma.live} DMA mappings`);
  for (const cache of kernel().slab.all) if (cache.inUse !== 0) found.push(`${cache.inUse} objects of ${cache.name}`);
  return found;
}
