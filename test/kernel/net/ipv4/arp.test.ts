import { describe, expect, it } from 'vitest';
import {
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_PERMANENT,
  NUD_REACHABLE,
  NUD_STALE,
} from '../../../../src/kernel/include/net/neighbour.ts';
import { neigh_add, neigh_delete } from '../../../../src/kernel/net/core/neighbour.ts';
import { addr, bytes, type Frame, pair } from './lan.ts';

describe('arp', () => {
  it('asks once for a neighbour, keeps packets, and sends them when the answer comes', () => {
    const { lan, a, b } = pair();
    a.send('10.0.0.2', bytes(10));
    a.send('10.0.0.2', bytes(20));
    expect(a.neighbour('eth0', '10.0.0.2').state).toBe(NUD_INCOMPLETE);
    lan.elapse(0.01);
    expect(lan.lines()).toEqual([
      'arp who-has 10.0.0.2 broadcast (42)',
      'arp is-at 10.0.0.2 (42)',
      'proto 253 10.0.0.1 > 10.0.0.2 len 30',
      'proto 253 10.0.0.1 > 10.0.0.2 len 40',
    ]);
    expect(b.received.map((payload) => payload.length)).toEqual([10, 20]);
    expect(a.neighbour('eth0', '10.0.0.2').state).toBe(NUD_REACHABLE);
  });

  it('learns who asks: the answering host need not ask back', () => {
    const { lan, a, b } = pair();
    a.send('10.0.0.2', bytes(1));
    lan.elapse(0.01);
    expect(b.neighbour('eth0', '10.0.0.1').state).toBe(NUD_STALE);
    lan.lines();
    b.send('10.0.0.1', bytes(2));
    lan.elapse(0.01);
    expect(lan.lines()).toEqual(['proto 253 10.0.0.2 > 10.0.0.1 len 22']);
    expect(b.neighbour('eth0', '10.0.0.1').state).toBe(NUD_DELAY);
  });

  it('probes by unicast when nothing confirmed a neighbour that is used again: 5 s after the first packet', () => {
    const { lan, a, b } = pair();
    a.send('10.0.0.2', bytes(1));
    lan.elapse(0.01);
    b.send('10.0.0.1', bytes(2));
    lan.lines();
    lan.elapse(5.2);
    expect(lan.lines()).toEqual(['arp who-has 10.0.0.1 (42)', 'arp is-at 10.0.0.1 (42)']);
    expect(b.neighbour('eth0', '10.0.0.1').state).toBe(NUD_REACHABLE);
  });

  it('gives up after three broadcasts and about 3 s, and tells the sender by ICMP over loopback', () => {
    const { lan, a } = pair();
    a.send('10.0.0.9', bytes(10));
    lan.elapse(3.5);
    expect(lan.frames.map(({ at }) => Math.round(at / 1e6 / 50) * 50)).toEqual([0, 1000, 2050]);
    expect(lan.lines()).toEqual(new Array(3).fill('arp who-has 10.0.0.9 broadcast (42)'));
    expect(a.neighbour('eth0', '10.0.0.9').state).toBe(NUD_FAILED);
    expect(a.errors).toEqual(['3/1 0']);
    expect(a.errorTimes[0]! / 1e9).toBeCloseTo(3.05, 1);
    // SKB_DROP_REASON_NEIGH_FAILED, for the packet that waited.
    expect(a.drops).toContain('58');
    expect(a.close()).toBe(0);
  });

  it('keeps no more bytes waiting than unres_qlen_bytes: the oldest go first', () => {
    const { lan, a, b } = pair();
    lan.deliver = ({ from }: Frame) => from !== 'b';
    for (let i = 0; i < 120; i++) a.send('10.0.0.2', bytes(1400, i));
    const { n } = a.neighbour('eth0', '10.0.0.2');
    expect(n!.arp_queue_len_bytes).toBeLessThanOrEqual(212992);
    const lost = 120 - n!.arp_queue.qlen;
    expect(lost).toBeGreaterThan(20);
    expect(a.drops.filter((reason) => reason === '59')).toHaveLength(lost);
    expect(a.network.arp_tbl.stats.unres_discards).toBe(lost);
    lan.deliver = () => true;
    lan.elapse(1.5);
    expect(b.received).toHaveLength(120 - lost);
    expect(b.received[0]![0]).toBe(lost);
  });

  it('uses a permanent entry without asking, and asks again once it is deleted', () => {
    const { lan, a, b } = pair();
    const mac = b.dev('eth0').dev_addr;
    a.on(() => neigh_add(a.network.arp_tbl, addr('10.0.0.2'), a.dev('eth0'), mac));
    expect(a.neighbour('eth0', '10.0.0.2').state).toBe(NUD_PERMANENT);
    a.send('10.0.0.2', bytes(5));
    lan.elapse(0.01);
    expect(lan.lines()).toEqual(['proto 253 10.0.0.1 > 10.0.0.2 len 25']);
    expect(a.on(() => neigh_delete(a.network.arp_tbl, addr('10.0.0.2'), a.dev('eth0')))).toBe(0);
    a.send('10.0.0.2', bytes(5));
    lan.elapse(0.01);
    expect(lan.lines()[0]).toBe('arp who-has 10.0.0.2 broadcast (42)');
  });

  it('does not answer for an address of another device with arp_ignore=1', () => {
    const { lan, a, b } = pair();
    b.on(() => b.address('lo', '10.0.0.77/32'));
    a.send('10.0.0.77', bytes(1));
    lan.elapse(0.01);
    expect(lan.lines()).toContain('arp is-at 10.0.0.77 (42)');
    b.dev('eth0').ip_ptr!.cnf.arp_ignore = 1;
    b.address('lo', '10.0.0.78/32');
    a.send('10.0.0.78', bytes(1));
    lan.elapse(0.01);
    expect(lan.lines()).toEqual(['arp who-has 10.0.0.78 broadcast (42)']);
  });

  it('leaves nothing behind when the hosts go', () => {
    const { lan, a, b } = pair();
    a.send('10.0.0.2', bytes(10));
    a.send('10.0.0.9', bytes(10));
    lan.elapse(0.5);
    expect([a.close(), b.close()]).toEqual([0, 0]);
  });
});
