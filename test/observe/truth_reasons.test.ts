import { expect, it } from 'vitest';
import { Reasons } from '../../src/observe/truth_reasons.ts';

it('remembers why the last thousands of frames were sent again, and forgets those that arrived long ago', () => {
  const reasons = new Reasons();
  for (let id = 0; id < 100_000; id++) {
    reasons.add(id, id % 3 === 0 ? 'TLP' : 'fast');
    expect(reasons.of(Math.max(0, id - 16_000))).toBe(Math.max(0, id - 16_000) % 3 === 0 ? 'TLP' : 'fast');
  }
  expect(reasons.of(50_000)).toBeUndefined();
  expect(reasons.of(100_000)).toBeUndefined();
});
