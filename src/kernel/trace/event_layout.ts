/** C declarations of an event's fields → types, sizes and offsets on x86-64, as `field:` lines of tracefs's format files have them. */
import { InvariantError } from '../../sim/invariant.ts';
import { COMMON_BYTES } from './trace_record.ts';

export interface Field {
  /** As declared: `__u8 saddr[28]`. */
  readonly declaration: string;
  readonly type: string;
  readonly name: string;
  readonly offset: number;
  /** Of the whole field. */
  readonly size: number;
  readonly signed: boolean;
  /** How often the type stands there; 1 unless the field is an array. */
  readonly count: number;
  /** The field says where a string is: `__data_loc char[]`. */
  readonly dynamic: boolean;
}

const SIZES: Readonly<Record<string, readonly [bytes: number, signed: boolean]>> = {
  bool: [1, false], u8: [1, false], __u8: [1, false], 'unsigned char': [1, false], char: [1, false],
  u16: [2, false], __u16: [2, false], 'unsigned short': [2, false],
  u32: [4, false], __u32: [4, false], 'unsigned int': [4, false], gfp_t: [4, false], int: [4, true], pid_t: [4, true], clockid_t: [4, true],
  u64: [8, false], __u64: [8, false], 'unsigned long': [8, false], size_t: [8, false], long: [8, true], s64: [8, true],
}; // biome-ignore format: a table

function sizeOf(type: string): readonly [number, boolean] {
  if (type.endsWith('*')) return [8, false];
  if (type.startsWith('__data_loc ') || type.startsWith('enum ')) return [4, false];
  const known = SIZES[type];
  if (known === undefined) throw new InvariantError(`no size for the C type ${JSON.stringify(type)}`);
  return known;
}

const align = (offset: number, size: number): number => (offset + size - 1) & ~(size - 1);

/** `skbaddr` from `const void * skbaddr`, `saddr` and 28 from `__u8 saddr[28]`. */
function parse(declaration: string): { type: string; name: string; count: number } {
  const [, type = '', name = '', count] = /^(.*?) (\w+)(?:\[(\d+)\])?$/.exec(declaration) ?? [];
  if (name === '') throw new InvariantError(`no field declaration: ${JSON.stringify(declaration)}`);
  return { type, name, count: count === undefined ? 1 : Number(count) };
}

/** Fields from `type name; type name[n]; …`; `wide` gives each eight bytes, as the arguments of system calls have. */
export function layOut(declarations: string, start = COMMON_BYTES, wide = false): Field[] {
  let offset = start;
  const texts = declarations.split(';').map((text) => text.trim());
  return texts
    .filter((text) => text !== '')
    .map((declaration) => {
      const { type, name, count } = parse(declaration);
      const [bytes, signed] = wide ? ([8, false] as const) : sizeOf(type);
      const at = align(offset, bytes);
      offset = at + bytes * count;
      return { declaration, type, name, offset: at, size: bytes * count, signed, count, dynamic: type.startsWith('__data_loc ') };
    });
}

/** Where the fields end. */
export const endOf = (fields: readonly Field[]): number =>
  fields.reduce((end, { offset, size }) => Math.max(end, offset + size), COMMON_BYTES);
