/** The command line from the outside: what it prints, where, what it leaves behind, and how it ends. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
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

function packets(path: string): number {
  const reader = openCapture(path);
  while (reader.next() !== null);
  reader.close();
  return reader.packets;
}

function wireTimes(path: string): number[] {
  const reader = openCapture(path);
  const times: number[] = [];
  for (let packet = reader.next(); packet !== null; packet = reader.next()) times.push(packet.seconds * 1e9 + packet.nanoseconds);
  reader.close();
  return times.map((time) => time - times[0]!);
}

beforeAll(build, 180_000);

// Most of each run is Node starting: two at a time keep two cores busy.
describe.concurrent('truewire run', () => {
  it('leaves its files, sums up on stdout, says nothing on stderr when piped, and exits with 0', async () => {
    const folder = folderWith();
    const { code, out, err } = await run(folder);
    expect(err).toBe('');
    expect(code).toBe(0);
    const files = readdirSync(join(folder, 'captures', 'small'));
    expect(files).toEqual(expect.arrayContaining(['client.eth0-server.eth0.wire.pcapng', 'run.json', 'trace.txt']));
    for (const part of ['captures/small/', 'leaks: 0', 'softirqs', '%sys', 'copies']) expect(out).toContain(part);
    expect(packets(join(folder, 'captures', 'small', 'client.eth0-server.eth0.wire.pcapng'))).toBeGreaterThan(10);
  });

  it('takes a seed, values, an end and a choice of events; prints as JSON the report that it also leaves', async () => {
    const folder = folderWith();
    const set = ['--set', 'wires.0.delay=40ms', '--set', 'hosts.client.cpus=2'];
    const { code, out } = await run(
      folder,
      '-o',
      'out',
      '--json',
      '--seed',
      '7',
      '--until',
      '300ms',
      '--trace',
      'net:net_dev_xmit',
      ...set,
    );
    expect(code).toBe(0);
    expect(lines(out)).toHaveLength(1);
    const report = JSON.parse(out) as RunReport;
    expect(report).toEqual(JSON.parse(readFileSync(join(folder, 'out', 'run.json'), 'utf8')));
    expect(report).toMatchObject({ name: 'small', leaks: 0, seed: 7, simulatedNs: 300_000_000 });
    expect(report.hosts.client!.cpu.perCpu).toHaveLength(2);
    // ARP, handshake, data: each waits for 40 ms one way.
    const times = wireTimes(join(folder, 'out', 'client.eth0-server.eth0.wire.pcapng'));
    expect(times[1]! - times[0]!).toBeGreaterThan(40_000_000);
    const events = lines(readFileSync(join(folder, 'out', 'trace.txt'), 'utf8')).filter((line) => !line.startsWith('#'));
    expect(events.length).toBeGreaterThan(5);
    expect(events.filter((line) => !line.includes(' net_dev_xmit: '))).toEqual([]);
  });

  it('exits with 1 when a program had not ended; nothing leaks, and the captures can be read', async () => {
    const folder = folderWith();
    const { code, out } = await run(folder, '-o', 'out', '--until', '1500us', '--trace', 'none');
    expect(code).toBe(1);
    expect(out).toContain('still running at the end');
    expect(out).toContain('leaks: 0');
    expect(packets(join(folder, 'out', 'client.eth0-server.eth0.wire.pcapng'))).toBeGreaterThan(0);
    expect(existsSync(join(folder, 'out', 'trace.txt'))).toBe(false);
  });

  it('exits with 70 and a stack for a bug', async () => {
    const folder = folderWith(['script: "connect 10.0.0.2 5001\\nsend 5000\\nclose"', 'program: ./broken.mjs']);
    writeFileSync(join(folder, 'broken.mjs'), "export function* program() { throw new Error('on purpose'); }\n");
    const { code, err } = await run(folder);
    expect(code).toBe(70);
    expect(err).toContain('Error: on purpose');
    expect(err).toContain('broken.mjs');
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('is ended by %s, with all packets until then in its captures', async (signal, expected) => {
    const folder = folderWith(['send 5000', 'send 3000000000']);
    const child = spawn(process.execPath, [MAIN, 'run', 'small.yaml', '-o', 'out', '--trace', 'none'], { cwd: folder, stdio: 'ignore' });
    const ended = once(child, 'exit');
    const path = join(folder, 'out', 'client.eth0-server.eth0.wire.pcapng');
    const size = (): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    while (size() < 20e6 && child.exitCode === null) await setTimeout(20);
    const before = size();
    child.kill(signal);
    expect(await ended).toEqual([expected, null]);
    expect(size()).toBeGreaterThanOrEqual(before);
    // Reads to the end of the last block, and the buffer that was being filled is there, too.
    expect(packets(path)).toBeGreaterThan(before / 1600);
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

describe.concurrent('bad input', () => {
  /** Runs a topology with mistakes: exit 2, nothing written, and what was said. */
  async function refused(...changes: [from: string, to: string][]): Promise<string[]> {
    const folder = folderWith(...changes);
    const { code, out, err } = await run(folder);
    expect(out).toBe('');
    expect(code).toBe(2);
    expect(readdirSync(folder)).toEqual(['small.yaml']);
    return lines(err);
  }

  it('of form is a line each, with its place, what was read, what was expected, and the nearest word', async () => {
    const told = await refused(['delay: 1ms', 'dely: 1ms, rate: 9Zbit'], ['10.0.0.2/24', '10.0.0.300/24']);
    expect(told.sort()).toEqual([
      expect.stringMatching(/^small\.yaml:6:\d+: .*read "10\.0\.0\.300\/24", expected an IPv4 address/),
      expect.stringMatching(/^small\.yaml:9:\d+: unknown key "dely" in wires\.0, expected .*did you mean "delay"\?$/),
      expect.stringMatching(/^small\.yaml:9:\d+: .*read "9Zbit", expected /),
    ]);
  });

  it('of sense is, too', async () => {
    const told = await refused(['10.0.0.2/24', '10.0.0.1/24'], ['capture:', '  - { between: [client.eth0, sever.eth0] }\ncapture:']);
    expect(told.sort()).toEqual([
      expect.stringMatching(/^small\.yaml:10:\d+: client\.eth0 is plugged into wires\.0 already, expected /),
      expect.stringMatching(/^small\.yaml:10:\d+: there is no host "sever", expected .*did you mean "server"\?$/),
      expect.stringMatching(/^small\.yaml:6:\d+: .*10\.0\.0\.1\/24 is client\.eth0's address already/),
    ]);
  });

  it('in a script is, too', async () => {
    expect(await refused(['connect', 'conect'])).toEqual([
      expect.stringMatching(/^small\.yaml:4:\d+: script line 1, column 1: unknown command "conect", expected .*did you mean "connect"\?$/),
    ]);
  });

  it('in set-up is, too: a command that fails ends the run with its place, its status and what it said', async () => {
    const setup = (command: string): [string, string] => ['interfaces: { eth0: 10.0.0.1/24 }', `interfaces: { eth0: 10.0.0.1/24 }\n    setup: [ '${command}' ]`]; // biome-ignore format: short
    expect(await refused(setup('tc qdisc add dev eth0 root nosuch'))).toEqual([
      'small.yaml:4:14: set-up command "tc qdisc add dev eth0 root nosuch" ended with status 2 saying "Error: Specified qdisc kind is unknown.", ' +
        'expected 0 (allow failure with: … || true)',
    ]);
    expect(await refused(setup('cat /proc/nothing'))).toEqual([expect.stringMatching(/ended with status 1 saying "cat: .*No such file/)]);
    expect(await refused(setup('false'))).toEqual([expect.stringMatching(/ended with status 1 and said nothing, expected 0/)]);
    expect(await refused(setup('ip address add 10.0.0.1/24 dev eth0'))).toEqual([
      expect.stringMatching(/^small\.yaml:4:14: RTNETLINK answers: EEXIST/),
    ]);
  });

  const calls: [what: string, args: string[], message: RegExp][] = [
    ['a topology that is not there', ['run', 'nowhere.yaml'], /^nowhere\.yaml: cannot read the topology: ENOENT$/m],
    ['an unknown option', ['run', 'small.yaml', '--sed', '3'], /unknown option '--sed'\n.*--seed/],
    ['an end that is no time', ['run', 'small.yaml', '--until', 'noon'], /^--until: read "noon", expected /],
    ['a value that does not fit', ['run', 'small.yaml', '--set', 'wires.0.rate=fast'], /wires\.0\.rate: read "fast", expected /],
    [
      'an unknown tracepoint',
      ['run', 'small.yaml', '--trace', 'tcp:nothing'],
      /^--trace: no tracepoint is called "tcp:nothing", expected /,
    ],
    [
      'a capture that is none',
      ['replay', 'small.yaml', '--topology', 'small.yaml', '--to', 'server.eth0'],
      /^small\.yaml: is no capture: /,
    ],
    [
      'a missing interface',
      ['replay', 'x', '--topology', 'small.yaml', '--to', 'server.eth1'],
      /no interface "server\.eth1".*did you mean "server\.eth0"/,
    ],
    [
      'a host whose calls are known but not played',
      ['replay', 'x', '--topology', 'small.yaml', '--to', 'server.eth0', '--calls', 'log'],
      /^--calls: .* are for --as, expected that beside it/,
    ],
    [
      'a log of calls without any frame',
      ['replay', 'x', '--topology', 'small.yaml', '--to', 'server.eth0', '--as', '10.0.0.1', '--calls', 'small.yaml'],
      /^--calls: read no napi_gro_receive_entry in small\.yaml, expected an ftrace log/,
    ],
  ];
  for (const [what, args, message] of calls) {
    it(`such as ${what} is explained, exit 2, and nothing is written`, async () => {
      const folder = folderWith();
      const { code, err } = await truewire(folder, ...args);
      expect(err).toMatch(message);
      expect(err).not.toMatch(/^ {4}at /m);
      expect(code).toBe(2);
      expect(readdirSync(folder)).toEqual(['small.yaml']);
    });
  }
});

describe.concurrent('an output folder', () => {
  for (const [directory, reason] of [
    ['/proc/truewire', /^\/proc\/truewire: cannot create a folder .*no such file or directory \(ENOENT\)$/],
    ['small.yaml/out', /^small\.yaml\/out: cannot create a folder .*not a directory \(ENOTDIR\)$/],
  ] as const) {
    it(`that cannot be made is named, with the reason: ${directory}`, async () => {
      const { code, err } = await run(folderWith(), '-o', directory);
      expect(lines(err)).toEqual([expect.stringMatching(reason)]);
      expect(code).toBe(2);
    });
  }

  it('on a disk that fills up: a clear error, and what was written can be read', async ({ skip, onTestFinished }) => {
    const folder = folderWith(['send 5000', 'send 500000']);
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    if (!mountSmallDisk(disk)) return skip();
    onTestFinished(() => {
      execFileSync('umount', [disk]);
    });
    const { code, err } = await run(folder, '-o', 'disk/out', '--truth');
    expect(lines(err)).toEqual([expect.stringMatching(/^disk\/out\/\S+: cannot write .*no space left on device \(ENOSPC\)$/)]);
    expect(code).toBe(2);
    expect(packets(join(disk, 'out', 'client.eth0-server.eth0.wire.pcapng'))).toBeGreaterThan(5);
    // Whole lines only, in each log that found room.
    for (const log of ['trace.txt', 'truth.jsonl']) expect(readFileSync(join(disk, 'out', log), 'latin1')).toMatch(/^$|\n$/);
  });

  it.runIf(existsSync('/dev/full'))('where one file finds no room: the others end with all that was to be written', async () => {
    const folder = folderWith();
    const [out, full] = [join(folder, 'out'), join(folder, 'full')];
    expect((await run(folder, '-o', 'out', '--truth')).code).toBe(0);
    mkdirSync(full);
    symlinkSync('/dev/full', join(full, 'truth.jsonl'));
    const { code, err } = await run(folder, '-o', 'full', '--truth');
    expect(lines(err)).toEqual([expect.stringMatching(/^full\/truth\.jsonl: cannot write .*no space left on device \(ENOSPC\)$/)]);
    expect(code).toBe(2);
    const wire = 'client.eth0-server.eth0.wire.pcapng';
    expect(packets(join(full, wire))).toBe(packets(join(out, wire)));
    // The run ended before the hosts were taken down.
    const events = (directory: string): string[] => lines(readFileSync(join(directory, 'trace.txt'), 'latin1'));
    expect(events(full).length).toBeGreaterThan(100);
    expect(events(out).slice(0, events(full).length)).toEqual(events(full));
    expect(existsSync(join(full, 'run.json'))).toBe(false);
  });
});

/** Needs root. */
function mountSmallDisk(directory: string): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]).status === 0;
}

it('truewire replay uses what comes before the damage of a cut capture, names the place, and exits with 1', async () => {
  const folder = folderWith();
  writeFileSync(join(folder, 'cut.pcap'), readFileSync('captures/linux/s01-handshake-echo.wire.pcap').subarray(0, -30));
  const { code, out, err } = await truewire(
    folder,
    'replay',
    'cut.pcap',
    '--topology',
    'small.yaml',
    '--to',
    'server.eth0',
    '--rewrite',
    '--json',
  );
  expect(lines(err)).toEqual([expect.stringMatching(/^cut\.pcap: .*at byte \d+/)]);
  expect(code).toBe(1);
  expect(JSON.parse(out)).toMatchObject({ leaks: 0, replay: { read: 11, injected: 11 } });
});

it('truewire registers igb prints the register table', async () => {
  const { code, out } = await truewire(temporaryFolder(), 'registers', 'igb');
  expect(code).toBe(0);
  const rows = lines(out);
  expect(rows.length).toBeGreaterThan(100);
  const row = (name: string): string => rows.find((text) => text.startsWith(name))!.replaceAll(/ {2,}/g, ' | ');
  expect(row('CTRL ')).toMatch(/^CTRL \| 0x00000 \| 0x00004 \| RW \| 0x00100209 \| device control: .* — a write may reset the port/);
  expect(row('TDT[')).toMatch(/^TDT\[16\] \| 0x0e018 \+ 0x40 n \| 0x03818 \+ 0x100 n \(n < 4\) \| RW \| 0x00000000 \| /);
  expect(row('MDICNFG')).toContain(' | * MDI configuration');
  expect(rows.filter((text) => /^register +offset/.test(text)).length).toBe(rows.filter((text) => /\(8\.\d+.*\)$/.test(text)).length);
});
