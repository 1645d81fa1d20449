/** Every file of every example, at every capture point, as tshark, capinfos, tcpdump and Wireshark read it: without a warning, and with all that it tells. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCapture } from '../../../src/observe/files/capture_reader.ts';
import { CAPTURE_POINTS } from '../../../src/topology/schema.ts';
import { examples, type Outcome, runExample } from '../../scenarios/scenario.ts';
import { openWireshark, type Wireshark } from '../../support/wireshark.ts';

const installed = (tool: string): boolean => spawnSync(tool, ['--version']).error === undefined;
/** What the tools say of themselves, not of a file. */
const CHATTER = /^(Running as user .*|reading from file .*)\n?/gm;

function read(tool: string, ...args: string[]): string {
  const { status, stderr, stdout } = spawnSync(tool, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  expect({ status, stderr: stderr.replaceAll(CHATTER, '') }, args.join(' ')).toEqual({ status: 0, stderr: '' });
  return stdout;
}

let wireshark: Wireshark;
beforeAll(async () => {
  wireshark = await openWireshark();
}, 30_000);
afterAll(() => wireshark.close());

describe.each(examples)('%s', (name) => {
  let outcome: Outcome;
  const files = (point: string): string[] => outcome.captures.filter((path) => path.endsWith(`.${point}.pcapng`));

  beforeAll(() => {
    const loopback = name === 'loopback.yaml' ? { on: 'host.lo' } : {};
    const value = CAPTURE_POINTS.map((point) => ({
      point,
      ...(['wire', 'nic', 'socket'].includes(point) ? {} : loopback),
      ...(point === 'tcpdump' ? { tcp_state: true } : {}),
    }));
    outcome = runExample(name, { overrides: [{ path: ['capture'], value }] });
  }, 60_000);

  it('has files of all points', () => {
    for (const point of name === 'loopback.yaml' ? ['tcpdump', 'qdisc', 'ip', 'socket'] : CAPTURE_POINTS)
      expect(files(point).length, point).toBeGreaterThan(0);
  });

  it('is in order of time, each file', () => {
    for (const path of outcome.captures) {
      const reader = openCapture(path);
      let last = 0n;
      for (let packet = reader.next(); packet !== null; packet = reader.next()) {
        expect(packet.timeNs >= last, path).toBe(true);
        last = packet.timeNs;
      }
      reader.close();
    }
  });

  it.skipIf(!installed('tshark'))('is read by tshark without a warning, with ids and interfaces', () => {
    for (const path of outcome.captures) {
      const lines = read('tshark', '-r', path, '-T', 'fields', '-e', 'frame.packet_id', '-e', 'frame.interface_name').trimEnd().split('\n'); // biome-ignore format: one
      if (lines[0] === '') continue;
      const ids = path.endsWith('.socket.pcapng') ? /^\t\w/ : /^\d+\t\S/;
      expect(lines.filter((line) => !ids.test(line))).toEqual([]);
    }
  });

  it.skipIf(!installed('capinfos'))('is read by capinfos, which counts what the run says', () => {
    const reported = new Map(outcome.report.captures.map(({ file, frames }) => [file, frames]));
    for (const path of outcome.captures) {
      const told = read('capinfos', '-Mco', path);
      expect(told).toContain(`Number of packets:   ${reported.get(path.split('/').at(-1)!)}\n`);
      expect(told).not.toContain('Strict time order:   False');
    }
  });

  it.skipIf(!installed('tcpdump'))('is read by tcpdump', () => {
    for (const path of outcome.captures) read('tcpdump', '-nr', path);
  });

  it('shows the state of TCP, the hash and the queue in Wireshark', () => {
    for (const path of files('tcpdump')) {
      const capture = wireshark.load(path);
      const segments = capture.filter('tcp.len > 0 && !icmp');
      // A router has no connections of its own.
      if (segments.length === 0 || path.includes('/router.')) continue;
      expect(capture.filter('frame.bblog.snd_cwnd > 0').length, path).toBeGreaterThan(segments.length / 2);
    }
    for (const path of files('nic')) {
      const capture = wireshark.load(path);
      const segments = capture.filter('tcp && !icmp && frame.packet_flags_direction == 1 && !frame.comment');
      expect(capture.filter('tcp && !icmp && frame.packet_flags_direction == 1 && frame.interface_queue >= 0').length, path).toBeGreaterThanOrEqual(segments.length); // biome-ignore format: one
      if (segments.length > 0) expect(capture.filter('frame.hash').length, path).toBeGreaterThan(0);
    }
  });
});
