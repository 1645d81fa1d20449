/** Hosts of all kinds, on good and bad wires: whatever the host, all bytes arrive; whatever the wire, every frame is accounted for. */
import { describe, expect, it } from 'vitest';
import type { Override } from '../../src/topology/load.ts';
import { arrived, expectGoodEnd, framesOf, type Outcome, pattern, runExample, runText, sha256, transferred } from './scenario.ts';

const SIZE = 300_000;
const ANSWER = 20_000;

const PAIR = `
hosts:
  client:
    interfaces: { eth0: 10.0.0.1/24 }
    run: [ { script: "connect 10.0.0.2 5001\\nsend ${SIZE}\\nshutdown wr\\nrecvall\\nclose" } ]
  server:
    interfaces: { eth0: 10.0.0.2/24 }
    run: [ { script: "listen 5001\\naccept\\nrecvall\\nsend ${ANSWER}\\nclose\\ncloselisten" } ]
wires:
  - { between: [client.eth0, server.eth0], rate: 1Gbit, delay: 1ms }
capture: [ { point: wire } ]
`;

const set = (path: string, value: unknown): Override => ({ path: path.split('.'), value });
const both = (key: string, value: unknown): Override[] => ['client', 'server'].map((host) => set(`hosts.${host}.${key}`, value));
const impair = (rules: unknown): Override => set('wires.0.impair', { client: rules, server: rules });

function run(overrides: readonly Override[]): Outcome {
  const outcome = runText('pair.yaml', PAIR, { overrides });
  expectGoodEnd(outcome);
  return outcome;
}

function expectAllBytes(outcome: Outcome): void {
  expect(transferred(outcome, 'client')).toEqual({ sent: SIZE, received: ANSWER });
  expect(transferred(outcome, 'server')).toEqual({ sent: ANSWER, received: SIZE });
}

/** Every frame that an end put on a wire was lost there or came out at the other end, where it was received or counted as an error. */
function expectAccounts({ report }: Outcome): void {
  for (const ends of Object.values(report.wires)) {
    const [first, second] = Object.entries(ends);
    for (const [[from, sent], [to]] of [
      [first!, second!],
      [second!, first!],
    ] as const) {
      const nic = (end: string): Record<string, number> => {
        const [host = '', name = ''] = end.split('.');
        return report.hosts[host]!.interfaces[name]!.driver;
      };
      expect(nic(from).tx_packets, `${from} sends what its driver says`).toBe(sent.frames);
      const { rx_packets, rx_crc_errors, rx_missed_errors } = nic(to) as Record<
        'rx_packets' | 'rx_crc_errors' | 'rx_missed_errors',
        number
      >;
      expect(rx_packets + rx_crc_errors + rx_missed_errors, `${to} has all that came from ${from}`).toBe(
        sent.frames - sent.lost + sent.duplicated,
      );
      expect(rx_crc_errors, 'damaged frames are dropped for their FCS').toBeLessThanOrEqual(sent.corrupted * 2);
    }
  }
}

describe('a host', () => {
  for (const cpus of [1, 2, 4]) {
    it(`transfers with ${cpus} CPU${cpus > 1 ? 's' : ''}`, () => {
      const outcome = run(both('cpus', cpus));
      expectAllBytes(outcome);
      expectAccounts(outcome);
      expect(outcome.report.hosts.client!.cpu.perCpu).toHaveLength(cpus);
      expect(outcome.report.hosts.server!.snmp.TcpInErrs ?? 0).toBe(0);
    });
  }

  it('whose CPUs cost nothing transfers, and its accounts say so', () => {
    const outcome = run(both('cpu', 'zero'));
    expectAllBytes(outcome);
    const { user, system, hardirq, softirq } = outcome.report.hosts.server!.cpu;
    expect(user + system + hardirq + softirq).toBe(0);
  });

  it('with slower CPUs needs more of their time', () => {
    const busy = (ghz: number): number => {
      const { system, hardirq, softirq } = run(both('cpu', { ghz, ipc: 1 })).report.hosts.server!.cpu;
      return system + hardirq + softirq;
    };
    expect(busy(1)).toBeGreaterThan(busy(4) * 2);
  });

  it('with HZ=1000 transfers', () => expectAllBytes(run(both('hz', 1000))));

  it('with one queue and small rings transfers', () => {
    const outcome = run(
      both('interfaces.eth0', undefined).map(({ path }, i) => ({
        path,
        value: { address: `10.0.0.${i + 1}/24`, queues: 1, tx_ring: 80, rx_ring: 80 },
      })),
    );
    expectAllBytes(outcome);
    expectAccounts(outcome);
  });
});

describe('a wire that loses 1 % both ways', () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    it(`loses no byte (seed ${seed})`, () => {
      const outcome = run([impair({ loss: '1%' }), set('seed', seed)]);
      expectAllBytes(outcome);
      expectAccounts(outcome);
      const wire = framesOf(outcome.captures[0]!);
      expect(sha256(arrived(wire, (port) => port !== 5001))).toBe(sha256(pattern(SIZE)));
      expect(sha256(arrived(wire, (port) => port === 5001))).toBe(sha256(pattern(ANSWER)));
      const lost = wire.filter(({ comments }) => comments.includes('lost on the wire')).length;
      expect(outcome.report.drops.filter(({ reason }) => reason === 'lost on the wire').reduce((sum, { count }) => sum + count, 0)).toBe(
        lost,
      );
    });
  }
});

describe('a wire that duplicates, reorders and damages frames', () => {
  for (const seed of [1, 2, 3]) {
    it(`costs no byte, and every frame is accounted for (seed ${seed})`, () => {
      const outcome = run([
        impair({ duplicate: '2%', reorder: '5%', reorder_by: '100us', corrupt: '1%', jitter: '10us' }),
        set('seed', seed),
      ]);
      expectAllBytes(outcome);
      expectAccounts(outcome);
      const ends = Object.values(outcome.report.wires['client.eth0-server.eth0']!);
      expect(ends.reduce((sum, { duplicated }) => sum + duplicated, 0)).toBeGreaterThan(0);
      const corrupted = ends.reduce((sum, end) => sum + end.corrupted, 0);
      expect(corrupted).toBeGreaterThan(0);
      const crcErrors = ['client', 'server'].map((host) => outcome.report.hosts[host]!.interfaces.eth0!.driver.rx_crc_errors!);
      expect(crcErrors[0]! + crcErrors[1]!).toBeGreaterThanOrEqual(corrupted);
    });
  }
});

describe('topologies/loopback.yaml', () => {
  it('transfers over lo, without a card or a wire', () => {
    const outcome = runExample('loopback.yaml', { trace: 'default' });
    expectGoodEnd(outcome);
    expect(outcome.report.wireFrames).toBe(0);
    expect(outcome.output.filter((line) => line.includes(' end ')).map((line) => /tx=\d+ rx=\d+ bad=\d+/.exec(line)?.[0])).toEqual(
      expect.arrayContaining(['tx=1000000 rx=1000 bad=0', 'tx=1000 rx=1000000 bad=0']),
    );
    const { link } = outcome.report.hosts.host!.interfaces.lo!;
    expect(link.rx_packets).toBe(link.tx_packets);
    expect(link.rx_bytes).toBe(link.tx_bytes);
    expect(link.tx_bytes).toBeGreaterThan(1_001_000);
    expect(outcome.report.hosts.host!.snmp).toMatchObject({ TcpActiveOpens: 1, TcpPassiveOpens: 1 });
    expect(outcome.report.hosts.host!.snmp.TcpRetransSegs ?? 0).toBe(0);
  });
});
