/** /sys/class/net and /proc/irq: what they show, what they take, and that it has an effect: RPS, XPS, BQL, NAPI's knobs, interrupt affinity. */
import { expect, it } from 'vitest';
import { __skb_dequeue } from '../../../../src/kernel/include/linux/skbuff.ts';
import { readIrqFile, writeIrqFile } from '../../../../src/kernel/kernel/irq_proc.ts';
import { local_bh_disable, local_bh_enable } from '../../../../src/kernel/kernel/softirq.ts';
import { cpulistText, cpumaskText, parseCpulist, parseCpumask } from '../../../../src/kernel/lib/bitmap_str.ts';
import { sd_flow_limit } from '../../../../src/kernel/net/core/dev_flow_limit.ts';
import { netif_rx } from '../../../../src/kernel/net/core/dev_receive.ts';
import { readSysFile, writeSysFile } from '../../../../src/kernel/net/core/net_sysfs.ts';
import { kfree_skb } from '../../../../src/kernel/net/core/skbuff_free.ts';
import { Pair, type Side } from '../../drivers/igb/pair.ts';

const MS = 1_000_000;
const EINVAL = -22;
const ENOENT = -2;
const EACCES = -13;
const SYS = '/sys/class/net/eth0';

const read = (side: Side, path: string): string | null => side.host.onCpu(() => readSysFile(side.host.kernel, `${SYS}/${path}`));
const write = (side: Side, path: string, text: string): number =>
  side.host.onCpu(() => writeSysFile(side.host.kernel, `${SYS}/${path}`, text));

it('sets of CPUs are masks and lists', () => {
  expect(cpumaskText([0, 1, 5], 8)).toBe('23');
  expect(cpumaskText([33], 40)).toBe('02,00000000');
  expect(parseCpumask('2,00000001', 40)).toEqual([0, 33]);
  expect([parseCpumask('g', 8), parseCpumask('100', 8)]).toEqual([null, null]);
  expect(cpulistText([3, 0, 1, 2, 6])).toBe('0-3,6');
  expect(parseCpulist('0-2,6', 8)).toEqual([0, 1, 2, 6]);
  expect([parseCpulist('8', 8), parseCpulist('a', 8)]).toEqual([null, null]);
});

it('shows a device and refuses what it cannot set', () => {
  const { a } = new Pair(2).up();
  expect([read(a, 'address'), read(a, 'carrier'), read(a, 'mtu'), read(a, 'operstate')]).toEqual([
    '02:00:00:00:00:0a\n',
    '1\n',
    '1500\n',
    'up\n',
  ]);
  expect([write(a, 'mtu', '9000'), read(a, 'mtu')]).toEqual([0, '9000\n']);
  expect([write(a, 'mtu', 'x'), write(a, 'mtu', '10'), write(a, 'carrier', '0'), write(a, 'nothing', '0')]).toEqual([
    EINVAL,
    EINVAL,
    EACCES,
    ENOENT,
  ]);
  expect([read(a, 'queues/rx-1/rps_cpus'), read(a, 'queues/rx-2/rps_cpus'), read(a, 'nothing')]).toEqual(['0\n', null, null]);
  expect(read(a, 'statistics/tx_packets')).toBe('0\n');
});

it('RPS takes packets through the stack on the CPUs that are named', () => {
  const pair = new Pair(4).up();
  const { a, b } = pair;
  for (let queue = 0; queue < 4; queue++) expect(write(b, `queues/rx-${queue}/rps_cpus`, '4')).toBe(0);
  expect(read(b, 'queues/rx-0/rps_cpus')).toBe('4\n');
  const softirqs = b.host.kernel.percpu.map(({ softnet_data }) => softnet_data.received_rps);
  for (let i = 0; i < 20; i++) a.xmit(() => a.frame(b, 100, i));
  pair.run(5 * MS);
  const { softnet_data } = b.host.kernel.percpu[2]!;
  expect(b.received).toHaveLength(20);
  expect(softnet_data.received_rps - softirqs[2]!).toBeGreaterThan(0);
  expect(softnet_data.processed).toBe(20);
  for (let queue = 0; queue < 4; queue++) write(b, `queues/rx-${queue}/rps_cpus`, '0');
  a.xmit(() => a.frame(b, 100));
  pair.run(5 * MS);
  expect(b.received).toHaveLength(21);
  expect(softnet_data.processed).toBe(20);
});

it('XPS and BQL are shown and set', () => {
  const pair = new Pair(4).up();
  const { a, b } = pair;
  expect(write(a, 'queues/tx-1/xps_cpus', 'c')).toBe(0);
  expect(a.dev.xps_cpus).toEqual([-1, -1, 1, 1]);
  expect(write(a, 'queues/tx-1/xps_cpus', '4')).toBe(0);
  expect(read(a, 'queues/tx-1/xps_cpus')).toBe('4\n');
  expect(read(a, 'queues/tx-0/byte_queue_limits/limit')).toBe('0\n');
  expect(read(a, 'queues/tx-0/byte_queue_limits/limit_max')).toBe('1879048192\n');
  expect(read(a, 'queues/tx-0/byte_queue_limits/hold_time')).toBe('1000\n');
  expect(write(a, 'queues/tx-0/byte_queue_limits/limit_min', '3000')).toBe(0);
  a.xmit(() => a.frame(b, 1000));
  expect(read(a, 'queues/tx-0/byte_queue_limits/inflight')).toBe('1014\n');
  pair.run(MS);
  expect(read(a, 'queues/tx-0/byte_queue_limits/inflight')).toBe('0\n');
  expect(read(a, 'queues/tx-0/byte_queue_limits/limit')).toBe('3000\n');
});

it('deferred interrupts: after a poll the queue is polled again by a timer, without an interrupt', () => {
  const pair = new Pair(2).up();
  const { a, b } = pair;
  expect([write(b, 'napi_defer_hard_irqs', '100'), write(b, 'gro_flush_timeout', '50000')]).toEqual([0, 0]);
  expect([read(b, 'napi_defer_hard_irqs'), read(b, 'gro_flush_timeout')]).toEqual(['100\n', '50000\n']);
  const irq = [...b.host.kernel.irq_desc.values()].find(({ name }) => name === 'eth0-rx-0')!;
  for (let i = 0; i < 20; i++) {
    a.xmit(() => a.frame(b, 100, i));
    pair.run(MS / 10);
  }
  expect(b.received).toHaveLength(20);
  expect(irq.kstat_irqs.reduce((x, y) => x + y, 0)).toBe(1);
});

it('an interrupt goes to the CPU that /proc/irq names', () => {
  const pair = new Pair(2).up();
  const { a, b } = pair;
  const { kernel } = b.host;
  const { irq, kstat_irqs } = [...kernel.irq_desc.values()].find(({ name }) => name === 'eth0-rx-0')!;
  for (const cpu of [1, 0]) {
    expect(writeIrqFile(kernel, `/proc/irq/${irq}/smp_affinity_list`, String(cpu))).toBe(0);
    expect(readIrqFile(kernel, `/proc/irq/${irq}/smp_affinity`)).toBe(`${1 << cpu}\n`);
    const before = kstat_irqs[cpu]!;
    a.xmit(() => a.frame(b, 100));
    pair.run(MS);
    expect(kstat_irqs[cpu]! - before).toBe(1);
  }
  expect(writeIrqFile(kernel, `/proc/irq/${irq}/smp_affinity`, '0')).toBe(EINVAL);
  expect(writeIrqFile(kernel, `/proc/irq/${irq}/smp_affinity_list`, '2')).toBe(EINVAL);
  expect(writeIrqFile(kernel, '/proc/irq/999/smp_affinity', '1')).toBe(ENOENT);
});

it('a backlog that is half full lets no flow have more than half of its last places', () => {
  const pair = new Pair(2).up();
  const { b } = pair;
  const { core, kernel } = b.host.kernel.init_net;
  core.netdev_max_backlog = 40;
  core.flow_limit_table_len = 64;
  const limits = kernel.percpu.map(({ softnet_data }) => (softnet_data.flow_limit = new sd_flow_limit(core.flow_limit_table_len)));
  for (let queue = 0; queue < 2; queue++) write(b, `queues/rx-${queue}/rps_cpus`, '1');
  // All packets are of one flow, and CPU 0 gets no time to take them.
  const { softnet_data } = kernel.percpu[0]!;
  const backlog = softnet_data.input_pkt_queue;
  b.host.onCpu(() => {
    local_bh_disable();
    for (let i = 0; i < 200; i++) {
      const skb = b.frame(b, 100);
      skb.mem.view.setUint16(skb.data + 12, 0x0806);
      skb.protocol = 0x0806;
      netif_rx(skb);
      if (backlog.qlen > 35) kfree_skb(__skb_dequeue(backlog)!);
    }
    local_bh_enable();
  });
  // From the 20th packet on flows are counted; this one's 64 places are used up after as many more.
  expect(limits[0]!.count).toBe(200 - 20 - 64);
  expect(softnet_data.dropped).toBe(limits[0]!.count);
});
