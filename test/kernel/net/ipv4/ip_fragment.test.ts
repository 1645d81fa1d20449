import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  IPSTATS_MIB_FRAGCREATES,
  IPSTATS_MIB_FRAGOKS,
  IPSTATS_MIB_REASMFAILS,
  IPSTATS_MIB_REASMOKS,
  IPSTATS_MIB_REASMOVERLAPS,
  IPSTATS_MIB_REASMREQDS,
  IPSTATS_MIB_REASMTIMEOUT,
} from '../../../../src/kernel/uapi/snmp.ts';
import { bytes, type Frame, type Host, pair } from './lan.ts';

const stat = (host: Host, field: number): number => host.network.mib.ip_statistics[field]!;
const isFragment = ({ bytes: frame }: Frame): boolean => frame[12] === 8 && frame[13] === 0 && ((frame[20]! & 0x3f) | frame[21]!) !== 0;

describe('fragmentation', () => {
  it('cuts at multiples of 8 and gives all fragments one identification', () => {
    const { lan, a, b } = pair();
    a.send('10.0.0.2', bytes(4000));
    lan.elapse(0.01);
    const ids = new Set(lan.frames.filter(isFragment).map(({ bytes: frame }) => frame[18]! * 256 + frame[19]!));
    expect(lan.lines().slice(2)).toEqual([
      'proto 253 10.0.0.1 > 10.0.0.2 len 1500 MF',
      'proto 253 10.0.0.1 > 10.0.0.2 len 1500 MF +1480',
      'proto 253 10.0.0.1 > 10.0.0.2 len 1060 +2960',
    ]);
    expect(ids.size).toBe(1);
    expect(b.received).toEqual([bytes(4000)]);
    expect([stat(a, IPSTATS_MIB_FRAGOKS), stat(a, IPSTATS_MIB_FRAGCREATES)]).toEqual([1, 3]);
    expect([stat(b, IPSTATS_MIB_REASMREQDS), stat(b, IPSTATS_MIB_REASMOKS), stat(b, IPSTATS_MIB_REASMFAILS)]).toEqual([3, 1, 0]);
    expect([a.close(), b.close()]).toEqual([0, 0]);
  });

  it('gives back what was sent, for any length, MTU, and order of arrival', () => {
    const length = fc.integer({ min: 1, max: 9000 });
    const mtu = fc.integer({ min: 68, max: 1500 });
    fc.assert(
      fc.property(
        fc.array(length, { minLength: 1, maxLength: 3 }),
        mtu,
        fc.infiniteStream(fc.integer({ min: 0, max: 1000 })),
        (lengths, size, random) => {
          const { lan, a, b } = pair({ mtu: size });
          b.network.ipv4.sysctl_ipfrag_max_dist = 0;
          a.send('10.0.0.2', bytes(1));
          lan.elapse(0.01);
          b.received.length = 0;
          // Fragments wait and are then handed over in a random order, one of them twice.
          const held: Frame[] = [];
          lan.deliver = (frame) => frame.from !== 'a' || !isFragment(frame) || held.push(frame) < 0;
          for (const [i, each] of lengths.entries()) a.send('10.0.0.2', bytes(each, i));
          for (const frame of [...held, ...held.slice(0, 1)]
            .map((frame) => ({ frame, key: random.next().value as number }))
            .sort((x, y) => x.key - y.key))
            lan.inject(b, 'eth0', frame.frame.bytes);
          lan.elapse(0.05);
          const expected = lengths.map((each, i) => String(bytes(each, i)));
          expect(b.received.map(String).sort()).toEqual(expected.sort());
          lan.elapse(40);
          expect(b.network.ipv4.fqdir.mem).toBe(0);
          expect([a.close(), b.close()]).toEqual([0, 0]);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('drops a datagram whose fragments overlap', () => {
    const { lan, a, b } = pair();
    lan.deliver = (frame) => !isFragment(frame);
    a.send('10.0.0.2', bytes(1));
    lan.elapse(0.01);
    a.send('10.0.0.2', bytes(4000));
    const fragments = lan.frames.filter(isFragment).map(({ bytes: frame }) => frame.slice());
    // The second begins 8 bytes earlier than the first ends.
    fragments[1]![21] = fragments[1]![21]! - 1;
    fixHeader(fragments[1]!);
    for (const frame of fragments) lan.inject(b, 'eth0', frame);
    lan.elapse(0.01);
    expect(b.received).toHaveLength(1);
    expect(stat(b, IPSTATS_MIB_REASMOVERLAPS)).toBe(1);
    lan.elapse(40);
    expect([b.close(), b.network.ipv4.fqdir.mem]).toEqual([0, 0]);
  });

  it('gives up after 30 s and says so, if the first fragment is there', () => {
    const { lan, a, b } = pair();
    a.send('10.0.0.2', bytes(1));
    lan.elapse(0.01);
    lan.deliver = (frame) => !(isFragment(frame) && frame.bytes.length < 1514);
    a.send('10.0.0.2', bytes(2000));
    lan.elapse(29);
    lan.lines();
    expect(stat(b, IPSTATS_MIB_REASMTIMEOUT)).toBe(0);
    lan.elapse(5);
    expect(stat(b, IPSTATS_MIB_REASMTIMEOUT)).toBe(1);
    expect(lan.lines().filter((line) => line.startsWith('icmp'))).toEqual(['icmp 11/1 10.0.0.2 > 10.0.0.1 len 576']);
    expect(b.close()).toBe(0);
  });

  it('holds no more than ipfrag_high_thresh', () => {
    const { lan, a, b } = pair();
    b.network.ipv4.sysctl_ipfrag_high_thresh = 20_000;
    a.send('10.0.0.2', bytes(1));
    lan.elapse(0.01);
    lan.deliver = (frame) => !(isFragment(frame) && frame.bytes.length < 1514);
    for (let i = 0; i < 40; i++) a.send('10.0.0.2', bytes(2000, i));
    lan.elapse(0.1);
    expect(b.network.ipv4.fqdir.mem).toBeLessThan(25_000);
    expect(stat(b, IPSTATS_MIB_REASMFAILS)).toBeGreaterThan(20);
    expect(b.close()).toBe(0);
  });
});

/** The checksum of the IP header behind an Ethernet header, anew. */
function fixHeader(frame: Uint8Array): void {
  frame[24] = frame[25] = 0;
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += frame[at]! * 256 + frame[at + 1]!;
  sum = (sum & 0xffff) + (sum >>> 16);
  const check = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
  frame[24] = check >> 8;
  frame[25] = check & 255;
}
