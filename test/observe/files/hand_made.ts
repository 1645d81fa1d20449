/** Captures made by hand, byte by byte, with numbers typed anew from the specifications; and a place for files. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { CaptureBuffers } from '../../../src/observe/files/capture_buffers.ts';
import { openCapture } from '../../../src/observe/files/capture_reader.ts';
import { ByteHeap } from '../../../src/sim/byte_heap.ts';

/** A directory that is gone when the test is over. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'truewire-files-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function temporaryFile(bytes: Uint8Array, name = 'capture'): string {
  const path = join(temporaryDirectory(), name);
  writeFileSync(path, bytes);
  return path;
}

/** Appends numbers in one byte order. */
export class Bytes {
  readonly #octets: number[] = [];
  readonly littleEndian: boolean;

  constructor(littleEndian: boolean) {
    this.littleEndian = littleEndian;
  }

  get length(): number {
    return this.#octets.length;
  }

  u16(...values: number[]): this {
    for (const value of values) this.#number(BigInt(value), 2);
    return this;
  }

  u32(...values: number[]): this {
    for (const value of values) this.#number(BigInt(value), 4);
    return this;
  }

  u64(value: bigint): this {
    return this.#number(BigInt.asUintN(64, value), 8);
  }

  raw(bytes: Iterable<number>): this {
    this.#octets.push(...bytes);
    return this;
  }

  padded(bytes: Iterable<number>): this {
    this.raw(bytes);
    while (this.#octets.length % 4 !== 0) this.#octets.push(0);
    return this;
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#octets);
  }

  #number(value: bigint, size: number): this {
    const octets = Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
    this.#octets.push(...(this.littleEndian ? octets : octets.reverse()));
    return this;
  }
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

/** A pcapng file in the making, in one byte order. */
export class Pcapng {
  readonly littleEndian: boolean;
  readonly #parts: Uint8Array[] = [];

  constructor(littleEndian = true) {
    this.littleEndian = littleEndian;
  }

  block(type: number, fill: (body: Bytes) => void): this {
    const body = new Bytes(this.littleEndian);
    fill(body);
    const length = 12 + body.length;
    this.#parts.push(new Bytes(this.littleEndian).u32(type, length).raw(body.done()).u32(length).done());
    return this;
  }

  section(): this {
    return this.block(0x0a0d0d0a, (body) => body.u32(0x1a2b3c4d).u16(1, 0).u64(-1n));
  }

  interface(options: (body: Bytes) => void = () => {}, linkType = 1, snapLen = 0): this {
    return this.block(1, (body) => options(body.u16(linkType, 0).u32(snapLen)));
  }

  packet(id: number, ticks: bigint, data: Iterable<number>, options: (body: Bytes) => void = () => {}): this {
    const bytes = [...data];
    return this.block(6, (body) =>
      options(body.u32(id, Number(ticks >> 32n), Number(ticks & 0xffffffffn), bytes.length, bytes.length + 100).padded(bytes)),
    );
  }

  append(other: Pcapng): this {
    this.#parts.push(other.done());
    return this;
  }

  done(): Uint8Array {
    return concat(...this.#parts);
  }
}

export function option(body: Bytes, code: number, value: Uint8Array): void {
  body.u16(code, value.length).padded(value);
}

/** What tests compare: the reader's packet is reused. */
export interface ReadPacket {
  timeNs: bigint;
  bytes: number[];
  original: number;
  interfaceIndex: number;
  linkType: number;
}

export function readAll(path: string, chunkBytes?: number): ReadPacket[] {
  const read: ReadPacket[] = [];
  readInto(read, path, chunkBytes);
  return read;
}

/** Reads to the end or to the damage, which is thrown. */
export function readInto(read: ReadPacket[], path: string, chunkBytes?: number): void {
  const reader = openCapture(path, chunkBytes);
  try {
    for (let packet = reader.next(); packet !== null; packet = reader.next()) {
      const { timeNs, original, interfaceIndex, linkType } = packet;
      read.push({ timeNs, bytes: [...packet.bytes()], original, interfaceIndex, linkType });
    }
  } finally {
    reader.close();
  }
}

const heap = new ByteHeap();

/** Buffers of so many bytes for writers. */
export const buffersOf = (bytes: number): CaptureBuffers => new CaptureBuffers(heap, bytes);

/** How many packets a capture has, whose ids count from 0. */
export function numberedPacketsIn(path: string): number {
  const reader = openCapture(path);
  let count = 0;
  for (let packet = reader.next(); packet !== null; packet = reader.next()) expect(packet.packetId).toBe(count++);
  reader.close();
  return count;
}
