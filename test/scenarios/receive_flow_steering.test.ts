/** RFS: a flow's packets go through the stack on the CPU where its reader runs, whichever CPU has the queue's interrupt. */
import { describe, expect, it } from 'vitest';
import { runText } from './scenario.ts';

const RFS = ['sysctl -w net.core.rps_sock_flow_entries=1000', 'echo 200 | tee /sys/class/net/eth0/queues/rx-0/rps_flow_cnt'];

interface Result {
  readonly lines: string[];
  /** Packets that each CPU of the server took through the stack. */
  readonly processed: number[];
  /** How often each was told by another to do so. */
  readonly received_rps: number[];
  readonly bad: string[];
}

/** A transfer to a server with four CPUs and one queue, whose interrupt CPU 1 has; the reader runs on `cpu`. */
function run(cpu: number, setup: readonly string[], more: readonly string[] = []): Result {
  const { output, report } = runText(
    'rfs.yaml',
    `
hosts:
  client:
    interfaces: { eth0: 10.0.0.1/24 }
    run: [ { at: 1ms, script: "connect 10.0.0.2 5001\\nsend 300000\\nshutdown wr\\nrecvall\\nclose" } ]
  server:
    cpus: 4
    interfaces: { eth0: 10.0.0.2/24 }
    setup: ${JSON.stringify(['ethtool -L eth0 combined 1', 'ethtool -K eth0 gro off', ...setup])}
    run:
      - { cpu: ${cpu}, script: "listen 5001\\naccept\\nrdsize 4000\\nrecvall\\nclose" }
      - { at: 100ms, command: cat /proc/net/softnet_stat }
${more.map((line) => `      - ${line}`).join('\n')}
wires: [{ between: [client.eth0, server.eth0], rate: 1Gbit, delay: 100us }]
`,
  );
  expect(report.leaks).toBe(0);
  expect(report.programs.filter(({ status }) => status !== 0)).toEqual([]);
  const lines = output.filter((line) => line.startsWith('server: ')).map((line) => line.slice('server: '.length));
  const rows = lines
    .filter((line) => /^([0-9a-f]{8} ){14}[0-9a-f]{8}$/.test(line))
    .map((line) => line.split(' ').map((word) => Number.parseInt(word, 16)));
  return {
    lines,
    processed: rows.map((row) => row[0]!),
    received_rps: rows.map((row) => row[9]!),
    bad: output.filter((line) => /bad=[1-9]/.test(line)),
  };
}

const SEGMENTS = Math.ceil(300000 / 1448);

describe('packets of a connection', () => {
  it('stay where the interrupt is without RFS', () => {
    const { processed, received_rps } = run(2, []);
    expect(processed[2]).toBe(0);
    expect(received_rps).toEqual([0, 0, 0, 0]);
  });

  it.each([0, 2, 3])('go to CPU %i when their reader runs there', (cpu) => {
    const { processed, received_rps, bad } = run(cpu, RFS);
    expect(processed[cpu]).toBeGreaterThanOrEqual(SEGMENTS - 2);
    expect(received_rps[cpu]).toBeGreaterThan(0);
    expect(received_rps.reduce((a, b) => a + b)).toBe(received_rps[cpu]);
    expect(bad).toEqual([]);
  });

  it('go by their hash as long as nobody has read them, if RPS says so', () => {
    const setup = [...RFS, 'echo 8 | tee /sys/class/net/eth0/queues/rx-0/rps_cpus'];
    const { processed } = run(2, setup);
    // ARP and the handshake; then the reader is known.
    expect(processed[3]).toBeGreaterThan(0);
    expect(processed[3]).toBeLessThan(10);
    expect(processed[2]).toBeGreaterThanOrEqual(SEGMENTS - 4);
  });
});

it('tables have a power of two of entries, and can be done away with', () => {
  const commands = [
    'cat /sys/class/net/eth0/queues/rx-0/rps_flow_cnt',
    'sysctl net.core.rps_sock_flow_entries',
    'sysctl -w net.core.rps_sock_flow_entries=0',
    'sysctl net.core.flow_limit_table_len',
    'sysctl net.core.flow_limit_cpu_bitmap',
    'sysctl -w net.core.flow_limit_cpu_bitmap=5',
  ];
  const { lines } = run(
    0,
    RFS,
    commands.map((command) => `{ at: 200ms, command: ${JSON.stringify(command)} }`),
  );
  expect(lines.slice(-6)).toEqual([
    '256',
    'net.core.rps_sock_flow_entries = 1024',
    'net.core.rps_sock_flow_entries = 0',
    'net.core.flow_limit_table_len = 4096',
    'net.core.flow_limit_cpu_bitmap = 0',
    'net.core.flow_limit_cpu_bitmap = 5',
  ]);
});
