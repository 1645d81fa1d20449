import { expect, it } from 'vitest';
import {
  LINUX_MIB_TCPDSACKRECV,
  LINUX_MIB_TCPLOSSPROBES,
  LINUX_MIB_TCPORIGDATASENT,
  LINUX_MIB_TCPSACKRECOVERY,
  LINUX_MIB_TCPTIMEOUTS,
} from '../../../../src/kernel/uapi/snmp.ts';
import { type OnWire, TcpPair } from './tcp_pair.ts';

const MS = 1_000_000;
const isPattern = (bytes: number[], size: number): boolean => bytes.length === size && bytes.every((byte, i) => byte === i % 251);

function transfer(pair: TcpPair, size: number, ms = 60_000): void {
  pair.readAtB(size);
  pair.sendAtA(size);
  pair.pass(ms);
}

it('a megabyte arrives in order without loss, in slow start, with delayed ACKs', () => {
  const pair = new TcpPair();
  transfer(pair, 1_000_000, 3_000);
  expect(isPattern(pair.received, 1_000_000)).toBe(true);
  expect(pair.a.total_retrans).toBe(0);
  expect(pair.log.filter((segment) => segment.fromA).length).toBe(Math.ceil(1_000_000 / 1448));
  expect(pair.a.packets_out).toBe(0);
});

it('one lost segment is repaired by one fast retransmission, and the window falls to 0.7', () => {
  const lose = (segment: OnWire): number[] => (segment.fromA && segment.index === 20 ? [] : [10 * MS]);
  const pair = new TcpPair({ rule: lose });
  transfer(pair, 300_000, 5_000);
  expect(isPattern(pair.received, 300_000)).toBe(true);
  expect(pair.a.total_retrans).toBe(1);
  expect(pair.stat(LINUX_MIB_TCPSACKRECOVERY)).toBe(1);
  expect(pair.stat(LINUX_MIB_TCPTIMEOUTS)).toBe(0);
  expect(pair.a.snd_ssthresh).toBeLessThan(0x7fff_ffff);
});

it('a lost tail is repaired by a probe, not by a timeout', () => {
  const lose = (segment: OnWire): number[] => (segment.fromA && segment.index === 7 ? [] : [10 * MS]);
  const pair = new TcpPair({ rule: lose });
  transfer(pair, 7 * 1448, 2_000);
  expect(isPattern(pair.received, 7 * 1448)).toBe(true);
  expect(pair.stat(LINUX_MIB_TCPLOSSPROBES)).toBe(1);
  expect(pair.stat(LINUX_MIB_TCPTIMEOUTS)).toBe(0);
});

it('a duplicated segment is reported by D-SACK', () => {
  const twice = (segment: OnWire): number[] => (segment.fromA && segment.index === 5 ? [10 * MS, 11 * MS] : [10 * MS]);
  const pair = new TcpPair({ rule: twice });
  transfer(pair, 100_000, 2_000);
  expect(isPattern(pair.received, 100_000)).toBe(true);
  expect(pair.stat(LINUX_MIB_TCPDSACKRECV)).toBe(1);
  expect(pair.a.total_retrans).toBe(0);
  expect(pair.stat(LINUX_MIB_TCPORIGDATASENT)).toBe(Math.ceil(100_000 / 1448));
});

it('without SACK and timestamps loss is repaired as well (NewReno)', () => {
  const lose = (segment: OnWire): number[] => (segment.fromA && (segment.index === 15 || segment.index === 18) ? [] : [10 * MS]);
  const pair = new TcpPair({ rule: lose, sack: false, timestamps: false });
  transfer(pair, 200_000, 10_000);
  expect(isPattern(pair.received, 200_000)).toBe(true);
  expect(pair.a.total_retrans).toBeGreaterThanOrEqual(2);
});
