/** What went wrong, as one line (or a line each) and an exit code. A bug of ours keeps its stack: it is what a report needs. */
import { CaptureDamage, CaptureOpenError } from '../observe/files/capture_errors.ts';
import { CaptureWriteError } from '../observe/files/output_file.ts';
import { EventLogError } from '../observe/follow/event_log_reader.ts';
import { TraceSelectionError } from '../observe/trace/event_selection.ts';
import { TopologyError } from '../topology/topology_error.ts';
import { EXIT_BUG, EXIT_INPUT, EXIT_NO } from './exit_codes.ts';

/** A mistake in how the command was called. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export function explain(error: unknown): { message: string; code: number } {
  if (error instanceof CaptureDamage) return { message: error.message, code: EXIT_NO };
  if (
    error instanceof TopologyError ||
    error instanceof UsageError ||
    error instanceof TraceSelectionError ||
    error instanceof CaptureOpenError ||
    error instanceof EventLogError
  ) {
    return { message: error.message, code: EXIT_INPUT };
  }
  if (error instanceof CaptureWriteError) return { message: error.message, code: EXIT_INPUT };
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { message: `a bug of truewire (please report it with the command and the topology):\n${text}`, code: EXIT_BUG };
}
