/** Wireshark, and tshark where it is installed, asked about every capture of every example: are its frames what they should be? */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openWireshark, type Wireshark } from '../support/wireshark.ts';
import { examples, expectGoodEnd, type Outcome, runExample } from './scenario.ts';

/** Frames that nobody should ever see at a NIC or on a wire. What ICMP quotes of a segment is cut short, so that its checksum says nothing. */
const FAULTY =
  '_ws.malformed || ip.checksum.status == "Bad" || (tcp.checksum.status == "Bad" && !icmp) || udp.checksum.status == "Bad" || icmp.checksum.status == "Bad"';
const CHECKSUMS_ON = ['ip', 'tcp', 'udp'].flatMap((protocol) => ['-o', `${protocol}.check_checksum:TRUE`]);
const hasTshark = spawnSync('tshark', ['--version']).status === 0;

const REPAIR =
  'tcp.analysis.duplicate_ack || tcp.analysis.retransmission || tcp.analysis.fast_retransmission || tcp.analysis.spurious_retransmission || ' +
  'tcp.analysis.out_of_order || tcp.analysis.lost_segment || tcp.analysis.window_update';

/** What Wireshark's TCP analysis may remark on because the topology caused it; every other remark is a fault of ours. */
const CAUSED: Readonly<Record<string, string>> = {
  // One lost segment: ACKs that carry SACK repeat themselves, and the segment comes again.
  'one-loss.yaml':
    'tcp.analysis.duplicate_ack || tcp.analysis.fast_retransmission || tcp.analysis.lost_segment || tcp.analysis.window_update',
  // What did not fit the far link comes again, which Wireshark takes for late. Behind the router nothing of it is to be seen.
  'router.yaml': 'eth.dst == 02:00:00:00:02:01 && (tcp.analysis.out_of_order || tcp.analysis.retransmission)',
  // A queue that overflows, and frames that are lost at random.
  'bottleneck.yaml': REPAIR,
  'lossy-path.yaml': REPAIR,
};

let wireshark: Wireshark;
beforeAll(async () => {
  wireshark = await openWireshark();
});
afterAll(() => wireshark.close());

function tshark(capture: string, filter: string): string {
  const { stdout, status } = spawnSync('tshark', [...CHECKSUMS_ON, '-r', capture, '-Y', filter], { encoding: 'utf8' });
  expect(status, filter).toBe(0);
  return stdout;
}

it('sees a wrong checksum and a cut header, so that finding none means something', () => {
  const outcome = runExample('two-hosts.yaml', {
    overrides: [{ path: ['hosts', 'client', 'run', '0', 'script'], value: 'connect 10.0.0.2 5001\nsend 100\nclose' }],
  });
  const capture = outcome.captures.find((path) => path.includes('.wire.'))!;
  const bytes = readFileSync(capture);
  const data = bytes.indexOf(Buffer.from([0, 1, 2, 3, 4, 5, 6, 7]));
  bytes[data]! ^= 1;
  expect(wireshark.load(bytes).filter(FAULTY)).toHaveLength(1);
  // The data offset of the SYN: a header of 60 bytes where there are 40.
  const syn = bytes.indexOf(Buffer.from([0xa0, 0x02]));
  bytes[syn] = 0xf0;
  expect(wireshark.load(bytes).filter(FAULTY)).toHaveLength(2);
});

for (const name of examples) {
  describe(name, () => {
    let outcome: Outcome;
    beforeAll(() => {
      // Everything that can be captured, whatever the example itself captures.
      outcome = runExample(name, { overrides: [{ path: ['capture'], value: ['nic', 'wire'] }] });
    });

    it('ends well', () => expectGoodEnd(outcome));

    it('has captures with all the frames that were on its wires', () => {
      const { captures, wireFrames } = outcome.report;
      const wires = captures.filter(({ point }) => point === 'wire');
      expect(wires.reduce((sum, { frames }) => sum + frames, 0)).toBe(wireFrames);
    });

    it('has no malformed frame, no bad checksum, and no trouble that it did not ask for', () => {
      const unexpected = `tcp.analysis.flags && !(${CAUSED[name] ?? 'frame.number == 0'})`;
      for (const capture of outcome.captures) {
        const dissection = wireshark.load(capture);
        expect(dissection.fileType).toMatch(/pcapng/);
        for (const filter of [FAULTY, unexpected]) {
          expect(dissection.filter(filter).map((frame) => dissection.columns(frame).join(' '))).toEqual([]);
        }
      }
    });

    it.skipIf(!hasTshark)('has none for tshark either', () => {
      const unexpected = `tcp.analysis.flags && !(${CAUSED[name] ?? 'frame.number == 0'})`;
      // tshark before 4.2 knows the states of checksums by number only.
      const faulty = FAULTY.replaceAll('"Bad"', '0');
      for (const capture of outcome.captures) expect(tshark(capture, `(${faulty}) || (${unexpected})`)).toBe('');
    });
  });
}
