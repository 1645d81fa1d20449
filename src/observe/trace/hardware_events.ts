/**
 * Records of what happens outside of the kernels: frames at NICs and on wires, and how full the descriptor rings are. Linux has no tracepoints there, so these
 * are in the logs of our own kinds only (Perfetto, MessagePack), not in trace.txt and trace.dat. Calls of functions are records of this kind in the MessagePack log.
 */
import { endOf, layOut } from '../../kernel/trace/event_layout.ts';
import type { TraceEvent } from '../../kernel/trace/trace_event.ts';
import { trace_events } from '../../kernel/trace/trace_events.ts';

const FIRST_ID = trace_events[0]!.id + trace_events.length;

function hardwareEvent(index: number, system: string, name: string, declarations: string): TraceEvent {
  const fields = layOut(declarations);
  const nothing = (): void => undefined;
  return {
    system,
    name,
    id: FIRST_ID + index,
    slot: 'net_dev_xmit',
    syscall: -1,
    fields,
    size: endOf(fields),
    print: '',
    arguments: [],
    assign: nothing,
  };
}

/** A frame's first bit leaves a NIC. */
export const nicTransmit = hardwareEvent(0, 'nic', 'transmit', '__data_loc char[] nic; u32 queue; u32 descriptor; u32 len');
/** A frame's last bit has arrived at a NIC; `dropped` is empty when it was taken. */
export const nicReceive = hardwareEvent(
  1,
  'nic',
  'receive',
  '__data_loc char[] nic; int queue; u32 len; u32 hash; __data_loc char[] dropped',
);
/** Descriptors that the device has and has not done with, of a ring's `size`. */
export const nicRing = hardwareEvent(2, 'nic', 'ring', '__data_loc char[] nic; __data_loc char[] ring; u32 queue; u32 used; u32 size');
/** A frame arrives at a cable's other end, or is lost there: `departed` is when its last bit had left this one, `serialised` how long that took. */
export const wireFrame = hardwareEvent(
  3,
  'wire',
  'frame',
  '__data_loc char[] wire; __data_loc char[] from; u32 len; u32 serialised; u64 departed; __data_loc char[] fate',
);

/** A received frame goes to host memory by DMA; `descriptor` is the first that it fills. */
export const nicStore = hardwareEvent(4, 'nic', 'store', '__data_loc char[] nic; u32 queue; u32 descriptor; u32 len');

export const hardware_events: readonly TraceEvent[] = [nicTransmit, nicReceive, nicRing, wireFrame, nicStore];

export const isHardware = (id: number): boolean => id >= FIRST_ID && id < FIRST_ID + hardware_events.length;

function callEvent(index: number, name: string): TraceEvent {
  const event = hardwareEvent(hardware_events.length + index, 'ftrace', name, 'unsigned long func');
  return { ...event, print: '%ps', arguments: ['func'] };
}

/** Calls of kernel functions, as the function_graph tracer of Linux records them. Entries are stamped before the function's own cost, exits behind it. */
export const functionEntry = callEvent(0, 'funcgraph_entry');
export const functionExit = callEvent(1, 'funcgraph_exit');
export const call_events: readonly TraceEvent[] = [functionEntry, functionExit];

export const isCall = (id: number): boolean => id >= FIRST_ID + hardware_events.length;
