/** The command line from the outside: what it prints, where, what it leaves behind, and how it ends. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openCapture } from '../../src/observe/files/capture_reader.ts';
import type { RunReport } from '../../src/observe/report/run_report.ts';
import { temporaryFolder } from '../scenarios/scenario.ts';
import { build, MAIN, truewire } from './truewire.ts';

const SMALL = `hosts:
  client:
    interfaces: { eth0: 10.0.0.1/24 }
    run: [ { script: "connect 10.0.0.2 5001\\nsend 5000\\nclose" } ]
  server:
    interfaces: { eth0: 10.0.0.2/24 }
    run: [ { script: "listen 5001\\naccept\\nrecvall\\nclose\\ncloselisten" } ]
wires:
  - { between: [client.eth0, server.eth0], delay: 1ms }
capture: [ wire ]
`;

/** A folder with a topology in it; changed by replacing texts. */
function folderWith(...changes: [from: string, to: string][]): string {
  const folder = temporaryFolder();
  let text = SMALL;
  for (const [from, to] of changes) {
    expect(text).toContain(from);
    text = text.replace(from, to);
  }
  writeFileSync(join(folder, 'small.yaml'), text);
  return folder;
}

const run = (folder: string, ...args: string[]) => truewire(folder, 'run', 'small.yaml', ...args);
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const report = (out: string): RunReport => JSON.parse(out) as RunReport;

function packets(path: string): number {
  const reader = openCapture(path);
  while (reader.next() !== null);
  reader.close();
  return reader.packets;
}

beforeAll(build, 180_000);

describe('truewire run', () => {
  it('leaves its files, sums up on stdout, says nothing on stderr when piped, and exits with 0', () => {
    const folder = folderWith();
    const { code, out, err } = run(folder);
    expect(err).toBe('');
    expect(code).toBe(0);
    const files = readdirSync(join(folder, 'captures', 'small'));
    expect(files).toEqual(expect.arrayContaining(['client.eth0-server.eth0.wire.pcapng', 'run.json', 'trace.txt']));
    for (const part of ['captures/small/', 'leaks: 0', 'softirqs', '%sys', 'copies']) expect(out).toContain(part);
    expect(packets(join(folder, 'captures', 'small', 'client.eth0-server.eth0.wire.pcapng'))).toBeGreaterThan(10);
  });

  it('prints the report that it also leaves, as one line of JSON', () => {
    const folder = folderWith();
    const { code, out } = run(folder, '--json', '-o', 'out');
    expect(code).toBe(0);
    expect(lines(out)).toHaveLength(1);
    expect(report(out)).toEqual(JSON.parse(readFileSync(join(folder, 'out', 'run.json'), 'utf8')));
    expect(report(out)).toMatchObject({ name: 'small', leaks: 0, seed: 1 });
  });

  it('takes a seed, values and an end', () => {
    const folder = folderWith();
    const first = report(run(folder, '--json', '-o', 'a', '--seed', '7').out);
    expect(first.seed).toBe(7);
    const slower = report(run(folder, '--json', '-o', 'b', '--set', 'wires.0.delay=40ms', '--set', 'hosts.client.cpus=2').out);
    expect(slower.simulatedNs).toBeGreaterThan(first.simulatedNs + 70_000_000);
    expect(slower.hosts.client!.cpu.perCpu).toHaveLength(2);
    const longer = run(folder, '--json', '-o', 'c', '--until', '300ms');
    expect(longer.code).toBe(0);
    expect(report(longer.out).simulatedNs).toBe(300_000_000);
  });

  it('traces what it is told to', () => {
    const folder = folderWith();
    expect(run(folder, '-o', 'a', '--trace', 'none').code).toBe(0);
    expect(existsSync(join(folder, 'a', 'trace.txt'))).toBe(false);
    expect(run(folder, '-o', 'b', '--trace', 'net:net_dev_xmit').code).toBe(0);
    const events = lines(readFileSync(join(folder, 'b', 'trace.txt'), 'utf8')).filter((line) => !line.startsWith('#'));
    expect(events.length).toBeGreaterThan(5);
    expect(events.filter((line) => !line.includes(' net_dev_xmit: '))).toEqual([]);
  });

  it('exits with 1 when a program had not ended, and its captures can be read', () => {
    const folder = folderWith();
    const { code, out } = run(folder, '-o', 'out', '--until', '1500us');
    expect(code).toBe(1);
    expect(out).toContain('still running at the end');
    expect(out).toContain('leaks: 0');
    expect(packets(join(folder, 'out', 'client.eth0-server.eth0.wire.pcapng'))).toBeGreaterThan(0);
  });

  it('exits with 70 and a stack for a bug', () => {
    const folder = folderWith(['script: "connect 10.0.0.2 5001\\nsend 5000\\nclose"', 'program: ./broken.mjs']);
    writeFileSync(join(folder, 'broken.mjs'), "export function* program() { throw new Error('on purpose'); }\n");
    const { code, err } = run(folder);
    expect(code).toBe(70);
    expect(err).toContain('Error: on purpose');
    expect(err).toContain('broken.mjs');
  });

  it('ends quietly when nobody reads its output', () => {
    const folder = folderWith();
    const { stderr } = spawnSync('sh', ['-c', `"${process.execPath}" "${MAIN}" run small.yaml | head -1`], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
  });
});

describe('bad input', () => {
  const mistakes: [what: string, from: string, to: string, message: RegExp][] = [
    ['an unknown key', 'delay: 1ms', 'dely: 1ms', /^small\.yaml:9:\d+: unknown key "dely" in wires\.0, expected .*did you mean "delay"\?$/],
    ['a bad address', '10.0.0.2/24', '10.0.0.300/24', /^small\.yaml:6:\d+: .*read "10\.0\.0\.300\/24", expected an IPv4 address/],
    [
      'a missing host',
      'server.eth0], d',
      'sever.eth0], d',
      /^small\.yaml:9:\d+: there is no host "sever", expected .*did you mean "server"\?$/,
    ],
    ['an absurd rate', 'delay: 1ms', 'rate: 9Zbit', /^small\.yaml:9:\d+: .*read "9Zbit", expected /],
    ['overlapping addresses', '10.0.0.2/24', '10.0.0.1/24', /^small\.yaml:6:\d+: .*10\.0\.0\.1\/24 is client\.eth0's address already/],
    ['a script’s unknown command', 'connect', 'conect', /unknown command "conect", expected .*did you mean "connect"\?$/],
    ['broken YAML', 'wires:', 'wires: [', /^small\.yaml:\d+:\d+: /],
  ];
  for (const [what, from, to, message] of mistakes) {
    it(`${what} is one line, exit 2, and nothing is written`, () => {
      const folder = folderWith([from, to]);
      const { code, out, err } = run(folder);
      expect(lines(err)).toEqual([expect.stringMatching(message)]);
      expect(out).toBe('');
      expect(code).toBe(2);
      expect(readdirSync(folder)).toEqual(['small.yaml']);
    });
  }

  it('two ends on one interface are named', () => {
    const folder = folderWith(['capture:', '  - { between: [client.eth0, server.eth0] }\ncapture:']);
    const { code, err } = run(folder);
    expect(lines(err)).toHaveLength(2);
    for (const line of lines(err)) expect(line).toMatch(/^small\.yaml:10:\d+: .* is plugged into wires\.0 already, expected /);
    expect(code).toBe(2);
  });

  it('several mistakes are a line each', () => {
    const folder = folderWith(['delay: 1ms', 'dely: 1ms'], ['10.0.0.2/24', 'ten/24']);
    expect(lines(run(folder).err)).toHaveLength(2);
  });

  const calls: [what: string, args: string[], message: RegExp][] = [
    ['a topology that is not there', ['run', 'nowhere.yaml'], /^nowhere\.yaml: cannot read the topology: ENOENT$/m],
    ['an unknown option', ['run', 'small.yaml', '--sed', '3'], /unknown option '--sed'\n.*--seed/],
    ['an unknown command', ['rum', 'small.yaml'], /unknown command 'rum'\n.*run/],
    ['a seed that is no number', ['run', 'small.yaml', '--seed', 'x'], /^--seed: read "x", expected a whole number$/m],
    ['an end that is no time', ['run', 'small.yaml', '--until', 'noon'], /^--until: read "noon", expected /],
    ['a value without a path', ['run', 'small.yaml', '--set', 'fast'], /^--set: read "fast", expected path=value/],
    ['a value that does not fit', ['run', 'small.yaml', '--set', 'wires.0.rate=fast'], /wires\.0\.rate: read "fast", expected /],
    [
      'an unknown tracepoint',
      ['run', 'small.yaml', '--trace', 'tcp:nothing'],
      /^--trace: no tracepoint is called "tcp:nothing", expected /,
    ],
    ['a capture that is none', ['replay', 'small.yaml', '--topology', 'small.yaml', '--to', 'server.eth0'], /^small\.yaml is no capture: /],
    [
      'an interface that is not there',
      ['replay', 'x', '--topology', 'small.yaml', '--to', 'server.eth1'],
      /no interface "server\.eth1".*did you mean "server\.eth0"/,
    ],
    ['another device', ['registers', 'e1000'], /^registers: read "e1000", expected igb$/m],
  ];
  for (const [what, args, message] of calls) {
    it(`${what} is explained, exit 2, and nothing is written`, () => {
      const folder = folderWith();
      const { code, err } = truewire(folder, ...args);
      expect(err).toMatch(message);
      expect(err).not.toMatch(/^ {4}at /m);
      expect(code).toBe(2);
      expect(readdirSync(folder)).toEqual(['small.yaml']);
    });
  }
});

describe('an output folder', () => {
  it('that cannot be made is named, with the reason', () => {
    const folder = folderWith();
    for (const [directory, reason] of [
      ['/proc/truewire', /^\/proc\/truewire: cannot create a folder for the capture: no such file or directory \(ENOENT\)$/],
      ['small.yaml/out', /^small\.yaml\/out: cannot create a folder .*not a directory \(ENOTDIR\)$/],
      ['small.yaml', /^small\.yaml\/\S+: cannot create .*not a directory \(ENOTDIR\)$/],
    ] as const) {
      const { code, err } = run(folder, '-o', directory);
      expect(lines(err)).toEqual([expect.stringMatching(reason)]);
      expect(code).toBe(2);
    }
  });

  it('on a disk that fills up: a clear error, and what was written can be read', (context) => {
    const folder = folderWith(['send 5000', 'send 500000']);
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    if (!mountSmallDisk(disk)) return context.skip();
    onTestFinished(() => {
      execFileSync('umount', [disk]);
    });
    const { code, err } = run(folder, '-o', 'disk/out', '--trace', 'none');
    expect(lines(err)).toEqual([expect.stringMatching(/^disk\/out\/\S+: cannot write .*no space left on device \(ENOSPC\)$/)]);
    expect(code).toBe(2);
    const wire = join(disk, 'out', 'client.eth0-server.eth0.wire.pcapng');
    expect(packets(wire)).toBeGreaterThan(5);
  });
});

/** Needs root. */
function mountSmallDisk(directory: string): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]).status === 0;
}

describe('truewire replay', () => {
  const capture = resolve('captures/linux/s01-handshake-echo.wire.pcap');
  const replay = (folder: string, file: string, ...args: string[]) =>
    truewire(folder, 'replay', file, '--topology', 'small.yaml', '--to', 'server.eth0', ...args);

  it('feeds a capture in and exits with 0', () => {
    const folder = folderWith();
    const { code, out, err } = replay(folder, capture, '--rewrite', '--json', '-o', 'out');
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ leaks: 0, replay: { read: 12, injected: 12, damage: null } });
  });

  it('uses what comes before the damage of a cut capture, names the place, and exits with 1', () => {
    const folder = folderWith();
    writeFileSync(join(folder, 'cut.pcap'), readFileSync(capture).subarray(0, -30));
    const { code, out, err } = replay(folder, 'cut.pcap', '--rewrite', '--json');
    expect(lines(err)).toEqual([expect.stringMatching(/^cut\.pcap: .*at byte \d+/)]);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ replay: { read: 11, injected: 11 } });
  });
});

it('truewire registers igb prints the register table', () => {
  const { code, out } = truewire(temporaryFolder(), 'registers', 'igb');
  expect(code).toBe(0);
  const rows = lines(out);
  expect(rows.length).toBeGreaterThan(100);
  expect(rows.find((row) => row.startsWith('CTRL '))).toMatch(/0x00000\s+RW/);
  expect(rows.find((row) => row.startsWith('TDT['))).toMatch(/0x0e018/);
});
