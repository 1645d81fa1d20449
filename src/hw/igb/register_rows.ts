/** How rows of the register table are written: what most of them have in common. */
import type { IgbDevice } from './igb_device.ts';
import type { RegisterAccess, RegisterRow } from './register_file.ts';

type More = Partial<Omit<RegisterRow, 'name' | 'offset' | 'access' | 'about'>>;

/** What most rows need: storage with a reset value of 0. */
export function row(name: string, offset: number, access: RegisterAccess, about: string, more: More = {}): RegisterRow {
  return { name, offset, access, about, reset: 0, ...more };
}

/** Registers at four consecutive words … of each of sixteen queues; the first four are found at the old place as well (8.1.1.1). */
export function queueRow(name: string, kind: 'rx' | 'tx', at: number, access: RegisterAccess, about: string, more: More = {}): RegisterRow {
  const base = kind === 'rx' ? 0xc000 : 0xe000;
  const low = kind === 'rx' ? 0x2800 : 0x3800;
  return row(name, base + at, access, about, { count: 16, stride: 0x40, alias: { offset: low + at, stride: 0x100, count: 4 }, ...more });
}

export const onArrival = (device: IgbDevice, _index: number, _value: number, time: number): void => device.wakeForWrites(time);

export const statistic = (name: string, offset: number, about: string, more: More = {}): RegisterRow =>
  row(name, offset, 'RC', about, more);

/** 64-bit octet counters: the low half is read first, reading the high half clears both (8.18.24). */
export const octetsLow = (name: string, offset: number, about: string): RegisterRow => row(name, offset, 'RO', about);
export const octetsHigh = (name: string, offset: number, about: string): RegisterRow =>
  row(name, offset, 'RC', about, {
    effect: 'reading clears both halves',
    read: (device, _index, value) => device.registers.clearPair(offset - 4, value),
  });
