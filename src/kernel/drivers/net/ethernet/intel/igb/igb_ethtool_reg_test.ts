/**
 * drivers/net/ethernet/intel/igb/igb_ethtool.c: the register test of `ethtool -t`: patterns are written to registers and read back.
 * `igb_reg_test` → `reg_pattern_test`, `reg_set_and_check`. The port is in reset, so no register does anything.
 */
import { E1000_RXDCTL_QUEUE_ENABLE } from '../../../../../../hw/igb/e1000_defines.ts';
import * as R from '../../../../../../hw/igb/e1000_regs.ts';
import { dev_err } from '../../../../../include/linux/device.ts';
import { rd32, wr32 } from './e1000_hw.ts';
import type { igb_adapter } from './igb.ts';

type Kind = 'PATTERN_TEST' | 'SET_READ_TEST' | 'WRITE_NO_TEST';

/** `count` registers, `stride` bytes apart: bits that must read back (`mask`), and bits that are written. */
interface igb_reg_test {
  readonly reg: number;
  readonly stride: number;
  readonly count: number;
  readonly kind: Kind;
  readonly mask: number;
  readonly write: number;
}

const ALL = 0xffffffff;
const one = (reg: number, mask: number, write: number, kind: Kind = 'PATTERN_TEST'): igb_reg_test => ({ reg, stride: 0, count: 1, kind, mask, write }); // biome-ignore format: short
const table = (reg: number, stride: number, count: number, mask: number): igb_reg_test => ({ reg, stride, count, kind: 'PATTERN_TEST', mask, write: ALL }); // biome-ignore format: short

/** A register of queues: 0 to 3 lie 256 bytes apart, 4 to 15 lie 64. */
function queues(reg: (queue: number) => number, mask: number, write: number, last = 15, kind: Kind = 'PATTERN_TEST'): igb_reg_test[] {
  const low = { reg: reg(0), stride: 0x100, count: 4, kind, mask, write };
  return last < 4 ? [low] : [low, { reg: reg(4), stride: 0x40, count: 12, kind, mask, write }];
}

const BASE_LOW = 0xffffff80;
const LENGTH_MASK = 0x000ffff0;
const LENGTH_WRITE = 0x000fffff;
const RCTL_KEPT = 0x04cfb0fe;

const rings = (low: (q: number) => number, high: (q: number) => number, length: (q: number) => number): igb_reg_test[][] => [
  queues(low, BASE_LOW, ALL),
  queues(high, ALL, ALL),
  queues(length, LENGTH_MASK, LENGTH_WRITE),
];

/** First the four queues of the old places in each of three registers, then the twelve others. */
const inHalves = (tests: readonly igb_reg_test[][]): igb_reg_test[] => [...tests.map(([low]) => low!), ...tests.map(([, high]) => high!)];

const reg_test_82576: readonly igb_reg_test[] = [
  one(R.E1000_FCAL, ALL, ALL),
  one(R.E1000_FCAH, 0xffff, ALL),
  one(R.E1000_FCT, 0xffff, ALL),
  one(R.E1000_VET, ALL, ALL),
  ...inHalves(rings(R.E1000_RDBAL, R.E1000_RDBAH, R.E1000_RDLEN)),
  // A tail can be written only while its queue is enabled; the head cannot.
  ...queues(R.E1000_RXDCTL, 0, E1000_RXDCTL_QUEUE_ENABLE, 15, 'WRITE_NO_TEST'),
  ...queues(R.E1000_RDT, 0xffff, 0xffff),
  ...queues(R.E1000_RXDCTL, 0, 0, 15, 'WRITE_NO_TEST'),
  one(R.E1000_FCRTH, 0xfff0, 0xfff0),
  one(R.E1000_FCTTV, 0xffff, 0xffff),
  one(R.E1000_TIPG, 0x3fffffff, 0x3fffffff),
  ...inHalves(rings(R.E1000_TDBAL, R.E1000_TDBAH, R.E1000_TDLEN)),
  one(R.E1000_RCTL, ALL, 0, 'SET_READ_TEST'),
  one(R.E1000_RCTL, RCTL_KEPT, 0x003ffffb, 'SET_READ_TEST'),
  one(R.E1000_RCTL, RCTL_KEPT, ALL, 'SET_READ_TEST'),
  one(R.E1000_TCTL, ALL, 0, 'SET_READ_TEST'),
  table(R.E1000_RA, 8, 16, ALL),
  table(R.E1000_RA + 4, 8, 16, 0x83ffffff),
  table(R.E1000_RA2, 8, 8, ALL),
  table(R.E1000_RA2 + 4, 8, 8, 0x83ffffff),
  table(R.E1000_MTA, 4, 128, ALL),
];

const PATTERNS = [0x5a5a5a5a, 0xa5a5a5a5, 0, ALL] as const;
/** Bits of STATUS that a write must not change. */
const STATUS_TOGGLE = 0x7ffff3ff;

/** 0, or the offset of the first register that failed (1: STATUS). */
export function igb_reg_test(adapter: igb_adapter): number {
  if (!statusIsReadOnly(adapter)) return 1;
  for (const test of reg_test_82576) {
    for (let i = 0; i < test.count; i++) {
      const reg = test.reg + i * test.stride;
      if (!passes(adapter, reg, test)) return reg;
    }
  }
  return 0;
}

function statusIsReadOnly(adapter: igb_adapter): boolean {
  const hw = adapter.hw;
  const before = rd32(hw, R.E1000_STATUS);
  const value = (rd32(hw, R.E1000_STATUS) & STATUS_TOGGLE) >>> 0;
  wr32(hw, R.E1000_STATUS, STATUS_TOGGLE);
  const after = (rd32(hw, R.E1000_STATUS) & STATUS_TOGGLE) >>> 0;
  if (value !== after) {
    dev_err(adapter.pdev.dev, `failed STATUS register test got: 0x${hex8(after)} expected: 0x${hex8(value)}`);
    return false;
  }
  wr32(hw, R.E1000_STATUS, before);
  return true;
}

function passes(adapter: igb_adapter, reg: number, { kind, mask, write }: igb_reg_test): boolean {
  if (kind === 'PATTERN_TEST') return reg_pattern_test(adapter, reg, mask, write);
  if (kind === 'SET_READ_TEST') return reg_set_and_check(adapter, reg, mask, write);
  wr32(adapter.hw, reg, write);
  return true;
}

const hex8 = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');
const hex4 = (value: number): string => value.toString(16).toUpperCase().padStart(4, '0');

function reg_pattern_test(adapter: igb_adapter, reg: number, mask: number, write: number): boolean {
  for (const pattern of PATTERNS) {
    wr32(adapter.hw, reg, (pattern & write) >>> 0);
    const value = (rd32(adapter.hw, reg) & mask) >>> 0;
    const expected = (pattern & write & mask) >>> 0;
    if (value === expected) continue;
    dev_err(adapter.pdev.dev, `pattern test reg ${hex4(reg)} failed: got 0x${hex8(value)} expected 0x${hex8(expected)}`);
    return false;
  }
  return true;
}

function reg_set_and_check(adapter: igb_adapter, reg: number, mask: number, write: number): boolean {
  const expected = (write & mask) >>> 0;
  wr32(adapter.hw, reg, expected);
  const value = (rd32(adapter.hw, reg) & mask) >>> 0;
  if (value === expected) return true;
  dev_err(adapter.pdev.dev, `set/check reg ${hex4(reg)} test failed: got 0x${hex8(value)} expected 0x${hex8(expected)}`);
  return false;
}
