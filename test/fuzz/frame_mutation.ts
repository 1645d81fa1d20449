/** What can be wrong with a frame: any field of any header, its length, its place among fragments, its TCP options. */
import fc from 'fast-check';
import { internetSum } from '../support/packet.ts';

export type Mutation =
  | { readonly kind: 'byte'; readonly at: number; readonly to: number }
  | { readonly kind: 'bit'; readonly at: number; readonly bit: number }
  | { readonly kind: 'field'; readonly field: number; readonly value: number }
  | { readonly kind: 'cut'; readonly keep: number }
  | { readonly kind: 'pad'; readonly bytes: number }
  | { readonly kind: 'fragment'; readonly offset: number; readonly more: boolean; readonly id: number }
  | { readonly kind: 'options'; readonly bytes: Uint8Array }
  | { readonly kind: 'payload'; readonly protocol: number; readonly bytes: Uint8Array };

/** Offset and length in bytes of every field: Ethernet, IPv4, then what TCP, UDP, ICMP have behind 20 bytes of IP. */
const FIELDS: readonly (readonly [number, number])[] = [
  ...([[0, 6], [6, 6], [12, 2]] as const),
  ...([[14, 1], [15, 1], [16, 2], [18, 2], [20, 2], [22, 1], [23, 1], [24, 2], [26, 4], [30, 4]] as const),
  ...([[34, 2], [36, 2], [38, 4], [42, 4], [46, 1], [47, 1], [48, 2], [50, 2], [52, 2], [34, 1], [35, 1], [38, 2], [40, 2]] as const),
]; // biome-ignore format: a table

/** Values that sit at the edges of fields, and any others. */
const value = fc.oneof(
  fc.constantFrom(0, 1, 4, 5, 0x45, 0x4f, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
  fc.nat(),
);
const lengthen = fc.oneof(fc.integer({ min: 0, max: 64 }), fc.integer({ min: 0, max: 1600 }));
/** Option bytes that begin like options: a kind that is known, a length that may be wrong. */
const option = fc
  .tuple(
    fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 19, 28, 29, 30, 34, 172, 254), fc.nat(255)),
    fc.nat(40),
    fc.uint8Array({ maxLength: 12 }),
  )
  .map(([kind, length, rest]) => [kind, length, ...rest]);
const options = fc.array(option, { minLength: 1, maxLength: 4 }).map((list) => Uint8Array.from(list.flat()).subarray(0, 40));

export const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant('byte' as const), at: fc.nat(80), to: fc.nat(255) }),
  fc.record({ kind: fc.constant('bit' as const), at: fc.nat(80), bit: fc.nat(7) }),
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('field' as const), field: fc.nat(FIELDS.length - 1), value }) },
  fc.record({ kind: fc.constant('cut' as const), keep: lengthen }),
  fc.record({ kind: fc.constant('pad' as const), bytes: lengthen }),
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('fragment' as const),
      offset: fc.oneof(fc.nat(8), fc.nat(0x1fff)),
      more: fc.boolean(),
      id: fc.nat(3),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('options' as const), bytes: options }) },
  fc.record({ kind: fc.constant('payload' as const), protocol: fc.nat(255), bytes: fc.uint8Array({ maxLength: 64 }) }),
);

/** A frame with the mutations done one after the other; `repair` makes its checksums right again, so that it gets deeper into the stack. */
export function mutate(original: Uint8Array, mutations: readonly Mutation[], repair: boolean): Uint8Array {
  let frame: Uint8Array = Uint8Array.from(original);
  for (const one of mutations) frame = applyMutation(frame, one);
  if (repair) repairChecksums(frame);
  return frame;
}

function applyMutation(frame: Uint8Array, one: Mutation): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  switch (one.kind) {
    case 'byte':
      if (one.at < frame.length) frame[one.at] = one.to;
      return frame;
    case 'bit':
      if (one.at < frame.length) frame[one.at]! ^= 1 << one.bit;
      return frame;
    case 'field': {
      const [at, length] = FIELDS[one.field]!;
      for (let i = 0; i < length && at + i < frame.length; i++) frame[at + i] = (one.value / 2 ** (8 * (length - 1 - i))) & 255;
      return frame;
    }
    case 'cut':
      return frame.slice(0, Math.max(14, Math.min(frame.length, one.keep)));
    case 'pad':
      return concat(frame, new Uint8Array(one.bytes)).subarray(0, 1514);
    case 'fragment':
      if (frame.length < 34) return frame;
      view.setUint16(18, one.id);
      view.setUint16(20, one.offset | (one.more ? 0x2000 : 0));
      return frame;
    case 'options':
      return withTcpOptions(frame, one.bytes);
    case 'payload': {
      const made = concat(frame.slice(0, Math.min(34, frame.length)), one.bytes);
      if (made.length >= 34) {
        made[23] = one.protocol;
        new DataView(made.buffer).setUint16(16, made.length - 14);
      }
      return made;
    }
  }
}

/** In place of the options that a TCP segment has. */
function withTcpOptions(frame: Uint8Array, options: Uint8Array): Uint8Array {
  if (frame.length < 54 || frame[23] !== 6) return frame;
  const header = 20 + Math.ceil(options.length / 4) * 4;
  const payload = frame.subarray(34 + (frame[46]! >> 4) * 4);
  const made = concat(frame.slice(0, 54), options, new Uint8Array(header - 20 - options.length), payload).subarray(0, 1514);
  made[46] = (header / 4) << 4;
  new DataView(made.buffer, made.byteOffset).setUint16(16, made.length - 14);
  return made;
}

function concat(...parts: Uint8Array[]): Uint8Array {
  const made = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    made.set(part, at);
    at += part.length;
  }
  return made;
}

/** IPv4's, and of whole packets TCP's, UDP's and ICMP's, by the lengths that the packet claims as far as it has the bytes. */
function repairChecksums(frame: Uint8Array): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (frame.length < 34 || view.getUint16(12) !== 0x0800) return;
  const header = (frame[14]! & 15) * 4;
  if (header < 20 || 14 + header > frame.length) return;
  view.setUint16(24, 0);
  view.setUint16(24, ~internetSum(frame.subarray(14, 14 + header), 0) & 0xffff);
  const body = frame.subarray(14 + header, Math.min(frame.length, 14 + Math.max(header, view.getUint16(16))));
  const [at, pseudo] = { 6: [16, true], 17: [6, true], 1: [2, false] }[frame[23]!] ?? [-1, false];
  if (typeof at !== 'number' || at < 0 || body.length < at + 2) return;
  new DataView(body.buffer, body.byteOffset).setUint16(at, 0);
  const start = pseudo ? internetSum(frame.subarray(26, 34), 0) + frame[23]! + body.length : 0;
  new DataView(body.buffer, body.byteOffset).setUint16(at, ~internetSum(body, start) & 0xffff);
}
