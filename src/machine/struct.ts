/**
 * C structs as windows on memory. A layout is declared once as data; an instance is a view and an offset, never a copy:
 *
 *     const tcphdr = struct('tcphdr', { source: be16, dest: be16, seq: be32, … });
 *     const th = new tcphdr(skb.mem.view, skb.data);
 *     th.seq = 1;
 *
 * A field's type carries its size and its byte order, so that a variable always holds the host's number and `ntohs` never appears.
 * Make a fresh window where you need one: that is what the optimizer removes entirely. Do not extend a struct class.
 */
import { InvariantError } from '../sim/invariant.ts';

/** One field: its size in bytes and the source of its accessors, given the offset within the struct. */
export interface FieldType {
  readonly size: number;
  readonly accessors: (name: string, offset: number) => string;
}

/** The checks behind `le64`, reachable from generated code. */
const read64 = (view: DataView, at: number): number => {
  const high = view.getUint32(at + 4, true);
  if (high > 0x1f_ffff) throw new InvariantError(`64-bit field holds 0x${high.toString(16)}…, which is above 2^53`);
  return high * 0x1_0000_0000 + view.getUint32(at, true);
};
const write64 = (view: DataView, at: number, value: number): void => {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
};

function scalar(bits: 8 | 16 | 32, endian: '' | ', true'): FieldType {
  return {
    size: bits / 8,
    accessors: (name, offset) =>
      `get ${name}() { return this.view.getUint${bits}(this.base + ${offset}${endian}); }
       set ${name}(value) { this.view.setUint${bits}(this.base + ${offset}, value${endian}); }`,
  };
}

export const u8 = scalar(8, '');
export const le16 = scalar(16, ', true');
export const le32 = scalar(32, ', true');
export const be16 = scalar(16, '');
export const be32 = scalar(32, '');

/** 64 bits, little endian, as a number: addresses stay below 2^53, which is checked on reading. */
export const le64: FieldType = {
  size: 8,
  accessors: (name, offset) =>
    `get ${name}() { return read64(this.view, this.base + ${offset}); }
     set ${name}(value) { write64(this.view, this.base + ${offset}, value); }`,
};

/** `count` bytes in a row, reached by their offset; has no accessor of its own. */
export const bytes = (count: number): FieldType => ({ size: count, accessors: () => '' });

interface Window {
  readonly view: DataView;
  readonly base: number;
}

type Layout = Record<string, FieldType>;
type Fields<L extends Layout> = { -readonly [K in keyof L]: number };

export interface StructClass<L extends Layout> {
  new (view: DataView, base: number): Fields<L> & Window;
  /** Bytes of the whole struct. */
  readonly size: number;
  /** Byte offset of each field. */
  readonly offset: { readonly [K in keyof L]: number };
}

/**
 * Declares a packed struct; fields follow each other without padding, in the order given. The class is made from source, so that every
 * accessor is a function of its own and is optimized for its own offset: shared ones would turn megamorphic.
 */
export function struct<L extends Layout>(name: string, layout: L): StructClass<L> {
  const offset: Record<string, number> = {};
  let size = 0;
  let members = '';
  for (const [field, type] of Object.entries(layout)) {
    offset[field] = size;
    members += `${type.accessors(field, size)}\n`;
    size += type.size;
  }
  const source = `return class ${name} { constructor(view, base) { this.view = view; this.base = base; } ${members} }`;
  const made = new Function('read64', 'write64', source)(read64, write64);
  return Object.assign(made, { size, offset }) as StructClass<L>;
}

/**
 * Bit fields that share one 16-bit big-endian word, most significant first, as in `tcphdr`'s doff … fin:
 * spread the result into a layout. The word itself is reachable under `word`.
 */
export function bitfields16<W extends string, B extends Record<string, number>>(word: W, bits: B): Record<W | keyof B, FieldType> {
  let shift = 16;
  const parts = Object.entries(bits).map(([name, width]) => {
    shift -= width;
    return { name, shift, mask: (1 << width) - 1 };
  });
  if (shift !== 0) throw new InvariantError(`bit fields of ${word} do not add up to 16`);
  const fields: Record<string, FieldType> = {};
  fields[word] = {
    size: 2,
    accessors: (name, offset) =>
      be16.accessors(name, offset) + parts.map((part) => bitAccessors(part.name, offset, part.shift, part.mask)).join(''),
  };
  for (const { name } of parts) fields[name] = bytes(0);
  return fields as Record<W | keyof B, FieldType>;
}

function bitAccessors(name: string, offset: number, shift: number, mask: number): string {
  const clear = ~(mask << shift) & 0xffff;
  return `get ${name}() { return (this.view.getUint16(this.base + ${offset}) >>> ${shift}) & ${mask}; }
    set ${name}(value) {
      const word = this.view.getUint16(this.base + ${offset}) & ${clear};
      this.view.setUint16(this.base + ${offset}, word | ((value & ${mask}) << ${shift}));
    }`;
}
