import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventQueue } from '../../src/sim/event_queue.ts';
import { Simulation } from '../../src/sim/simulation.ts';
import { Timer } from '../../src/sim/timer.ts';

const timer = (name: string): Timer => new Timer(name, () => undefined);
describe('the event queue', () => {
  it('runs what was scheduled first for an instant first', () => {
    const queue = new EventQueue();
    for (const name of ['a', 'b', 'c']) queue.insert(timer(name), 5);
    queue.insert(timer('d'), 4);
    expect([1, 2, 3, 4].map(() => queue.pop().name)).toEqual(['d', 'a', 'b', 'c']);
  });

  it('counts a timer that is moved as scheduled anew', () => {
    const queue = new EventQueue();
    const a = timer('a');
    queue.insert(a, 5);
    queue.insert(timer('b'), 5);
    queue.insert(a, 5);
    expect([queue.pop().name, queue.pop().name]).toEqual(['b', 'a']);
  });

  it('takes out only what is due', () => {
    const queue = new EventQueue();
    expect(queue.popDue(5)).toBeNull();
    queue.insert(timer('a'), 6);
    expect(queue.popDue(5)).toBeNull();
    expect(queue.popDue(6)?.name).toBe('a');
    expect(queue.popDue(6)).toBeNull();
  });

  it('refuses times that are no integers', () => {
    expect(() => new EventQueue().insert(timer('x'), 1.5)).toThrow("timer 'x': 1.5 is no integer");
  });

  it('orders as a sorted list does, under any mix of insert, move, remove and pop', () => {
    const step = fc.record({ action: fc.constantFrom('insert', 'insert', 'insert', 'remove', 'pop'), index: fc.nat(63), time: fc.nat(40) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 500, size: 'max' }), (steps) => {
        const queue = new EventQueue();
        const timers = Array.from({ length: 64 }, (_, i) => timer(String(i)));
        let model: { name: string; time: number; sequence: number }[] = [];
        let sequence = 0;
        for (const { action, index, time } of steps) {
          const chosen = timers[index]!;
          if (action === 'insert') {
            queue.insert(chosen, time);
            model = model.filter((x) => x.name !== chosen.name).concat({ name: chosen.name, time, sequence: sequence++ });
          } else if (action === 'remove' && chosen.pending) {
            queue.remove(chosen);
            model = model.filter((x) => x.name !== chosen.name);
          } else if (action === 'pop' && queue.size > 0) {
            model.sort((a, b) => a.time - b.time || a.sequence - b.sequence);
            expect(queue.nextTime()).toBe(model[0]!.time);
            expect(queue.pop().name).toBe(model.shift()!.name);
          }
          expect(queue.size).toBe(model.length);
        }
      }),
    );
  });
});

describe('the simulation', () => {
  it('refuses events in the past', () => {
    const simulation = new Simulation();
    simulation.once(10, 'later', () => expect(() => simulation.at(9, timer('past'))).toThrow('set for 9 ns, but it is 10 ns already'));
    simulation.run();
  });

  it('advances through quiet time only', () => {
    const simulation = new Simulation();
    const seen: unknown[] = [];
    simulation.once(10, 'first', () => {
      seen.push(simulation.advanceIfQuiet(19), simulation.now, simulation.advanceIfQuiet(20), simulation.now);
    });
    simulation.once(20, 'second', () => seen.push(simulation.now));
    simulation.run();
    expect(seen).toEqual([true, 19, false, 19, 20]);
  });

  it('stops at the given instant and goes on from there', () => {
    const simulation = new Simulation();
    const seen: number[] = [];
    for (const time of [5, 15]) simulation.once(time, 't', () => seen.push(time));
    simulation.run(10);
    expect([seen, simulation.now]).toEqual([[5], 10]);
    simulation.run();
    expect(seen).toEqual([5, 15]);
  });

  it('gives each name a random stream of its own, the same for the same seed', () => {
    const draw = (seed: number, name: string): number[] => {
      const stream = new Simulation(seed).random(name);
      return [stream.u32(), stream.u32(), stream.below(10)];
    };
    expect(draw(1, 'a')).toEqual(draw(1, 'a'));
    expect(draw(1, 'a')).not.toEqual(draw(1, 'b'));
    expect(draw(1, 'a')).not.toEqual(draw(2, 'a'));
  });
});
