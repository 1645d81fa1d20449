/** ethtool -x, -X: which receive queue takes which hashes. */
import type { net_device } from '../../kernel/include/linux/netdevice.ts';
import { errnoName } from '../../kernel/uapi/errno.ts';
import { CommandError, type Output, refuse } from './command.ts';

const ENTRIES_A_LINE = 8;

export function showRss(dev: net_device, _words: readonly string[], out: Output): number {
  const rxfh = dev.ethtool_ops?.get_rxfh?.(dev);
  if (rxfh === undefined) throw new CommandError(`ethtool: ${dev.name}: Cannot get RX flow hash configuration: Operation not supported`);
  out(`RX flow hash indirection table for ${dev.name} with ${rxfh.rings} RX ring(s):`);
  for (let i = 0; i < rxfh.indir.length; i += ENTRIES_A_LINE) {
    const entries = rxfh.indir.slice(i, i + ENTRIES_A_LINE).map((queue) => String(queue).padStart(6));
    out(`${String(i).padStart(5)}: ${entries.join('')}`);
  }
  out('RSS hash key:');
  out(rxfh.key === null ? 'Operation not supported' : [...rxfh.key].map((byte) => byte.toString(16).padStart(2, '0')).join(':'));
  out('RSS hash function:');
  for (const name of ['toeplitz', 'xor', 'crc32']) out(`    ${name}: ${name === rxfh.hfunc ? 'on' : 'off'}`);
  return 0;
}

/** `equal N`, `weight W0 W1 …` or `default`. */
export function setRss(dev: net_device, words: readonly string[]): number {
  const ops = dev.ethtool_ops;
  const size = ops?.get_rxfh_indir_size?.(dev);
  const rings = ops?.get_rxfh?.(dev).rings;
  if (ops?.set_rxfh === undefined || size === undefined || rings === undefined)
    throw new CommandError(`ethtool: ${dev.name}: Cannot set RX flow hash configuration: Operation not supported`);
  const result = ops.set_rxfh(dev, table(size, rings, words), null);
  if (result < 0) throw new CommandError(`ethtool: ${dev.name}: Cannot set RX flow hash configuration: ${errnoName(result)}`);
  return 0;
}

function table(size: number, rings: number, [kind = '', ...numbers]: readonly string[]): number[] {
  const values = numbers.map((word) => (/^\d+$/.test(word) ? Number(word) : refuse('ethtool -X', word, 'a whole number')));
  if (kind === 'default') return spread(size, new Array<number>(rings).fill(1), (i) => i % rings);
  if (kind === 'equal' && values.length === 1 && values[0]! > 0) return spread(size, [], (i) => i % values[0]!);
  if (kind === 'weight' && values.some((weight) => weight > 0)) return spread(size, values, null);
  return refuse('ethtool -X', [kind, ...numbers].join(' '), 'equal N, weight W0 W1 … or default');
}

/** Entries in turn, or in runs as long as the weights say. */
function spread(size: number, weights: readonly number[], turn: ((i: number) => number) | null): number[] {
  if (turn !== null) return Array.from({ length: size }, (_, i) => turn(i));
  const total = weights.reduce((a, b) => a + b, 0);
  const entries: number[] = [];
  let queue = -1;
  for (let i = 0, given = 0; i < size; i++) {
    while (i >= (size * given) / total) given += weights[++queue]!;
    entries.push(queue);
  }
  return entries;
}
