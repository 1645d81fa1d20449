/** What TCP sends for what its user writes: sizes, PSH, Nagle, cork, small queues, pacing. */
import { describe, expect, it } from 'vitest';
import { SK_PACING_NEEDED } from '../../../../src/kernel/include/net/sock.ts';
import {
  __tcp_select_window,
  TCP_FRAG_IN_WRITE_QUEUE,
  tcp_cwnd_test,
  tcp_fragment,
  tcp_mss_split_point,
  tcp_nagle_check,
  tcp_select_initial_window,
  tcp_select_window,
  tcp_small_queue_check,
  tcp_tso_autosize,
} from '../../../../src/kernel/net/ipv4/tcp_output.ts';
import { LINUX_MIB_TCPAUTOCORKING, LINUX_MIB_TCPORIGDATASENT, TCP_MIB_OUTSEGS } from '../../../../src/kernel/uapi/snmp.ts';
import { MSG_DONTWAIT, MSG_EOR, MSG_MORE, MSG_OOB, SOL_TCP } from '../../../../src/kernel/uapi/socket.ts';
import { TCP_CORK, TCP_NODELAY } from '../../../../src/kernel/uapi/tcp.ts';
import { PeerlessHost, summary } from './tcp_peerless.ts';

/** A socket over a device without TSO: every packet is one segment. */
const withoutTso = (host: PeerlessHost): ReturnType<PeerlessHost['socket']> =>
  host.socket((sk) => {
    sk.sk_gso_max_segs = 1;
  });

describe('segments', () => {
  it('are full but for the last, which has PSH', () => {
    const host = new PeerlessHost();
    const tp = withoutTso(host);
    expect(host.send(tp, 5000)).toBe(5000);
    expect(summary(host.take())).toEqual(['0:1448(1448) .', '1448:2896(1448) .', '2896:4344(1448) .', '4344:5000(656) P.']);
    expect([tp.packets_out, tp.bytes_sent, tp.data_segs_out]).toEqual([4, 5000, 4]);
    expect(host.network.mib.tcp_statistics[TCP_MIB_OUTSEGS]).toBe(4);
    expect(host.network.mib.net_statistics[LINUX_MIB_TCPORIGDATASENT]).toBe(4);
    host.drain(tp);
    expect(host.kernel.skb.live).toBe(0);
  });

  it('become one packet with TSO, of half the congestion window at most', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    host.send(tp, 20_000);
    const sent = host.take();
    expect(sent.map(({ segs, mss, payload }) => [segs, mss, payload])).toEqual([
      [5, 1448, 7240],
      [5, 1448, 7240],
    ]);
    expect(sent.map(({ flags }) => flags)).toEqual(['P.', 'P.']);
    expect(tp.is_cwnd_limited).toBe(true);
    host.drain(tp);
  });

  it('carry what was written, across pages and calls', () => {
    const host = new PeerlessHost();
    const tp = withoutTso(host);
    host.send(tp, 3000);
    host.send(tp, 5000, 0, 3000);
    const payload = host.take().flatMap(({ bytes, payload: length }) => [...bytes.subarray(bytes.length - length)]);
    const written = Array.from({ length: payload.length }, (_, i) => i % 251);
    expect(payload.length).toBeGreaterThan(7000);
    expect(payload).toEqual(written);
    host.drain(tp);
    expect(host.kernel.skb.live).toBe(0);
  });

  it('stay within the window of the peer', () => {
    const host = new PeerlessHost();
    const tp = withoutTso(host);
    tp.snd_wnd = 2000;
    host.send(tp, 4000);
    expect(summary(host.take())).toEqual(['0:1448(1448) .']);
    host.drain(tp);
  });
});

describe('small writes', () => {
  it('wait for the ACK of a small one before (Nagle with Minshall)', () => {
    const host = new PeerlessHost();
    const tp = withoutTso(host);
    host.send(tp, 100);
    host.send(tp, 100);
    expect(summary(host.take())).toEqual(['0:100(100) P.']);
    host.drain(tp);
  });

  it('do not wait after full segments only', () => {
    const host = new PeerlessHost();
    const tp = withoutTso(host);
    host.send(tp, 1448);
    host.send(tp, 100);
    expect(summary(host.take())).toEqual(['0:1448(1448) P.', '1448:1548(100) P.']);
    host.drain(tp);
  });

  it('go at once with TCP_NODELAY', () => {
    const host = new PeerlessHost();
    const tp = withoutTso(host);
    expect(host.run(() => tp.skc_prot.setsockopt(tp, SOL_TCP, TCP_NODELAY, 1))).toBe(0);
    host.send(tp, 100);
    host.send(tp, 100);
    expect(summary(host.take())).toEqual(['0:100(100) P.', '100:200(100) P.']);
    host.drain(tp);
  });

  it('are held by TCP_CORK and by MSG_MORE until the cork is out or the write without MSG_MORE comes', () => {
    const host = new PeerlessHost();
    const tp = withoutTso(host);
    host.run(() => tp.skc_prot.setsockopt(tp, SOL_TCP, TCP_CORK, 1));
    host.send(tp, 100);
    host.send(tp, 50);
    expect(host.take()).toEqual([]);
    host.run(() => tp.skc_prot.setsockopt(tp, SOL_TCP, TCP_CORK, 0));
    expect(summary(host.take())).toEqual(['0:150(150) P.']);
    const other = withoutTso(host);
    host.send(other, 100, MSG_MORE);
    expect(host.take()).toEqual([]);
    host.send(other, 100);
    expect(summary(host.take())).toEqual(['0:200(200) P.']);
    host.drain(tp);
    host.drain(other);
  });

  it('are not joined across MSG_EOR', () => {
    const host = new PeerlessHost();
    const tp = withoutTso(host);
    host.run(() => tp.skc_prot.setsockopt(tp, SOL_TCP, TCP_CORK, 1));
    host.send(tp, 100, MSG_EOR);
    host.send(tp, 100);
    host.run(() => tp.skc_prot.setsockopt(tp, SOL_TCP, TCP_NODELAY, 1));
    host.run(() => tp.skc_prot.setsockopt(tp, SOL_TCP, TCP_CORK, 0));
    expect(summary(host.take())).toEqual(['0:100(100) P.', '100:200(100) P.']);
    host.drain(tp);
  });

  it('sent MSG_OOB point behind their last byte', () => {
    const host = new PeerlessHost();
    const tp = withoutTso(host);
    host.send(tp, 10, MSG_OOB);
    const [packet] = host.take();
    expect(packet!.flags).toBe('UP.');
    expect(new DataView(packet!.bytes.buffer).getUint16(18)).toBe(10);
    host.drain(tp);
  });

  it('are corked by themselves while a packet of the socket is below (autocorking), and go when it has left', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    host.run(() => tp.skc_prot.setsockopt(tp, SOL_TCP, TCP_NODELAY, 1));
    host.hold = true;
    host.send(tp, 1000);
    host.send(tp, 100);
    host.send(tp, 100);
    expect(summary(host.take())).toEqual(['0:1000(1000) P.']);
    expect(host.network.mib.net_statistics[LINUX_MIB_TCPAUTOCORKING]).toBe(1);
    host.hold = false;
    host.complete();
    expect(summary(host.take())).toEqual(['1000:1200(200) P.']);
    host.drain(tp);
    expect(host.kernel.skb.live).toBe(0);
  });

  it('all go at once without autocorking', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    host.network.ipv4.sysctl_tcp_autocorking = 0;
    host.run(() => tp.skc_prot.setsockopt(tp, SOL_TCP, TCP_NODELAY, 1));
    host.hold = true;
    for (const length of [1000, 100, 100]) host.send(tp, length);
    expect(summary(host.take())).toEqual(['0:1000(1000) P.', '1000:1100(100) P.', '1100:1200(100) P.']);
    expect(host.network.mib.net_statistics[LINUX_MIB_TCPAUTOCORKING]).toBe(0);
    host.hold = false;
    host.complete();
    host.drain(tp);
    expect(host.kernel.skb.live).toBe(0);
  });
});

describe('blocking', () => {
  it('send() sleeps for room in the send buffer; with MSG_DONTWAIT it returns what fitted, then EAGAIN', () => {
    const host = new PeerlessHost();
    const tp = withoutTso(host);
    tp.snd_wnd = 0;
    const first = host.send(tp, 200_000, MSG_DONTWAIT)!;
    expect(first).toBeGreaterThan(10_000);
    expect(first).toBeLessThan(60_000);
    expect(host.send(tp, 1, MSG_DONTWAIT)).toBe(-11);
    expect(host.send(tp, 1)).toBeUndefined();
    host.drain(tp);
  });

  it('nothing is sent on a shut down socket, and the writer learns EPIPE', () => {
    const host = new PeerlessHost();
    const tp = withoutTso(host);
    tp.sk_shutdown = 2;
    expect(host.send(tp, 1, 0x4000)).toBe(-32);
    host.drain(tp);
  });
});

describe('sizes', () => {
  it('of TSO packets last a millisecond at the pacing rate, more for near peers, and are min_tso_segs at least', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    host.run(() => {
      tp.rtt_min.v[0] = 50_000;
      tp.sk_pacing_rate = 50_000_000;
      expect(tcp_tso_autosize(tp, 1448, 2)).toBe(Math.floor(50_000_000 / 1024 / 1448));
      tp.sk_pacing_rate = 100_000_000;
      expect(tcp_tso_autosize(tp, 1448, 2)).toBe(Math.floor(65_536 / 1448));
      tp.sk_pacing_rate = 1_000_000;
      expect(tcp_tso_autosize(tp, 1448, 2)).toBe(2);
      tp.rtt_min.v[0] = 100;
      expect(tcp_tso_autosize(tp, 1448, 2)).toBe(45);
      tp.rtt_min.v[0] = 1100;
      expect(tcp_tso_autosize(tp, 1448, 2)).toBe(Math.floor((1_000_000 / 1024 + 16_384) / 1448));
    });
  });

  it('at which a packet is cut are whole segments, or all of it if Nagle allows', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    tp.snd_wnd = 0;
    host.send(tp, 4000);
    host.run(() => {
      const skb = tp.sk_write_queue.next!;
      tp.snd_wnd = 65_535;
      expect(tcp_mss_split_point(tp, skb, 1448, 10, 0)).toBe(4000);
      expect(tcp_mss_split_point(tp, skb, 1448, 2, 0)).toBe(2896);
      expect(tcp_mss_split_point(tp, skb, 1448, 10, 2)).toBe(2896);
      tp.snd_wnd = 3000;
      expect(tcp_mss_split_point(tp, skb, 1448, 10, 0)).toBe(3000);
    });
    host.drain(tp);
  });

  it.each([
    // partial, corked or nodelay, packets out, a small one among them: waits?
    [false, 0, 1, true, false],
    [true, 2, 0, false, true],
    [true, 1, 1, true, false],
    [true, 0, 1, true, true],
    [true, 0, 1, false, false],
    [true, 0, 0, true, false],
  ])('Nagle: partial %s, nonagle %i, %i out, small one out %s: waits %s', (partial, nonagle, packetsOut, small, waits) => {
    const host = new PeerlessHost();
    const tp = host.socket((sk) => {
      sk.packets_out = packetsOut;
      sk.snd_nxt = (sk.snd_una + 100) >>> 0;
      if (small) sk.snd_sml = sk.snd_nxt;
    });
    expect(tcp_nagle_check(partial, tp, nonagle)).toBe(waits);
  });

  it('of a burst are half the congestion window, or what is left of it', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    const quota = (cwnd: number, out: number): number => {
      tp.snd_cwnd = cwnd;
      tp.packets_out = out;
      return tcp_cwnd_test(tp);
    };
    expect([quota(10, 0), quota(10, 7), quota(10, 10), quota(1, 0)]).toEqual([5, 3, 0, 1]);
  });
});

describe('small queues', () => {
  it('hold a socket whose packets are below, unless one at most is unacknowledged', () => {
    const host = new PeerlessHost();
    const tp = withoutTso(host);
    tp.sk_pacing_rate = 1_000_000;
    host.hold = true;
    host.send(tp, 20_000);
    const before = host.take().length;
    expect(before).toBeGreaterThanOrEqual(2);
    expect(before).toBeLessThan(10);
    host.run(() => expect(tcp_small_queue_check(tp, tp.sk_write_queue.next!, 0)).toBe(true));
    host.hold = false;
    host.complete();
    expect(host.take().length).toBe(10 - before);
    host.drain(tp);
    expect(host.kernel.skb.live).toBe(0);
  });
});

describe('pacing', () => {
  it('spreads packets at the pacing rate, after the first ten', () => {
    const host = new PeerlessHost();
    const tp = withoutTso(host);
    tp.sk_pacing_status = SK_PACING_NEEDED;
    tp.sk_pacing_rate = 1_448_000;
    tp.data_segs_out = 10;
    host.send(tp, 5 * 1448);
    host.pass(20);
    const at = host.take().map(({ ms }) => Math.round(ms * 1000));
    const gaps = at.slice(1).map((us, i) => us - at[i]!);
    // The first packet has a credit of half its time; a packet of 1448 bytes lasts 1 ms at 1 448 000 bytes a second.
    expect(gaps).toEqual([500, 1000, 1000, 1000]);
    host.drain(tp);
  });
});

describe('windows', () => {
  it('of the handshake are whole segments, with a scale for the largest buffer', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    host.run(() => {
      expect(tcp_select_initial_window(tp, 65_536, 1460, 0, true, 0)).toEqual({
        rcv_wnd: 64_240,
        window_clamp: 65_535 * 256,
        rcv_wscale: 8,
      });
      expect(tcp_select_initial_window(tp, 65_536, 1460, 0, false, 0)).toEqual({ rcv_wnd: 64_240, window_clamp: 65_535, rcv_wscale: 0 });
      expect(tcp_select_initial_window(tp, 65_536, 1460, 0, true, 10).rcv_wnd).toBe(14_600);
      expect(tcp_select_initial_window(tp, -5, 1460, 0, true, 0).rcv_wnd).toBe(0);
    });
  });

  it('never shrink; they close when little is free', () => {
    const host = new PeerlessHost();
    const tp = host.socket((sk) => {
      sk.rx_opt.rcv_wscale = 0;
      sk.rcv_wnd = 20_000;
    });
    host.run(() => {
      const full = tp.sk_rcvbuf / 2;
      tp.sk_rmem_alloc = tp.sk_rcvbuf - 3000;
      expect(__tcp_select_window(tp)).toBe(0);
      expect(tcp_select_window(tp)).toBe(20_000);
      tp.rcv_nxt += 20_000;
      expect(tcp_select_window(tp)).toBe(0);
      tp.sk_rmem_alloc = 0;
      expect(tcp_select_window(tp)).toBe(Math.floor(Math.min(full, 65_535) / 1448) * 1448);
    });
  });
});

describe('splitting', () => {
  it('keeps flags and record end with the second half, and the counts right', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    tp.snd_wnd = 0;
    host.send(tp, 3000, MSG_EOR);
    host.run(() => {
      const skb = tp.sk_write_queue.next!;
      skb.tcp.tcp_flags = 0x19;
      const memory = tp.sk_wmem_queued;
      expect(tcp_fragment(tp, TCP_FRAG_IN_WRITE_QUEUE, skb, 1000, 1448, 0)).toBe(0);
      const rest = skb.next!;
      expect([skb.len, rest.len]).toEqual([1000, 2000]);
      expect([skb.tcp.tcp_flags, rest.tcp.tcp_flags]).toEqual([0x10, 0x19]);
      expect([skb.tcp.eor, rest.tcp.eor]).toEqual([false, true]);
      expect([skb.tcp.tcp_gso_segs, rest.tcp.tcp_gso_segs]).toEqual([1, 2]);
      expect(rest.tcp.seq).toBe(skb.tcp.end_seq);
      expect(tp.sk_wmem_queued).toBe(skb.truesize + rest.truesize);
      expect(tp.sk_wmem_queued - memory).toBe(960);
    });
    host.drain(tp);
  });
});
