import { describe, expect, it } from 'vitest';
import { inet_csk_ca } from '../../../../src/kernel/include/net/inet_sock.ts';
import { bictcp_update, cubic_root, cubictcp, cubictcp_recalc_ssthresh } from '../../../../src/kernel/net/ipv4/tcp_cubic.ts';
import type { bictcp } from '../../../../src/kernel/net/ipv4/tcp_cubic_hystart.ts';
import {
  LINUX_MIB_TCPHYSTARTDELAYCWND,
  LINUX_MIB_TCPHYSTARTDELAYDETECT,
  LINUX_MIB_TCPHYSTARTTRAINDETECT,
} from '../../../../src/kernel/uapi/snmp.ts';
import { TCP_CA_Loss } from '../../../../src/kernel/uapi/tcp.ts';
import { PeerlessHost } from './tcp_peerless.ts';

function cubicSocket(): { host: PeerlessHost; tp: ReturnType<PeerlessHost['socket']>; ca: bictcp } {
  const host = new PeerlessHost();
  const tp = host.socket((sk) => {
    cubictcp.init!(sk);
  });
  return { host, tp, ca: inet_csk_ca<bictcp>(tp) };
}

describe('cubic_root', () => {
  it('is right within a half per cent from small numbers to those of a million segments', () => {
    for (const a of [64, 1000, 27_000_000, 2_681_735_677 * 30, 2_681_735_677 * 1_000_000]) {
      expect(Math.abs(cubic_root(a) / Math.cbrt(a) - 1)).toBeLessThan(a < 1000 ? 0.25 : 0.005);
    }
  });

  it('gives what the table holds for numbers below 64', () => {
    expect([0, 1, 8, 27, 63].map(cubic_root)).toEqual([0, 1, 2, 3, 4]);
  });

  it('takes 2.2 s back to a window of 100 segments after a loss there (K of RFC 9438)', () => {
    // K = cbrt(Wmax × 0.3 / C) with beta = 717/1024 and C = 0.4, in 1/1024 s.
    const k = cubic_root(2_681_735_677 * (100 - 70));
    expect(k / 1024).toBeCloseTo(Math.cbrt((30 * 1024) / 410), 1);
  });
});

describe('bictcp_update', () => {
  it('grows by at most 5 % a round trip while no loss was seen', () => {
    const { host, ca } = cubicSocket();
    host.run(() => bictcp_update(ca, 100, 1));
    expect(ca.cnt).toBe(20);
  });

  it('follows the curve: concave up to the old maximum, convex beyond', () => {
    const { host, tp, ca } = cubicSocket();
    host.run(() => {
      tp.snd_cwnd = 1000;
      expect(cubictcp_recalc_ssthresh(tp)).toBe(700);
      ca.delay_min = 100_000;
    });
    const windows: number[] = [];
    let cwnd = 700;
    let credit = 0;
    for (let ms = 0; ms < 14_000; ms += 100) {
      // A round trip of 100 ms: as many ACKs as the window has segments, in ten portions.
      host.run(() => {
        for (let i = 0; i < 10; i++) {
          const acked = Math.floor(cwnd / 10);
          bictcp_update(ca, cwnd, acked);
          credit += acked;
          while (credit >= ca.cnt) {
            credit -= ca.cnt;
            cwnd++;
          }
        }
      });
      windows.push(cwnd);
      host.pass(100);
    }
    const k = ca.bic_K / 1024;
    expect(k).toBeCloseTo(Math.cbrt((300 * 1024) / 410), 0);
    const at = (seconds: number): number => windows[Math.round(seconds * 10)]!;
    const ideal = (seconds: number): number => 1000 + 0.4 * (seconds + 0.1 - k) ** 3;
    for (const seconds of [2, 5, 8, 11, 13]) expect(Math.abs(at(seconds) - ideal(seconds))).toBeLessThan(25);
  });

  it('does not overflow a day after the last loss', () => {
    const { host, tp, ca } = cubicSocket();
    host.run(() => {
      tp.snd_cwnd = 50;
      cubictcp_recalc_ssthresh(tp);
      bictcp_update(ca, 35, 1);
    });
    host.pass(100_000);
    host.run(() => bictcp_update(ca, 35, 1));
    expect(ca.cnt).toBe(2);
  });
});

describe('cubictcp_recalc_ssthresh', () => {
  it('remembers less than the window when it falls twice before recovering (fast convergence)', () => {
    const { host, tp, ca } = cubicSocket();
    host.run(() => {
      tp.snd_cwnd = 100;
      expect(cubictcp_recalc_ssthresh(tp)).toBe(70);
      tp.snd_cwnd = 80;
      expect(cubictcp_recalc_ssthresh(tp)).toBe(56);
      expect(ca.last_max_cwnd).toBe(Math.floor((80 * 1741) / 2048));
    });
  });

  it('forgets all after a timeout', () => {
    const { host, tp, ca } = cubicSocket();
    host.run(() => {
      tp.snd_cwnd = 100;
      cubictcp_recalc_ssthresh(tp);
      cubictcp.set_state!(tp, TCP_CA_Loss);
      expect(ca.last_max_cwnd).toBe(0);
    });
  });
});

describe('HyStart', () => {
  const sample = { pkts_acked: 1, rtt_us: 0, in_flight: 0 };

  it('ends slow start when the RTT of a round has risen by an eighth, at least 4 ms', () => {
    const { host, tp, ca } = cubicSocket();
    host.run(() => {
      tp.snd_cwnd = 30;
      ca.last_ack = -1_000_000;
      tp.tcp_mstamp += 10_000_000;
      for (let i = 0; i < 9; i++) cubictcp.pkts_acked!(tp, { ...sample, rtt_us: 20_000 });
      expect(ca.found).toBe(false);
      tp.snd_una = ca.end_seq + 1;
      tp.snd_nxt = tp.snd_una + 1000;
      cubictcp.pkts_acked!(tp, { ...sample, rtt_us: 24_001 });
      tp.tcp_mstamp += 10_000;
      for (let i = 0; i < 8; i++) cubictcp.pkts_acked!(tp, { ...sample, rtt_us: 24_001 });
    });
    expect(ca.found).toBe(true);
    expect(tp.snd_ssthresh).toBe(30);
    expect(host.network.mib.net_statistics[LINUX_MIB_TCPHYSTARTDELAYDETECT]).toBe(1);
    expect(host.network.mib.net_statistics[LINUX_MIB_TCPHYSTARTDELAYCWND]).toBe(30);
  });

  it('ends slow start when a train of ACKs is longer than half the least RTT', () => {
    const { host, tp, ca } = cubicSocket();
    host.run(() => {
      tp.snd_cwnd = 30;
      for (let us = 0; us <= 11_000; us += 1000) {
        cubictcp.pkts_acked!(tp, { ...sample, rtt_us: 20_000 });
        tp.tcp_mstamp += 1000;
      }
    });
    expect(ca.found).toBe(true);
    expect(host.network.mib.net_statistics[LINUX_MIB_TCPHYSTARTTRAINDETECT]).toBe(1);
  });

  it('waits for a window of 16 segments', () => {
    const { host, tp, ca } = cubicSocket();
    host.run(() => {
      tp.snd_cwnd = 15;
      for (let us = 0; us <= 30_000; us += 1000) {
        cubictcp.pkts_acked!(tp, { ...sample, rtt_us: 20_000 });
        tp.tcp_mstamp += 1000;
      }
    });
    expect(ca.found).toBe(false);
  });
});
