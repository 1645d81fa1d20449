/** What `--trace-format` means: the kinds of log that a run leaves, and their files. */
import { join } from 'node:path';
import { TraceSelectionError } from './event_selection.ts';

export const trace_formats = ['text', 'dat', 'perfetto', 'msgpack'] as const;
export type TraceFormat = (typeof trace_formats)[number];

const files: Readonly<Record<TraceFormat, string>> = {
  text: 'trace.txt',
  dat: 'trace.dat',
  perfetto: 'trace.pftrace',
  msgpack: 'events.msgpack',
};

/** Paths of the logs that are wanted. */
export type TraceOutputs = { readonly [K in TraceFormat]?: string };

/** `text,dat`; throws TraceSelectionError. */
export function parseTraceFormats(text: string): TraceFormat[] {
  return text.split(',').map((word) => {
    const format = trace_formats.find((candidate) => candidate === word.trim());
    if (format === undefined)
      throw new TraceSelectionError(`--trace-format: read ${JSON.stringify(word)}, expected one or more of ${trace_formats.join(', ')}`);
    return format;
  });
}

export const traceOutputs = (directory: string, formats: readonly TraceFormat[]): TraceOutputs =>
  Object.fromEntries(formats.map((format) => [format, join(directory, files[format])]));

/** Names of the logs that a run leaves; none when nothing is traced. */
export const traceFiles = (selection: string, formats: readonly TraceFormat[]): string[] =>
  selection === 'none' ? [] : formats.map((format) => files[format]);
