/**
 * Where tracepoints leave their records: the bytes that Linux's ring buffer would hold (tracefs's format files say which), each behind a head of ours. Fields are
 * put in the order in which the format declares them and aligned as a C compiler would, so an event's assignment names no offsets.
 */
import type { sk_buff } from '../include/linux/skbuff.ts';

/** An object with an address in the kernel: given when it is made, so that it never depends on who looks. */
export interface Addressed {
  readonly address: number;
}

/** Bytes of our own head before a record: time f64, packet id f64, CPU u16, task u16, size u16, packets u16. */
export const HEAD_BYTES = 24;
export const HEAD_PACKET = 8;
export const HEAD_CPU = 16;
export const HEAD_TASK = 18;
export const HEAD_SIZE = 20;
export const HEAD_PACKETS = 22;
/** Every record of Linux starts with these: type u16, flags u8, preempt_count u8, pid i32. */
export const COMMON_BYTES = 8;
/** No record is longer; a string that would make it so is cut. */
export const MAX_RECORD_BYTES = 1024;

/** High halves of addresses: of the direct map, and of the kernel's text, where symbol n is said to be at 16 n. */
export const DIRECT_MAP_HIGH = 0xffff_8880;
export const TEXT_HIGH = 0xffff_ffff;
export const TEXT_LOW = 0x8100_0000;
export const SYMBOL_BYTES = 16;

const AF_INET = 2;
const TWO_TO_32 = 4294967296;

/** Functions that records point at: the kernel's symbol table, filled as names occur. */
export class SymbolTable {
  readonly names: string[] = [];
  readonly #ids = new Map<string, number>();

  id(name: string): number {
    let id = this.#ids.get(name);
    if (id === undefined) {
      id = this.names.length;
      this.names.push(name);
      this.#ids.set(name, id);
    }
    return id;
  }

  /** The name behind the low half of a text address. */
  nameAt(low: number): string | undefined {
    return this.names[(low - TEXT_LOW) / SYMBOL_BYTES];
  }
}

export class TraceRecord {
  u8: Uint8Array;
  view: DataView;
  readonly symbols = new SymbolTable();
  /** Where the record's head starts; what is before it is finished records. */
  start = 0;
  /** Where Linux's part starts: offsets in format files count from here. */
  base = 0;
  /** Next field. */
  #pos = 0;
  /** Where the next string of variable length goes: behind all fields. */
  #tail = 0;

  constructor(bytes: number) {
    this.u8 = new Uint8Array(bytes);
    this.view = new DataView(this.u8.buffer);
  }

  /** Starts a record of an event whose fields end at `size`. */
  begin(time: number, cpu: number, task: number, type: number, flags: number, pid: number, size: number): void {
    const { view, start } = this;
    view.setFloat64(start, time, true);
    view.setFloat64(start + HEAD_PACKET, 0, true);
    view.setUint16(start + HEAD_CPU, cpu, true);
    view.setUint16(start + HEAD_TASK, task, true);
    view.setUint16(start + HEAD_PACKETS, 0, true);
    const base = start + HEAD_BYTES;
    view.setUint16(base, type, true);
    view.setUint16(base + 2, flags, true);
    view.setInt32(base + 4, pid, true);
    this.base = base;
    this.#pos = base + COMMON_BYTES;
    this.#tail = base + size;
  }

  /** Bytes of the record under construction from `start` on; also fills in its size. */
  end(): number {
    const size = (this.#tail - this.start + 7) & ~7;
    this.u8.fill(0, this.#tail, this.start + size);
    this.view.setUint16(this.start + HEAD_SIZE, this.#tail - this.base, true);
    return size;
  }

  /** Where the next field stands, as the format file counts. */
  get offset(): number {
    return this.#pos - this.base;
  }

  u8Field(value: number): void {
    this.u8[this.#pos++] = value;
  }

  bool(value: boolean): void {
    this.u8[this.#pos++] = value ? 1 : 0;
  }

  u16(value: number): void {
    const at = this.#align(2);
    this.view.setUint16(at, value, true);
    this.#pos = at + 2;
  }

  /** Also for signed ones. */
  u32(value: number): void {
    const at = this.#align(4);
    this.view.setUint32(at, value, true);
    this.#pos = at + 4;
  }

  /** An integer between -2^53 and 2^53. */
  u64(value: number): void {
    const high = value >= 0 && value < TWO_TO_32 ? 0 : Math.floor(value / TWO_TO_32);
    this.#pair(value - high * TWO_TO_32, high);
  }

  pointer(object: Addressed | null): void {
    if (object === null) this.#pair(0, 0);
    else this.#pair(object.address, DIRECT_MAP_HIGH);
  }

  /** An address in the direct map of which only the low half is known. */
  address(low: number): void {
    this.#pair(low, low === 0 ? 0 : DIRECT_MAP_HIGH);
  }

  /** The address of an sk_buff, which makes its packets those of the record. */
  skb(skb: sk_buff | null): void {
    if (skb !== null) this.packet(skb.packetId, skb.shinfo === null ? 1 : skb.shinfo.gso_segs || 1);
    this.pointer(skb);
  }

  /** Says which packets the record is about: `count` ids from `id` on. Belongs to no field. */
  packet(id: number, count: number): void {
    this.view.setFloat64(this.start + HEAD_PACKET, id, true);
    this.view.setUint16(this.start + HEAD_PACKETS, count, true);
  }

  /** A pointer to a function. */
  symbol(name: string): void {
    this.#pair(TEXT_LOW + this.symbols.id(name) * SYMBOL_BYTES, TEXT_HIGH);
  }

  /** char[size] */
  chars(text: string, size: number): void {
    const length = Math.min(text.length, size - 1);
    for (let i = 0; i < length; i++) this.u8[this.#pos + i] = text.charCodeAt(i);
    for (let i = length; i < size; i++) this.u8[this.#pos + i] = 0;
    this.#pos += size;
  }

  /** __data_loc char[]: the field says where behind the record the string is, and how long with its NUL. */
  text(text: string): void {
    const length = Math.min(text.length, this.base + MAX_RECORD_BYTES - HEAD_BYTES - this.#tail - 64);
    const to = this.#tail;
    this.u32((to - this.base) | ((length + 1) << 16));
    for (let i = 0; i < length; i++) this.u8[to + i] = text.charCodeAt(i);
    this.u8[to + length] = 0;
    this.#tail = to + length + 1;
  }

  /** u8[size] */
  bytes(bytes: Uint8Array | null, size: number): void {
    const length = bytes === null ? 0 : Math.min(bytes.length, size);
    for (let i = 0; i < length; i++) this.u8[this.#pos + i] = bytes![i]!;
    for (let i = length; i < size; i++) this.u8[this.#pos + i] = 0;
    this.#pos += size;
  }

  /** An IPv4 address as u8[4]. */
  ip4(address: number): void {
    const to = this.#pos;
    this.u8[to] = address >>> 24;
    this.u8[to + 1] = address >>> 16;
    this.u8[to + 2] = address >>> 8;
    this.u8[to + 3] = address;
    this.#pos = to + 4;
  }

  /** The same, mapped into IPv6, as u8[16]. */
  ip6Mapped(address: number): void {
    this.u8.fill(0, this.#pos, this.#pos + 10);
    this.u8[this.#pos + 10] = 255;
    this.u8[this.#pos + 11] = 255;
    this.#pos += 12;
    this.ip4(address);
  }

  ip6Zero(): void {
    this.u8.fill(0, this.#pos, this.#pos + 16);
    this.#pos += 16;
  }

  /** A sockaddr_in in room for a sockaddr_in6: u8[28]. */
  socketAddress(address: number, port: number): void {
    const to = this.#pos;
    this.u8[to] = AF_INET;
    this.u8[to + 1] = 0;
    this.u8[to + 2] = port >>> 8;
    this.u8[to + 3] = port;
    this.#pos = to + 4;
    this.ip4(address);
    this.u8.fill(0, to + 8, to + 28);
    this.#pos = to + 28;
  }

  #align(size: number): number {
    const rest = (this.#pos - this.base) & (size - 1);
    if (rest === 0) return this.#pos;
    // Padding is zero, so that two runs leave the same bytes.
    for (let i = rest; i < size; i++) this.u8[this.#pos++] = 0;
    return this.#pos;
  }

  #pair(low: number, high: number): void {
    const at = this.#align(8);
    this.view.setUint32(at, low, true);
    this.view.setUint32(at + 4, high, true);
    this.#pos = at + 8;
  }
}
