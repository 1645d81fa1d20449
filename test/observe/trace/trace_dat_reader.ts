/** A reader of trace.dat, version 6, from trace-cmd.dat.v6.5 and the ring buffer's formats; it knows nothing of the writer. */

export interface DatRecord {
  readonly time: bigint;
  readonly id: number;
  readonly pid: number;
}

export interface DatFile {
  readonly formats: ReadonlyMap<number, { readonly system: string; readonly name: string }>;
  readonly functions: readonly string[];
  readonly commandLines: readonly string[];
  readonly cpus: readonly (readonly DatRecord[])[];
}

class Bytes {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  get at(): number {
    return this.#at;
  }

  u16(): number {
    return this.#data.readUInt16LE((this.#at += 2) - 2);
  }
  u32(): number {
    return this.#data.readUInt32LE((this.#at += 4) - 4);
  }
  u64(): number {
    return Number(this.#data.readBigUInt64LE((this.#at += 8) - 8));
  }
  text(length: number): string {
    return this.#data.toString('latin1', this.#at, (this.#at += length));
  }
  terminated(): string {
    const end = this.#data.indexOf(0, this.#at);
    const text = this.#data.toString('latin1', this.#at, end);
    this.#at = end + 1;
    return text;
  }
}

function expectText(read: string, expected: string): void {
  if (read !== expected) throw new Error(`read ${JSON.stringify(read)}, expected ${JSON.stringify(expected)}`);
}

export function readTraceDat(data: Buffer): DatFile {
  const bytes = new Bytes(data);
  expectText(bytes.text(10), '\x17\x08\x44tracing');
  expectText(bytes.terminated(), '6');
  expectText(bytes.text(2), '\0\x08');
  const pageSize = bytes.u32();
  expectText(bytes.terminated(), 'header_page');
  bytes.text(bytes.u64());
  expectText(bytes.terminated(), 'header_event');
  bytes.text(bytes.u64());
  for (let left = bytes.u32(); left > 0; left--) bytes.text(bytes.u64());
  const formats = new Map<number, { system: string; name: string }>();
  for (let systems = bytes.u32(); systems > 0; systems--) {
    const system = bytes.terminated();
    for (let events = bytes.u32(); events > 0; events--) {
      const text = bytes.text(bytes.u64());
      formats.set(Number(/^ID: (\d+)$/m.exec(text)![1]), { system, name: /^name: (\w+)$/m.exec(text)![1]! });
    }
  }
  const functions = bytes.text(bytes.u32()).trimEnd().split('\n');
  bytes.text(bytes.u32());
  const commandLines = bytes.text(bytes.u64()).trimEnd().split('\n');
  const cpuCount = bytes.u32();
  expectText(bytes.terminated(), 'options  ');
  for (let id = bytes.u16(); id !== 0; id = bytes.u16()) bytes.text(bytes.u32());
  expectText(bytes.terminated(), 'flyrecord');
  const cpus = Array.from({ length: cpuCount }, () => {
    const [offset, size] = [bytes.u64(), bytes.u64()];
    if (offset % pageSize !== 0 || size % pageSize !== 0) throw new Error('pages are not aligned');
    return pagesOf(data.subarray(offset, offset + size), pageSize);
  });
  return { formats, functions, commandLines, cpus };
}

function pagesOf(data: Buffer, pageSize: number): DatRecord[] {
  const records: DatRecord[] = [];
  for (let page = 0; page < data.length; page += pageSize) {
    let time = data.readBigUInt64LE(page);
    const end = page + 16 + Number(data.readBigUInt64LE(page + 8));
    for (let at = page + 16; at < end; ) {
      const word = data.readUInt32LE(at);
      const kind = word & 31;
      time += BigInt(word >>> 5);
      if (kind > 28) throw new Error(`no data: ${kind}`);
      const start = kind === 0 ? at + 8 : at + 4;
      const length = kind === 0 ? data.readUInt32LE(at + 4) - 4 : kind * 4;
      records.push({ time, id: data.readUInt16LE(start), pid: data.readInt32LE(start + 4) });
      at = start + length;
    }
  }
  return records;
}
