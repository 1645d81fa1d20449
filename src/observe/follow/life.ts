/** One packet's life from a run's event log: every record about it over all hosts, what it waited for in between, and what caused it. */
import { CallCollector, type RootCall } from './calls.ts';
import { hostOfCpu, type LogDescription, type LogRecord, readEventLog } from './event_log_reader.ts';
import { STAGES, stageOf } from './stages.ts';

/** One step. `wait` is the time since the step before on the packet's way; 0 beside the way. */
export interface Step {
  readonly time: number;
  readonly wait: number;
  /** What the wait was for; '' beside the way. */
  readonly stage: string;
  readonly host: string;
  readonly cpu: number;
  readonly task: string;
  readonly event: string;
  readonly place: string;
  readonly text: string;
}

export interface Life {
  readonly id: number;
  /** The sk_buff that it was part of when it was sent: first id and number of frames. */
  readonly first: number;
  readonly frames: number;
  /** Why it was sent, as far as the log tells. */
  readonly cause: string;
  readonly steps: readonly Step[];
  /** ns by stage, in the order of the way. */
  readonly waits: ReadonlyMap<string, number>;
  /** Empty unless the log has calls: `--trace function_graph`. */
  readonly calls: readonly RootCall[];
}

/** What a CPU was doing when a record was made: the last of each kind that is not over. */
class CpuContext {
  irq: { time: number; name: string } | null = null;
  timer: { time: number; text: string } | null = null;
  packet: { time: number; id: number } | null = null;
}

/** Follows CPUs and tasks through the log, so that a record can be asked why it happened. */
export class Surroundings {
  readonly #cpus = new Map<number, CpuContext>();
  /** The system call that each task is in. */
  readonly #calls = new Map<string, { time: number; text: string }>();

  note(record: LogRecord): void {
    const { system, name } = record.event;
    if (record.cpu < 0) return;
    const cpu = this.cpu(record.cpu);
    if (system === 'irq') this.#noteIrq(cpu, record, name);
    else if (system === 'timer') this.#noteTimer(cpu, record, name);
    else if (name === 'netif_receive_skb') cpu.packet = { time: record.time, id: record.packet };
    else if (system === 'syscalls') this.#noteCall(record, name);
  }

  #noteIrq(cpu: CpuContext, record: LogRecord, name: string): void {
    if (name === 'irq_handler_entry') cpu.irq = { time: record.time, name: String(record.field('name')) };
    else if (name === 'softirq_exit') cpu.packet = null;
  }

  #noteTimer(cpu: CpuContext, record: LogRecord, name: string): void {
    if (name.endsWith('expire_entry'))
      cpu.timer = { time: record.time, text: `${name.replace('_expire_entry', '')} ${String(record.field('function') ?? '')}`.trim() };
    else if (name.endsWith('expire_exit')) cpu.timer = null;
  }

  #noteCall(record: LogRecord, name: string): void {
    if (name.startsWith('sys_enter_'))
      this.#calls.set(record.task, { time: record.time, text: `${name.slice(10)}(${record.text().replace(/^__syscall_nr=\d+ ?/, '')})` });
    else this.#calls.delete(record.task);
  }

  cpu(number: number): CpuContext {
    let context = this.#cpus.get(number);
    if (context === undefined) this.#cpus.set(number, (context = new CpuContext()));
    return context;
  }

  /** Why something happens now on a record's CPU. */
  cause(record: LogRecord): string {
    const { timer, packet } = this.cpu(record.cpu);
    if (timer !== null) return `the timer ${timer.text}`;
    if (packet !== null) return `packet ${packet.id}, which arrived ${record.time - packet.time} ns before`;
    const call = this.#calls.get(record.task);
    return call === undefined ? `${record.task}` : `${record.task} in ${call.text}, called ${record.time - call.time} ns before`;
  }

  /** The interrupt that brought a frame from a NIC to this CPU, if it came after `since`. */
  interruptAfter(cpu: number, since: number): { time: number; name: string } | null {
    const { irq } = this.cpu(cpu);
    return irq !== null && irq.time >= since ? irq : null;
  }
}

export async function followPacket(path: string, id: number): Promise<Life | null> {
  const collector = new Collector(id);
  await readEventLog(path, (record, log) => collector.take(record, log));
  return collector.life();
}

class Collector {
  readonly #id: number;
  readonly #surroundings = new Surroundings();
  readonly #calls: CallCollector;
  readonly #steps: Step[] = [];
  #cause = '';
  #first = 0;
  #frames = 0;
  /** The last step on the way. */
  #last: { time: number; event: string } | null = null;

  constructor(id: number) {
    this.#id = id;
    this.#calls = new CallCollector();
    this.#first = id;
    this.#frames = 1;
  }

  take(record: LogRecord, log: LogDescription): void {
    // Mappings for DMA are known by the first packet of what they map.
    const about = record.isAbout(this.#id) || (record.event.system === 'dma' && record.packet === this.#first);
    this.#calls.take(record, log, about);
    if (about) this.#step(record, log);
    this.#surroundings.note(record);
  }

  life(): Life | null {
    if (this.#steps.length === 0) return null;
    const waits = new Map<string, number>();
    for (const { stage, wait } of this.#steps) if (stage !== '') waits.set(stage, (waits.get(stage) ?? 0) + wait);
    return {
      id: this.#id,
      first: this.#first,
      frames: this.#frames,
      cause: this.#cause,
      steps: [...this.#steps].sort((a, b) => a.time - b.time),
      waits,
      calls: this.#calls.roots(),
    };
  }

  #step(record: LogRecord, log: LogDescription): void {
    const { system, name } = record.event;
    const where = record.cpu < 0 ? { name: '', cpu: -1 } : hostOfCpu(log, record.cpu);
    if (this.#steps.length === 0) {
      this.#cause = record.cpu < 0 ? '' : this.#surroundings.cause(record);
      [this.#first, this.#frames] = [record.packet, record.packets];
    }
    const base = { host: where.name, cpu: where.cpu, task: `${record.task}${record.context}` };
    if (name === 'frame' && system === 'wire') this.#departure(record);
    if (name === 'napi_gro_receive_entry') this.#interrupt(record, base);
    const stage = stageOf(system, name);
    // A packet that is received and sent on goes through a host.
    const forwarded = name === 'net_dev_queue' && this.#last?.event === 'netif_receive_skb';
    const title = stage === null ? '' : forwarded ? STAGES.forward : this.#last === null ? '' : stage.name;
    this.#add(record.time, title, base, `${system}:${name}`, stage?.place ?? placeOf(record), record.text(), stage !== null, name);
  }

  /** The wire's record comes with the arrival and tells when the last bit had left. */
  #departure(record: LogRecord): void {
    const departed = Number(record.field('departed'));
    const from = String(record.field('from'));
    this.#add(departed, STAGES.serialisation, { host: '', cpu: -1, task: '' }, 'wire:departure', '', `from=${from}`, true, 'departure');
  }

  #interrupt(record: LogRecord, base: Pick<Step, 'host' | 'cpu' | 'task'>): void {
    const irq = this.#last === null ? null : this.#surroundings.interruptAfter(record.cpu, this.#last.time);
    if (irq !== null)
      this.#add(
        irq.time,
        STAGES.moderation,
        { ...base, task: '' },
        'irq:irq_handler_entry',
        'handle_irq_event',
        `name=${irq.name}`,
        true,
        'irq',
      );
  }

  #add(
    time: number,
    stage: string,
    base: Pick<Step, 'host' | 'cpu' | 'task'>,
    event: string,
    place: string,
    text: string,
    onTheWay: boolean,
    name: string,
  ): void {
    const wait = onTheWay && this.#last !== null ? Math.max(0, time - this.#last.time) : 0;
    this.#steps.push({ time, wait, stage: onTheWay ? stage : '', ...base, event, place, text });
    if (onTheWay) this.#last = { time, event: name };
  }
}

const placeOf = (record: LogRecord): string => String(record.field('location') ?? '');
