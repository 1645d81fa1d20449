import { describe, expect, it } from 'vitest';
import { BW_UNIT, bbr_max_bw, bbr_of } from '../../../../src/kernel/net/ipv4/tcp_bbr_state.ts';
import {
  tcp_cong_avoid_ai,
  tcp_get_allowed_congestion_control,
  tcp_get_available_congestion_control,
  tcp_reno_ssthresh,
  tcp_set_allowed_congestion_control,
  tcp_set_congestion_control,
  tcp_set_default_congestion_control,
  tcp_slow_start,
} from '../../../../src/kernel/net/ipv4/tcp_cong.ts';
import { cubictcp } from '../../../../src/kernel/net/ipv4/tcp_cubic.ts';
import { ENOENT, EPERM } from '../../../../src/kernel/uapi/errno.ts';
import { TcpPair } from './tcp_pair.ts';
import { PeerlessHost } from './tcp_peerless.ts';

describe('the choice of a congestion control', () => {
  it('is reno or cubic at boot; bbr and dctcp are modules that the administrator loads by choosing them', () => {
    const { network } = new PeerlessHost();
    expect(tcp_get_available_congestion_control(network)).toBe('reno cubic');
    expect(tcp_get_allowed_congestion_control(network)).toBe('reno cubic');
    expect(tcp_set_default_congestion_control(network, 'vegas')).toBe(-ENOENT);
    expect(tcp_set_default_congestion_control(network, 'dctcp')).toBe(0);
    expect(tcp_get_available_congestion_control(network)).toBe('reno cubic dctcp');
    expect(tcp_get_allowed_congestion_control(network)).toBe('reno cubic dctcp');
  });

  it('of a socket is limited to what is allowed, except for the administrator', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    host.run(() => {
      expect(tcp_set_allowed_congestion_control(host.network, 'reno vegas')).toBe(-ENOENT);
      expect(tcp_set_allowed_congestion_control(host.network, 'reno')).toBe(0);
      tp.icsk_ca_ops = cubictcp;
      expect(tcp_set_congestion_control(tp, 'reno', true, false)).toBe(0);
      expect(tcp_set_congestion_control(tp, 'cubic', true, false)).toBe(-EPERM);
      expect(tcp_set_congestion_control(tp, 'bbr', true, false)).toBe(-ENOENT);
      expect(tcp_set_congestion_control(tp, 'bbr', true, true)).toBe(0);
    });
    expect(tp.icsk_ca_ops.name).toBe('bbr');
  });
});

describe('NewReno', () => {
  it('grows by what was acknowledged up to the threshold, and returns the rest', () => {
    const tp = new PeerlessHost().socket();
    tp.snd_cwnd = 10;
    tp.snd_ssthresh = 13;
    expect(tcp_slow_start(tp, 5)).toBe(2);
    expect(tp.snd_cwnd).toBe(13);
  });

  it('grows by one segment a window in congestion avoidance', () => {
    const tp = new PeerlessHost().socket();
    tp.snd_cwnd = 10;
    for (let i = 0; i < 9; i++) tcp_cong_avoid_ai(tp, 10, 1);
    expect(tp.snd_cwnd).toBe(10);
    tcp_cong_avoid_ai(tp, 10, 1);
    expect(tp.snd_cwnd).toBe(11);
  });

  it('halves the window, but not below two segments', () => {
    const tp = new PeerlessHost().socket();
    tp.snd_cwnd = 9;
    expect(tcp_reno_ssthresh(tp)).toBe(4);
    tp.snd_cwnd = 1;
    expect(tcp_reno_ssthresh(tp)).toBe(2);
  });
});

it('bbr finds the bandwidth of the path and, once the pipe is full, sends at it', () => {
  const pair = new TcpPair({ congestion: 'bbr', oneWayNs: 10_000_000, nsPerByte: 400 });
  pair.readAtB(2_000_000);
  pair.sendAtA(2_000_000);
  pair.pass(700);
  const state = bbr_of(pair.a);
  // Frames of 1538 bytes (1480 of IP payload and 58 of overhead) at 20 Mbit/s.
  const packetsPerUs = 1 / (1538 * 0.4);
  expect(state.full_bw_reached).toBe(true);
  expect(bbr_max_bw(pair.a) / BW_UNIT / packetsPerUs).toBeCloseTo(1, 1);
  expect(state.min_rtt_us).toBeLessThan(22_000);
  expect(pair.a.total_retrans).toBe(0);
});
