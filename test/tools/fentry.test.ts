import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dst_release } from '../../src/kernel/include/net/dst.ts';
import { scaledCosts, zeroCosts } from '../../src/kernel/trace/cost_model.ts';
import { function_costs } from '../../src/kernel/trace/function_costs.ts';
import { Cpu, type OperatingSystem } from '../../src/machine/cpu.ts';
import { Simulation } from '../../src/sim/simulation.ts';
import { instrument, readIds } from '../../tools/fentry.mjs';

const IDS = new Map([
  ['tcp_ack', 7],
  ['tcp_push', 8],
]);

interface Sample {
  /** What the hooks heard: `>7` entry, `<7` exit. */
  readonly calls: string[];
  readonly functions: Readonly<Record<string, (...args: unknown[]) => unknown>>;
}

/** Runs a module's text with or without hooks. Its functions have to be declared with `export`. */
function load(code: string, instrumented: boolean): Sample {
  const text = instrumented ? (instrument(code, IDS, './cpu.js') ?? code) : code;
  const names = [...code.matchAll(/export function\*? (\w+)/g)].map((match) => match[1]!);
  const script = text.replace(/^import [^;]*;/, '').replaceAll('export ', '');
  const calls: string[] = [];
  const fentry = (id: number): void => {
    calls.push(`>${id}`);
  };
  const fexit = (id: number, value: unknown): unknown => {
    calls.push(`<${id}`);
    return value;
  };
  const functions = new Function('__fentry', '__fexit', `${script}\nreturn { ${names.join(', ')} };`)(fentry, fexit) as Sample['functions'];
  return { calls, functions };
}

/** The result of `tcp_ack(...args)` and the calls that the hooks heard; without hooks the result has to be the same. */
function run(code: string, ...args: unknown[]): { result: unknown; calls: string } {
  const plain = load(code, false).functions['tcp_ack']!(...structuredClone(args));
  const sample = load(code, true);
  const result = sample.functions['tcp_ack']!(...structuredClone(args));
  expect(result).toEqual(plain);
  return { result, calls: sample.calls.join(' ') };
}

describe('instrument', () => {
  it('hooks entry and every kind of return', () => {
    const code = `export function tcp_ack(n) {
      if (n === 0) return;
      if (n === 1) { return 'one'; }
      switch (n) {
        case 2: return(2);
        case 3: return [n, n];
        case 4: return"four";
        case 5: return (n, -n);
        case 6: return (
          n > 0 ? 'six' : 'less'
        );
      }
      for (;;) if (n-- < 10) return n && !n || n
    }`;
    for (let n = 0; n < 12; n++) expect(run(code, n).calls).toBe('>7 <7');
    expect(run(code, 5).result).toBe(-5);
  });

  it('hooks running off the end, with and without semicolons', () => {
    expect(run('export function tcp_ack(list) { list.push(1); }', []).calls).toBe('>7 <7');
    expect(run('export function tcp_ack(list) { list.push(1) }', []).calls).toBe('>7 <7');
    expect(run('export function tcp_ack(list) {\n  if (list.length > 0)\n    list.push(1)\n}', [1]).calls).toBe('>7 <7');
    expect(run('export function tcp_ack() {}').calls).toBe('>7 <7');
    expect(run('export function tcp_ack(list) { list.push(1); // last words\n}', []).calls).toBe('>7 <7');
  });

  it('leaves nested functions, arrows, methods and classes alone', () => {
    const code = `export function tcp_ack(list) {
      const twice = (x) => { return 2 * x; };
      function half(x) { return x / 2; }
      class Counter { get() { return 5; } static { list.push(0); } }
      const table = { tcp_push() { return 1; } };
      return list.map((x) => { return half(twice(x)); }).concat(new Counter().get(), table.tcp_push());
    }`;
    expect(run(code, [1, 2, 3])).toEqual({ result: [1, 2, 3, 0, 5, 1], calls: '>7 <7' });
  });

  it('reports calls as a tree', () => {
    const code = `export function tcp_push(n) { if (n > 0) return tcp_push(n - 1); return 'done'; }
      export function helper() { return tcp_push(1); }
      export function tcp_ack() { return helper(); }`;
    expect(run(code)).toEqual({ result: 'done', calls: '>7 >8 >8 <8 <8 <7' });
  });

  it('hooks generators at their first step and at their return', () => {
    const code = `export function* tcp_push(list) { const got = yield 'sleep'; list.push(got); if (got) return got; }
      export function* tcp_ack(list) { const first = yield* tcp_push(list); return [first, yield* tcp_push(list)]; }`;
    const trace = (instrumented: boolean): string[] => {
      const { calls, functions } = load(code, instrumented);
      const task = functions['tcp_ack']!([]) as Generator<string, unknown, number>;
      const steps: string[] = [];
      for (const input of [9, 5, 0]) {
        steps.push(JSON.stringify(task.next(input)), calls.join(' '));
      }
      return steps;
    };
    const steps = trace(true);
    const plain = trace(false);
    expect(steps.filter((_, i) => i % 2 === 0)).toEqual(plain.filter((_, i) => i % 2 === 0));
    expect(steps.filter((_, i) => i % 2 === 1)).toEqual(['>7 >8', '>7 >8 <8 >8', '>7 >8 <8 >8 <8 <7']);
  });

  it('reports no exit for an exception', () => {
    const { calls, functions } = load('export function tcp_ack() { throw new Error("bug"); }', true);
    expect(() => functions['tcp_ack']!()).toThrow('bug');
    expect(calls).toEqual(['>7']);
  });

  it('keeps lines and imports the hooks on the first one', () => {
    const code =
      'import { a } from "./a.js";\n\nexport function tcp_ack() {\n  return a;\n}\nfunction other() {}\n//# sourceMappingURL=x.map\n';
    expect(instrument(code, IDS, '../machine/cpu.js')?.split('\n')).toEqual([
      'import { fentry as __fentry, fexit as __fexit } from "../machine/cpu.js";import { a } from "./a.js";',
      '',
      'export function tcp_ack() {__fentry(7);',
      '  return __fexit(7, a);',
      '}',
      'function other() {}',
      '//# sourceMappingURL=x.map',
      '',
    ]);
  });

  it('has nothing to do twice or where no function has a row', () => {
    const once = instrument('function tcp_ack() {}', IDS, './cpu.js');
    expect(instrument(once!, IDS, './cpu.js')).toBeNull();
    expect(instrument('export const tcp_ack = () => 1;\nexport function ownName() {}', IDS, './cpu.js')).toBeNull();
  });
});

describe('fentryPlugin', () => {
  it('makes the kernel that the tests import charge its CPU and feed its tracer', () => {
    const id = function_costs.findIndex(([name]) => name === 'dst_release');
    const os: OperatingSystem = { interrupt: () => {}, step: () => false, nextStepAt: () => Number.POSITIVE_INFINITY };
    const cpu = new Cpu(new Simulation(), os, 0, 'host', scaledCosts(1e9, 1));
    const calls: string[] = [];
    cpu.tracer = {
      enter: (_, called) => calls.push(`>${called} at ${cpu.clock}`),
      exit: (_, called) => calls.push(`<${called} at ${cpu.clock}`),
    };
    cpu.runOn(() => dst_release(null));
    const cost = function_costs[id]![1];
    expect(cpu.clock).toBe(cost);
    expect(calls).toEqual([`>${id} at ${cost}`, `<${id} at ${cost}`]);
  });
});

describe('function_costs', () => {
  it('is sorted, without doubles, and read from its text with the same ids', () => {
    const names = function_costs.map(([name]) => name);
    expect(names).toEqual([...new Set(names)].sort());
    const text = readFileSync(new URL('../../src/kernel/trace/function_costs.ts', import.meta.url), 'utf8');
    expect([...readIds(text)]).toEqual(names.map((name, id) => [name, id]));
  });

  // No measurement: guards a regenerated table against a calibration that went astray.
  it('keeps the transmission of a small TCP segment in the range it was calibrated to', () => {
    const path = `tcp_sendmsg tcp_sendmsg_locked tcp_stream_alloc_skb __alloc_skb tcp_push tcp_write_xmit __tcp_transmit_skb ip_queue_xmit __ip_queue_xmit
      ip_output ip_finish_output2 __dev_queue_xmit sch_direct_xmit validate_xmit_skb dev_hard_start_xmit igb_xmit_frame igb_xmit_frame_ring`;
    const costs = new Map(function_costs);
    const sum = path.split(/\s+/).reduce((total, name) => total + (costs.get(name) ?? Number.NaN), 0);
    expect(sum).toBeGreaterThan(2000);
    expect(sum).toBeLessThan(5000);
  });

  it('scales to whole ns of at least 1, or to nothing', () => {
    const id = function_costs.findIndex(([name]) => name === 'tcp_ack');
    const instructions = function_costs[id]![1];
    expect(scaledCosts(1e9, 1)[id]).toBe(instructions);
    expect(scaledCosts(3e9, 1)[id]).toBe(Math.round(instructions / 3));
    expect(Math.min(...scaledCosts(1e12, 4))).toBe(1);
    expect(zeroCosts().every((ns) => ns === 0)).toBe(true);
    expect(zeroCosts()).toHaveLength(function_costs.length);
    expect(() => scaledCosts(0, 1)).toThrow('0 Hz');
  });
});
