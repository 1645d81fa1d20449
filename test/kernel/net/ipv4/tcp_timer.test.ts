/** When TCP repeats, probes and gives up: RFC 6298, RFC 8985 7, RFC 9293 3.8, in the times of Linux with 250 ticks a second. */
import { describe, expect, it } from 'vitest';
import { SOCK_KEEPOPEN, sock_set_flag } from '../../../../src/kernel/include/net/sock.ts';
import type { tcp_info } from '../../../../src/kernel/net/ipv4/tcp_info.ts';
import { retrans_to_secs, secs_to_retrans } from '../../../../src/kernel/net/ipv4/tcp_sockopt.ts';
import { tcp_set_keepalive } from '../../../../src/kernel/net/ipv4/tcp_timer.ts';
import { ETIMEDOUT } from '../../../../src/kernel/uapi/errno.ts';
import {
  LINUX_MIB_TCPKEEPALIVE,
  LINUX_MIB_TCPLOSSPROBES,
  LINUX_MIB_TCPTIMEOUTS,
  LINUX_MIB_TCPWINPROBE,
} from '../../../../src/kernel/uapi/snmp.ts';
import { SOL_TCP } from '../../../../src/kernel/uapi/socket.ts';
import {
  TCP_CLOSE,
  TCP_ESTABLISHED,
  TCP_INFO,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_USER_TIMEOUT,
} from '../../../../src/kernel/uapi/tcp.ts';
import { PeerlessHost, summary } from './tcp_peerless.ts';

/** Times in ms, to the next 100: the timer wheel may be an eighth late. */
const roughly = (times: number[]): number[] => times.map((ms) => Math.floor(ms / 100) * 100);

describe('an unanswered segment', () => {
  it('is probed for, then repeated with doubling timeouts', () => {
    const host = new PeerlessHost();
    const tp = host.socket((sk) => {
      sk.srtt_us = 8 * 20_000;
      sk.rttvar_us = 200_000;
      sk.icsk_rto = 55;
    });
    host.send(tp, 100);
    host.pass(4000);
    const sent = host.take();
    expect(new Set(summary(sent))).toEqual(new Set(['0:100(100) P.']));
    // The probe would be due after 2 × 20 ms + 200 ms, but no later than the timeout, which is 220 ms and runs again from the probe on.
    const gaps = sent.slice(1).map(({ ms }, i) => ms - sent[i]!.ms);
    const nominal = [220, 220, 440, 880, 1760];
    expect(gaps.length).toBe(nominal.length);
    gaps.forEach((gap, i) => {
      expect(gap).toBeGreaterThanOrEqual(nominal[i]! - 4);
      expect(gap).toBeLessThanOrEqual(nominal[i]! * 1.13 + 8);
    });
    expect(host.network.mib.net_statistics[LINUX_MIB_TCPLOSSPROBES]).toBe(1);
    expect(host.network.mib.net_statistics[LINUX_MIB_TCPTIMEOUTS]).toBe(4);
    expect([tp.total_rto, tp.total_retrans, tp.icsk_backoff]).toEqual([4, 5, 4]);
    host.drain(tp);
  });

  it('ends the connection after TCP_USER_TIMEOUT', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    host.run(() => expect(tp.skc_prot.setsockopt(tp, SOL_TCP, TCP_USER_TIMEOUT, 5000)).toBe(0));
    host.send(tp, 100);
    host.pass(4500);
    expect(tp.skc_state).toBe(TCP_ESTABLISHED);
    host.pass(3000);
    expect([tp.skc_state, tp.sk_err]).toEqual([TCP_CLOSE, ETIMEDOUT]);
    host.drain(tp);
    expect(host.kernel.skb.live).toBe(0);
  });
});

describe('a closed window', () => {
  it('is probed with an old sequence number, less and less often', () => {
    const host = new PeerlessHost();
    const tp = host.socket((sk) => {
      sk.snd_wnd = 0;
      sk.icsk_rto = 50;
    });
    host.send(tp, 100);
    host.pass(3300);
    const sent = host.take();
    expect(new Set(summary(sent))).toEqual(new Set(['-1:-1(0) .']));
    const gaps = sent.slice(1).map(({ ms }, i) => ms - sent[i]!.ms);
    expect(roughly(gaps.slice(0, 3))).toEqual([400, 800, 1600].map((ms) => ms));
    expect(host.network.mib.net_statistics[LINUX_MIB_TCPWINPROBE]).toBe(sent.length);
    host.drain(tp);
  });
});

describe('keepalive', () => {
  it('probes a silent peer and gives it up', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    host.run(() => {
      tp.rcv_tstamp = tp.icsk_ack.lrcvtime = 2 ** 32 + 250;
      for (const [option, value] of [
        [TCP_KEEPIDLE, 10],
        [TCP_KEEPINTVL, 2],
        [TCP_KEEPCNT, 3],
      ] as const)
        expect(tp.skc_prot.setsockopt(tp, SOL_TCP, option, value)).toBe(0);
      tcp_set_keepalive(tp, true);
      sock_set_flag(tp, SOCK_KEEPOPEN);
    });
    host.pass(9900);
    expect(host.take()).toEqual([]);
    host.pass(10_000);
    expect(summary(host.take())).toEqual(['-1:-1(0) .', '-1:-1(0) .', '-1:-1(0) .', '0:0(0) R.']);
    expect(host.network.mib.net_statistics[LINUX_MIB_TCPKEEPALIVE]).toBe(3);
    expect([tp.skc_state, tp.sk_err]).toEqual([TCP_CLOSE, ETIMEDOUT]);
    host.drain(tp);
  });
});

describe('TCP_DEFER_ACCEPT', () => {
  it.each([
    [0, 0, 0],
    [1, 1, 1],
    [2, 2, 3],
    [3, 2, 3],
    [10, 4, 15],
    [200, 8, 247],
  ])('%i s are %i retransmissions, which take %i s', (seconds, retransmissions, total) => {
    expect(secs_to_retrans(seconds, 1, 120)).toBe(retransmissions);
    expect(retrans_to_secs(retransmissions, 1, 120)).toBe(total);
  });
});

describe('TCP_INFO', () => {
  it('tells what was sent and what is limited', () => {
    const host = new PeerlessHost();
    const tp = host.socket((sk) => {
      sk.snd_wnd = 2000;
      sk.sk_gso_max_segs = 1;
    });
    host.send(tp, 10_000);
    host.pass(100);
    const info = host.run(() => tp.skc_prot.getsockopt(tp, SOL_TCP, TCP_INFO)) as tcp_info;
    expect(info).toMatchObject({
      tcpi_state: 1,
      tcpi_unacked: 1,
      tcpi_notsent_bytes: 10_000 - 1448,
      tcpi_snd_mss: 1448,
      tcpi_options: 7,
      tcpi_bytes_sent: 1448,
      tcpi_busy_time: 100_000,
      tcpi_rwnd_limited: 100_000,
      tcpi_pmtu: 1500,
    });
    host.drain(tp);
  });
});
