/**
 * The functions that a packet passed through, from the calls in the event log: of each context (a task, with the interrupts on top of it) the calls in which a record
 * about the packet was made, and below them what they called. A call that also handled other packets (a system call that sends many, a poll) shows the calls that were
 * about this one, and what it called after a record about this one and before any about another; the rest of its calls are counted.
 */
import { hostOfCpu, type LogDescription, type LogRecord } from './event_log_reader.ts';

/** Calls left out between others. */
export interface Skipped {
  calls: number;
  ns: number;
}

export interface CallTree {
  readonly name: string;
  readonly start: number;
  /** null: it had not returned when the log ended. */
  readonly end: number | null;
  readonly below: readonly (CallTree | Skipped)[];
}

/** A call on a stack, and where it was made. */
export interface RootCall extends CallTree {
  readonly host: string;
  readonly cpu: number;
  readonly task: string;
}

class Call implements CallTree {
  readonly name: string;
  readonly start: number;
  end: number | null = null;
  below: (Call | Skipped)[] = [];
  /** A record about our packet, or about another one, was made in it. */
  ours = false;
  others = false;
  /** No record of any packet was made in it, and the last one before it was about ours. */
  between = false;

  constructor(name: string, start: number) {
    this.name = name;
    this.start = start;
  }

  /** Is it shown below a call that is not about our packet alone? */
  get shown(): boolean {
    return this.ours || this.between;
  }

  /** Counts the last call below instead of showing it. */
  skipLast(): void {
    const call = this.below.pop() as Call;
    this.#count(call);
  }

  /** The call is not about our packet alone: what it called for others, or for all, is counted. */
  noteOthers(): void {
    if (this.others) return;
    this.others = true;
    const all = this.below;
    this.below = [];
    for (const one of all) {
      if (one instanceof Call && !one.shown && one.end !== null) this.#count(one);
      else this.below.push(one);
    }
  }

  #count(call: Call): void {
    const ns = (call.end ?? call.start) - call.start;
    const last = this.below.at(-1);
    if (last === undefined || last instanceof Call) this.below.push({ calls: 1, ns });
    else {
      last.calls++;
      last.ns += ns;
    }
  }
}

/** The calls under way in one context. */
class Stack {
  readonly calls: Call[] = [];
  /** The last record of a packet was about ours. */
  lastIsOurs = false;
}

export class CallCollector {
  readonly #stacks = new Map<string, Stack>();
  readonly #roots: RootCall[] = [];

  /** Takes every record of the log in its order; `about`: it is about our packet. */
  take(record: LogRecord, log: LogDescription, about: boolean): void {
    if (record.cpu < 0) return;
    const { system, name } = record.event;
    if (system !== 'ftrace') {
      if (record.packet > 0) this.#note(this.#stack(record), about);
    } else if (name === 'funcgraph_entry') this.#enter(this.#stack(record), record);
    else this.#exit(this.#stack(record), record, log);
  }

  /** In order of time. */
  roots(): readonly RootCall[] {
    return this.#roots.sort((a, b) => a.start - b.start);
  }

  /** Interrupts nest on the stack of the task that they interrupt; each CPU has an idle task of its own. */
  #stack(record: LogRecord): Stack {
    const key = record.pid === 0 ? `cpu${record.cpu}` : String(record.pid);
    let stack = this.#stacks.get(key);
    if (stack === undefined) this.#stacks.set(key, (stack = new Stack()));
    return stack;
  }

  #note(stack: Stack, about: boolean): void {
    stack.lastIsOurs = about;
    for (const call of stack.calls) {
      if (about) call.ours = true;
      else call.noteOthers();
    }
  }

  #enter({ calls }: Stack, record: LogRecord): void {
    const call = new Call(String(record.field('func')), record.time);
    calls.at(-1)?.below.push(call);
    calls.push(call);
  }

  #exit({ calls, lastIsOurs }: Stack, record: LogRecord, log: LogDescription): void {
    const call = calls.pop();
    // The log may begin in the middle of a call.
    if (call === undefined) return;
    call.end = record.time;
    call.between = lastIsOurs && !call.others;
    const caller = calls.at(-1);
    if (caller !== undefined) {
      if (!call.shown && caller.others) caller.skipLast();
    } else if (call.ours) {
      const { name: host, cpu } = hostOfCpu(log, record.cpu);
      const { name, start, end, below } = call;
      this.#roots.push({ name, start, end, below, host, cpu, task: `${record.task}${record.context}` });
    }
  }
}
