/** Every tracepoint with its system: what `--trace` chooses from and `available_events` would list. */
import { irq_events, sched_events, timer_events } from './events/irq.ts';
import { dma_events, fib_events, icmp_events, neigh_events, syscall_events, udp_events } from './events/neigh.ts';
import { net_events } from './events/net.ts';
import { napi_events, qdisc_events, skb_events } from './events/skb.ts';
import { sock_events } from './events/sock.ts';
import { tcp_events } from './events/tcp.ts';
import type { EventFormats, EventName } from './trace_event.ts';

export interface TraceEvent {
  readonly system: string;
  readonly name: EventName;
  /** The record's text after `name: `. */
  readonly format: (...args: never[]) => string;
}

const systems: Readonly<Record<string, EventFormats>> = {
  tcp: tcp_events,
  sock: sock_events,
  net: net_events,
  skb: skb_events,
  napi: napi_events,
  qdisc: qdisc_events,
  irq: irq_events,
  sched: sched_events,
  timer: timer_events,
  neigh: neigh_events,
  fib: fib_events,
  udp: udp_events,
  icmp: icmp_events,
  dma: dma_events,
  syscalls: syscall_events,
};

export const trace_events: readonly TraceEvent[] = Object.entries(systems).flatMap(([system, formats]) =>
  Object.entries(formats).map(([name, format]) => ({ system, name: name as EventName, format: format as TraceEvent['format'] })),
);
