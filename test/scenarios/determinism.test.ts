/** The same seed gives the same files, byte for byte; another seed others; and looking changes nothing. */
import { describe, expect, it } from 'vitest';
import { trace_formats } from '../../src/observe/trace/trace_formats.ts';
import type { Override } from '../../src/topology/load.ts';
import { CAPTURE_POINTS } from '../../src/topology/schema.ts';
import { examples, filesOf, framesOf, type Outcome, type RunSettings, runExample, runText } from './scenario.ts';

const LOSSY = `
hosts:
  client:
    cpus: 2
    interfaces: { eth0: 10.0.0.1/24 }
    run: [ { script: "connect 10.0.0.2 5001\\nsend 150000\\nshutdown wr\\nrecvall\\nclose" } ]
  server:
    cpus: 2
    interfaces: { eth0: 10.0.0.2/24 }
    run: [ { script: "listen 5001\\naccept\\nrecvall\\nsend 1000\\nclose" } ]
wires:
  - between: [client.eth0, server.eth0]
    rate: 1Gbit
    delay: 2ms
    impair: { client: { loss: 2%, jitter: 20us }, server: { loss: 2% } }
capture: [ wire, nic, tcpdump ]
`;

const capture = (value: readonly unknown[]): Override => ({ path: ['capture'], value });
const seed = (value: number): Override => ({ path: ['seed'], value });

function expectEqualFiles(one: Outcome, other: Outcome): void {
  const [ours, theirs] = [filesOf(one), filesOf(other)];
  expect([...ours.keys()]).toEqual([...theirs.keys()]);
  for (const [name, bytes] of ours) expect(bytes.equals(theirs.get(name)!), name).toBe(true);
}

const wireOf = (outcome: Outcome): Buffer => [...filesOf(outcome)].find(([name]) => name.includes('.wire.'))![1];

/** What happened, as the report tells it, without what depends on who watched. */
function course({ report }: Outcome): unknown {
  const { captures: _captures, ...rest } = report;
  return rest;
}

describe('a seed', () => {
  for (const name of examples) {
    it(`gives ${name} the same files twice`, () => {
      const one = runExample(name, { trace: 'default' });
      expect(filesOf(one).size).toBeGreaterThan(1);
      expectEqualFiles(one, runExample(name, { trace: 'default' }));
    });
  }

  it('gives the same files twice with random loss, jitter and the function graph', () => {
    const settings = { trace: 'default,function_graph', overrides: [seed(4)] };
    expectEqualFiles(runText('lossy.yaml', LOSSY, settings), runText('lossy.yaml', LOSSY, settings));
  });

  it('makes another one lose other frames', () => {
    const lost = (outcome: Outcome): number[] =>
      framesOf(outcome.captures.find((path) => path.includes('.wire.'))!).flatMap(({ comments }, i) => (comments.length > 0 ? [i] : []));
    const runs = [1, 2, 3].map((value) => lost(runText('lossy.yaml', LOSSY, { overrides: [seed(value)] })).join());
    expect(new Set(runs).size).toBe(3);
  });

  it('makes initial sequence numbers others', () => {
    const first = (value: number): number =>
      framesOf(runExample('two-hosts.yaml', { overrides: [seed(value), capture(['wire'])] }).captures[0]!).find(
        ({ parsed: { tcp } }) => tcp !== null,
      )!.parsed.tcp!.seq;
    expect(first(1)).not.toBe(first(2));
  });
});

const VIEWS = ['ss -tanimeo', 'ip -s link', 'ip -s neigh', 'ethtool -S eth0', 'tc -s qdisc', 'nstat -az', 'cat /proc/net/softnet_stat', 'cat /proc/interrupts', 'cat /proc/stat', 'dmesg']; // biome-ignore format: a list

describe('looking', () => {
  let bare: Outcome | undefined;

  it('changes nothing: frames, instants and counters are the same with one capture as with all captures and all traces', () => {
    const bare = runText('lossy.yaml', LOSSY, { overrides: [capture(['wire'])] });
    const watched = runText('lossy.yaml', LOSSY, { trace: 'all,function_graph' });
    expect(watched.report.captures).toHaveLength(5);
    expect(wireOf(watched).equals(wireOf(bare))).toBe(true);
    expect(course(watched)).toEqual(course(bare));
    const blind = runText('lossy.yaml', LOSSY, { overrides: [capture([])] });
    expect(course(blind)).toEqual(course(bare));
  });

  const observations: readonly (readonly [string, Partial<RunSettings>])[] = [
    ...CAPTURE_POINTS.filter((point) => point !== 'wire').map((point) => [`the capture point ${point}`, { overrides: [capture(['wire', point])] }] as const),
    ['the state of TCP', { overrides: [capture(['wire', { point: 'tcpdump', tcp_state: true }, { point: 'gro', tcp_state: true }, { point: 'qdisc', tcp_state: true }])] }],
    ['a filter, a snap length and ring files', { overrides: [capture(['wire', { point: 'nic', on: 'client.eth0', filter: 'tcp', snaplen: 60, max_size: '10K', files: 2 }])] }],
    ['classic pcap', { overrides: [capture(['wire', { point: 'tcpdump', format: 'pcap' }])] }],
    ['a shared file', { overrides: [capture(['wire', { point: 'tcpdump', file: 'all.pcapng' }, { point: 'nic', file: 'all.pcapng' }])] }],
    ...trace_formats.map((format) => [`all events as ${format}`, { overrides: [capture(['wire'])], trace: 'all', traceFormats: [format] }] as const),
    ['a filtered event', { overrides: [capture(['wire'])], trace: 'tcp:tcp_probe/snd_cwnd > 12/' }],
    ['the function graph as text', { overrides: [capture(['wire'])], trace: 'function_graph' }],
    ['the function graph in the event log', { overrides: [capture(['wire'])], trace: 'function_graph', traceFormats: ['msgpack'] }],
    ['the ground truth', { overrides: [capture(['wire'])], run: { truth: true } }],
    ['views', { overrides: [capture(['wire'])], run: { views: VIEWS.flatMap((line) => [`1ms client: ${line}`, `7.3ms server: ${line}`, `end client: ${line}`]) } }],
  ]; // biome-ignore format: a table

  it.each(observations)('is the same with and without %s', (_name, settings) => {
    bare ??= runText('lossy.yaml', LOSSY, { overrides: [capture(['wire'])] });
    const watched = runText('lossy.yaml', LOSSY, settings);
    expect(wireOf(watched).equals(wireOf(bare))).toBe(true);
    expect(course(watched)).toEqual(course(bare));
    for (const [name, bytes] of filesOf(bare)) if (/\.(log|txt)$/.test(name)) expect(filesOf(watched).get(name)).toEqual(bytes);
  });
});
