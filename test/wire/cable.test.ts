import { describe, expect, it } from 'vitest';
import { Simulation } from '../../src/sim/simulation.ts';
import { Cable } from '../../src/wire/cable.ts';
import { type Frame, FramePool } from '../../src/wire/frame.ts';
import type { Impairment } from '../../src/wire/impairment.ts';
import type { Port } from '../../src/wire/port.ts';

/** A port that notes when which frame arrived. */
class Sink implements Port {
  readonly name = 'sink';
  readonly arrivals: { time: number; id: number; badFcs: boolean; bytes: Uint8Array }[] = [];
  rate = 0;
  readonly simulation: Simulation;
  readonly pool: FramePool;
  constructor(simulation: Simulation, pool: FramePool) {
    this.simulation = simulation;
    this.pool = pool;
  }
  receive(frame: Frame): void {
    this.arrivals.push({ time: this.simulation.now, id: frame.id, badFcs: frame.badFcs, bytes: frame.bytes().slice() });
    this.pool.release(frame);
  }
  linkChanged(rateBps: number): void {
    this.rate = rateBps;
  }
}

function cable(impairment: Impairment | null = null, rateBps = 1e9, delayNs = 1000) {
  const simulation = new Simulation(7);
  const pool = new FramePool();
  const wire = new Cable(simulation, pool, { name: 'w', rateBps, delayNs }, ['a.eth0', 'b.eth0'], [impairment, null]);
  const a = new Sink(simulation, pool);
  const b = new Sink(simulation, pool);
  wire.plug(a, b);
  const send = (count: number, length = 1514): void => {
    for (let i = 0; i < count; i++) {
      const frame = pool.take(length);
      frame.id = i + 1;
      frame.u8.fill(i, frame.start, frame.start + length);
      wire.ends[0].send(frame);
    }
  };
  return { simulation, pool, wire, a, b, send };
}

describe('a cable', () => {
  it('tells both ports its rate when it is plugged in, and 0 when it is pulled', () => {
    const { wire, a, b } = cable();
    expect([a.rate, b.rate]).toEqual([1e9, 1e9]);
    wire.setLink(false);
    expect([a.rate, b.rate]).toEqual([0, 0]);
  });

  it('loses what is under way or sent while it is pulled, and tells its observers', () => {
    const { simulation, wire, b, pool, send } = cable();
    const seen: [number, number, boolean][] = [];
    wire.observers.push({ frame: (_from, frame, time, fate) => seen.push([frame.id, time, fate.lost]) });
    send(1);
    simulation.run(1526 * 8 + 999);
    wire.setLink(false);
    simulation.run(20_000);
    send(1);
    expect(seen).toEqual([
      [1, 1526 * 8, true],
      [1, 20_000, true],
    ]);
    expect([b.arrivals, wire.ends[0].counters.lost, pool.live]).toEqual([[], 2, 0]);
  });

  it('delivers after preamble, frame, FCS and delay; the next frame waits for the gap', () => {
    const { simulation, b, send } = cable();
    send(2);
    simulation.run();
    // 8 + 1514 + 4 bytes at 8 ns, then 1 µs; 12 more bytes of gap.
    expect(b.arrivals.map((x) => x.time)).toEqual([1526 * 8 + 1000, 1538 * 8 + 1526 * 8 + 1000]);
  });

  it('sends frames under 60 bytes as long as the shortest', () => {
    const { simulation, b, send } = cable();
    send(1, 42);
    simulation.run();
    expect(b.arrivals[0]!.time).toBe(72 * 8 + 1000);
  });

  it('keeps the remainder of each division: odd rates are exact over many frames', () => {
    const { simulation, b, send } = cable(null, 7e9, 0);
    send(700, 1500);
    simulation.run();
    // The last frame's last bit: all bytes but the last gap.
    const bits = (700 * (1500 + 24) - 12) * 8;
    expect(b.arrivals.at(-1)!.time).toBe(Math.floor((bits * 1e9) / 7e9));
  });

  it('drops the frames that are named, counting from 1', () => {
    const { simulation, b, wire, pool, send } = cable({ drop: [2, 5] });
    send(6);
    simulation.run();
    expect(b.arrivals.map((x) => x.id)).toEqual([1, 3, 4, 6]);
    expect(wire.ends[0].counters).toMatchObject({ frames: 6, lost: 2 });
    expect(pool.live).toBe(0);
  });

  it('damages one bit and says so', () => {
    const { simulation, b, send } = cable({ corrupt: 1 });
    send(1, 100);
    simulation.run();
    expect(b.arrivals[0]!.badFcs).toBe(true);
    expect(b.arrivals[0]!.bytes.filter((x) => x !== 0)).toHaveLength(1);
  });

  it('duplicates, delays and reorders without losing anything', () => {
    const { simulation, b, pool, send } = cable({ duplicate: 0.2, jitter: 50_000, reorder: 0.1, reorderBy: 100_000 });
    send(500);
    simulation.run();
    const ids = b.arrivals.map((x) => x.id);
    expect(new Set(ids).size).toBe(500);
    expect(ids.length).toBeGreaterThan(550);
    expect(ids.some((id, i) => i > 0 && id < ids[i - 1]!)).toBe(true);
    expect(pool.live).toBe(0);
  });

  it('loses about as many as the probability says, the same ones for the same seed', () => {
    const run = (): number[] => {
      const { simulation, b, send } = cable({ loss: 0.1 });
      send(2000, 60);
      simulation.run();
      return b.arrivals.map((x) => x.id);
    };
    const first = run();
    expect(first.length).toBeGreaterThan(1740);
    expect(first.length).toBeLessThan(1860);
    expect(run()).toEqual(first);
  });

  it('tells observers of every frame, in order of departure, with what becomes of it', () => {
    const { simulation, wire, send } = cable({ drop: [2] });
    const seen: [number, number, boolean][] = [];
    wire.observers.push({ frame: (_from, frame, time, fate) => seen.push([frame.id, time, fate.lost]) });
    send(3);
    simulation.run();
    expect(seen).toEqual([
      [1, 1526 * 8, false],
      [2, (1538 + 1526) * 8, true],
      [3, (2 * 1538 + 1526) * 8, false],
    ]);
  });

  it('loses what is under way when it is pulled', () => {
    const { simulation, b, wire, pool, send } = cable();
    send(2);
    wire.setLink(false);
    simulation.run();
    expect(b.arrivals).toEqual([]);
    expect(wire.ends[0].counters.lost).toBe(2);
    expect(pool.live).toBe(0);
  });
});
