import { describe, expect, it } from 'vitest';
import { tcp_cwnd_reduction, tcp_init_cwnd_reduction } from '../../../../src/kernel/net/ipv4/tcp_input_cwnd.ts';
import {
  LINUX_MIB_TCPDSACKUNDO,
  LINUX_MIB_TCPFULLUNDO,
  LINUX_MIB_TCPLOSSPROBERECOVERY,
  LINUX_MIB_TCPLOSSPROBES,
  LINUX_MIB_TCPLOSSUNDO,
  LINUX_MIB_TCPPARTIALUNDO,
  LINUX_MIB_TCPSACKRECOVERY,
  LINUX_MIB_TCPSACKREORDER,
  LINUX_MIB_TCPSPURIOUSRTOS,
  LINUX_MIB_TCPTIMEOUTS,
} from '../../../../src/kernel/uapi/snmp.ts';
import { TCP_CA_Open } from '../../../../src/kernel/uapi/tcp.ts';
import { type OnWire, type PairOptions, TcpPair } from './tcp_pair.ts';
import { PeerlessHost } from './tcp_peerless.ts';

const MS = 1_000_000;
const DELAY = 10 * MS;

function transfer(options: PairOptions, size: number, ms = 10_000): TcpPair {
  const pair = new TcpPair(options);
  pair.readAtB(size);
  pair.sendAtA(size);
  pair.pass(ms);
  expect(pair.received.length).toBe(size);
  expect(pair.received.every((byte, i) => byte === i % 251)).toBe(true);
  return pair;
}

/** Delays the segments of A with these indices by so many ms more. */
const late =
  (indices: number[], ms: number) =>
  (segment: OnWire): number[] => [DELAY + (segment.fromA && indices.includes(segment.index) ? ms * MS : 0)];

describe('RACK', () => {
  it('takes a segment for lost when three above it have arrived, as long as no reordering was seen', () => {
    const pair = transfer({ rule: (s) => (s.fromA && s.index === 12 ? [] : [DELAY]) }, 60_000);
    expect(pair.a.total_retrans).toBe(1);
    const retransmission = pair.log
      .filter((s) => s.fromA)
      .find((s, i, all) => all.slice(0, i).some((earlier) => earlier.seq === s.seq && s.payload > 0))!;
    expect(retransmission.seq).toBe(11 * 1448);
    expect(pair.stat(LINUX_MIB_TCPTIMEOUTS)).toBe(0);
  });

  it('waits a quarter of the RTT once reordering was seen, and so retransmits nothing needlessly', () => {
    // The first late segment is retransmitted in vain; after that the path is known.
    const pair = transfer({ rule: late([12, 60, 90], 3) }, 300_000);
    expect(pair.stat(LINUX_MIB_TCPSACKREORDER)).toBeGreaterThan(0);
    expect(pair.a.total_retrans).toBeLessThanOrEqual(1);
  });
});

describe('undo', () => {
  it('takes a fast recovery back when the ACK echoes the original (Eifel) or D-SACK tells (RFC 3708)', () => {
    const pair = transfer({ rule: late([12], 8) }, 200_000);
    expect(pair.stat(LINUX_MIB_TCPSACKRECOVERY)).toBe(1);
    expect(pair.stat(LINUX_MIB_TCPFULLUNDO) + pair.stat(LINUX_MIB_TCPPARTIALUNDO) + pair.stat(LINUX_MIB_TCPDSACKUNDO)).toBe(1);
    expect(pair.a.icsk_ca_state).toBe(TCP_CA_Open);
    expect(pair.a.snd_ssthresh).toBe(0x7fff_ffff);
  });

  it('takes a spurious timeout back: the whole path stood still for a second', () => {
    let start = 0;
    const pair = new TcpPair({
      rule: (segment) => {
        if (segment.fromA && segment.index > 40 && start === 0) start = pair.host.simulation.now;
        const standing = start !== 0 ? Math.max(0, start + 1000 * MS - pair.host.simulation.now) : 0;
        return [DELAY + standing];
      },
    });
    pair.readAtB(300_000);
    pair.sendAtA(300_000);
    pair.pass(10_000);
    expect(pair.received.length).toBe(300_000);
    expect(pair.stat(LINUX_MIB_TCPTIMEOUTS)).toBeGreaterThan(0);
    expect(pair.stat(LINUX_MIB_TCPLOSSUNDO) + pair.stat(LINUX_MIB_TCPSPURIOUSRTOS)).toBeGreaterThan(0);
    expect(pair.a.icsk_ca_state).toBe(TCP_CA_Open);
  });
});

describe('tail loss probe', () => {
  it('repairs a lost tail before the timeout, and the next ACK beyond it reduces the window', () => {
    const pair = new TcpPair({ rule: (s) => (s.fromA && s.index === 10 ? [] : [DELAY]) });
    pair.readAtB(12 * 1448);
    pair.sendAtA(10 * 1448);
    // For a single segment the probe waits for a delayed ACK: two round trips and 200 ms.
    pair.pass(300);
    expect(pair.received.length).toBe(10 * 1448);
    expect(pair.stat(LINUX_MIB_TCPLOSSPROBERECOVERY)).toBe(0);
    pair.sendAtA(1448);
    pair.pass(1000);
    expect(pair.stat(LINUX_MIB_TCPLOSSPROBES)).toBe(1);
    expect(pair.stat(LINUX_MIB_TCPLOSSPROBERECOVERY)).toBe(1);
    expect(pair.stat(LINUX_MIB_TCPTIMEOUTS)).toBe(0);
    expect(pair.a.snd_ssthresh).toBeLessThan(0x7fff_ffff);
  });
});

describe('timeout', () => {
  it('retransmits with exponential backoff while everything is lost', () => {
    const pair = new TcpPair({ rule: (s) => (s.fromA && s.index <= 15 ? [] : [DELAY]) });
    pair.readAtB(1448);
    pair.sendAtA(1448);
    const times: number[] = [];
    pair.pass(0);
    for (let seen = 0, ms = 0; ms < 8_000; ms += 4) {
      if (pair.log.length > seen) times.push(ms);
      seen = pair.log.length;
      pair.pass(4);
    }
    const gaps = times.slice(1).map((t, i) => t - times[i]!);
    for (let i = 1; i < gaps.length; i++) expect(gaps[i]! / gaps[i - 1]!).toBeGreaterThan(1.7);
    expect(gaps.length).toBeGreaterThanOrEqual(2);
  });
});

describe('PRR', () => {
  it('spreads the reduction over a round trip: seven out for every ten delivered', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    host.run(() => {
      tp.snd_cwnd = tp.packets_out = 100;
      tp.icsk_ca_ops = { ...tp.icsk_ca_ops, ssthresh: () => 70 };
      tcp_init_cwnd_reduction(tp);
      let sent = 0;
      for (let delivered = 0; delivered < 50; delivered++) {
        tp.packets_out--;
        tcp_cwnd_reduction(tp, 1, 0, 0);
        const send = Math.max(0, tp.snd_cwnd - tp.packets_out);
        sent += send;
        tp.packets_out += send;
        tp.prr_out += send;
      }
      expect(sent).toBe(35);
      expect(tp.packets_out).toBe(85);
    });
  });
});
