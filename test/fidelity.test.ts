import { expect, it } from 'vitest';
import { documentedList, simplifiedList } from '../tools/fidelity.mjs';

it('docs/fidelity.md lists every simplification of the sources, and no other (node tools/fidelity.mjs rewrites the list)', () => {
  expect(documentedList()).toBe(simplifiedList());
});
