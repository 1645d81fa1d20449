import { describe, expect, it } from 'vitest';
import { SOCK_RCVBUF_LOCK } from '../../../../src/kernel/include/net/sock.ts';
import { TCPHDR_ACK, TCPHDR_FIN, TCPHDR_PSH, TCPHDR_RST, TCPHDR_SYN, TCPHDR_URG } from '../../../../src/kernel/include/net/tcp.ts';
import { tcp_rcvbuf_grow } from '../../../../src/kernel/net/ipv4/tcp_input_rcvbuf.ts';
import { ECONNRESET } from '../../../../src/kernel/uapi/errno.ts';
import {
  LINUX_MIB_BEYOND_WINDOW,
  LINUX_MIB_PAWSESTABREJECTED,
  LINUX_MIB_TCPCHALLENGEACK,
  LINUX_MIB_TCPDSACKOLDSENT,
  LINUX_MIB_TCPHPACKS,
  LINUX_MIB_TCPHPHITS,
  LINUX_MIB_TCPOFOMERGE,
  LINUX_MIB_TCPOFOQUEUE,
  LINUX_MIB_TCPSYNCHALLENGE,
} from '../../../../src/kernel/uapi/snmp.ts';
import { TCP_CLOSE, TCP_CLOSE_WAIT, TCP_ESTABLISHED } from '../../../../src/kernel/uapi/tcp.ts';
import { type OnWire, TcpPair } from './tcp_pair.ts';

const MS = 1_000_000;
/** The clock of the timestamps: ms. */
const now = (pair: TcpPair): number => Math.floor(pair.host.simulation.now / MS);
const data = (from: number, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (from + i) % 251);

/** B's socket alone, with nobody at the other end of the wire; what it sends is in the log. */
function lonely(setUp: (pair: TcpPair) => void = (): void => undefined): TcpPair {
  const pair = new TcpPair({ rule: () => [] });
  setUp(pair);
  return pair;
}

/** SACK blocks of a segment, relative to the peer's initial number + 1. */
function sackBlocks(segment: OnWire): [number, number][] {
  const view = new DataView(segment.bytes.buffer, segment.bytes.byteOffset);
  const end = (segment.bytes[12]! >> 4) * 4;
  for (let at = 20; at < end; ) {
    const kind = segment.bytes[at]!;
    if (kind === 1) at++;
    else if (kind !== 5) at += segment.bytes[at + 1]!;
    else
      return Array.from({ length: (segment.bytes[at + 1]! - 2) / 8 }, (_, i) => [
        (view.getUint32(at + 2 + 8 * i) - 0xffff_f000) | 0,
        (view.getUint32(at + 6 + 8 * i) - 0xffff_f000) | 0,
      ]);
  }
  return [];
}

describe('header prediction', () => {
  it('serves data that fits into memory which the socket has paid for already', () => {
    const pair = new TcpPair();
    pair.sendAtA(40_000);
    pair.pass(1_000);
    const segments = pair.log.filter((s) => s.fromA).length;
    // A segment takes 2304 bytes, a page 4096: about every second one needs a new page and takes the slow path.
    expect(pair.stat(LINUX_MIB_TCPHPHITS) / segments).toBeGreaterThan(0.3);
    pair.readAtB(40_000);
    pair.pass(1);
    expect(pair.received).toEqual([...data(0, 40_000)]);
  });

  it('serves the ACKs of a pure sender while the window stays the same', () => {
    const pair = new TcpPair();
    pair.readAtB(100_000);
    pair.sendAtA(100_000);
    pair.pass(1_000);
    const acks = pair.log.filter((s) => !s.fromA).length;
    expect(pair.stat(LINUX_MIB_TCPHPACKS) / acks).toBeGreaterThan(0.3);
  });
});

describe('RST and SYN (RFC 5961)', () => {
  it('a RST with the number expected ends the connection', () => {
    const pair = lonely();
    pair.inject(false, { flags: TCPHDR_RST, seq: 0 });
    expect(pair.b.skc_state).toBe(TCP_CLOSE);
    expect(pair.b.sk_err).toBe(ECONNRESET);
  });

  it('a RST elsewhere in the window gets a challenge ACK, at most one in half a second', () => {
    const pair = lonely();
    pair.inject(false, { flags: TCPHDR_RST, seq: 100 });
    pair.inject(false, { flags: TCPHDR_RST, seq: 200 });
    expect(pair.b.skc_state).toBe(TCP_ESTABLISHED);
    expect(pair.log.length).toBe(1);
    expect(pair.stat(LINUX_MIB_TCPCHALLENGEACK)).toBe(1);
    pair.pass(600);
    pair.inject(false, { flags: TCPHDR_RST, seq: 200 });
    expect(pair.log.length).toBe(2);
  });

  it('a RST at the end of the data that was SACKed is accepted', () => {
    const pair = lonely();
    pair.inject(false, { flags: TCPHDR_ACK, seq: 1000, payload: data(1000, 500), stamps: [now(pair), 0] });
    pair.inject(false, { flags: TCPHDR_RST, seq: 1500 });
    expect(pair.b.skc_state).toBe(TCP_CLOSE);
  });

  it('a RST outside of the window is ignored', () => {
    const pair = lonely();
    pair.inject(false, { flags: TCPHDR_RST, seq: 1_000_000 });
    expect(pair.b.skc_state).toBe(TCP_ESTABLISHED);
    expect(pair.log.length).toBe(0);
  });

  it('a SYN gets a challenge ACK', () => {
    const pair = lonely();
    pair.inject(false, { flags: TCPHDR_SYN, seq: 5 });
    expect(pair.stat(LINUX_MIB_TCPSYNCHALLENGE)).toBe(1);
    expect(pair.log.map((s) => [s.flags, s.ack])).toEqual([[TCPHDR_ACK, 0]]);
  });
});

describe('PAWS (RFC 7323)', () => {
  it('rejects data with an old timestamp and answers with an ACK', () => {
    const pair = lonely();
    pair.inject(false, { flags: TCPHDR_ACK, seq: 0, payload: data(0, 100), stamps: [50_000, 0] });
    pair.pass(100);
    const acks = pair.log.length;
    pair.inject(false, { flags: TCPHDR_ACK, seq: 100, payload: data(100, 100), stamps: [49_000, 0] });
    expect(pair.stat(LINUX_MIB_PAWSESTABREJECTED)).toBe(1);
    expect(pair.log.length).toBe(acks + 1);
    expect(pair.log.at(-1)!.ack).toBe(100);
  });
});

describe('sequence numbers', () => {
  it('data far beyond the window gets an ACK and is counted', () => {
    const pair = lonely();
    pair.inject(false, { flags: TCPHDR_ACK, seq: 10_000_000, payload: data(0, 10), stamps: [now(pair), 0] });
    expect(pair.stat(LINUX_MIB_BEYOND_WINDOW)).toBe(1);
    expect(pair.log.length).toBe(1);
  });

  it('data that came before is reported by D-SACK', () => {
    const pair = lonely();
    for (let i = 0; i < 2; i++) pair.inject(false, { flags: TCPHDR_ACK, seq: 0, payload: data(0, 1448), stamps: [now(pair), 0] });
    expect(pair.stat(LINUX_MIB_TCPDSACKOLDSENT)).toBe(1);
    expect(sackBlocks(pair.log.at(-1)!)).toEqual([[0, 1448]]);
  });
});

describe('out of order', () => {
  const arrive = (pair: TcpPair, seq: number, length: number): void =>
    pair.inject(false, { flags: TCPHDR_ACK, seq, payload: data(seq, length), stamps: [now(pair), 0] });

  it('is acknowledged at once, the newest block first (RFC 2018 (4))', () => {
    const pair = lonely();
    arrive(pair, 1000, 100);
    arrive(pair, 3000, 100);
    arrive(pair, 5000, 100);
    expect(sackBlocks(pair.log.at(-1)!)).toEqual([
      [5000, 5100],
      [3000, 3100],
      [1000, 1100],
    ]);
    expect(pair.stat(LINUX_MIB_TCPOFOQUEUE)).toBe(3);
  });

  it('joins blocks that touch, and forgets them when the hole is filled', () => {
    const pair = lonely();
    arrive(pair, 1000, 100);
    arrive(pair, 1200, 100);
    arrive(pair, 1100, 100);
    pair.pass(10);
    expect(pair.b.rx_opt.num_sacks).toBe(1);
    expect(sackBlocks(pair.log.at(-1)!)).toEqual([[1000, 1300]]);
    arrive(pair, 0, 1000);
    expect(pair.b.rx_opt.num_sacks).toBe(0);
    expect(pair.log.at(-1)!.ack).toBe(1300);
    expect(pair.b.out_of_order_queue.qlen).toBe(0);
  });

  it('keeps one copy of what overlaps', () => {
    const pair = lonely();
    arrive(pair, 1000, 300);
    arrive(pair, 1100, 100);
    expect(pair.stat(LINUX_MIB_TCPOFOMERGE)).toBe(1);
    arrive(pair, 900, 1000);
    expect(pair.stat(LINUX_MIB_TCPOFOMERGE)).toBe(2);
    expect(pair.b.out_of_order_queue.qlen).toBe(1);
    arrive(pair, 0, 900);
    expect(pair.log.at(-1)!.ack).toBe(1900);
    pair.readAtB(1900);
    pair.pass(1);
    expect(pair.received).toEqual([...data(0, 1900)]);
  });

  it('is compressed into few ACKs after the first three duplicates', () => {
    const pair = lonely((p) => {
      p.b.rcv_rtt_est.rtt_us = 8 * 20_000;
    });
    for (let i = 1; i <= 20; i++) arrive(pair, i * 2000, 2000);
    const before = pair.log.length;
    expect(before).toBeLessThan(6);
    pair.pass(2);
    expect(pair.log.length).toBe(before + 1);
    expect(sackBlocks(pair.log.at(-1)!)).toEqual([[2000, 42_000]]);
  });
});

describe('urgent data', () => {
  it('is set aside, and its mark is where the pointer says, BSD style', () => {
    const pair = lonely();
    pair.inject(false, { flags: TCPHDR_ACK | TCPHDR_URG | TCPHDR_PSH, seq: 0, payload: data(0, 10), urgent: 4, stamps: [now(pair), 0] });
    expect(pair.b.urg_data & 0xff).toBe(3);
    expect((pair.b.urg_seq - pair.b.copied_seq) | 0).toBe(3);
  });
});

describe('FIN', () => {
  it('closes the peer once all data before it has arrived', () => {
    const pair = lonely();
    pair.inject(false, { flags: TCPHDR_ACK | TCPHDR_FIN, seq: 100, stamps: [now(pair), 0] });
    expect(pair.b.skc_state).toBe(TCP_ESTABLISHED);
    pair.inject(false, { flags: TCPHDR_ACK, seq: 0, payload: data(0, 100), stamps: [now(pair), 0] });
    expect(pair.b.skc_state).toBe(TCP_CLOSE_WAIT);
    expect(pair.log.at(-1)!.ack).toBe(101);
  });
});

describe('receive buffer', () => {
  it('grows as a recorded 6.18 let it grow (tcp:tcp_rcvbuf_grow events of a bulk transfer over 20 ms)', () => {
    const pair = lonely();
    const tp = pair.b;
    tp.scaling_ratio = 160;
    tp.sk_rcvbuf = 131_072;
    tp.window_clamp = 81_920;
    tp.rcvq_space.space = 14_480;
    // copied in a round trip → rcvbuf, window_clamp after it.
    const events = [
      [17_376, 131_072, 81_920],
      [28_960, 216_233, 135_145],
      [59_368, 588_928, 368_080],
      [114_392, 1_044_592, 652_870],
      [231_680, 2_261_664, 1_413_540],
    ] as const;
    for (const [copied, rcvbuf, clamp] of events) {
      pair.host.run(() => tcp_rcvbuf_grow(tp, copied));
      expect([tp.sk_rcvbuf, tp.window_clamp]).toEqual([rcvbuf, clamp]);
    }
  });

  it('grows with the rate at which it is read, up to net.ipv4.tcp_rmem[2]', () => {
    const pair = new TcpPair();
    pair.readAtB(5_000_000);
    pair.sendAtA(5_000_000);
    pair.pass(3_000);
    expect(pair.received.length).toBe(5_000_000);
    expect(pair.b.sk_rcvbuf).toBeGreaterThan(1_000_000);
    expect(pair.b.sk_rcvbuf).toBeLessThanOrEqual(pair.host.network.ipv4.sysctl_tcp_rmem[2]);
  });

  it('never holds more than its limit allows, however small the segments, and loses no byte that was acknowledged', () => {
    const pair = new TcpPair({
      setUp: (tp) => {
        tp.sk_userlocks |= SOCK_RCVBUF_LOCK;
        tp.sk_rcvbuf = 8192;
        tp.window_clamp = tp.rcv_ssthresh = tp.rcv_wnd = 4096;
        tp.nonagle = 1;
      },
    });
    let most = 0;
    const check = pair.check;
    pair.check = (tp): void => {
      check(tp);
      most = Math.max(most, pair.b.sk_rmem_alloc);
    };
    for (let i = 0; i < 100; i++) pair.sendAtA(20);
    pair.pass(2_000);
    expect(most).toBeLessThan(2 * 8192);
    pair.readAtB(2000);
    pair.pass(60_000);
    expect(pair.received.length).toBe(2000);
  });
});
