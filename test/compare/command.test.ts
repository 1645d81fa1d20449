/** truewire compare, as it is called. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { type CompareFlags, compareCommand } from '../../src/cli/compare_command.ts';
import { explain } from '../../src/cli/errors.ts';
import { readRecords, setWindow, writeRecords } from './capture_edit.ts';

const RECORDING = 'test/fixtures/linux/scenarios/s15-delack/wire.pcap.gz';
const directory = mkdtempSync(join(tmpdir(), 'truewire-compare-command-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());

/** What the command prints on both streams, and its exit code. */
function called(ours: string, theirs: string, flags: CompareFlags = {}): { code: number; out: string; error: string } {
  let [out, error] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    error += String(text);
    return true;
  });
  try {
    return { code: compareCommand(ours, theirs, flags), out, error };
  } catch (thrown) {
    const { message, code } = explain(thrown);
    return { code, out, error: message };
  } finally {
    vi.restoreAllMocks();
  }
}

const changed = join(directory, 'changed.pcap');
const records = readRecords(RECORDING);
setWindow(records[10]!, 77);
writeRecords(changed, records);

describe('truewire compare', () => {
  it('ends with 0 when both are the same', () => {
    const { code, out } = called(RECORDING, RECORDING);
    expect(code).toBe(0);
    expect(out).toMatch(/^same: all 2 flows agree$/m);
  });

  it('ends with 1 and shows where they part when they are not', () => {
    const { code, out } = called(changed, RECORDING);
    expect(code).toBe(1);
    expect(out).toMatch(/^different: 97\.87 % of the packets agree; window 1$/m);
    expect(out).toMatch(/^first divergence: window at 0\.\d{6} s of tcp 10\.0\.0\.1:\d+ > 10\.0\.0\.2:5001: window 19712, theirs \d+$/m);
    expect(called(changed, RECORDING, { ignore: 'window,option' }).code).toBe(0);
  });

  it('prints JSON', () => {
    const { out } = called(changed, RECORDING, { json: true });
    expect(JSON.parse(out)).toMatchObject({ same: false, counts: { window: 1 }, first: { kind: 'window', ours: { frame: 11 } } });
  });

  it('takes the directory of a run, and its wire', () => {
    const run = join(directory, 'run');
    mkdirSync(run);
    copyFileSync(RECORDING, join(run, 'a-b.wire.pcap.gz'));
    writeFileSync(join(run, 'a.eth0.tcpdump.pcapng'), '');
    expect(called(run, RECORDING).code).toBe(0);
    rmSync(join(run, 'a-b.wire.pcap.gz'));
    expect(called(run, RECORDING)).toMatchObject({
      code: 2,
      error: expect.stringMatching(/no capture of a wire, expected one of its files: a\.eth0/),
    });
  });

  it('compares two runs wire by wire, and says when they have not the same', () => {
    const [one, other] = [join(directory, 'one'), join(directory, 'other')];
    for (const run of [one, other]) {
      mkdirSync(run);
      copyFileSync(RECORDING, join(run, 'a-b.wire.pcap.gz'));
      copyFileSync(run === one ? changed : RECORDING, join(run, 'b-c.wire.pcap'));
    }
    const { code, out } = called(one, other);
    expect(code).toBe(1);
    expect([...out.matchAll(/^(same|different): .*$/gm)].map(([, verdict]) => verdict)).toEqual(['same', 'different']);
    expect(called(one, other, { ignore: 'window' }).code).toBe(0);
    const lines = called(one, other, { json: true }).out.trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { same: boolean }).same)).toEqual([true, false]);
    rmSync(join(other, 'b-c.wire.pcap'));
    expect(called(one, other)).toMatchObject({
      code: 2,
      error: expect.stringMatching(/same wires in both runs, read b-c\.wire\.pcap in one only/),
    });
  });

  it('ends with 2 when an input cannot be used', () => {
    expect(called(join(directory, 'nothing.pcap'), RECORDING)).toMatchObject({ code: 2, error: expect.stringMatching(/nothing\.pcap/) });
    const cut = join(directory, 'cut.pcap');
    writeFileSync(cut, gunzipSync(readFileSync(RECORDING)).subarray(0, 1000));
    expect(called(cut, RECORDING)).toMatchObject({ code: 2, error: expect.stringMatching(/cut\.pcap: damaged at byte \d+/) });
    expect(called(RECORDING, RECORDING, { ignore: 'widow' })).toMatchObject({
      code: 2,
      error: expect.stringMatching(/read "widow".*did you mean "window"\?/),
    });
    expect(called(RECORDING, RECORDING, { tolerance: 'soon' })).toMatchObject({
      code: 2,
      error: expect.stringMatching(/^--tolerance: read "soon"/),
    });
  });
});
