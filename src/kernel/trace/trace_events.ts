/** Every event with its system and id: what `--trace` chooses from, and what tracefs's available_events would list. */
import { dma_events } from './events/dma.ts';
import { fib_events, icmp_events, udp_events } from './events/ip.ts';
import { irq_events, sched_events, timer_events } from './events/irq.ts';
import { neigh_events } from './events/neigh.ts';
import { net_events } from './events/net.ts';
import { napi_events, qdisc_events, skb_events } from './events/skb.ts';
import { sock_events } from './events/sock.ts';
import { syscallEvents } from './events/syscalls.ts';
import { tcp_events } from './events/tcp.ts';
import { type EventTable, eventsOf, type TraceEvent } from './trace_event.ts';

/** Ids below belong to ftrace itself (functions, markers, stacks). */
const FIRST_ID = 256;

const tables: readonly (readonly [system: string, table: EventTable])[] = [
  ['tcp', tcp_events],
  ['sock', sock_events],
  ['net', net_events],
  ['skb', skb_events],
  ['napi', napi_events],
  ['qdisc', qdisc_events],
  ['irq', irq_events],
  ['sched', sched_events],
  ['timer', timer_events],
  ['neigh', neigh_events],
  ['fib', fib_events],
  ['udp', udp_events],
  ['icmp', icmp_events],
  ['dma', dma_events],
];

function allEvents(): TraceEvent[] {
  const events: TraceEvent[] = [];
  for (const [system, table] of tables) events.push(...eventsOf(system, table, FIRST_ID + events.length));
  events.push(...syscallEvents(FIRST_ID + events.length));
  return events;
}

export const trace_events: readonly TraceEvent[] = allEvents();
