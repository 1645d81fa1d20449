/** What declares a tracepoint beside its prototype: system, name, and the text of one record in the print format of Linux 6.18. */
import type { Tracepoints } from './tracepoints.ts';

export type EventName = keyof Tracepoints;
export type EventArguments<K extends EventName> = Parameters<NonNullable<Tracepoints[K]>>;

/** The print formats of one system: a function of the tracepoint's arguments each. */
export type EventFormats = { readonly [K in EventName]?: (...args: EventArguments<K>) => string };
