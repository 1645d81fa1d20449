/** truewire registers */
import { registerTable } from '../hw/igb/registers.ts';
import { UsageError } from './errors.ts';
import { EXIT_OK } from './exit_codes.ts';

const hex = (value: number, digits: number): string => `0x${(value >>> 0).toString(16).padStart(digits, '0')}`;

/** Prints name, offset, number, access, reset value and meaning of every register. */
export function registersCommand(device: string): number {
  if (device !== 'igb') throw new UsageError(`registers: read ${JSON.stringify(device)}, expected igb`);
  const rows = registerTable.map(({ name, offset, count, access, reset, about }) => [
    count === undefined ? name : `${name}[${count}]`,
    hex(offset, 5),
    access,
    hex(reset, 8),
    about,
  ]);
  const head = ['register', 'offset', 'access', 'reset', 'meaning'];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  for (const row of [head, ...rows])
    process.stdout.write(
      `${row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd()}\n`,
    );
  return EXIT_OK;
}
