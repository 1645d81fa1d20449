/** Call trees of kernel functions: read from recordings of a real Linux, collected from runs of ours, and compared as indented text. */
import { readFileSync } from 'node:fs';
import { function_costs } from '../../src/kernel/trace/function_costs.ts';
import type { CallTracer, Cpu } from '../../src/machine/cpu.ts';
import type { Host } from '../../src/topology/host.ts';

export interface Call {
  readonly name: string;
  readonly calls: Call[];
}

/** gcc's suffixes of functions that it split or specialised, and the module's name, are not parts of the name. */
const plainName = (name: string): string => name.replace(/ \[\w+\]$/, '').replace(/\.(?:isra|part|constprop|cold)\.\d+/g, '');

/** Reads a recorded call graph: two spaces a level, closing braces left out. */
export function recordedCalls(path: string): Call[] {
  const root: Call = { name: '', calls: [] };
  const open: { call: Call; indent: number }[] = [{ call: root, indent: -1 }];
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const match = /^( *)(\S+(?: \[\w+\])?)\(\)/.exec(line);
    if (match === null) continue;
    const indent = match[1]!.length;
    const call: Call = { name: plainName(match[2]!), calls: [] };
    while (open.at(-1)!.indent >= indent) open.pop();
    open.at(-1)!.call.calls.push(call);
    open.push({ call, indent });
  }
  return root.calls;
}

/** Collects the calls of all CPUs of a host, task by task. */
export class CallCollector implements CallTracer {
  /** Calls from user space and from interrupts. */
  readonly roots: Call[] = [];
  readonly #host: Host;
  readonly #stacks = new Map<number, Call[]>();

  constructor(host: Host) {
    this.#host = host;
    for (const cpu of host.machine.cpus) cpu.tracer = this;
  }

  enter(cpu: Cpu, id: number): void {
    const stack = this.#stack(cpu);
    const call: Call = { name: function_costs[id]![0], calls: [] };
    (stack.at(-1)?.calls ?? this.roots).push(call);
    stack.push(call);
  }

  exit(cpu: Cpu): void {
    this.#stack(cpu).pop();
  }

  #stack(cpu: Cpu): Call[] {
    const pid = this.#host.kernel.percpu[cpu.id]!.current.pid;
    const key = pid === 0 ? -1 - cpu.id : pid;
    let stack = this.#stacks.get(key);
    if (stack === undefined) {
      stack = [];
      this.#stacks.set(key, stack);
    }
    return stack;
  }
}

export function* allCalls(calls: readonly Call[]): Generator<Call> {
  for (const call of calls) {
    yield call;
    yield* allCalls(call.calls);
  }
}

/** The tree as indented lines with only some of its functions; what the others call moves up to their callers. */
export function outline(tree: Call, shown: (name: string) => boolean, depth = 0): string[] {
  const visible = shown(tree.name);
  const below = tree.calls.flatMap((call) => outline(call, shown, visible ? depth + 1 : depth));
  return visible ? [`${'  '.repeat(depth)}${tree.name}`, ...below] : below;
}

export interface Simplification {
  /** True: the call goes, with all that it calls. */
  readonly drop: (call: Call, caller: Call) => boolean;
  /** True: the call goes; what it calls is called by its caller. */
  readonly merge: (call: Call, caller: Call) => boolean;
  readonly rename: (name: string) => string;
}

/** The tree with some of its calls taken out; rules see a call with the caller that it ends up under. */
export function simplify(tree: Call, rules: Simplification): Call {
  const result: Call = { name: rules.rename(tree.name), calls: [] };
  addCalls(tree.calls, result, rules);
  return result;
}

function addCalls(calls: readonly Call[], caller: Call, rules: Simplification): void {
  for (const call of calls) {
    if (rules.drop(call, caller)) continue;
    if (rules.merge(call, caller)) addCalls(call.calls, caller, rules);
    else caller.calls.push(simplify(call, rules));
  }
}
