import { describe, expect, it } from 'vitest';
import { Simulation } from '../../src/sim/simulation.ts';
import { Cable } from '../../src/wire/cable.ts';
import { type Frame, FramePool } from '../../src/wire/frame.ts';

function frameOf(pool: FramePool, length: number): Frame {
  const frame = pool.take(length);
  for (let i = 0; i < length; i++) frame.u8[frame.start + i] = i * 7;
  return frame;
}

describe('the pool of frames', () => {
  it('copies bytes and identity', () => {
    const pool = new FramePool();
    const frame = frameOf(pool, 1514);
    frame.id = 9;
    const twin = pool.copy(frame);
    expect(twin.bytes()).toEqual(frame.bytes());
    expect([twin.id, twin.start === frame.start]).toEqual([9, false]);
  });

  it('refuses to take a frame back twice', () => {
    const pool = new FramePool();
    const frame = pool.take(60);
    pool.release(frame);
    expect(() => pool.release(frame)).toThrow('released twice');
  });
});

describe('the remembered sum', () => {
  it('goes with the frame', () => {
    const pool = new FramePool();
    const frame = frameOf(pool, 100);
    frame.rememberSum(0x1234, frame.start + 34, 66);
    expect([frame.sum, frame.sumFrom, frame.summed]).toEqual([0x1234, frame.start + 34, 66]);
    pool.release(frame);
    expect(pool.take(100).summed).toBe(0);
  });

  it('does not survive damage', () => {
    const simulation = new Simulation();
    const pool = new FramePool(simulation.bytes);
    const wire = new Cable(simulation, pool, { name: 'w', rateBps: 1e9, delayNs: 0 }, ['a', 'b'], [{ corrupt: 1 }, null]);
    const seen: number[] = [];
    const port = (name: string): { name: string; receive(frame: Frame): void; linkChanged(): void } => ({
      name,
      receive: (frame) => seen.push(frame.summed),
      linkChanged: () => undefined,
    });
    wire.plug(port('a'), port('b'));
    const frame = frameOf(pool, 100);
    frame.rememberSum(frame.block.sum(frame.start, 100), frame.start, 100);
    wire.ends[0].send(frame);
    simulation.run();
    expect(seen).toEqual([0]);
  });
});
