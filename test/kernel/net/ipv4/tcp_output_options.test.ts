/** The bytes of TCP options, typed anew from RFC 9293 3.2, RFC 7323 2.2 and 3.2, RFC 2018 2 and 3, RFC 7413 4.1.1. */
import { describe, expect, it } from 'vitest';
import { tcp_fastopen_cookie } from '../../../../src/kernel/include/linux/tcp.ts';
import { request_sock, type request_sock_ops } from '../../../../src/kernel/include/net/request_sock.ts';
import { TCP_SYNACK_NORMAL } from '../../../../src/kernel/include/net/tcp.ts';
import { tcp_out_options } from '../../../../src/kernel/include/net/tcp_out_options.ts';
import { alloc_skb } from '../../../../src/kernel/net/core/skbuff.ts';
import { consume_skb } from '../../../../src/kernel/net/core/skbuff_free.ts';
import {
  tcp_established_options,
  tcp_options_write,
  tcp_syn_options,
  tcp_synack_options,
} from '../../../../src/kernel/net/ipv4/tcp_output.ts';
import { PeerlessHost } from './tcp_peerless.ts';

const hex = (view: DataView, length: number): string =>
  [...new Uint8Array(view.buffer, 0, length)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');

/** Computes options with `compute`, writes them, and checks that both agree on the length. */
function written(
  host: PeerlessHost,
  compute: (opts: tcp_out_options, skb: NonNullable<ReturnType<typeof alloc_skb>>) => number,
  tp: ReturnType<PeerlessHost['socket']> | null,
): string {
  return host.run(() => {
    const skb = alloc_skb(320, 0)!;
    skb.skb_mstamp_ns = 0x1122 * 1_000_000;
    const opts = new tcp_out_options();
    const size = compute(opts, skb);
    const view = new DataView(new ArrayBuffer(64));
    expect(tcp_options_write(view, 0, tp, opts)).toBe(size);
    consume_skb(skb);
    return hex(view, size);
  });
}

describe('options', () => {
  it('of a SYN are MSS, SACK permitted with timestamps, NOP window scale', () => {
    const host = new PeerlessHost();
    const tp = host.socket((sk) => {
      sk.advmss = 1460;
      sk.rx_opt.ts_recent = 0;
      sk.tsoffset = 1;
    });
    expect(written(host, (opts, skb) => tcp_syn_options(tp, skb, opts), tp)).toBe(
      '02 04 05 b4 04 02 08 0a 00 00 11 23 00 00 00 00 01 03 03 07',
    );
  });

  it('of a SYN without timestamps pad SACK permitted with NOPs', () => {
    const host = new PeerlessHost();
    host.network.ipv4.sysctl_tcp_timestamps = 0;
    const tp = host.socket();
    expect(written(host, (opts, skb) => tcp_syn_options(tp, skb, opts), tp)).toBe('02 04 05 b4 01 01 04 02 01 03 03 07');
  });

  it('of a SYN ask for a Fast Open cookie with an empty one, and carry one padded to a word', () => {
    const host = new PeerlessHost();
    const tp = host.socket((sk) => {
      sk.rx_opt.ts_recent = 0;
    });
    const cookie = new tcp_fastopen_cookie();
    cookie.len = 0;
    tp.fastopen_req = { cookie, data: null, size: 0, copied: 0, uarg: null };
    expect(written(host, (opts, skb) => tcp_syn_options(tp, skb, opts), tp)).toMatch(/ 01 03 03 07 22 02 01 01$/);
    cookie.len = 8;
    cookie.val.set([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(written(host, (opts, skb) => tcp_syn_options(tp, skb, opts), tp)).toMatch(/ 01 03 03 07 22 0a 01 02 03 04 05 06 07 08 01 01$/);
    expect(tp.syn_fastopen).toBe(true);
  });

  it('of a SYN-ACK are those that the SYN had', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    const req = new request_sock(host.network, {} as request_sock_ops, tp);
    req.sack_ok = req.wscale_ok = req.tstamp_ok = true;
    req.rcv_wscale = 7;
    req.ts_off = 0x10;
    req.ts_recent = 0xaabb_ccdd;
    const full = written(host, (opts, skb) => tcp_synack_options(tp, req, 1400, skb, opts, null, TCP_SYNACK_NORMAL), null);
    expect(full).toBe('02 04 05 78 04 02 08 0a 00 00 11 32 aa bb cc dd 01 03 03 07');
    expect(req.snt_tsval_first).toBe(0x1132);
    req.tstamp_ok = req.sack_ok = req.wscale_ok = false;
    expect(written(host, (opts, skb) => tcp_synack_options(tp, req, 1400, skb, opts, null, TCP_SYNACK_NORMAL), null)).toBe('02 04 05 78');
  });

  it('of established connections are timestamps, then as many SACK blocks as fit, a D-SACK first and only once', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    const timestamps = '01 01 08 0a 00 00 11 22 01 02 03 04';
    const compute = (opts: tcp_out_options, skb: Parameters<typeof tcp_established_options>[1]): number =>
      tcp_established_options(tp, skb, opts);
    expect(written(host, compute, tp)).toBe(timestamps);
    tp.rx_opt.num_sacks = 3;
    for (const [i, block] of tp.selective_acks.entries())
      Object.assign(block, { start_seq: 0x100 * (i + 1), end_seq: 0x100 * (i + 1) + 8 });
    Object.assign(tp.duplicate_sack[0], { start_seq: 0x10, end_seq: 0x18 });
    tp.rx_opt.dsack = true;
    // 40 bytes of options hold three blocks beside timestamps.
    expect(written(host, compute, tp)).toBe(
      `${timestamps} 01 01 05 1a 00 00 00 10 00 00 00 18 00 00 01 00 00 00 01 08 00 00 02 00 00 00 02 08`,
    );
    expect(written(host, compute, tp)).toBe(
      `${timestamps} 01 01 05 1a 00 00 01 00 00 00 01 08 00 00 02 00 00 00 02 08 00 00 03 00 00 00 03 08`,
    );
  });
});
