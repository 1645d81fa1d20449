/**
 * 1, 2, 4 and 8 queue pairs: every flow lands on the queue that the Toeplitz hash of its addresses and ports says, under the host's own key and table. The
 * hash is computed here anew, from its definition.
 */
import { describe, expect, it } from 'vitest';
import { openCapture } from '../../src/observe/files/capture_reader.ts';
import { expectGoodEnd, type Outcome, runText } from './scenario.ts';

const FLOWS = 48;
const BYTES = 20_000;
const INBOUND = 1;
const TCP = 6;

/** Connections choose their transmit queues by hashes of chance: with this seed each queue is chosen. */
const topology = (queues: number, setup = ''): string => `
seed: 3
hosts:
  client:
    cpus: 8
    interfaces: { eth0: { address: 10.0.0.1/24, queues: ${queues} } }
    run:
${Array.from({ length: FLOWS }, (_, i) => `      - { at: ${i * 100}us, script: "connect 10.0.0.2 5001\\nsend ${BYTES}\\nshutdown wr\\nrecvall\\nclose" }`).join('\n')}
  server:
    cpus: 8
    interfaces: { eth0: 10.0.0.2/24 }
    setup: [ ethtool -L eth0 combined ${queues}${setup} ]
    run:
      - script: "listen 5001\\nrepeat ${FLOWS}: accept; recvall; send 100; close"
      - { at: 1ms, command: ethtool -x eth0 }
      - { at: 1ms, command: sysctl net.core.netdev_rss_key }
wires:
  - { between: [client.eth0, server.eth0], rate: 1Gbit, delay: 20us }
capture: [ { point: nic, on: server.eth0, snaplen: 128 } ]
`;

/** Microsoft's definition: for every bit of the input that is set, the 32 bits of the key that begin there. */
function toeplitz(key: Uint8Array, input: Uint8Array): number {
  let hash = 0;
  for (let bit = 0; bit < input.length * 8; bit++) {
    if ((input[bit >> 3]! & (0x80 >> (bit & 7))) === 0) continue;
    let window = 0;
    for (let i = 0; i < 32; i++) window = (window << 1) | ((key[(bit + i) >> 3]! >> (7 - ((bit + i) & 7))) & 1);
    hash ^= window;
  }
  return hash >>> 0;
}

const says = (outcome: Outcome, pattern: RegExp): string[] =>
  outcome.output.filter((line) => pattern.test(line)).map((line) => line.slice('server: '.length));

function run(queues: number, setup?: string): { outcome: Outcome; key: Uint8Array; table: number[] } {
  const outcome = runText('rss.yaml', topology(queues, setup));
  expectGoodEnd(outcome);
  const [keyLine = ''] = says(outcome, /netdev_rss_key/);
  const key = Uint8Array.from(keyLine.split(' = ')[1]!.split(':'), (byte) => Number.parseInt(byte, 16));
  const table = says(outcome, /^server: +\d+: /).flatMap((line) => line.split(':')[1]!.trim().split(/\s+/).map(Number));
  expect(table).toHaveLength(128);
  return { outcome, key, table };
}

/** Frames of TCP that the server's card has received: by queue; each is checked. */
function checkFrames({ outcome, key, table }: ReturnType<typeof run>): Map<number, number> {
  const reader = openCapture(outcome.captures[0]!);
  const perQueue = new Map<number, number>();
  for (let packet = reader.next(); packet !== null; packet = reader.next()) {
    const bytes = packet.bytes();
    if ((packet.flags & 3) !== INBOUND || bytes[12] !== 0x08 || bytes[13] !== 0 || bytes[23] !== TCP) continue;
    // Source and destination address, source and destination port.
    const hash = toeplitz(key, bytes.subarray(26, 38));
    expect(packet.hash).toBe(hash);
    expect(packet.queue).toBe(table[hash & 127]);
    perQueue.set(packet.queue, (perQueue.get(packet.queue) ?? 0) + 1);
  }
  return perQueue;
}

describe.each([1, 2, 4, 8])('%i queue pairs', (queues) => {
  it('take their flows as the hash says, and all bytes arrive', () => {
    const result = run(queues);
    const perQueue = checkFrames(result);
    expect([...perQueue.keys()].sort()).toEqual(Array.from({ length: queues }, (_, i) => i));
    const card = result.outcome.report.hosts.server!.interfaces.eth0!.driver;
    for (const [queue, frames] of perQueue) {
      // ARP has no hash: it goes to queue 0.
      if (queue > 0) expect(card[`rx_queue_${queue}_packets`]).toBe(frames);
      else expect(card.rx_queue_0_packets! - frames).toBeLessThan(5);
      expect(card[`tx_queue_${queue}_packets`]).toBeGreaterThan(0);
    }
    expect(card[`rx_queue_${queues}_packets`]).toBeUndefined();
    // The server answers after it has read all.
    const done = result.outcome.output.filter((line) => line.endsWith(` end tx=${BYTES} rx=100 bad=0`));
    expect(done).toHaveLength(FLOWS);
  });
});

it('ethtool -X changes the table, and the flows follow', () => {
  const result = run(4, ', ethtool -X eth0 weight 0 1 3 0');
  expect(result.table.filter((queue) => queue === 1)).toHaveLength(32);
  expect(result.table.filter((queue) => queue === 2)).toHaveLength(96);
  expect([...checkFrames(result).keys()].sort()).toEqual([1, 2]);
});
