/** A second thread writes large blocks, and nobody can tell: the same bytes, the same errors, the same place where a file ends. */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { CaptureBuffers } from '../../../src/observe/files/capture_buffers.ts';
import { openCapture } from '../../../src/observe/files/capture_reader.ts';
import { CaptureWriteError, OutputFile } from '../../../src/observe/files/output_file.ts';
import { PcapngWriter } from '../../../src/observe/files/pcapng_writer.ts';
import { WriterThread } from '../../../src/observe/files/writer_thread.ts';
import { ByteHeap, blockOf } from '../../../src/sim/byte_heap.ts';
import { build } from '../../cli/truewire.ts';
import { numberedPacketsIn, temporaryDirectory } from './hand_made.ts';

const KIB = 1024;
const BUFFER = 512 * KIB;
/** Other processes may have the machine for themselves for a while, but not for this long. */
const PATIENCE_MS = 50_000;

afterEach(() => vi.restoreAllMocks());

/** Where the file system writes past the page cache, so that there is something for a thread to do. */
const direct = ((): boolean => {
  const directory = fs.mkdtempSync(join(tmpdir(), 'truewire-direct-'));
  try {
    const file = new OutputFile(join(directory, 'a'));
    const large = file.isLarge(1 << 20);
    file.close();
    return large;
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
})();

const sleep = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

function waitFor(what: () => boolean): void {
  const end = performance.now() + PATIENCE_MS;
  while (!what()) {
    if (performance.now() > end) throw new Error('it never came');
    sleep(2);
  }
}

const heap = new ByteHeap();

/** Buffers whose thread runs already. */
function threaded(bytes = BUFFER): { buffers: CaptureBuffers; thread: WriterThread } {
  const buffers = new CaptureBuffers(heap, bytes);
  const thread = buffers.thread(heap.allocate(1))!;
  waitFor(() => {
    const slot = thread.takeSlot();
    if (slot !== 0) thread.giveSlot(slot);
    return slot !== 0;
  });
  onTestFinished(() => buffers.close());
  return { buffers, thread };
}

/** A block of the heap at the start of a disk block, with bytes that differ from place to place. */
function pattern(bytes: number, seed: number): { block: ReturnType<ByteHeap['allocate']>; from: number } {
  const block = heap.allocate(bytes + 8192);
  for (let i = 0; i < block.u8.length; i++) block.u8[i] = (i * 31 + (i >> 8) + seed) & 255;
  return { block, from: 4096 - (block.origin % 4096) };
}

function opened(path: string, buffers: CaptureBuffers): PcapngWriter {
  const writer = new PcapngWriter(path, { buffers, present: () => Number.MAX_SAFE_INTEGER });
  writer.addInterface({ name: 'eth0' });
  return writer;
}

const payload = blockOf(Uint8Array.from({ length: 2000 }, (_, i) => i & 255));

function fill(writer: PcapngWriter, from: number, to: number): void {
  for (let i = from; i < to; i++) writer.packet(0, i, payload, i % 100, 1000 + (i % 500), 2000, 1, i, 0, -1, null);
}

/** What is to be in a file of so many packets, written by one thread in small pieces. */
function reference(packets: number): Buffer {
  const path = join(temporaryDirectory(), 'reference');
  const writer = opened(path, new CaptureBuffers(heap, 10_000));
  fill(writer, 0, packets);
  writer.close(packets);
  return fs.readFileSync(path);
}

/** Appends that another thread was given. */
function handedOver(): () => number {
  const spy = vi.spyOn(OutputFile.prototype, 'appendLater');
  return () => spy.mock.results.filter(({ value }) => value === true).length;
}

describe.runIf(direct)('an append by the thread', () => {
  it.each([0, 1, 600, 4095, 4096, 5000])('is in the file without any write of ours, %i bytes after its start', (before) => {
    const { thread } = threaded();
    const path = join(temporaryDirectory(), 'a');
    const file = new OutputFile(path);
    file.append(Buffer.alloc(before, 7), 0, before);
    const { block, from } = pattern(700_000, before);
    const start = from + (before % 4096);
    const ours = vi.spyOn(fs, 'writeSync');
    expect(file.isLarge(600_000)).toBe(true);
    expect(file.appendLater(thread, block, start, start + 600_001)).toBe(true);
    expect(file.size).toBe(before + 600_001);
    waitFor(() => fs.statSync(path).size === file.size);
    file.settle();
    expect(file.size).toBe(before + 600_001);
    expect(ours).not.toHaveBeenCalled();
    file.close();
    expect(
      fs
        .readFileSync(path)
        .subarray(before)
        .equals(block.u8.subarray(start, start + 600_001)),
    ).toBe(true);
  });

  it('is refused for bytes that lie elsewhere, or not as in the file', () => {
    const { thread } = threaded();
    const file = new OutputFile(join(temporaryDirectory(), 'a'));
    const { block, from } = pattern(700_000, 0);
    expect(file.isLarge(600_000)).toBe(true);
    expect(file.appendLater(thread, block, from + 1, from + 600_000)).toBe(false);
    expect(file.appendLater(thread, new ByteHeap().allocate(1 << 20), 0, 600_000)).toBe(false);
    expect(file.size).toBe(0);
    file.close();
  });

  it('that it has not begun is taken back and made by who waits', () => {
    const { buffers, thread } = threaded();
    const path = join(temporaryDirectory(), 'a');
    const file = new OutputFile(path);
    const { block, from } = pattern(700_000, 3);
    expect(file.isLarge(600_000)).toBe(true);
    // It ends before it is asked.
    buffers.close();
    waitFor(() => !threadsAlive(thread));
    expect(file.appendLater(thread, block, from, from + 600_000)).toBe(true);
    file.settle();
    file.close();
    expect(fs.readFileSync(path).equals(block.u8.subarray(from, from + 600_000))).toBe(true);
  });

  it('that fails halfway is completed by who waits, and then the file goes on', () => {
    const { thread } = threaded();
    const path = join(temporaryDirectory(), 'a');
    const file = new OutputFile(path);
    const { block, from } = pattern(3_000_000, 4);
    expect(file.isLarge(500_000)).toBe(true);
    for (const done of [0, 1, 4096, 300_000, 499_999, 500_000]) {
      stopsAfter(thread, path, done);
      const start = from + file.size;
      expect(file.appendLater(thread, block, start, start + 500_000)).toBe(true);
      file.settle();
      expect(from + file.size).toBe(start + 500_000);
      vi.restoreAllMocks();
    }
    file.close();
    expect(fs.readFileSync(path).equals(block.u8.subarray(from, from + 3_000_000))).toBe(true);
  });
});

/** The thread as one that writes `done` bytes of its next block only. */
function stopsAfter(thread: WriterThread, path: string, done: number): void {
  let written = 0;
  vi.spyOn(thread, 'ask').mockImplementation((_slot, _cached, _direct, at, place, head, middle, tail) => {
    const fd = fs.openSync(path, 'r+');
    written = fs.writevSync(fd, [new Uint8Array(thread.arena, at, Math.min(done, head + middle + tail))], place);
    fs.closeSync(fd);
  });
  vi.spyOn(thread, 'settle').mockImplementation(() => written);
}

/** Does the thread answer still? */
function threadsAlive(thread: WriterThread): boolean {
  const path = join(temporaryDirectory(), 'asked');
  const fd = fs.openSync(path, 'w');
  const slot = thread.takeSlot();
  thread.ask(slot, fd, -1, 0, 0, 1, 0, 0);
  sleep(5);
  const done = thread.settle(slot);
  thread.giveSlot(slot);
  fs.closeSync(fd);
  return done === 1;
}

describe.runIf(direct)('a capture that the thread writes', () => {
  it('has the same bytes as one that is written in small pieces', () => {
    const { buffers } = threaded();
    const count = handedOver();
    const path = join(temporaryDirectory(), 'a.pcapng');
    const writer = opened(path, buffers);
    fill(writer, 0, 6000);
    expect(count()).toBeGreaterThan(8);
    writer.close(6000);
    expect(fs.readFileSync(path).equals(reference(6000))).toBe(true);
  });

  it('is in the file after flush, and after the exit of the process', () => {
    const { buffers } = threaded();
    const path = join(temporaryDirectory(), 'a.pcapng');
    const before = process.listeners('exit');
    const writer = opened(path, buffers);
    fill(writer, 0, 3001);
    writer.flush();
    expect(numberedPacketsIn(path)).toBe(3001);
    fill(writer, 3001, 6000);
    for (const listener of process.listeners('exit')) if (!before.includes(listener)) listener.call(process, 0);
    expect(numberedPacketsIn(path)).toBe(6000);
  });

  it('is so for more files at once than the thread has places for', () => {
    const { buffers } = threaded(300 * KIB);
    const count = handedOver();
    const directory = temporaryDirectory();
    const writers = Array.from({ length: 70 }, (_, i) => opened(join(directory, `${i}`), buffers));
    for (let at = 0; at < 1000; at += 100) for (const writer of writers) fill(writer, at, at + 100);
    for (const writer of writers) writer.close(1000);
    expect(count()).toBeGreaterThan(70);
    const expected = reference(1000);
    for (let i = 0; i < 70; i++) expect(fs.readFileSync(join(directory, `${i}`)).equals(expected)).toBe(true);
  });

  it('needs no thread', () => {
    vi.spyOn(WriterThread, 'start').mockReturnValue(null);
    const path = join(temporaryDirectory(), 'a.pcapng');
    const writer = opened(path, new CaptureBuffers(heap, BUFFER));
    fill(writer, 0, 2000);
    writer.close(2000);
    expect(fs.readFileSync(path).equals(reference(2000))).toBe(true);
  });

  it.each([0, 1, 4096, 300_000])('ends with a whole packet when the disk fails, which is noticed later: %i bytes into a block', (done) => {
    const { buffers, thread } = threaded();
    const path = join(temporaryDirectory(), 'a.pcapng');
    const writer = opened(path, buffers);
    fill(writer, 0, 3000);
    writer.flush();
    stopsAfter(thread, path, done);
    vi.spyOn(fs, 'writeSync').mockImplementation(() => {
      throw Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO', errno: -5 });
    });
    expect(() => fill(writer, 3000, 6000)).toThrow(`${path}: cannot write the capture: i/o error (EIO)`);
    vi.restoreAllMocks();
    // No second error, and nothing after the gap.
    writer.close(6000);
    const left = numberedPacketsIn(path);
    expect(left).toBeGreaterThanOrEqual(3000 + Math.floor(done / 1600));
    expect(left).toBeLessThanOrEqual(3000 + Math.ceil(done / 1000));
  });

  it.runIf(process.platform === 'linux')('ends with a whole packet when the disk is full', () => {
    const disk = smallDisk();
    if (disk === null) return;
    const { buffers } = threaded();
    const count = handedOver();
    const path = join(disk, 'a.pcapng');
    const writer = opened(path, buffers);
    expect(() => fill(writer, 0, 20_000)).toThrow(CaptureWriteError);
    expect(() => fill(writer, 0, 20_000)).toThrow(`${path}: cannot write the capture: no space left on device (ENOSPC)`);
    writer.close();
    expect(count()).toBeGreaterThan(5);
    const left = numberedPacketsIn(path);
    expect(left).toBeGreaterThan(2000);
    expect(fs.readFileSync(path).equals(reference(left).subarray(0, fs.statSync(path).size))).toBe(true);
  });
});

/** 8 MiB of ext4; null where there is no root to mount it. */
function smallDisk(): string | null {
  const directory = temporaryDirectory();
  const [disk, image] = [join(directory, 'disk'), join(directory, 'image')];
  fs.mkdirSync(disk);
  fs.writeFileSync(image, Buffer.alloc(8 << 20));
  if (spawnSync('mkfs.ext4', ['-q', image]).status !== 0) return null;
  if (spawnSync('mount', ['-o', 'loop', image, disk]).status !== 0) return null;
  onTestFinished(() => void execFileSync('umount', [disk]));
  return disk;
}

describe('a run of the library', () => {
  beforeAll(build, 180_000);

  /** A process of its own: a bulk transfer with these captures, then `body`, in which `report` and `frames` are known; `during` is called between slices. */
  function library(directory: string, captures: string, during: string, body: string): ReturnType<typeof spawnSync> {
    const topology = `hosts:
  client: { interfaces: { eth0: 10.0.0.1/24 }, run: [ { script: "connect 10.0.0.2 5001\\nsend 40000000 131072\\nclose" } ] }
  server: { interfaces: { eth0: 10.0.0.2/24 }, run: [ { script: "listen 5001\\naccept\\nrecvall\\nclose\\ncloselisten" } ] }
wires: [ { between: [client.eth0, server.eth0], delay: 1ms } ]
capture: [ ${captures} ]
`;
    const script = `
      import fs from 'node:fs';
      import { loadTopology, runTopology } from ${JSON.stringify(resolve('dist/index.js'))};
      const directory = ${JSON.stringify(directory)};
      const onProgress = (time, frames) => { ${during} };
      const report = runTopology(loadTopology('t.yaml', ${JSON.stringify(topology)}), { directory, trace: 'none', onProgress });
      ${body}`;
    return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', timeout: PATIENCE_MS });
  }

  it('does not keep its process alive', () => {
    const { status, stdout, stderr } = library(temporaryDirectory(), 'wire', '', 'console.log(report.leaks)');
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '0\n', stderr: '' });
  });

  it('leaves all packets when something calls process.exit in the middle', () => {
    const directory = temporaryDirectory();
    const end = `if (frames > 20000) { fs.writeFileSync(directory + '/frames', String(frames)); process.exit(7); }`;
    expect(library(directory, 'wire', end, '').status).toBe(7);
    const path = join(directory, 'client.eth0-server.eth0.wire.pcapng');
    const reader = openCapture(path);
    while (reader.next() !== null);
    reader.close();
    // All but those that are on the wire: 1 ms each way.
    const frames = Number(fs.readFileSync(join(directory, 'frames'), 'latin1'));
    expect(reader.packets).toBeGreaterThan(frames - 250);
    expect(reader.packets).toBeLessThanOrEqual(frames);
  });

  it('has in a ring of files what one file has', () => {
    const directory = temporaryDirectory();
    const captures = '{ point: wire, file: whole.pcapng }, { point: wire, file: ring.pcapng, max_size: 9M }';
    expect(library(directory, captures, '', '').status).toBe(0);
    const all = (path: string): string[] => {
      const found: string[] = [];
      const reader = openCapture(join(directory, path));
      for (let packet = reader.next(); packet !== null; packet = reader.next())
        found.push(`${packet.timeNs} ${packet.packetId} ${packet.captured}`);
      reader.close();
      return found;
    };
    const ring = fs.readdirSync(directory).filter((name) => name.startsWith('ring.pcapng')).length;
    expect(ring).toBeGreaterThan(3);
    const pieces = Array.from({ length: ring }, (_, i) => all(i === 0 ? 'ring.pcapng' : `ring.pcapng${i}`));
    expect(pieces.flat()).toEqual(all('whole.pcapng'));
  });
});
