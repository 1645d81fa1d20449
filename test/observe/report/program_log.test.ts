/** Logs of programs: files that grow while a run goes on, the same text whichever way a line came. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ProgramLog } from '../../../src/observe/report/program_log.ts';
import { linesTo } from '../../../src/user/socket_script/log.ts';

const directory = mkdtempSync(join(tmpdir(), 'truewire-log-'));
afterAll(() => rmSync(directory, { recursive: true }));

const CALLS: readonly (readonly [number, number, string, number])[] = [
  [0, 0, 'close', 0],
  [1_000_000_123, 456, 'recv(65536)', 1448],
  [2 ** 52 + 1, 2 ** 31, 'send()', 2 ** 31],
  [7, 12, 'connect 10.0.0.2 5001', -111],
  [8, 13, 'recv(1)', -9999],
  [9, 14, 'md5sig Schlüssel µ', 0],
  [10, 15, 'x'.repeat(200_000), 0],
];

describe('the log of a program', () => {
  it('has the same text for a call as for who wants lines', () => {
    const path = join(directory, 'calls.log');
    const log = new ProgramLog(() => path);
    const lines: string[] = [];
    const other = linesTo((line) => lines.push(line));
    for (const call of CALLS) {
      log.call(...call);
      other.call(...call);
    }
    log.line('Größe 5 µs');
    log.close();
    expect(readFileSync(path, 'utf8')).toBe(`${[...lines, 'Größe 5 µs'].join('\n')}\n`);
    expect(lines[3]).toBe('7 +12 connect 10.0.0.2 5001 -> -1 ECONNREFUSED');
  });

  it('is no file when nothing was printed', () => {
    const path = join(directory, 'silent.log');
    new ProgramLog(() => path).close();
    expect(existsSync(path)).toBe(false);
  });

  it('is written as it grows, with lines of any length, and whole at the end', () => {
    const path = join(directory, 'long.log');
    const log = new ProgramLog(() => path);
    const lines = Array.from({ length: 300 }, (_, i) => String(i).repeat(i * 10));
    for (const line of lines) log.line(line);
    expect(statSync(path).size).toBeGreaterThan(1e6);
    log.close();
    expect(readFileSync(path, 'utf8')).toBe(`${lines.join('\n')}\n`);
  });
});
