/**
 * kernel/sysctl.c: kernel parameters by name (`net.ipv4.tcp_sack`): `sysctl_registry` and the handlers that check and convert values
 * (`proc_dointvec_minmax` and relatives). The tables are with their subsystems: net/core/sysctl_net_core.ts, net/ipv4/sysctl_net_ipv4.ts.
 *
 * Values are texts, as in files of /proc/sys; numbers in a row are separated by tabs.
 */
import { EINVAL, ENOENT, EPERM } from '../uapi/errno.ts';
import { HZ } from './time/timer.ts';

/** One parameter. */
export interface ctl_table {
  get(): string;
  /** 0, or a negative errno and nothing changed; null when it cannot be written. */
  readonly set: ((text: string) => number) | null;
}

/** A directory whose entries come and go, such as those of devices: `find` gets the name below it. */
export interface ctl_dir {
  find(name: string): ctl_table | null;
  names(): string[];
}

export class sysctl_registry {
  readonly #tables = new Map<string, ctl_table>();
  readonly #dirs = new Map<string, ctl_dir>();

  register(name: string, table: ctl_table): void {
    this.#tables.set(name, table);
  }

  registerDir(path: string, dir: ctl_dir): void {
    this.#dirs.set(path, dir);
  }

  /** Slashes may stand for dots, as sysctl(8) allows; then a dot belongs to the name of a device. */
  find(name: string): ctl_table | null {
    const path = name.includes('/') ? name.replaceAll('.', '\0').replaceAll('/', '.') : name;
    const table = this.#tables.get(path);
    if (table !== undefined) return table;
    for (const [prefix, dir] of this.#dirs)
      if (path.startsWith(`${prefix}.`)) return dir.find(path.slice(prefix.length + 1).replaceAll('\0', '.'));
    return null;
  }

  /** All names there are now, sorted. */
  names(): string[] {
    const inDirs = [...this.#dirs].flatMap(([prefix, dir]) => dir.names().map((name) => `${prefix}.${name}`));
    return [...this.#tables.keys(), ...inDirs].sort();
  }

  /** The value, or -ENOENT. */
  get(name: string): string | number {
    return this.find(name)?.get() ?? -ENOENT;
  }

  /** 0, or a negative errno. */
  set(name: string, text: string): number {
    const table = this.find(name);
    if (table === null) return -ENOENT;
    return table.set === null ? -EPERM : table.set(text.trim());
  }
}

/** The fields of an object that hold numbers. */
export type numberField<T> = { [K in keyof T]: T[K] extends number ? K : never }[keyof T];
type Holder<K extends PropertyKey> = Record<K, number>;

const INT_MIN = -0x8000_0000;
const INT_MAX = 0x7fff_ffff;

/** Whole numbers separated by blanks, in decimal or (0x…) hexadecimal; null when something else is there. */
export function parseNumbers(text: string): number[] | null {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  if (words.length === 0 || words.some((word) => !/^-?(\d+|0[xX][0-9a-fA-F]+)$/.test(word))) return null;
  return words.map((word) => (word.startsWith('-') ? -Number(word.slice(1)) : Number(word)));
}

/** An int between `min` and `max`, kept in `holder[field]` in units of which the user's is `unit`. */
export function proc_dointvec_minmax<K extends PropertyKey>(
  holder: Holder<K>,
  field: K,
  min = INT_MIN,
  max = INT_MAX,
  changed: (() => void) | null = null,
): ctl_table {
  return {
    get: () => String(holder[field]),
    set(text) {
      const values = parseNumbers(text);
      if (values === null || values.length !== 1 || values[0]! < min || values[0]! > max) return -EINVAL;
      holder[field] = values[0]!;
      changed?.();
      return 0;
    },
  };
}

export const proc_dointvec = <K extends PropertyKey>(holder: Holder<K>, field: K, changed: (() => void) | null = null): ctl_table =>
  proc_dointvec_minmax(holder, field, INT_MIN, INT_MAX, changed);
export const proc_dou8vec_minmax = <K extends PropertyKey>(holder: Holder<K>, field: K, min = 0, max = 255): ctl_table =>
  proc_dointvec_minmax(holder, field, min, max);
export const proc_douintvec = <K extends PropertyKey>(holder: Holder<K>, field: K, min = 0, max = 0xffff_ffff): ctl_table =>
  proc_dointvec_minmax(holder, field, min, max);
export const proc_doulongvec_minmax = <K extends PropertyKey>(holder: Holder<K>, field: K): ctl_table =>
  proc_dointvec_minmax(holder, field, 0, Number.MAX_SAFE_INTEGER);

/** Outside in units of which there are `perSecond` in a second, kept in jiffies. */
function jiffiesTable<K extends PropertyKey>(holder: Holder<K>, field: K, perSecond: number): ctl_table {
  return {
    get: () => String(Math.floor((holder[field] * perSecond) / HZ())),
    set(text) {
      const values = parseNumbers(text);
      if (values === null || values.length !== 1 || values[0]! < 0) return -EINVAL;
      holder[field] = Math.ceil((values[0]! * HZ()) / perSecond);
      return 0;
    },
  };
}

/** Seconds outside, jiffies inside. */
export const proc_dointvec_jiffies = <K extends PropertyKey>(holder: Holder<K>, field: K): ctl_table => jiffiesTable(holder, field, 1);
/** Milliseconds outside, jiffies inside. */
export const proc_dointvec_ms_jiffies = <K extends PropertyKey>(holder: Holder<K>, field: K): ctl_table =>
  jiffiesTable(holder, field, 1000);
/** USER_HZ (1/100 s) outside, jiffies inside. */
export const proc_dointvec_userhz_jiffies = <K extends PropertyKey>(holder: Holder<K>, field: K): ctl_table =>
  jiffiesTable(holder, field, 100);

/** Several numbers; as with proc_dointvec(), fewer than all change only the first ones. `check` may refuse the whole. */
export function numberRow(
  row: () => number[],
  min: number,
  check: (values: number[]) => boolean,
  store: (values: number[]) => void,
): ctl_table {
  return {
    get: () => row().join('\t'),
    set(text) {
      const values = parseNumbers(text);
      const old = row();
      if (values === null || values.length > old.length || values.some((value) => value < min || value > Number.MAX_SAFE_INTEGER))
        return -EINVAL;
      const merged = old.map((value, i) => values[i] ?? value);
      if (!check(merged)) return -EINVAL;
      store(merged);
      return 0;
    },
  };
}

/** What the model has only one value of. */
export const fixed = (value: string): ctl_table => ({ get: () => value, set: null });
