/** Sender and receiver on one host's two CPUs: what passes between them through memory has stamps in the order of cause and effect. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { expectGoodEnd, framesOf, runText, type Seen } from './scenario.ts';

const after = (a: number, b: number): boolean => ((b - a) | 0) < 0;

/** Acknowledgements of what, by their stamps, has not been sent yet. */
function prophecies(frames: readonly Seen[]): string[] {
  const sent = new Map<number, number>();
  const found: string[] = [];
  // Each packet is seen as it goes out and as it comes in.
  for (const { timeNs, parsed } of [...frames].sort((a, b) => Number(a.timeNs - b.timeNs))) {
    const { sourcePort, destinationPort, seq, ack, flags, length } = parsed.tcp!;
    const other = sent.get(destinationPort);
    if (flags.includes('.') && other !== undefined && after(ack, other)) found.push(`${timeNs}: port ${sourcePort} acknowledges ${ack}`);
    const end = (seq + length + (/[SF]/.test(flags) ? 1 : 0)) >>> 0;
    const known = sent.get(sourcePort);
    if (known === undefined || after(end, known)) sent.set(sourcePort, end);
  }
  return found;
}

it.each([1_000, 1_000_000, 5_000_000])('no ACK on lo is stamped before the data that it acknowledges: two CPUs, %i bytes', (bytes) => {
  const text = readFileSync('topologies/loopback.yaml', 'utf8');
  expect(text).toContain('cpus: 2');
  const outcome = runText('loopback.yaml', text.replace('send 1000000', `send ${bytes}`));
  expectGoodEnd(outcome);
  const frames = framesOf(outcome.captures[0]!);
  expect(frames.length).toBeGreaterThan(8);
  expect(prophecies(frames)).toEqual([]);
});
