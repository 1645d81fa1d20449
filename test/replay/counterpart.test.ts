/** A recorded host against one of ours: the recorded segments fit our connections, and never answer what has not been sent. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compareCaptures } from '../../src/compare/compare.ts';
import { openCapture } from '../../src/observe/files/capture_reader.ts';
import { type OneSide, runOneSide } from '../../src/replay/one_side.ts';
import { loadTopology } from '../../src/topology/load.ts';
import { temporaryFolder } from '../scenarios/scenario.ts';

const FOLDER = 'test/fixtures/linux/scenarios/s01-handshake-echo';
const RECORDING = join(FOLDER, 'wire.pcap.gz');
const TOPOLOGY = readFileSync(join(FOLDER, 'topology.yaml'), 'utf8');
const A = 0x0a000001;
const B = 0x0a000002;

interface Played extends OneSide {
  readonly ours: string;
}

function play(to: string, as: number, text = TOPOLOGY): Played {
  const directory = temporaryFolder();
  const side = runOneSide(loadTopology('s01.yaml', text), openCapture(RECORDING), { to, as }, { directory, trace: 'none' });
  expect(side.report.leaked).toEqual([]);
  return { ...side, ours: join(directory, 'wire.wire.pcapng') };
}

const compare = (ours: string, ignore: readonly string[] = []) =>
  compareCaptures(() => openCapture(ours), () => openCapture(RECORDING), { toleranceNs: 1_000_000, ignore }); // biome-ignore format: short

describe('the recorded server', () => {
  it('plays its part to our client, whose packets are then the recorded ones', () => {
    const { counterpart, ours } = play('A.eth0', B);
    expect(counterpart.damage).toBe(null);
    expect(counterpart.counters).toMatchObject({ read: 12, injected: 5, held: 0 });
    expect(compare(ours).same).toBe(true);
  });

  it('waits for a client that takes its time', () => {
    const { counterpart, ours } = play('A.eth0', B, TOPOLOGY.replace('send 100\n', 'sleep_us 40000\n          send 100\n'));
    expect(counterpart.counters.held).toBeGreaterThan(0);
    expect(compare(ours, ['timing']).same).toBe(true);
  });

  it('goes on after a second when the client never sends what was acknowledged', () => {
    const { counterpart } = play('A.eth0', B, TOPOLOGY.replace('send 100\n', 'send 60\n'));
    expect(counterpart.counters).toMatchObject({ read: 12, injected: 5 });
    expect(counterpart.counters.held).toBeGreaterThan(0);
    expect(counterpart.done).toBe(true);
  });
});

describe('the recorded client', () => {
  it('plays its part to our server', () => {
    const { counterpart, ours } = play('B.eth0', A);
    expect(counterpart.counters).toMatchObject({ read: 12, injected: 7 });
    expect(compare(ours).same).toBe(true);
  });
});
