/**
 * net/core/net-sysfs.c: /sys/class/net: what a network device and its queues show and let be set. `readSysFile`, `writeSysFile` (here: what the file system
 * would do with the attributes' show and store functions).
 */

import type { net_device, netdev_queue } from '../../include/linux/netdevice.ts';
import { netif_carrier_ok, netif_oper_up, netif_running } from '../../include/linux/netdevice.ts';
import type { Kernel } from '../../kernel.ts';
import { cpumaskText, parseCpumask } from '../../lib/bitmap_str.ts';
import { EACCES, EINVAL, ENOENT } from '../../uapi/errno.ts';
import { dev_get_stats, dev_set_mtu, netif_set_xps_queue } from './dev.ts';
import { netdev_set_defer_hard_irqs, netdev_set_gro_flush_timeout } from './dev_napi.ts';
import { setRpsCpus, setRpsFlowCount } from './dev_rps.ts';

/** A flow table larger than this is no use to any host here. */
const MAX_FLOWS = 1 << 20;

const ROOT = '/sys/class/net/';

/** `show` gives the text without the end of line; `store` 0 or -errno. */
interface Attribute {
  readonly show: () => string;
  readonly store?: (text: string) => number;
}

/** The text of a file below /sys/class/net; null when there is none of that name. */
export function readSysFile(owner: Kernel, path: string): string | null {
  const attribute = find(owner, path);
  return attribute === null ? null : `${attribute.show()}\n`;
}

/** 0 or -errno. */
export function writeSysFile(owner: Kernel, path: string, text: string): number {
  const attribute = find(owner, path);
  if (attribute === null) return -ENOENT;
  return attribute.store === undefined ? -EACCES : attribute.store(text.trim());
}

function find(owner: Kernel, path: string): Attribute | null {
  if (!path.startsWith(ROOT)) return null;
  const [name = '', ...rest] = path.slice(ROOT.length).split('/');
  const dev = owner.init_net.dev_by_name.get(name);
  if (dev === undefined) return null;
  const [first, second = '', ...more] = rest;
  if (first === 'statistics') return statistic(dev, second);
  if (first !== 'queues') return rest.length === 1 ? (deviceAttributes(dev)[first!] ?? null) : null;
  const [, kind, number] = /^([rt]x)-(\d+)$/.exec(second) ?? [];
  if (kind === 'rx' && Number(number) < dev.real_num_rx_queues) return rxAttributes(dev, Number(number))[more.join('/')] ?? null;
  if (kind === 'tx' && Number(number) < dev.real_num_tx_queues) return txAttributes(dev, dev._tx[Number(number)]!)[more.join('/')] ?? null;
  return null;
}

const shown = (show: () => string | number): Attribute => ({ show: () => String(show()) });

/** A whole number of some bounds. */
function numeric(show: () => number, store: (value: number) => number | undefined, max = 0xffff_ffff): Attribute {
  return {
    show: () => String(show()),
    store: (text) => (/^\d+$/.test(text) && Number(text) <= max ? (store(Number(text)) ?? 0) : -EINVAL),
  };
}

function deviceAttributes(dev: net_device): Record<string, Attribute> {
  return {
    address: shown(() => [...dev.dev_addr].map((byte) => byte.toString(16).padStart(2, '0')).join(':')),
    carrier: { show: () => (netif_running(dev) ? (netif_carrier_ok(dev) ? '1' : '0') : '') },
    carrier_changes: shown(() => dev.carrier_changes),
    flags: shown(() => `0x${dev.flags.toString(16)}`),
    gro_flush_timeout: numeric(
      () => dev.gro_flush_timeout,
      (value) => void netdev_set_gro_flush_timeout(dev, value),
      Number.MAX_SAFE_INTEGER,
    ),
    ifindex: shown(() => dev.ifindex),
    mtu: numeric(
      () => dev.mtu,
      (value) => dev_set_mtu(dev, value),
    ),
    napi_defer_hard_irqs: numeric(
      () => dev.napi_defer_hard_irqs,
      (value) => void netdev_set_defer_hard_irqs(dev, value),
      0x7fff_ffff,
    ),
    operstate: shown(() => (netif_oper_up(dev) ? 'up' : 'down')),
    tx_queue_len: numeric(
      () => dev.tx_queue_len,
      (value) => {
        dev.tx_queue_len = value;
      },
    ),
  };
}

function statistic(dev: net_device, name: string): Attribute | null {
  const stats = dev_get_stats(dev);
  return Object.hasOwn(stats, name) ? shown(() => stats[name as keyof typeof stats]) : null;
}

const cpuCount = (dev: net_device): number => dev.nd_net.kernel.percpu.length;

function rxAttributes(dev: net_device, queue: number): Record<string, Attribute> {
  return {
    rps_cpus: {
      show: () => cpumaskText(dev.rps_cpus[queue] ?? [], cpuCount(dev)),
      store: (text) => storeMask(dev, text, (cpus) => setRpsCpus(dev, queue, cpus)),
    },
    rps_flow_cnt: numeric(
      () => dev.rps_flow_tables[queue]?.flows.length ?? 0,
      (value) => void setRpsFlowCount(dev, queue, value),
      MAX_FLOWS,
    ),
  };
}

function storeMask(dev: net_device, text: string, store: (cpus: readonly number[]) => void): number {
  const cpus = parseCpumask(text, cpuCount(dev));
  if (cpus === null) return -EINVAL;
  store(cpus);
  return 0;
}

/** BQL's limits are in bytes, its hold time in milliseconds. */
function txAttributes(dev: net_device, txq: netdev_queue): Record<string, Attribute> {
  const limits = txq.dql;
  const msPerJiffy = 1000 / dev.nd_net.kernel.HZ;
  const limit = (key: 'limit' | 'min_limit' | 'max_limit'): Attribute => ({
    show: () => String(limits[key]),
    store: (text) => {
      if (text !== 'max' && !/^\d+$/.test(text)) return -EINVAL;
      limits[key] = text === 'max' ? DQL_MAX_LIMIT : Math.min(Number(text), DQL_MAX_LIMIT);
      return 0;
    },
  });
  return {
    tx_timeout: shown(() => txq.trans_timeout),
    xps_cpus: {
      show: () => cpumaskText(xpsCpus(dev, txq.index), cpuCount(dev)),
      store: (text) => storeMask(dev, text, (cpus) => setXps(dev, txq.index, cpus)),
    },
    'byte_queue_limits/limit': limit('limit'),
    'byte_queue_limits/limit_min': limit('min_limit'),
    'byte_queue_limits/limit_max': limit('max_limit'),
    'byte_queue_limits/inflight': shown(() => (limits.num_queued - limits.num_completed) >>> 0),
    'byte_queue_limits/hold_time': numeric(
      () => Math.round(limits.slack_hold_time * msPerJiffy),
      (value) => {
        limits.slack_hold_time = Math.ceil(value / msPerJiffy);
      },
    ),
  };
}

/** UINT_MAX / 16 * 7: leaves room for the counters to wrap. */
const DQL_MAX_LIMIT = 1879048192;

const xpsCpus = (dev: net_device, queue: number): number[] => dev.xps_cpus.flatMap((index, cpu) => (index === queue ? [cpu] : []));

/** Simplified: a CPU has one queue; in Linux it may have several, of which the packet's hash chooses. */
function setXps(dev: net_device, queue: number, cpus: readonly number[]): void {
  for (const cpu of xpsCpus(dev, queue)) dev.xps_cpus[cpu] = -1;
  for (const cpu of cpus) netif_set_xps_queue(dev, 1 << cpu, queue);
}
