/**
 * Segmentation by the card against segmentation by the stack: the packets of one send() of 64 KB are taken at the packet taps, where they are whole, and
 * segmented by software GSO; what the card puts on the wire must be the same, byte for byte.
 */
import { expect, it } from 'vitest';
import { CHECKSUM_PARTIAL, type sk_buff, skb_is_gso } from '../../../../src/kernel/include/linux/skbuff.ts';
import { GFP_ATOMIC } from '../../../../src/kernel/include/linux/types.ts';
import { skb_gso_segment } from '../../../../src/kernel/net/core/gso.ts';
import { skb_copy_bits } from '../../../../src/kernel/net/core/skbuff_bits.ts';
import { skb_checksum_help } from '../../../../src/kernel/net/core/skbuff_csum.ts';
import { kfree_skb } from '../../../../src/kernel/net/core/skbuff_free.ts';
import { skb_copy } from '../../../../src/kernel/net/core/skbuff_reshape.ts';
import { loadTopology } from '../../../../src/topology/load.ts';
import { Network } from '../../../../src/topology/network.ts';
import { commandProgram } from '../../../../src/topology/programs.ts';
import { linesTo } from '../../../../src/user/socket_script/log.ts';
import { socketScript } from '../../../../src/user/socket_script/run.ts';
import { startProgram } from '../../../../src/user/sys.ts';

const MS = 1_000_000;
const LAB = `
hosts:
  client: { interfaces: { eth0: 10.0.0.1/24 } }
  server: { interfaces: { eth0: 10.0.0.2/24 } }
wires:
  - { between: [client.eth0, server.eth0], rate: 1Gbit, delay: 10us }
`;
/** What opens the windows so far that 64 KB leave in as few packets as can be. */
const WARM_UP = 2_000_000;
const SIZE = 65_536;

const bytesOf = (skb: sk_buff): Uint8Array => {
  const bytes = new Uint8Array(skb.len);
  skb_copy_bits(skb, 0, bytes, 0, skb.len);
  return bytes;
};

/** The frames that software makes of a packet, checksums computed. */
function softwareFrames(skb: sk_buff): Uint8Array[] {
  const copy = skb_copy(skb, GFP_ATOMIC)!;
  copy.dev = skb.dev;
  if (!skb_is_gso(copy)) {
    if (copy.ip_summed === CHECKSUM_PARTIAL) skb_checksum_help(copy);
    const whole = bytesOf(copy);
    kfree_skb(copy);
    return [whole];
  }
  const segments = skb_gso_segment(copy, 0) as sk_buff;
  const frames: Uint8Array[] = [];
  for (let segment: sk_buff | null = segments; segment !== null; ) {
    const next: sk_buff | null = segment.next;
    segment.next = segment.prev = null;
    frames.push(bytesOf(segment));
    kfree_skb(segment);
    segment = next;
  }
  kfree_skb(copy);
  return frames;
}

function lab(setup: readonly string[]): { software: Uint8Array[]; wire: Uint8Array[]; sizes: number[] } {
  const network = new Network(loadTopology('segments.yaml', LAB));
  const { simulation } = network;
  const run = (host: string, script: string): void =>
    network.host(host).onCpu(() => {
      startProgram(
        socketScript(
          script,
          linesTo(() => undefined),
        ),
        'script',
        0,
      );
    });
  const command = (host: string, line: string): void =>
    network.host(host).onCpu(() => {
      startProgram(
        commandProgram(line, host, () => undefined),
        'sh',
        0,
      );
    });
  for (const [i, host] of ['client', 'server'].entries()) {
    for (const line of [`ip address add 10.0.0.${i + 1}/24 dev eth0`, 'ip link set eth0 up', ...setup]) command(host, line);
  }
  simulation.run(1000 * MS);
  for (const host of network.hosts) host.endSetup();
  const software: Uint8Array[] = [];
  const sizes: number[] = [];
  const isData = (bytes: Uint8Array): boolean => bytes.length > 66 + 20 && bytes[12] === 8 && bytes[23] === 6;
  network
    .host('client')
    .device('eth0')
    .taps.push((skb, outgoing) => {
      if (!outgoing || skb.len < 100) return;
      sizes.push(skb.len);
      software.push(...softwareFrames(skb));
    });
  const wire: Uint8Array[] = [];
  network.cables[0]!.observers.push({
    frame: (from, frame) => {
      const bytes = frame.bytes().slice();
      if (from.name === 'client.eth0' && isData(bytes)) wire.push(bytes);
    },
  });
  run('server', 'listen 5001\naccept\nrecvall\nclose\ncloselisten');
  run('client', `connect 10.0.0.2 5001\nsend ${WARM_UP}\nsleep_us 100000\nsend ${SIZE}\nshutdown wr\nrecvall\nclose`);
  simulation.run(simulation.now + 300 * MS);
  return { software, wire, sizes };
}

/** The first frame that differs, if any: the frames themselves are too long for a message. */
function expectSame(software: readonly Uint8Array[], wire: readonly Uint8Array[]): void {
  expect(wire.length).toBe(software.length);
  expect(wire.length).toBeGreaterThanOrEqual((WARM_UP + SIZE) / 1460);
  expect(wire.findIndex((frame, i) => Buffer.compare(frame, software[i]!) !== 0)).toBe(-1);
}

it('the card makes of a 64 KB send() what software GSO makes of the same packets', () => {
  const { software, wire, sizes } = lab([]);
  expect(Math.max(...sizes)).toBeGreaterThan(60_000);
  // 45 segments of 1,448 bytes, and what is left; GSO packets hold no more (GSO_MAX_SIZE).
  expect(sizes.at(-2)).toBe(66 + 45 * 1448);
  expect(sizes.at(-1)).toBe(66 + SIZE - 45 * 1448);
  expectSame(software, wire);
});

it('with timestamps off, and with checksums and segments left to the stack, too', () => {
  const options = ['sysctl -w net.ipv4.tcp_timestamps=0'];
  for (const setup of [options, ['ethtool -K eth0 tso off'], ['ethtool -K eth0 tso off gso off tx off sg off']]) {
    const { software, wire } = lab(setup);
    expectSame(software, wire);
  }
});
