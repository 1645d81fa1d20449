/** TCP short of memory (net.ipv4.tcp_mem, tcp_max_orphans, a small receive buffer): it drops and collapses, counts what it does, and every byte arrives all the same. */
import { expect, it } from 'vitest';
import { expectGoodEnd, type Outcome, runText, transferred } from './scenario.ts';

function run(client: string, server: string, sysctl: string, clientSetup = '', drop = ''): Outcome {
  const block = (text: string): string => text.split('\n').map((line) => `          ${line}`).join('\n'); // biome-ignore format: short
  return runText(
    'memory.yaml',
    `hosts:
  client:
    interfaces: { eth0: 10.0.0.1/24 }
    setup: [ ${clientSetup} ]
    run:
      - script: |
${block(client)}
  server:
    interfaces: { eth0: 10.0.0.2/24 }
    setup: [ '${sysctl}', ethtool -K eth0 gro off ]
    run:
      - script: |
${block(server)}
      - { at: 290ms, command: nstat }
wires:
  - { between: [client.eth0, server.eth0], rate: 1Gbit, delay: 1ms${drop} }
`,
  );
}

/** A counter of the server's after 290 ms. */
function counter({ output }: Outcome, name: string): number {
  const line = output.find((text) => text.startsWith(`server: ${name} `));
  return line === undefined ? 0 : Number(/ (\d+) /.exec(line)![1]);
}

it('under memory pressure a receiver prunes its queues and drops, and nothing is lost in the end', () => {
  const outcome = run(
    'sleep_us 1000\nconnect 10.0.0.2 5001\nsend 3000000\nclose',
    'listen 5001\naccept\nsleep_us 300000\nrecvall\nclose',
    'sysctl -w net.ipv4.tcp_mem="8 16 40"',
    '',
    ', impair: { client: { drop: [30, 31, 32] } }',
  );
  expectGoodEnd(outcome);
  expect(transferred(outcome, 'server').received).toBe(3_000_000);
  expect(counter(outcome, 'TcpExtTCPMemoryPressures')).toBe(1);
  expect(counter(outcome, 'TcpExtPruneCalled')).toBeGreaterThan(0);
  expect(counter(outcome, 'TcpExtOfoPruned')).toBeGreaterThan(0);
  expect(counter(outcome, 'TcpExtTCPOFODrop')).toBeGreaterThan(0);
  expect(outcome.report.drops).toContainEqual(expect.objectContaining({ reason: 'PROTO_MEM', where: 'server tcp_data_queue_ofo' }));
});

it('small segments in large buffers are collapsed when the receive buffer is full', () => {
  const outcome = run(
    `sleep_us 1000\ntcp\nsetsockopt TCP_NODELAY 1\nconnect 10.0.0.2 5001\nrepeat 400: send 100; sleep_us 20\nclose`,
    'listen 5001\naccept\nsleep_us 300000\nrecvall\nclose',
    'sysctl -w net.ipv4.tcp_rmem="4096 16000 16000"',
    'sysctl -w net.ipv4.tcp_autocorking=0, ethtool -K eth0 tso off gso off',
    ', impair: { client: { drop: [8] } }',
  );
  expectGoodEnd(outcome);
  expect(transferred(outcome, 'server').received).toBe(40_000);
  expect(counter(outcome, 'TcpExtTCPRcvCollapsed')).toBeGreaterThan(0);
  expect(counter(outcome, 'TcpExtRcvPruned')).toBeGreaterThan(0);
});

it('without room for orphans a connection that is closed with data in its queue is reset', () => {
  const outcome = run(
    'sleep_us 1000\nconnect 10.0.0.2 5001\nrecvall\nclose',
    'listen 5001\naccept\nsend 300000\nclose',
    'sysctl -w net.ipv4.tcp_max_orphans=0',
  );
  expect(counter(outcome, 'TcpExtTCPAbortOnMemory')).toBe(1);
  expect(counter(outcome, 'TcpOutRsts')).toBeGreaterThan(0);
  expect(transferred(outcome, 'client').received).toBeLessThan(300_000);
  expect(outcome.report.leaks).toBe(0);
});
