/** Large files go past the page cache, and nobody can tell but by the processor time. */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { LogFile, wholeLines } from '../../../src/observe/files/log_file.ts';
import { OutputFile } from '../../../src/observe/files/output_file.ts';
import { PcapngWriter } from '../../../src/observe/files/pcapng_writer.ts';
import { blockOf } from '../../../src/sim/byte_heap.ts';
import { buffersOf, numberedPacketsIn, temporaryDirectory } from './hand_made.ts';

const O_DIRECT = (fs.constants as { O_DIRECT?: number }).O_DIRECT ?? 0;
const KIB = 1024;
/** Appends of every kind: small, large, not a multiple of anything. */
const SIZES = [600, 300 * KIB, 1, 1 << 20, 4095, 4097, 700_001, 4096, 1 << 18, 3_000_000, 17];

afterEach(() => vi.restoreAllMocks());

function appended(path: string): { file: OutputFile; expected: Buffer } {
  const file = new OutputFile(path);
  const pieces = SIZES.map((size, i) => Buffer.from({ length: size + 5 }).map((_, at) => (at * 7 + i) & 255));
  for (const piece of pieces) {
    file.append(piece, 5, piece.length);
    expect(fs.statSync(path).size).toBe(file.size);
  }
  return { file, expected: Buffer.concat(pieces.map((piece) => piece.subarray(5))) };
}

/** Descriptors of a file that go past the cache. */
function directDescriptors(path: string): number {
  return fs.readdirSync('/proc/self/fd').filter((fd) => {
    try {
      if (fs.readlinkSync(`/proc/self/fd/${fd}`) !== path) return false;
      const flags = /flags:\s*(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))![1]!;
      return (Number.parseInt(flags, 8) & O_DIRECT) !== 0;
    } catch {
      return false;
    }
  }).length;
}

/** A capture that is written with a small buffer or a large one. */
function opened(path: string, bufferBytes: number): PcapngWriter {
  const writer = new PcapngWriter(path, { buffers: buffersOf(bufferBytes), present: () => Number.MAX_SAFE_INTEGER });
  writer.addInterface({ name: 'eth0' });
  return writer;
}

/** A thousand packets are more than 1.2 MB. */
function filled(writer: PcapngWriter, packets: number): PcapngWriter {
  const bytes = blockOf(Uint8Array.from({ length: 2000 }, (_, i) => i & 255));
  for (let i = 0; i < packets; i++) writer.packet(0, i, bytes, i % 100, 1000 + (i % 500), 2000, 1, i, 0, -1, null);
  return writer;
}

function refuse(code: string, times: number): void {
  const real = fs.writeSync;
  const direct = new Set<number>();
  const open = fs.openSync;
  vi.spyOn(fs, 'openSync').mockImplementation(((path: string, flags: number | string) => {
    const fd = open(path, flags);
    if (typeof flags === 'number' && (flags & O_DIRECT) !== 0) direct.add(fd);
    return fd;
  }) as typeof fs.openSync);
  vi.spyOn(fs, 'writeSync').mockImplementation(((fd: number, buf: Uint8Array, offset: number, length: number, position: number) => {
    if (direct.has(fd) && times-- > 0) throw Object.assign(new Error(`${code}: write`), { code });
    return real(fd, buf, offset, length, position);
  }) as typeof fs.writeSync);
}

describe('what is appended', () => {
  it('is in the file at once, past the cache where the file system can', () => {
    const path = join(temporaryDirectory(), 'a');
    const { file, expected } = appended(path);
    if (process.platform === 'linux' && fs.statfsSync(path).type === 0xef53) expect(directDescriptors(path)).toBe(1);
    file.close();
    expect(directDescriptors(path)).toBe(0);
    expect(fs.readFileSync(path).equals(expected)).toBe(true);
  });

  it.each(['EINVAL', 'ENOTSUP', 'ENOSPC'])('is the same where the file system refuses direct writes with %s', (code) => {
    const path = join(temporaryDirectory(), 'a');
    refuse(code, 1);
    const { file, expected } = appended(path);
    file.close();
    expect(fs.readFileSync(path).equals(expected)).toBe(true);
  });

  it('is the same where such a descriptor cannot be had', () => {
    const path = join(temporaryDirectory(), 'a');
    const open = fs.openSync;
    vi.spyOn(fs, 'openSync').mockImplementation(((name: string, flags: number | string) => {
      if (typeof flags === 'number') throw Object.assign(new Error('EINVAL: open'), { code: 'EINVAL' });
      return open(name, flags);
    }) as typeof fs.openSync);
    const { file, expected } = appended(path);
    file.close();
    expect(fs.readFileSync(path).equals(expected)).toBe(true);
  });

  it.runIf(fs.existsSync('/dev/shm'))('is the same in memory', () => {
    const path = fs.mkdtempSync('/dev/shm/truewire-') + '/a';
    onTestFinished(() => fs.rmSync(join(path, '..'), { recursive: true }));
    const { file, expected } = appended(path);
    file.close();
    expect(fs.readFileSync(path).equals(expected)).toBe(true);
  });

  it('that a disk loses is told', () => {
    refuse('EIO', 1);
    if (O_DIRECT !== 0) expect(() => appended(join(temporaryDirectory(), 'a'))).toThrow('(EIO)');
  });
});

describe('a large capture', () => {
  it('has the same bytes as one that is written in small pieces', () => {
    const directory = temporaryDirectory();
    const [small, large] = [join(directory, 'small'), join(directory, 'large')];
    filled(opened(small, 10_000), 4000).close(5000);
    filled(opened(large, 1 << 20), 4000).close(5000);
    expect(fs.statSync(large).size).toBeGreaterThan(4 << 20);
    expect(fs.readFileSync(small).equals(fs.readFileSync(large))).toBe(true);
  });

  it('ends with a whole packet whenever it was written to', () => {
    const path = join(temporaryDirectory(), 'large');
    const writer = filled(opened(path, 1 << 20), 3000);
    expect(numberedPacketsIn(path)).toBeGreaterThan(1000);
    writer.close(5000);
    expect(numberedPacketsIn(path)).toBe(3000);
  });
});

describe('a full disk', () => {
  it.runIf(process.platform === 'linux').each(['tmpfs', 'ext4'])('leaves whole packets and whole lines: %s', (kind) => {
    const disk = mounted(kind);
    if (disk === null) return;
    const path = join(disk, 'a.pcapng');
    const writer = opened(path, 1 << 20);
    expect(() => filled(writer, 20_000)).toThrow(`${path}: cannot write the capture: no space left on device (ENOSPC)`);
    writer.close();
    expect(numberedPacketsIn(path)).toBeGreaterThan(2000);
    fs.rmSync(path);
    const log = new LogFile(path, wholeLines);
    const lines = Buffer.from('one line of a log\n'.repeat(30_000));
    const fill = (): void => {
      for (let i = 0; i < 40; i++) log.write(lines, lines.length);
    };
    expect(fill).toThrow('(ENOSPC)');
    log.close();
    expect(fs.statSync(path).size % 18).toBe(0);
    expect(fs.statSync(path).size).toBeGreaterThan(4 << 20);
  });
});

/** A disk of 8 MiB; null where there is no root to mount one. */
function mounted(kind: string): string | null {
  const directory = temporaryDirectory();
  const disk = join(directory, 'disk');
  fs.mkdirSync(disk);
  const image = join(directory, 'image');
  const options = kind === 'tmpfs' ? ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs'] : ['-o', 'loop', image];
  if (kind === 'ext4') {
    fs.writeFileSync(image, Buffer.alloc(8 << 20));
    if (spawnSync('mkfs.ext4', ['-q', image]).status !== 0) return null;
  }
  if (spawnSync('mount', [...options, disk]).status !== 0) return null;
  onTestFinished(() => void execFileSync('umount', [disk]));
  return disk;
}
