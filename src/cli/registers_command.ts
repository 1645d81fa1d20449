/** truewire registers */
import type { RegisterRow } from '../hw/igb/register_file.ts';
import { registerSections } from '../hw/igb/registers.ts';
import { UsageError } from './errors.ts';
import { EXIT_OK } from './exit_codes.ts';

const INTRODUCTION = `The registers of the Intel 82576 in BAR 0, by section of its datasheet. All are 32 bits wide; n counts from 0.

  RW    reads as written                      RC    clear on read
  RO    the device's                          RW1C  writing a one clears the bit
  WO    reading is an error                   RW1S  writing a one sets the bit
  mask  bits that software can write, where that is not all of them
  *     kept as written, or 0: what it controls or counts is not modelled`;

const WORD = 4;
const hex = (value: number, digits: number): string => `0x${(value >>> 0).toString(16).padStart(digits, '0')}`;

const place = (offset: number, count: number | undefined, stride = WORD): string =>
  count === undefined ? hex(offset, 5) : `${hex(offset, 5)} + ${hex(stride, 1)} n`;

/** The second place where a register, or the first of an array, are found. */
function otherPlace({ alias, count }: RegisterRow): string {
  if (alias === undefined) return '';
  const limit = alias.count !== undefined && alias.count !== count ? ` (n < ${alias.count})` : '';
  return `${place(alias.offset, count, alias.stride)}${limit}`;
}

function resetOf({ reset, resetOfFirst }: RegisterRow): string {
  return resetOfFirst === undefined ? hex(reset, 8) : `${hex(reset, 8)} (n = 0: ${hex(resetOfFirst, 8)})`;
}

function cells(row: RegisterRow): string[] {
  const { name, offset, count, stride, access, writable, about, effect, inert } = row;
  return [
    `${name}${count === undefined ? '' : `[${count}]`}`,
    place(offset, count, stride),
    otherPlace(row),
    access,
    resetOf(row),
    writable === undefined ? '' : hex(writable, 8),
    `${inert === true ? '* ' : ''}${about}${effect === undefined ? '' : ` — ${effect}`}`,
  ];
}

/** Prints every register: name, offsets, access, reset value, writable bits, meaning and side effects. */
export function registersCommand(device: string): number {
  if (device !== 'igb') throw new UsageError(`registers: read ${JSON.stringify(device)}, expected igb`);
  const head = ['register', 'offset', 'also at', 'access', 'reset', 'mask', 'meaning — side effects'];
  const sections = registerSections.map(({ title, rows }) => ({ title, rows: rows.toSorted((a, b) => a.offset - b.offset).map(cells) }));
  const all = [head, ...sections.flatMap(({ rows }) => rows)];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]!.length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd();
  const text = sections.flatMap(({ title, rows }) => ['', title, line(head), ...rows.map(line)]);
  process.stdout.write(`${[INTRODUCTION, ...text].join('\n')}\n`);
  return EXIT_OK;
}
