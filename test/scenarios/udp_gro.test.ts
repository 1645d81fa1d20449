/** UDP GRO: datagrams of a flow become one packet for a socket with UDP_GRO, or on their way through a router with rx-udp-gro-forwarding. */
import { describe, expect, it } from 'vitest';
import { runText } from './scenario.ts';

/** GRO holds packets beyond the end of a poll, so that the instants of interrupts don't matter. */
const HOLD = 'echo 500000 | tee /sys/class/net/eth0/gro_flush_timeout';

interface Result {
  /** [bytes, UDP_GRO's segment size or 0] of each message that was read. */
  readonly messages: [number, number][];
  readonly lines: readonly string[];
}

/** `sends` are commands of the sender's script; the receiver reads until nothing comes for 20 ms. */
function run(sends: readonly string[], options: readonly string[], reads: number, setup: readonly string[] = []): Result {
  const script = (lines: readonly string[]): string => lines.map((line) => `          ${line}`).join('\n');
  const { output, report } = runText(
    'gro.yaml',
    `
hosts:
  client:
    interfaces: { eth0: 10.0.0.1/24 }
    run:
      - { command: ping -c 1 10.0.0.2 }
      - at: 10ms
        script: |
${script(['udp', 'bind 10.0.0.1 9000', ...sends, 'close'])}
  server:
    interfaces: { eth0: 10.0.0.2/24 }
    setup: ${JSON.stringify([HOLD, ...setup])}
    run:
      - script: |
${script(['udp', 'bind 10.0.0.2 5001', ...options, 'sleep_us 20000', ...new Array<string>(reads).fill('recvmsg 65000'), 'close'])}
wires: [{ between: [client.eth0, server.eth0], rate: 1Gbit, delay: 10us }]
`,
  );
  expect(report.leaks).toBe(0);
  const lines = output.filter((line) => line.startsWith('server: '));
  const messages: [number, number][] = [];
  for (const line of lines) {
    const size = /recvmsg 65000 -> (\d+)$/.exec(line)?.[1];
    const gro = /cmsg UDP_GRO (\d+)$/.exec(line)?.[1];
    if (size !== undefined) messages.push([Number(size), 0]);
    if (gro !== undefined) messages.at(-1)![1] = Number(gro);
  }
  return { messages, lines };
}

const GRO = ['setsockopt UDP_GRO 1'];
/** One send, cut by the card into datagrams of 1000 bytes that follow each other at once. */
const burst = (bytes: number): string[] => ['setsockopt UDP_SEGMENT 1000', `sendto 10.0.0.2 5001 ${bytes}`];

describe('a socket with UDP_GRO', () => {
  it('reads datagrams of one size at once, and is told the size', () => {
    expect(run(burst(8000), GRO, 1).messages).toEqual([[8000, 1000]]);
  });

  it('gets a shorter one as the last of its packet', () => {
    expect(run(burst(4500), GRO, 1).messages).toEqual([[4500, 1000]]);
  });

  it('gets a longer one in a packet of its own', () => {
    const sends = [500, 500, 900, 900, 100].map((size) => `sendto 10.0.0.2 5001 ${size}`);
    expect(run(sends, GRO, 2).messages).toEqual([
      [1000, 500],
      [1900, 900],
    ]);
  });

  it('gets 64 datagrams at most in one', () => {
    const sends = ['setsockopt UDP_SEGMENT 100', 'sendto 10.0.0.2 5001 10000'];
    expect(run(sends, GRO, 2).messages).toEqual([
      [6400, 100],
      [3600, 100],
    ]);
  });
});

it('a socket without UDP_GRO reads datagram by datagram, also while another one has it', () => {
  const other = ['setsockopt UDP_GRO 1', 'new', 'udp', 'bind 10.0.0.2 5002'];
  const sends = ['setsockopt UDP_SEGMENT 1000', 'sendto 10.0.0.2 5002 4000'];
  expect(run(sends, other, 4).messages).toEqual(new Array<[number, number]>(4).fill([1000, 0]));
});

it('nothing is merged when GRO is off, or the datagrams have no checksum', () => {
  expect(run(burst(3000), GRO, 3, ['ethtool -K eth0 gro off']).messages).toEqual(new Array<[number, number]>(3).fill([1000, 0]));
  const plain = ['setsockopt SO_NO_CHECK 1', ...new Array<string>(3).fill('sendto 10.0.0.2 5001 1000')];
  expect(run(plain, GRO, 3).messages).toEqual(new Array<[number, number]>(3).fill([1000, 0]));
});

it('a router with rx-udp-gro-forwarding forwards one packet, and the far host gets the datagrams', () => {
  const count = (feature: 'on' | 'off'): { forwarded: number; received: number } => {
    const { output, report } = runText(
      'router.yaml',
      `
hosts:
  client:
    interfaces: { eth0: 10.0.1.1/24 }
    setup: [ ip route add default via 10.0.1.254 ]
    run:
      - { command: ping -c 1 10.0.2.2 }
      - { at: 20ms, script: "udp\\nbind 10.0.1.1 9000\\nsetsockopt UDP_SEGMENT 1000\\nsendto 10.0.2.2 5001 8000\\nclose" }
  router:
    interfaces: { eth0: 10.0.1.254/24, eth1: 10.0.2.254/24 }
    setup: [ sysctl -w net.ipv4.ip_forward=1, ${HOLD}, ethtool -K eth0 rx-udp-gro-forwarding ${feature} ]
    run: [ { at: 60ms, command: cat /proc/net/snmp } ]
  server:
    interfaces: { eth0: 10.0.2.2/24 }
    setup: [ ip route add default via 10.0.2.254 ]
    run: [ { script: "udp\\nbind 10.0.2.2 5001\\nrepeat 8: recvfrom 2000\\nclose" } ]
wires:
  - { between: [client.eth0, router.eth0], rate: 1Gbit, delay: 10us }
  - { between: [router.eth1, server.eth0], rate: 1Gbit, delay: 10us }
`,
    );
    expect(report.leaks).toBe(0);
    const [names, values] = output.filter((line) => line.startsWith('router: Ip: ')).map((line) => line.split(' ')) as [string[], string[]];
    return {
      forwarded: Number(values[names.indexOf('ForwDatagrams')]),
      received: output.filter((line) => /server: .* recvfrom 2000 -> 1000/.test(line)).length,
    };
  };
  // Request and answer of the ping besides.
  expect(count('off')).toEqual({ forwarded: 2 + 8, received: 8 });
  expect(count('on')).toEqual({ forwarded: 2 + 1, received: 8 });
});
