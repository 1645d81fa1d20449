/** A long connection of which one capture lacks a stretch: the two meet again behind it. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compareCaptures } from '../../src/compare/compare.ts';
import { openCapture } from '../../src/observe/files/capture_reader.ts';
import { runText, temporaryFolder } from '../scenarios/scenario.ts';
import { readRecords, writeRecords } from './capture_edit.ts';

const LONG = `
hosts:
  client:
    interfaces: { eth0: 10.0.0.1/24 }
    run: [{ script: "connect 10.0.0.2 5001\\nsend 12000000\\nshutdown wr\\nrecvall\\nclose" }]
  server:
    interfaces: { eth0: 10.0.0.2/24 }
    run: [{ script: "listen 5001\\naccept\\nrecvall\\nclose" }]
wires: [{ between: [client.eth0, server.eth0], rate: 1Gbit, delay: 1ms }]
capture: [{ point: wire, format: nsecpcap }]
`;

const { directory } = runText('long.yaml', LONG);
const whole = readRecords(join(directory, readdirSync(directory).find((name) => name.endsWith('.pcap'))!));

it.each([300, 1500, 5000])('%i packets that only we have are extra, and all others agree', (lost) => {
  const from = 2000;
  const folder = temporaryFolder();
  const ours = writeRecords(join(folder, 'ours.pcap'), whole);
  const theirs = writeRecords(join(folder, 'theirs.pcap'), [...whole.slice(0, from), ...whole.slice(from + lost)]);
  const { counts, flows } = compareCaptures(
    () => openCapture(ours),
    () => openCapture(theirs),
  );
  expect(whole.length).toBeGreaterThan(8000);
  expect(counts).toEqual({ extra: lost });
  expect(flows.reduce((sum, { theirsUnits }) => sum + theirsUnits, 0)).toBe(whole.length - lost);
});
