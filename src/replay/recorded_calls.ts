/**
 * What a recorded host's own ftrace log says of its timing: when its stack took in each frame and TCP each segment, and when its readers began a call, waited, ran
 * again, had copied a segment, and returned. With these times our host meets the same data at the same points of the same calls (Counterpart), so nothing that then
 * differs comes from how fast the recorded computer was.
 *
 * The log is ftrace's text, of this host alone, with the events net:napi_gro_receive_entry, irq:softirq_exit, tcp:tcp_probe,
 * tcp:tcp_rcv_space_adjust, skb:skb_copy_datagram_iovec, sock:sock_recv_length, sched:sched_switch and syscalls:sys_enter_recvfrom; others are skipped.
 */
import { NSEC_PER_SEC, NSEC_PER_USEC } from '../sim/time.ts';
import { type Moment, RecordedReader } from './recorded_reader.ts';
import { RecordedTimes, type Segment } from './recorded_times.ts';

/** `comm-pid [cpu] flags seconds.micros: event: …`; system calls stand there as `sys_recvfrom(…)`. */
const LINE = /^\s*\S.*-(\d+)\s+\[\d+\]\s+(\S+)\s+(\d+)\.(\d{6}): (\w+)(.*)$/;
/** Records of one microsecond stand in order; so far apart that a frame's way over the wire fits in between. */
const STEP_NS = 300;

/** irqs-off, need-resched, hardirq/softirq, …: `s` and `H` stand for a softirq and what interrupted one. */
const isSoftirq = (flags: string): boolean => /[sH]/.test(flags[2] ?? '');
const numberAfter = (rest: string, name: RegExp): number => Number(name.exec(rest)?.[1] ?? -1);

export class RecordedCalls {
  /** When each frame reached the stack, in ns since the first one did. */
  readonly arrivals: readonly number[];
  /** When the first one did, in ns by the recorded host's CLOCK_MONOTONIC. */
  readonly firstArrival: number;
  readonly #readers: readonly (readonly Moment[])[];
  readonly #segments: readonly Segment[];

  constructor(log: string) {
    const reading = new Reading();
    for (const line of log.split('\n')) reading.line(line);
    const { arrivals, segments, readers } = reading;
    const first = arrivals[0] ?? 0;
    this.firstArrival = first;
    this.arrivals = arrivals.map((time) => time - first);
    this.#segments = segments.map((segment) => ({ ...segment, time: segment.time - first }));
    this.#readers = [...readers.values()]
      .filter(({ reads }) => reads)
      .map(({ moments }) => moments.map(({ point, time }) => ({ point, time: time - first })));
  }

  /** To be followed once. */
  times(): RecordedTimes {
    return new RecordedTimes(this.#readers, this.#segments);
  }
}

/** The log, line by line. */
class Reading {
  readonly arrivals: number[] = [];
  readonly segments: Segment[] = [];
  readonly readers = new Map<number, RecordedReader>();
  #stamp = '';
  #repeats = 0;
  /** Frames have come in the softirq that runs. */
  #taking = false;

  line(line: string): void {
    const match = LINE.exec(line);
    if (match === null) return;
    const [, pid = '', flags = '', seconds = '', micros = '', event = '', rest = ''] = match;
    const time = this.#timeOf(seconds, micros);
    if (event === 'napi_gro_receive_entry') this.#arrives(time);
    else if (event === 'softirq_exit' || event === 'napi_poll') this.#taking = false;
    else if (event === 'sched_switch') {
      this.#reader(Number(pid)).switchedOut(time);
      this.#reader(numberAfter(rest, / next_pid=(\d+)/)).switchedIn(time);
    } else this.#call(this.#reader(Number(pid)), event, rest, time, isSoftirq(flags));
  }

  #timeOf(seconds: string, micros: string): number {
    const stamp = `${seconds}.${micros}`;
    this.#repeats = stamp === this.#stamp ? this.#repeats + 1 : 0;
    this.#stamp = stamp;
    return Number(seconds) * NSEC_PER_SEC + Number(micros) * NSEC_PER_USEC + this.#repeats * STEP_NS;
  }

  /** What one softirq took in comes as a whole, since nothing else ran on that CPU before it was done. */
  #arrives(time: number): void {
    this.arrivals.push(this.#taking ? this.arrivals.at(-1)! : time);
    this.#taking = true;
  }

  #reader(pid: number): RecordedReader {
    const known = this.readers.get(pid) ?? new RecordedReader();
    this.readers.set(pid, known);
    return known;
  }

  #call(reader: RecordedReader, event: string, rest: string, time: number, softirq: boolean): void {
    if (event === 'sys_recvfrom' && rest.startsWith('(')) reader.begins(time);
    else if (event === 'tcp_probe') {
      const port = numberAfter(rest, / src=\S+:(\d+) /);
      this.segments.push({ port, len: numberAfter(rest, / data_len=(\d+)/), time });
      reader.segment(time, port, softirq);
    } else if (event === 'skb_copy_datagram_iovec') reader.copies();
    else if (event === 'tcp_rcv_space_adjust') reader.copied(time, numberAfter(rest, / sport=(\d+)/));
    else if (event === 'sock_recv_length') reader.ends(time);
  }
}
