import { describe, expect, it } from 'vitest';
import {
  NEIGH_UPDATE_F_OVERRIDE,
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_NONE,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
} from '../../../../src/kernel/include/net/neighbour.ts';
import { neigh_event_send, neigh_update } from '../../../../src/kernel/net/core/neighbour.ts';
import { addr, bytes, type Frame, type Host, pair } from '../ipv4/lan.ts';

const state = (host: Host, text = '10.0.0.2'): number => host.neighbour('eth0', text).state;

describe('neighbour', () => {
  it('is reachable for a random time between 15 and 45 s, then stale until used', () => {
    const times = [1, 2, 3, 4, 5].map((seed) => {
      const { lan, a } = pair({ seed });
      a.send('10.0.0.2', bytes(1));
      lan.elapse(0.01);
      let seconds = 0;
      while (state(a) === NUD_REACHABLE && seconds < 60) {
        lan.elapse(0.5);
        seconds += 0.5;
      }
      expect(state(a)).toBe(NUD_STALE);
      return seconds;
    });
    // The wheel fires up to an eighth late.
    for (const seconds of times) expect(seconds > 14.5 && seconds < 51).toBe(true);
    expect(new Set(times).size).toBeGreaterThan(2);
  });

  it('goes stale → delay on use, delay → probe after 5 s, probe → failed after 3 unicast probes; then resolution begins anew', () => {
    const { lan, a } = pair();
    a.send('10.0.0.2', bytes(1));
    lan.elapse(60);
    expect(state(a)).toBe(NUD_STALE);
    lan.lines();
    lan.deliver = ({ from }: Frame) => from !== 'b';
    a.send('10.0.0.2', bytes(2));
    lan.elapse(0.1);
    expect(state(a)).toBe(NUD_DELAY);
    lan.elapse(5.1);
    expect(state(a)).toBe(NUD_PROBE);
    lan.elapse(3.3);
    expect(state(a)).toBe(NUD_FAILED);
    // Each probe reached b, whose answers were lost.
    expect(lan.lines().filter((line) => line.startsWith('arp who-has'))).toEqual(new Array(3).fill('arp who-has 10.0.0.2 (42)'));
    a.send('10.0.0.2', bytes(3));
    expect(state(a)).toBe(NUD_INCOMPLETE);
  });

  it('goes from delay back to reachable when the transport confirms it', () => {
    const { lan, a } = pair();
    a.send('10.0.0.2', bytes(1));
    lan.elapse(60);
    a.send('10.0.0.2', bytes(2));
    lan.elapse(2);
    const { n } = a.neighbour('eth0', '10.0.0.2');
    a.on(() => {
      n!.confirmed = 2 ** 32 + Math.floor(lan.simulation.now / a.kernel.nsPerJiffy);
    });
    lan.lines();
    lan.elapse(4);
    expect([state(a), lan.lines()]).toEqual([NUD_REACHABLE, []]);
  });

  it('keeps its address when another one is claimed without override, and changes it with', () => {
    const { lan, a } = pair();
    a.send('10.0.0.2', bytes(1));
    lan.elapse(0.01);
    const { n } = a.neighbour('eth0', '10.0.0.2');
    const before = [...n!.ha];
    const other = Uint8Array.of(2, 9, 9, 9, 9, 9);
    a.on(() => neigh_update(n!, other, NUD_STALE, 0));
    expect([...n!.ha]).toEqual(before);
    a.on(() => neigh_update(n!, other, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE));
    expect([[...n!.ha], n!.nud_state]).toEqual([[...other], NUD_STALE]);
    // The cached header follows.
    lan.lines();
    a.send('10.0.0.2', bytes(1));
    expect([...lan.frames[0]!.bytes.subarray(0, 6)]).toEqual([...other]);
  });

  it('reports its life by tracepoints', () => {
    const { lan, a } = pair();
    const events: string[] = [];
    a.kernel.trace.neigh_create = (_dev, key) => void events.push(`create ${key & 255}`);
    a.kernel.trace.neigh_event_send_done = (n, err) => void events.push(`send_done ${n.nud_state} ${err}`);
    a.kernel.trace.neigh_update = (n, _lladdr, next) => void events.push(`update ${n.nud_state}→${next}`);
    a.kernel.trace.neigh_update_done = (n, err) => void events.push(`update_done ${n.nud_state} ${err}`);
    a.send('10.0.0.2', bytes(1));
    lan.elapse(0.01);
    expect(events).toEqual(['create 2', 'send_done 1 1', 'update 1→2', 'update_done 2 0']);
  });

  it('is dropped when the table is full of others, unless somebody holds it', () => {
    const { lan, a } = pair();
    const tbl = a.network.arp_tbl;
    tbl.gc_thresh1 = 4;
    tbl.gc_thresh2 = 8;
    tbl.gc_thresh3 = 16;
    for (let i = 10; i < 26; i++) a.send(`10.0.0.${i}`, bytes(1));
    expect(tbl.gc_entries).toBe(16);
    a.send('10.0.0.30', bytes(1));
    expect([tbl.stats.table_fulls, state(a, '10.0.0.30')]).toEqual([1, NUD_NONE]);
    lan.elapse(15);
    a.send('10.0.0.30', bytes(1));
    expect(state(a, '10.0.0.30')).toBe(NUD_INCOMPLETE);
    expect(tbl.gc_entries).toBeLessThan(16);
  });

  it('grows its table and still finds everybody', () => {
    const { a } = pair();
    for (let i = 10; i < 110; i++) a.send(`10.0.0.${i}`, bytes(1));
    expect(a.network.arp_tbl.stats.hash_grows).toBeGreaterThan(2);
    for (let i = 10; i < 110; i++) expect(state(a, `10.0.0.${i}`)).toBe(NUD_INCOMPLETE);
    expect(a.close()).toBe(0);
  });

  it('asks for a neighbour without a packet, too', () => {
    const { lan, a } = pair();
    a.send('10.0.0.2', bytes(1));
    lan.elapse(60);
    const { n } = a.neighbour('eth0', '10.0.0.2');
    expect(n!.primary_key).toBe(addr('10.0.0.2'));
    expect(a.on(() => neigh_event_send(n!, null))).toBe(0);
    expect(n!.nud_state).toBe(NUD_DELAY);
  });
});
