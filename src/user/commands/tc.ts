/** tc: `qdisc add|replace|change|del dev DEV root|parent P [handle H:] KIND [limit N] [delay TIME]` and `[-s] qdisc [show [dev DEV]]`, as iproute2 prints it. */
import { kernel } from '../../kernel/current.ts';
import type { net_device } from '../../kernel/include/linux/netdevice.ts';
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { type Qdisc, TC_H_MIN, TC_H_ROOT, TCQ_F_BUILTIN, TCQ_F_MQROOT } from '../../kernel/include/net/sch_generic.ts';
import { changeQdisc, deleteQdisc, qdisc_lookup, replaceQdisc } from '../../kernel/net/sched/sch_api.ts';
import { errno } from '../../kernel/uapi/errno.ts';
import { type Output, refuse } from './command.ts';
import { strerror } from './strerror.ts';
import { Words } from './words.ts';

/** tc ends with 2 when the kernel says no. */
const KERNEL_ERROR = 2;

// biome-ignore lint/correctness/useYield: a command may sleep, this one need not
export function* tc(words: readonly string[], out: Output): Sleeping<number> {
  const reader = new Words('tc', words);
  let statistics = false;
  while (/^-/.test(reader.peek)) {
    const option = reader.take('an option');
    if (/^-s(tatistics)?$/.test(option)) statistics = true;
    else refuse('tc', option, 'the option -s');
  }
  const object = reader.take('qdisc');
  if (!'qdisc'.startsWith(object)) refuse('tc', object, 'qdisc');
  const verb = reader.more ? reader.take('add, replace, change, del or show') : 'show';
  if (verb === 'show' || verb === 'list' || verb === 'ls') return show(reader, statistics, out);
  return edit(verb, reader, out);
}

function deviceNamed(name: string, out: Output): net_device | null {
  const dev = kernel().init_net.dev_by_name.get(name);
  if (dev === undefined) out(`Cannot find device "${name}"`);
  return dev ?? null;
}

function show(words: Words, statistics: boolean, out: Output): number {
  let only: net_device | null = null;
  if (words.skip('dev')) {
    only = deviceNamed(words.take('an interface'), out);
    if (only === null) return 1;
  }
  for (const dev of only === null ? kernel().init_net.dev_base : [only])
    for (const sch of qdiscsOf(dev)) for (const line of qdiscLines(sch, only === null, statistics)) out(line);
  return 0;
}

/** In the order in which the kernel lists them: the root, then its children, last first. */
function qdiscsOf(dev: net_device): Qdisc[] {
  const inUse = (sch: Qdisc): boolean => (sch.flags & TCQ_F_BUILTIN) === 0;
  const below = (sch: Qdisc): Qdisc[] => {
    const children = (sch.flags & TCQ_F_MQROOT) !== 0 ? sch.children.slice(0, dev.real_num_tx_queues) : sch.children;
    return [sch, ...[...children].reverse().flatMap(below)];
  };
  return below(dev.qdisc).filter(inUse);
}

const handleText = (handle: number): string => `${(handle >>> 16).toString(16)}:`;

function qdiscLines(sch: Qdisc, nameDevice: boolean, statistics: boolean): string[] {
  const { dev } = sch.dev_queue;
  const isRoot = sch === dev.qdisc;
  const major = sch.parent >>> 16;
  const place = isRoot ? 'root ' : `parent ${major === 0 ? '' : major.toString(16)}:${TC_H_MIN(sch.parent).toString(16)} `;
  // Every queue that a qdisc serves holds a reference, and so does its device; mq's queues have qdiscs of their own.
  const references = isRoot && (sch.flags & TCQ_F_MQROOT) === 0 ? `refcnt ${dev.num_tx_queues + 1} ` : '';
  const head = `qdisc ${sch.ops.id} ${handleText(sch.handle)} ${nameDevice ? `dev ${dev.name} ` : ''}${place}${references}`;
  const lines = [head + (sch.ops.dump?.(sch) ?? '')];
  if (!statistics) return lines;
  const sums = (sch.flags & TCQ_F_MQROOT) !== 0 ? sumOf(sch.children) : sch;
  lines.push(
    ` Sent ${sums.bytes} bytes ${sums.packets} pkt (dropped ${sums.drops}, overlimits ${sums.overlimits} requeues ${sums.requeues}) `,
  );
  lines.push(` backlog ${bytesText(sums.backlog)} ${sums.qlen}p requeues ${sums.requeues}`, ...(sch.ops.dump_stats?.(sch) ?? []));
  return lines;
}

/** `1514b`, `15Kb`: whole kilobytes and megabytes are shortened. */
const bytesText = (bytes: number): string =>
  bytes >= 1024 * 1024 && bytes % (1024 * 1024) < 1024
    ? `${Math.floor(bytes / (1024 * 1024))}Mb`
    : bytes >= 1024 && bytes % 1024 < 16
      ? `${Math.floor(bytes / 1024)}Kb`
      : `${bytes}b`;

type Sums = Pick<Qdisc, 'bytes' | 'packets' | 'drops' | 'overlimits' | 'requeues' | 'backlog' | 'qlen'>;

function sumOf(children: readonly Qdisc[]): Sums {
  const sums: Sums = { bytes: 0, packets: 0, drops: 0, overlimits: 0, requeues: 0, backlog: 0, qlen: 0 };
  for (const child of children) for (const key of Object.keys(sums) as (keyof Sums)[]) sums[key] += child[key];
  return sums;
}

/** `1:`, `1:2`, `:2`, in hexadecimal. */
function readHandle(word: string, what: string): number {
  const match = /^([0-9a-f]*):([0-9a-f]*)$/i.exec(word) ?? refuse('tc', word, `${what} such as 1: or 1:2`);
  const part = (digits: string): number => (digits === '' ? 0 : Number.parseInt(digits, 16));
  return ((part(match[1]!) << 16) | part(match[2]!)) >>> 0;
}

function edit(verb: string, words: Words, out: Output): number {
  if (!/^(add|replace|change|del|delete)$/.test(verb)) refuse('tc qdisc', verb, 'add, replace, change, del or show');
  words.skip('dev') || refuse('tc qdisc', words.peek, 'dev and an interface');
  const dev = deviceNamed(words.take('an interface'), out);
  if (dev === null) return 1;
  let parent = TC_H_ROOT;
  if (words.skip('parent')) parent = readHandle(words.take('a class'), 'a class');
  else if (!words.skip('root')) refuse('tc qdisc', words.peek || 'the end of the line', 'root or parent and a class');
  const handle = words.skip('handle') ? readHandle(words.take('a handle'), 'a handle') : 0;
  if (/^del/.test(verb)) return answer(deleteQdisc(dev, parent), verb, out);
  const kind = words.take('the kind of a qdisc');
  const options = readOptions(words);
  if (verb === 'change') return answer(changeQdisc(dev, parent, options), verb, out);
  if (verb === 'add' && occupied(dev, parent)) return answer(-errno.EEXIST, verb, out);
  // One of the same kind stays, and only what is named changes.
  const old = verb === 'replace' && handle === 0 ? ofUser(dev, parent) : null;
  if (old?.ops.id === kind) return Object.keys(options).length === 0 ? 0 : answer(changeQdisc(dev, parent, options), verb, out);
  return answer(replaceQdisc(dev, parent, handle, kind, Object.keys(options).length > 0 ? options : null), verb, out);
}

/** Somebody's qdisc is there already: those that a device starts with have no handle. */
const occupied = (dev: net_device, parent: number): boolean => ofUser(dev, parent) !== null;

function ofUser(dev: net_device, parent: number): Qdisc | null {
  const sch = parent === TC_H_ROOT ? dev.qdisc : qdisc_lookup(dev, parent)?.children[TC_H_MIN(parent) - 1];
  return sch === undefined || sch.handle === 0 ? null : sch;
}

const SIZES: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, kb: 1024, m: 1048576, mb: 1048576, p: 1 };

const TIMES_NS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, usec: 1e3, ms: 1e6, msec: 1e6, s: 1e9, sec: 1e9 };

/** ns; without a unit it is µs. */
function readTime(word: string): number {
  const match = /^(\d+(?:\.\d+)?)([a-z]*)$/i.exec(word);
  const unit = TIMES_NS[match?.[2]?.toLowerCase() || 'us'];
  return match === null || unit === undefined ? refuse('tc', word, 'a time such as 10ms') : Math.round(Number(match[1]) * unit);
}

/** Options of fq that have no value. */
const SWITCHES: Readonly<Record<string, readonly [option: string, on: boolean]>> = {
  pacing: ['pacing', true],
  nopacing: ['pacing', false],
  horizon_drop: ['horizon_drop', true],
  horizon_cap: ['horizon_drop', false],
};
const TIME_OPTIONS = ['horizon', 'refill_delay', 'timer_slack'];
const RATE_OPTIONS = ['maxrate', 'low_rate_threshold'];
const BITS: Readonly<Record<string, number>> = { '': 1, bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9, bps: 8, kbps: 8e3, mbps: 8e6 };

/** Bytes a second. */
function readRate(word: string): number {
  const match = /^(\d+(?:\.\d+)?)([a-z]*)$/i.exec(word);
  const unit = BITS[match?.[2]?.toLowerCase() ?? 'none'];
  return match === null || unit === undefined ? refuse('tc', word, 'a rate such as 10mbit') : Math.floor((Number(match[1]) * unit) / 8);
}

/** A share. */
function readPercent(word: string): number {
  const share = Number(/^(\d+(?:\.\d+)?)%$/.exec(word)?.[1] ?? Number.NaN) / 100;
  return share <= 1 ? share : refuse('tc', word, 'a share such as 25%');
}

/** Pairs of a name and a number, which may have a unit of size; `delay` and fq's times are times, its rates rates. */
function readOptions(words: Words): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  while (words.more) {
    const name = words.take('an option');
    if (SWITCHES[name] !== undefined) {
      const [option, on] = SWITCHES[name];
      options[option] = on;
      continue;
    }
    const word = words.take(`a value for ${name}`);
    if (name === 'reorder') {
      options[name] = readPercent(word);
      continue;
    }
    if (name === 'delay' || name === 'latency') {
      options['delay'] = readTime(word);
      continue;
    }
    if (TIME_OPTIONS.includes(name) || RATE_OPTIONS.includes(name)) {
      options[name] = TIME_OPTIONS.includes(name) ? readTime(word) : readRate(word);
      continue;
    }
    const match = /^(\d+)([a-z]*)$/i.exec(word);
    options[name] = match === null ? word : Number(match[1]) * (SIZES[match[2]!.toLowerCase()] ?? refuse('tc', word, 'a number'));
  }
  return options;
}

/** The words that the kernel itself sends along with the errors that people meet. */
function answer(result: number, verb: string, out: Output): number {
  if (result >= 0) return 0;
  if (result === -errno.EEXIST) out('Error: Exclusivity flag on, cannot modify.');
  else if (result === -errno.ENOENT && /^del/.test(verb)) out('Error: Cannot delete qdisc with handle of zero.');
  else if (result === -errno.ENOENT) out('Error: Specified qdisc kind is unknown.');
  else out(`RTNETLINK answers: ${strerror(result)}`);
  return KERNEL_ERROR;
}
