/** trace.txt as `cat /sys/kernel/tracing/trace` prints it with the nop tracer. */
import { LogFile, wholeLines } from '../files/log_file.ts';
import { TextBuffer } from './text_buffer.ts';
import { cpuCount, type TracedHost } from './trace_context.ts';
import type { TraceBatch, TracedTask, TraceLog } from './trace_recorder.ts';
import { LinePrefix, RecordText } from './trace_text.ts';

const WRITE_BYTES = 1 << 20;
const NEWLINE = 10;

/** The head of the log. With several hosts it also says whose CPUs are which. */
export function ftraceHeader(hosts: readonly TracedHost[]): string {
  return `# tracer: nop
#
# entries-in-buffer/entries-written: all   #P:${cpuCount(hosts)}
#
${hostLines(hosts)}#                                _-----=> irqs-off/BH-disabled
#                               / _----=> need-resched
#                              | / _---=> hardirq/softirq
#                              || / _--=> preempt-depth
#                              ||| / _-=> migrate-disable
#                              |||| /     delay
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
`;
}

/** `# CPUs of client: 0-1` */
export function hostLines(hosts: readonly TracedHost[]): string {
  const range = (first: number, count: number): string => (count === 1 ? String(first) : `${first}-${first + count - 1}`);
  return hosts.map((host) => `# CPUs of ${host.name}: ${range(host.firstCpu, host.kernel.percpu.length)}\n#\n`).join('');
}

export class FtraceLog implements TraceLog {
  readonly #file: LogFile;
  readonly #out = new TextBuffer(WRITE_BYTES * 2);
  readonly #prefix: LinePrefix;
  readonly #text = new RecordText();

  /** Ids of the events that were asked for: others may be recorded for other logs. */
  readonly #shown: boolean[] = [];

  /** Throws CaptureWriteError. */
  constructor(path: string, hosts: readonly TracedHost[], tasks: readonly TracedTask[], shown: ReadonlySet<number>) {
    this.#file = new LogFile(path, wholeLines);
    for (const id of shown) this.#shown[id] = true;
    this.#prefix = new LinePrefix(tasks);
    this.#out.text(ftraceHeader(hosts));
  }

  write({ cursor, order, count }: TraceBatch): void {
    const out = this.#out;
    for (let i = 0; i < count; i++) {
      cursor.moveTo(order[i]!);
      if (this.#shown[cursor.type] !== true) continue;
      out.reserve();
      this.#prefix.write(cursor, out);
      this.#text.write(cursor, out);
      out.byte(NEWLINE);
      if (out.pos >= WRITE_BYTES) this.#flush();
    }
  }

  close(): void {
    this.#flush();
    this.#file.close();
  }

  #flush(): void {
    this.#file.write(this.#out.u8, this.#out.pos);
    this.#out.pos = 0;
  }
}
