/** README.md does what it says: every command in it is run, in a folder of its own, and its example topology, too. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { build, type Ended, truewire } from './cli/truewire.ts';
import { expectGoodEnd, runText, temporaryFolder } from './scenarios/scenario.ts';

const readme = readFileSync('README.md', 'utf8');
const scripts = (JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }).scripts;

interface Fence {
  readonly language: string;
  readonly text: string;
}

const fences: Fence[] = [...readme.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = '', text = '']) => ({ language, text }));

const bare = (line: string): string => line.replace(/\s+#.*$/, '').trim();

/** The commands of each fence, without their comments: a reader runs them one after the other. Those in the text stand alone. */
const sequences = [
  ...fences.map(({ language, text }) => (language === '' ? text.split('\n').filter((line) => /^(npm|npx|node) /.test(line)) : [])),
  ...[...readme.matchAll(/`((?:npx|npm) [^`\n]+)`/g)].map(([, command = '']) => [command]),
].map((lines) => lines.map(bare));
const commands = sequences.flat();

/** Words as a shell would make them: quotes keep blanks and stars. */
const words = (line: string): string[] => [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');

/** A folder that looks like a clone to a command: what it writes stays in there. */
function clone(): string {
  const folder = temporaryFolder();
  symlinkSync(resolve('topologies'), join(folder, 'topologies'));
  symlinkSync(resolve('test'), join(folder, 'test'));
  mkdirSync(join(folder, 'captures'));
  symlinkSync(resolve('captures/linux'), join(folder, 'captures', 'linux'));
  return folder;
}

beforeAll(build, 180_000);

const NPX = 'npx truewire ';
const truewireCommands = [...new Set(commands.filter((command) => command.startsWith(NPX)))];
const truewireSequences = sequences.map((lines) => lines.filter((command) => command.startsWith(NPX))).filter((lines) => lines.length > 0);

it('has no commands but npm’s own and truewire', () => {
  expect(truewireCommands.length).toBeGreaterThan(4);
  const others = commands.filter((command) => !command.startsWith(NPX));
  const parts = new Set(others.flatMap((command) => command.split(' && ')));
  for (const part of parts)
    expect(part === 'npm ci' || (/^npm (run )?\w+$/.test(part) && scripts[part.replace(/^npm (run )?/, '')] !== undefined), part).toBe(
      true,
    );
});

it('is right about the library: its program runs', () => {
  const [program] = fences.filter(({ language }) => language === 'js');
  const folder = clone();
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(resolve('.'), join(folder, 'node_modules', 'truewire'));
  writeFileSync(join(folder, 'ping.mjs'), program!.text);
  const printed = execFileSync(process.execPath, ['ping.mjs'], { cwd: folder, encoding: 'utf8' });
  // Two of ARP, six of ICMP.
  expect(printed).toBe('8 frames, ping -c 3 10.0.0.2 ended with 0\n');
  expect(existsSync(join(folder, 'captures', 'ping', 'a.eth0-b.eth0.wire.pcapng'))).toBe(true);
});

describe.concurrent('the command', () => {
  it('npm start leaves the files that are listed', async () => {
    const start = scripts.start!;
    expect(start).toMatch(/^node dist\/cli\/main\.js run topologies\/two-hosts\.yaml/);
    expect(scripts.prestart).toBe('npm run build');
    const folder = clone();
    const { code, out, err } = await truewire(folder, ...words(start).slice(2));
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('leaks: 0');
    const listing = fences.find(({ text }) => text.startsWith('captures/two-hosts/'))!.text;
    const names = [...listing.matchAll(/^ {2}([\w.-]+)/gm)].map(([, name = '']) => name);
    expect(names.length).toBeGreaterThan(4);
    for (const name of names) expect(existsSync(join(folder, 'captures', 'two-hosts', name)), name).toBe(true);
  });

  for (const lines of truewireSequences) {
    it(`${lines.join('; ')} works`, { timeout: 120_000 }, async () => {
      const folder = clone();
      for (const command of lines) {
        const { code, out, err }: Ended = await truewire(folder, ...words(command).slice(2));
        expect({ command, code, err }).toEqual({ command, code: 0, err: '' });
        expect(out.length, command).toBeGreaterThan(100);
        if (command.includes('--json')) expect(JSON.parse(out)).toMatchObject({ leaks: 0 });
      }
    });
  }
});

it('follow prints what is shown', { timeout: 120_000 }, async () => {
  const folder = clone();
  const shown = fences.find(({ language }) => language === 'text')!.text;
  const lines = truewireSequences.find((sequence) => sequence.some((command) => command.includes(' follow ')))!.slice(0, 2);
  const ends: Ended[] = [];
  for (const command of lines) ends.push(await truewire(folder, ...words(command).slice(2)));
  expect(ends.at(-1)!.out).toContain(shown);
});

it('shows the rows of the table of recordings as docs/fidelity.md has them', () => {
  const rows = readme.split('\n').filter((line) => /^\| s\d\d/.test(line));
  expect(rows.length).toBeGreaterThan(10);
  const documented = readFileSync('docs/fidelity.md', 'utf8').split('\n');
  for (const row of rows) expect(documented).toContain(row);
});

it('npm test checks types and style and runs the tests', () => {
  expect(scripts.pretest).toBe('npm run build');
  for (const part of ['typecheck', 'lint', 'vitest run']) expect(scripts.test).toContain(part);
});

it('the example topology runs, and loses what it says', () => {
  const yaml = fences.filter(({ language }) => language === 'yaml');
  expect(yaml).toHaveLength(1);
  const outcome = runText('readme.yaml', yaml[0]!.text);
  expectGoodEnd(outcome);
  expect(outcome.report.drops.filter(({ reason }) => reason === 'lost on the wire')).toMatchObject([{ count: 1 }]);
  expect(outcome.report.hosts.client!.snmp.TcpRetransSegs).toBe(1);
});

it('the example of capture points leaves the files that it says', () => {
  const network = fences.find(({ language }) => language === 'yaml')!.text.replace(/^capture: .*$/m, '');
  const points = fences.find(({ text }) => text.startsWith('capture:'))!.text;
  const outcome = runText('readme.yaml', `${network}${points}`);
  expectGoodEnd(outcome);
  const files = new Set(outcome.report.captures.map(({ file }) => file));
  expect(files).toContain('server.eth0.ip.pcap');
  expect([...files].some((file) => /^server\.eth0\.nic\.pcapng\d$/.test(file))).toBe(true);
});

it('links to files that exist', () => {
  const links = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map(([, path = '']) => path);
  expect(links.length).toBeGreaterThan(3);
  expect(links.filter((path) => !existsSync(path))).toEqual([]);
});
