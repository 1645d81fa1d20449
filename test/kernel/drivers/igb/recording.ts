/** The recorded register accesses of the real driver (test/fixtures/linux/igb), and a device that expects exactly them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { PciSlot } from '../../../../src/machine/machine.ts';
import type { PciDevice } from '../../../../src/machine/pci.ts';

export interface Access {
  readonly write: boolean;
  readonly offset: number;
  readonly name: string;
  readonly value: number;
}

export function loadRecording(name: 'probe' | 'open' | 'link' | 'hwtstamp-v2' | 'hwtstamp-v1' | 'phc' | 'self-test'): Access[] {
  const file = new URL(`../../../fixtures/linux/igb/${name}.txt`, import.meta.url);
  const text = name === 'self-test' ? gunzipSync(readFileSync(`${fileURLToPath(file)}.gz`)).toString() : readFileSync(file, 'utf8');
  const accesses: Access[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [kind, offset, register, value, times] = line.split(' ') as [string, string, string, string, string | undefined];
    const access = { write: kind === 'WR', offset: Number.parseInt(offset, 16), name: register, value: Number.parseInt(value, 16) };
    for (let i = Number(times?.slice(1) ?? 1); i > 0; i--) accesses.push(access);
  }
  return accesses;
}

const show = (write: boolean, name: string, value?: number): string =>
  `${write ? 'WR' : 'rd'} ${name}${value === undefined ? '' : ` 0x${value.toString(16)}`}`;

/** Registers whose values depend on the machine: where rings lie in memory, and the random hash key. */
const machineSpecific = /^(RSSRK|[RT]DBAL)/;

/**
 * A device made of a recording: reads return what was read then; a read or write that comes out of turn, or a write of another value, is noted. After the
 * first difference nothing more is compared.
 */
export class ReplayedDevice implements PciDevice {
  readonly name = 'recorded 82576';
  readonly vendorId = 0x8086;
  readonly deviceId = 0x10c9;
  readonly subsystemVendorId = 0x8086;
  readonly subsystemId = 0xa03c;
  readonly revision = 1;
  readonly msixVectors = 25;
  difference: string | null = null;
  #expected: readonly Access[] = [];
  #next = 0;

  expect(accesses: readonly Access[]): void {
    this.#expected = accesses;
    this.#next = 0;
  }

  /** Accesses that have not been made yet. */
  get left(): number {
    return this.#expected.length - this.#next;
  }

  attach(_slot: PciSlot): void {}

  readl(offset: number): number {
    const expected = this.#take(false, offset);
    return expected === null ? 0 : expected.value;
  }

  writel(offset: number, value: number): void {
    const expected = this.#take(true, offset, value);
    if (expected === null || machineSpecific.test(expected.name) || value === expected.value) return;
    this.#differs(`0x${value.toString(16)} instead of ${show(true, expected.name, expected.value)}`);
  }

  #take(write: boolean, offset: number, value?: number): Access | null {
    const expected = this.#expected[this.#next];
    if (expected !== undefined && expected.write === write && expected.offset === offset) {
      this.#next++;
      return expected;
    }
    const wanted = expected === undefined ? 'nothing' : show(expected.write, expected.name, expected.value);
    this.#differs(`${show(write, `register 0x${offset.toString(16)}`, value)} instead of ${wanted}`);
    return null;
  }

  #differs(what: string): void {
    const before = this.#expected.slice(Math.max(0, this.#next - 3), this.#next).map((a) => show(a.write, a.name, a.value));
    this.difference ??= `access ${this.#next} (after ${before.join(', ')}): ${what}`;
  }
}
