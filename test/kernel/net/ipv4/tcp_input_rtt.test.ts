import { describe, expect, it } from 'vitest';
import { minmax, minmax_get } from '../../../../src/kernel/include/linux/win_minmax.ts';
import { minmax_reset, minmax_running_max, minmax_running_min } from '../../../../src/kernel/lib/win_minmax.ts';
import { tcp_rtt_estimator, tcp_set_rto, tcp_update_pacing_rate } from '../../../../src/kernel/net/ipv4/tcp_input_rtt.ts';
import { PeerlessHost } from './tcp_peerless.ts';

describe('tcp_rtt_estimator', () => {
  it('follows values computed by hand, with the variance held at the least RTO', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    host.run(() => {
      // First sample: SRTT = R, deviation = R/2, but at least 200 ms in all.
      tcp_rtt_estimator(tp, 20_000);
      expect([tp.srtt_us, tp.mdev_us, tp.rttvar_us, tp.mdev_max_us]).toEqual([160_000, 40_000, 200_000, 200_000]);
      tcp_set_rto(tp);
      expect(tp.icsk_rto).toBe(55);
      // 36 ms: error 16 ms, of which an eighth goes into SRTT; deviation 40000 + 16000 - 10000.
      tcp_rtt_estimator(tp, 36_000);
      expect([tp.srtt_us, tp.mdev_us, tp.rttvar_us]).toEqual([176_000, 46_000, 200_000]);
      // 10 ms: error -12 ms; 12000 - 11500 = 500, and an eighth of that: 62.
      tcp_rtt_estimator(tp, 10_000);
      expect([tp.srtt_us, tp.mdev_us]).toEqual([164_000, 46_062]);
      // 20 ms: error -500 µs; 500 - 11515 < 0 counts in full.
      tcp_rtt_estimator(tp, 20_000);
      expect([tp.srtt_us, tp.mdev_us]).toEqual([163_500, 35_047]);
    });
  });

  it('raises the variance at once and lets it sink by a quarter of the difference a round trip', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    host.run(() => {
      tcp_rtt_estimator(tp, 100_000);
      expect([tp.mdev_us, tp.rttvar_us]).toEqual([200_000, 200_000]);
      tcp_rtt_estimator(tp, 300_000);
      expect([tp.mdev_us, tp.mdev_max_us, tp.rttvar_us]).toEqual([350_000, 350_000, 350_000]);
      // A round trip ends when snd_una passes rtt_seq.
      tp.snd_una = tp.rtt_seq + 1;
      tp.mdev_max_us = 200_000;
      tp.mdev_us = 200_000;
      tcp_rtt_estimator(tp, 125_000);
      expect([tp.mdev_us, tp.rttvar_us, tp.mdev_max_us]).toEqual([150_000, 312_500, 200_000]);
    });
  });

  it('never lets the RTO exceed TCP_RTO_MAX', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    host.run(() => {
      tcp_rtt_estimator(tp, 500_000_000);
      tcp_set_rto(tp);
      expect(tp.icsk_rto).toBe(120 * 250);
    });
  });
});

it('tcp_update_pacing_rate paces at twice the rate in early slow start and at 1.2 times it later', () => {
  const host = new PeerlessHost();
  const tp = host.socket();
  host.run(() => {
    tp.srtt_us = 8 * 20_000;
    tp.snd_cwnd = 10;
    tcp_update_pacing_rate(tp);
    expect(tp.sk_pacing_rate).toBe((1448 * 10 * 2) / 0.02);
    tp.snd_ssthresh = 19;
    tcp_update_pacing_rate(tp);
    expect(tp.sk_pacing_rate).toBe(868_800);
  });
});

describe('windowed minimum', () => {
  it('is the least value of the window, within a quarter of its length', () => {
    const m = new minmax();
    minmax_reset(m, 0, 100);
    for (const [t, v] of [
      [10, 120],
      [30, 90],
      [40, 110],
      [60, 95],
    ] as const)
      minmax_running_min(m, 100, t, v);
    expect(minmax_get(m)).toBe(90);
    minmax_running_min(m, 100, 120, 105);
    minmax_running_min(m, 100, 131, 105);
    // 90 came at 30 and is out of the window now; what follows is the best since.
    expect(minmax_get(m)).toBeGreaterThan(90);
    expect(minmax_get(m)).toBeLessThanOrEqual(105);
  });

  it('has a maximum, too, that a longer silence resets', () => {
    const m = new minmax();
    minmax_reset(m, 0, 0);
    minmax_running_max(m, 10, 1, 50);
    minmax_running_max(m, 10, 2, 40);
    expect(minmax_get(m)).toBe(50);
    minmax_running_max(m, 10, 30, 7);
    expect(minmax_get(m)).toBe(7);
  });
});
