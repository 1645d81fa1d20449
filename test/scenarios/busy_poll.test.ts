/** Busy polling: readers that poll their queue themselves (SO_BUSY_POLL, net.core.busy_read), poll() and epoll that do (net.core.busy_poll). */
import { describe, expect, it } from 'vitest';
import type { RunReport } from '../../src/observe/report/run_report.ts';
import { runText } from './scenario.ts';

interface Setup {
  readonly options?: readonly string[];
  readonly setup?: readonly string[];
  readonly cpu?: string;
  readonly receive?: string;
  readonly udp?: boolean;
  readonly more?: readonly string[];
}

const ROUNDS = 20;

interface Result {
  readonly report: RunReport;
  readonly output: readonly string[];
  readonly polled: number;
  /** Interrupts of the client's receive vectors. */
  readonly rxInterrupts: number;
  readonly switches: number;
}

/** The client sends a request and waits for the answer, 20 times. */
function run({ options = [], setup = [], cpu = '', receive = 'recv 100', udp = false, more = [] }: Setup): Result {
  const begin = udp ? ['udp', 'bind 10.0.0.1 9000'] : ['connect 10.0.0.2 5001'];
  const send = udp ? 'sendto 10.0.0.2 5001 100' : 'send 100';
  const server = udp
    ? ['udp', 'bind 10.0.0.2 5001', `repeat ${ROUNDS}: reply 100`]
    : ['listen 5001', 'accept', `repeat ${ROUNDS}: recv 100; send 100`];
  const script = (lines: readonly string[]): string => lines.map((line) => `          ${line}`).join('\n');
  const { report, output } = runText(
    'busy.yaml',
    `
hosts:
  client:
    cpus: 2
${cpu}
    interfaces: { eth0: 10.0.0.1/24 }
    setup: ${JSON.stringify(setup)}
    run:
      - at: 1ms
        script: |
${script([...begin, ...options.map((option) => `setsockopt ${option}`), `repeat ${ROUNDS}: ${send}; ${receive}`, 'close'])}
      - { at: 100ms, command: cat /proc/net/netstat }
      - { at: 100ms, command: cat /proc/interrupts }
${more.map((line) => `      - ${line}`).join('\n')}
  server:
    interfaces: { eth0: 10.0.0.2/24 }
    run:
      - script: |
${script([...server, 'close'])}
wires: [{ between: [client.eth0, server.eth0], rate: 1Gbit, delay: 5us }]
`,
  );
  const lines = output.map((line) => line.replace(/^\w+: /, ''));
  const [names, values] = lines.filter((line) => line.startsWith('TcpExt:')).map((line) => line.split(' ')) as [string[], string[]];
  const rx = lines.filter((line) => line.endsWith('eth0-rx-0') || line.endsWith('eth0-rx-1'));
  return {
    report,
    output: lines,
    polled: Number(values[names.indexOf('BusyPollRxPackets')]),
    rxInterrupts: rx.reduce(
      (sum, line) =>
        sum +
        line
          .trim()
          .split(/\s+/)
          .slice(1, 3)
          .reduce((a, b) => a + Number(b), 0),
      0,
    ),
    switches: report.hosts.client!.contextSwitches,
  };
}

const usual = run({});

it('without it all packets come by interrupts', () => {
  expect(usual.polled).toBe(0);
  expect(usual.rxInterrupts).toBeGreaterThanOrEqual(ROUNDS);
});

describe('a reader that polls', () => {
  it.each([
    ['SO_BUSY_POLL', { options: ['SO_BUSY_POLL 1000'] }],
    ['net.core.busy_read', { setup: ['sysctl -w net.core.busy_read=1000'] }],
  ])('%s: finds its data without being woken', (_name, settings) => {
    const { polled, switches, report } = run(settings);
    expect(polled).toBeGreaterThanOrEqual(ROUNDS);
    // Without polling it sleeps in each round.
    expect(switches).toBeLessThan(usual.switches - ROUNDS);
    expect(report.hosts.client!.cpu.system).toBeGreaterThan(2 * usual.report.hosts.client!.cpu.system);
    expect(report.leaks).toBe(0);
  });

  it('works for datagrams of an unconnected socket', () => {
    const { polled, report } = run({ options: ['SO_BUSY_POLL 1000'], udp: true, receive: 'recvfrom 100' });
    // The first answer told the socket which NAPI instance is its own.
    expect(polled).toBeGreaterThanOrEqual(ROUNDS - 1);
    expect(report.programs.every(({ status }) => status === 0)).toBe(true);
  });

  it('sleeps after its time, and is woken by the interrupt', () => {
    const { polled, rxInterrupts, switches } = run({ options: ['SO_BUSY_POLL 5'] });
    expect(polled).toBe(0);
    expect(rxInterrupts).toBeGreaterThanOrEqual(ROUNDS);
    expect(switches).toBeGreaterThanOrEqual(usual.switches - 2);
  });

  it('that prefers to poll keeps the interrupt off as long as the timer has not run out', () => {
    const setup = ['echo 2 | tee /sys/class/net/eth0/napi_defer_hard_irqs', 'echo 200000 | tee /sys/class/net/eth0/gro_flush_timeout'];
    const { polled, rxInterrupts } = run({ options: ['SO_BUSY_POLL 1000', 'SO_PREFER_BUSY_POLL 1'], setup });
    expect(polled).toBeGreaterThanOrEqual(ROUNDS);
    expect(rxInterrupts).toBeLessThan(usual.rxInterrupts / 2);
  });

  it('comes to an end on a CPU without costs, too', () => {
    expect(run({ options: ['SO_BUSY_POLL 1000'], cpu: '    cpu: zero' }).polled).toBeGreaterThanOrEqual(ROUNDS);
  });

  it('loses the queue when the interface is taken down', () => {
    const more = ['{ at: 1500us, command: ip link set eth0 down }', '{ at: 20ms, command: ip link set eth0 up }'];
    const { report } = run({ options: ['SO_BUSY_POLL 100000', 'SO_RCVBUF 20000'], more });
    expect(report.programs.every(({ status }) => status === 0)).toBe(true);
    expect(report.leaks).toBe(0);
  });
});

describe('poll()', () => {
  const receive = 'wait_readable 1000; recv 100';

  it('polls queues of sockets that can, with net.core.busy_poll', () => {
    const { polled, switches } = run({ options: ['SO_BUSY_POLL 1'], setup: ['sysctl -w net.core.busy_poll=1000'], receive });
    expect(polled).toBeGreaterThanOrEqual(ROUNDS);
    expect(switches).toBeLessThan(usual.switches - ROUNDS);
  });

  it('sleeps when no socket can', () => {
    expect(run({ setup: ['sysctl -w net.core.busy_poll=1000'], receive }).polled).toBe(0);
  });
});

it('options tell what was set, and refuse what makes no sense', () => {
  const options = ['SO_BUSY_POLL -1', 'SO_BUSY_POLL_BUDGET 65536', 'SO_BUSY_POLL_BUDGET 16', 'SO_PREFER_BUSY_POLL 1'];
  const { output } = run({
    options: [...options, 'SO_BUSY_POLL 70'],
    receive: 'recv 100; getsockopt SO_BUSY_POLL; getsockopt SO_PREFER_BUSY_POLL',
  });
  expect(output).toContainEqual(expect.stringMatching(/setsockopt SO_BUSY_POLL -1 -> -1 EINVAL$/));
  expect(output).toContainEqual(expect.stringMatching(/setsockopt SO_BUSY_POLL_BUDGET 65536 -> -1 EINVAL$/));
  expect(output).toContainEqual(expect.stringMatching(/setsockopt SO_BUSY_POLL_BUDGET 16 -> 0$/));
  expect(output).toContainEqual(expect.stringMatching(/SO_BUSY_POLL=70/));
  expect(output).toContainEqual(expect.stringMatching(/SO_PREFER_BUSY_POLL=1/));
});
