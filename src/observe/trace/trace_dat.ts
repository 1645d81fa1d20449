/**
 * trace.dat, version 6, as trace-cmd(1) records it (trace-cmd.dat.v6.5): the formats of the events, names of functions and tasks, and for each CPU the pages of
 * the kernel's ring buffer. `trace-cmd report` prints it and KernelShark draws it. All hosts' CPUs are in one file, numbered as in trace.txt.
 */
import { closeSync, constants, openSync, readSync, rmSync } from 'node:fs';
import { formatText, type TraceEvent } from '../../kernel/trace/trace_event.ts';
import { SYMBOL_BYTES, TEXT_LOW } from '../../kernel/trace/trace_record.ts';
import { directDescriptor, pagedBuffer } from '../files/direct_io.ts';
import { LogFile } from '../files/log_file.ts';
import { KERNEL_RELEASE } from '../identity.ts';
import { DatHeader } from './dat_header.ts';
import { isCall, isHardware } from './hardware_events.ts';
import { PAGE_BYTES, RingBufferPages } from './ring_buffer_pages.ts';
import type { TraceBatch, TraceLog, TraceRecorder } from './trace_recorder.ts';

/** Options of the file: trace-cmd's include/private/trace-cmd-private.h. */
const OPTION_TRACECLOCK = 4;
const OPTION_UNAME = 5;
const OPTION_CPUCOUNT = 8;
const COPY_BYTES = 1 << 20;

const HEADER_PAGE = `\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;
\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;
\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;
\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;
`;
const HEADER_EVENT = `# compressed entry header
\ttype_len    :    5 bits
\ttime_delta  :   27 bits
\tarray       :   32 bits

\tpadding     : type == 29
\ttime_extend : type == 30
\ttime_stamp : type == 31
\tdata max type_len  == 28
`;

export class TraceDat implements TraceLog {
  readonly #path: string;
  readonly #recorder: TraceRecorder;
  readonly #events: readonly TraceEvent[];
  readonly #cpus: RingBufferPages[];

  /** Throws CaptureWriteError. */
  constructor(path: string, cpus: number, recorder: TraceRecorder, events: readonly TraceEvent[]) {
    this.#path = path;
    this.#recorder = recorder;
    this.#events = events;
    // The head has to say how much each CPU has, so their pages wait in files of their own, as trace-cmd's do.
    this.#cpus = Array.from({ length: cpus }, (_, cpu) => new RingBufferPages(`${path}.cpu${cpu}`));
  }

  write({ cursor, order, count }: TraceBatch): void {
    for (let i = 0; i < count; i++) {
      cursor.moveTo(order[i]!);
      if (!isHardware(cursor.type) && !isCall(cursor.type)) this.#cpus[cursor.cpu]!.add(cursor.time, cursor.u8, cursor.base, cursor.size);
    }
  }

  close(): void {
    for (const pages of this.#cpus) pages.close();
    const file = new LogFile(this.#path);
    const head = this.#head();
    file.write(head, head.length);
    for (const pages of this.#cpus) append(file, pages);
    file.close();
  }

  #head(): Uint8Array {
    const head = new DatHeader();
    head.bytes(0x17, 0x08, 0x44);
    head.text('tracing');
    head.terminated('6');
    // Little-endian, with longs of eight bytes.
    head.bytes(0, 8);
    head.u32(PAGE_BYTES);
    head.terminated('header_page');
    head.sized64(HEADER_PAGE);
    head.terminated('header_event');
    head.sized64(HEADER_EVENT);
    // Formats of ftrace's own records: there are none here.
    head.u32(0);
    this.#formats(head);
    head.sized32(this.#functions());
    head.sized32('');
    head.sized64(this.#commandLines());
    head.u32(this.#cpus.length);
    head.terminated('options  ');
    head.option(OPTION_TRACECLOCK, 'local global counter uptime perf [mono] mono_raw boot tai x86-tsc\n\0');
    head.option(OPTION_UNAME, `Linux ${KERNEL_RELEASE}\0`);
    head.option(OPTION_CPUCOUNT, String.fromCharCode(this.#cpus.length & 255, this.#cpus.length >> 8, 0, 0));
    head.u16(0);
    head.terminated('flyrecord');
    this.#places(head);
    return head.finished();
  }

  #formats(head: DatHeader): void {
    const systems = [...new Set(this.#events.map(({ system }) => system))];
    head.u32(systems.length);
    for (const system of systems) {
      const events = this.#events.filter((event) => event.system === system);
      head.terminated(system);
      head.u32(events.length);
      for (const event of events) head.sized64(formatText(event, true));
    }
  }

  /** As in /proc/kallsyms. */
  #functions(): string {
    const line = (name: string, index: number): string => `ffffffff${(TEXT_LOW + index * SYMBOL_BYTES).toString(16)} t ${name}\n`;
    return this.#recorder.record.symbols.names.map(line).join('');
  }

  /** As in saved_cmdlines: one name a pid. */
  #commandLines(): string {
    const names = new Map(this.#recorder.tasks.map(({ pid, comm }) => [pid, comm]));
    return [...names].map(([pid, comm]) => `${pid} ${comm}\n`).join('');
  }

  /** Where each CPU's pages are, and how many bytes. */
  #places(head: DatHeader): void {
    let at = alignPage(head.length + this.#cpus.length * 16);
    for (const { bytes } of this.#cpus) {
      head.u64(at);
      head.u64(bytes);
      at += bytes;
    }
    head.padTo(PAGE_BYTES);
  }
}

const alignPage = (at: number): number => Math.ceil(at / PAGE_BYTES) * PAGE_BYTES;

/** Moves a CPU's pages to the end of a file. */
function append(file: LogFile, { path, bytes }: RingBufferPages): void {
  const from = openSync(path, 'r');
  const direct = bytes < COPY_BYTES ? -1 : directDescriptor(from, constants.O_RDONLY);
  const buffer = (direct < 0 ? null : pagedBuffer(COPY_BYTES)) ?? new Uint8Array(Math.min(COPY_BYTES, bytes));
  for (let at = 0; at < bytes; ) {
    const count = readSync(direct < 0 ? from : direct, buffer, 0, buffer.length, at);
    file.write(buffer, count);
    at += count;
  }
  if (direct >= 0) closeSync(direct);
  closeSync(from);
  rmSync(path);
}
