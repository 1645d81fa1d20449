/** fq: flows in turn, paced by their sockets' rates or by departure times, and what tc shows of it. */
import { describe, expect, it } from 'vitest';
import { NET_XMIT_DROP, NET_XMIT_SUCCESS } from '../../../../src/kernel/include/linux/netdevice.ts';
import { type sk_buff, skb_put, skb_reserve } from '../../../../src/kernel/include/linux/skbuff.ts';
import { GFP_KERNEL } from '../../../../src/kernel/include/linux/types.ts';
import { TC_H_ROOT } from '../../../../src/kernel/include/net/sch_generic.ts';
import { ktime_get_ns } from '../../../../src/kernel/kernel/time/hrtimer.ts';
import { dev_queue_xmit } from '../../../../src/kernel/net/core/dev_queue_xmit.ts';
import { alloc_skb } from '../../../../src/kernel/net/core/skbuff.ts';
import { changeQdisc, deleteQdisc, register_qdisc, replaceQdisc } from '../../../../src/kernel/net/sched/sch_api.ts';
import { fq_qdisc_ops } from '../../../../src/kernel/net/sched/sch_fq.ts';
import { EINVAL } from '../../../../src/kernel/uapi/errno.ts';
import { expectGoodEnd, framesOf, runText } from '../../../scenarios/scenario.ts';
import { FakeDriver } from '../../../support/fake_driver.ts';
import { type TestKernel, testKernel } from '../../../support/kernel.ts';

const MS = 1_000_000;

/** A packet of 1000 bytes of flow `flow`, which leaves in `delay` ns from now. */
function packet(driver: FakeDriver, flow: number, mark: number, delay = 0): sk_buff {
  const skb = alloc_skb(1064, GFP_KERNEL)!;
  skb_reserve(skb, 64);
  const at = skb_put(skb, 1000);
  skb.mem.u8.fill(0, at, at + 1000);
  skb.mem.u8[at + 14] = mark;
  skb.dev = driver.dev;
  skb.protocol = 0x88b5;
  skb.network_header = at + 14;
  skb.hash = flow;
  skb.l4_hash = true;
  if (delay > 0) skb.tstamp = ktime_get_ns() + delay;
  return skb;
}

const marks = (driver: FakeDriver): number[] => driver.sent.map((frame) => frame[14]!);

function fair(options: Record<string, unknown> | null = null): {
  host: TestKernel;
  driver: FakeDriver;
  send: (...args: number[]) => number;
} {
  const host = testKernel();
  const driver = host.on(() => new FakeDriver('eth0', { ring: 200 }));
  host.on(() => {
    if (!driver.dev.nd_net.qdisc_base.has('fq')) register_qdisc(driver.dev.nd_net, fq_qdisc_ops);
    expect(replaceQdisc(driver.dev, TC_H_ROOT, 0, 'fq', options)).toBe(0);
  });
  const send = (flow = 0, mark = 0, delay = 0): number => host.on(() => dev_queue_xmit(packet(driver, flow, mark, delay)));
  return { host, driver, send };
}

describe('fq', () => {
  it('lets packets leave at their departure times, in the order of these', () => {
    const { host, driver, send } = fair();
    send(1, 1, 1 * MS);
    send(1, 3, 3 * MS);
    send(1, 2, 2 * MS);
    send(2, 0);
    expect(marks(driver)).toEqual([0]);
    host.elapse(1.1 * MS);
    expect(marks(driver)).toEqual([0, 1]);
    host.elapse(2 * MS);
    expect(marks(driver)).toEqual([0, 1, 2, 3]);
  });

  it('limits each flow to maxrate, independently of the others', () => {
    const { host, driver, send } = fair({ maxrate: 1_000_000, initial_quantum: 1000, quantum: 1000 });
    for (let i = 0; i < 10; i++) for (const flow of [1, 2]) send(flow, flow);
    // 1000 bytes a millisecond in each flow.
    host.elapse(4.5 * MS);
    expect(marks(driver).filter((mark) => mark === 1)).toHaveLength(5);
    expect(marks(driver).filter((mark) => mark === 2)).toHaveLength(5);
    host.elapse(6 * MS);
    expect(driver.sent).toHaveLength(20);
    expect(driver.dev.qdisc).toMatchObject({ qlen: 0, backlog: 0, packets: 20, drops: 0 });
  });

  it('drops what exceeds the limits of a flow and of a band, and what would leave beyond the horizon', () => {
    const { send, driver } = fair({ flow_limit: 2, limit: 4, horizon: 100 * MS });
    expect([1, 2, 3].map((mark) => send(1, mark, MS))).toEqual([NET_XMIT_SUCCESS, NET_XMIT_SUCCESS, NET_XMIT_DROP]);
    expect([1, 2, 3].map((mark) => send(2, mark, MS))).toEqual([NET_XMIT_SUCCESS, NET_XMIT_SUCCESS, NET_XMIT_DROP]);
    expect(send(3, 1, MS)).toBe(NET_XMIT_DROP);
    expect(driver.dev.qdisc).toMatchObject({ qlen: 4, drops: 3 });
    const beyond = fair({ horizon: 100 * MS });
    expect(beyond.send(1, 1, 101 * MS)).toBe(NET_XMIT_DROP);
    expect(beyond.host.on(() => changeQdisc(beyond.driver.dev, TC_H_ROOT, { horizon_drop: false }))).toBe(0);
    expect(beyond.send(1, 1, 101 * MS)).toBe(NET_XMIT_SUCCESS);
    expect(beyond.host.on(() => fq_qdisc_ops.dump_stats!(beyond.driver.dev.qdisc).at(-1))).toBe('  horizon_drops 1 horizon_caps 1');
  });

  it('is shown as by tc, refuses what it does not know, and is taken away with what it holds', () => {
    const { host, driver, send } = fair();
    expect(fq_qdisc_ops.dump!(driver.dev.qdisc)).toBe(
      'limit 10000p flow_limit 100p buckets 1024 orphan_mask 1023 bands 3 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1 weights 589824 196608 65536 ' +
        'quantum 3028b initial_quantum 15140b low_rate_threshold 550Kbit refill_delay 40ms timer_slack 10us horizon 10s horizon_drop',
    );
    expect(host.on(() => changeQdisc(driver.dev, TC_H_ROOT, { unheard: 1 }))).toBe(-EINVAL);
    send(1, 1, MS);
    expect(host.on(() => deleteQdisc(driver.dev, TC_H_ROOT))).toBe(0);
    host.elapse(10 * MS);
    expect(driver.sent).toEqual([]);
  });

  it('paces TCP at SO_MAX_PACING_RATE, in place of TCP itself', () => {
    const connection = (port: number, rate: number): string =>
      `      - script: "sleep_us 1000\\ntcp\\nsetsockopt SO_MAX_PACING_RATE ${rate}\\nconnect 10.0.0.2 ${port}\\nsend 500000\\nclose"`;
    const outcome = runText(
      'fq.yaml',
      `hosts:
  client:
    interfaces: { eth0: 10.0.0.1/24 }
    setup: [ tc qdisc replace dev eth0 root fq ]
    run:
${connection(5001, 1_250_000)}
${connection(5002, 2_500_000)}
      - { at: 100ms, command: tc -s qdisc show dev eth0 }
  server:
    interfaces: { eth0: 10.0.0.2/24 }
    run: [ { script: "listen 5001\\naccept\\nrecvall\\nclose" }, { script: "listen 5002\\naccept\\nrecvall\\nclose" } ]
wires:
  - { between: [client.eth0, server.eth0], rate: 1Gbit, delay: 10ms }
capture: [ wire ]
`,
      { trace: 'hrtimer_start' },
    );
    expectGoodEnd(outcome);
    const frames = framesOf(outcome.captures[0]!);
    for (const [port, rate] of [
      [5001, 1_250_000],
      [5002, 2_500_000],
    ] as const) {
      // biome-ignore format: short
      const data = frames.filter(({ parsed: { tcp } }) => tcp !== null && tcp.destinationPort === port && tcp.length > 0);
      // Past slow start, over the last 300,000 bytes.
      const late = data.filter(({ parsed: { tcp } }) => (tcp!.seq - data[0]!.parsed.tcp!.seq) >>> 0 >= 200_000);
      const seconds = Number(late.at(-1)!.timeNs - late[0]!.timeNs) / 1e9;
      const bytes = late.slice(1).reduce((sum, { parsed: { tcp } }) => sum + tcp!.length, 0);
      expect(bytes / seconds / rate).toBeGreaterThan(0.93);
      expect(bytes / seconds / rate).toBeLessThan(1.01);
    }
    expect(outcome.output.find((line) => /flows \d+/.test(line))).toMatch(
      /^client: {3}flows \d+ \(inactive \d+ throttled 2\) next packet delay \d+ ns$/,
    );
    expect(outcome.output.find((line) => / gc /.test(line))).toMatch(
      /^client: {3}gc 0 highprio 0 fastpath \d+ throttled [1-9]\d+ latency /,
    );
  });
});
