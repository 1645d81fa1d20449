import { describe, expect, it } from 'vitest';
import type { tcp_sock } from '../../../../src/kernel/include/linux/tcp.ts';
import { tcp_sk } from '../../../../src/kernel/include/linux/tcp.ts';
import {
  SKB_DROP_REASON_TCP_LISTEN_OVERFLOW,
  SKB_DROP_REASON_TCP_OVERWINDOW,
  SKB_DROP_REASON_TCP_RFC7323_PAWS,
  SKB_DROP_REASON_TCP_RFC7323_TSECR,
} from '../../../../src/kernel/include/net/dropreason.ts';
import type { inet_connection_sock_af_ops } from '../../../../src/kernel/include/net/inet_sock.ts';
import type { request_sock, tcp_request_sock_ops } from '../../../../src/kernel/include/net/request_sock.ts';
import type { sock } from '../../../../src/kernel/include/net/sock.ts';
import { inet_csk_reqsk_queue_hash_add, inet_reqsk_alloc } from '../../../../src/kernel/net/ipv4/inet_connection_sock.ts';
import { tcp_congestion_default } from '../../../../src/kernel/net/ipv4/tcp_cong_init.ts';
import { tcp_check_req, tcp_create_openreq_child } from '../../../../src/kernel/net/ipv4/tcp_minisocks_req.ts';
import {
  LINUX_MIB_EMBRYONICRSTS,
  LINUX_MIB_TCPACKSKIPPEDSYNRECV,
  LINUX_MIB_TCPDEFERACCEPTDROP,
  TCP_MIB_ATTEMPTFAILS,
  TCP_MIB_PASSIVEOPENS,
} from '../../../../src/kernel/uapi/snmp.ts';
import { TCP_LISTEN, TCP_SYN_RECV } from '../../../../src/kernel/uapi/tcp.ts';
import { BareKernel, ip } from './bare_kernel.ts';
import { type Segment, segment } from './segments.ts';

const RCV_ISN = 1000;
const SND_ISN = 7000;

/** A listener with one half-open connection; what is sent for it is written down. */
class HalfOpen {
  readonly bare = new BareKernel();
  readonly listener: tcp_sock;
  readonly req: request_sock;
  readonly sent: string[] = [];

  constructor(fields: Partial<request_sock> = {}) {
    const { bare, sent } = this;
    this.listener = bare.socket({ skc_state: TCP_LISTEN, skc_num: 80, sk_max_ack_backlog: 10, icsk_rto_max: 30_000 });
    this.listener.icsk_af_ops = { syn_recv_sock: () => null } as unknown as inet_connection_sock_af_ops;
    this.req = bare.run(() => {
      tcp_congestion_default(bare.network);
      const ops = bare.request(this.listener, { send_ack: () => sent.push('ack'), send_reset: () => sent.push('reset') }).rsk_ops;
      const req = Object.assign(inet_reqsk_alloc(ops, this.listener, true), {
        skc_rcv_saddr: ip(1),
        skc_num: 80,
        skc_daddr: ip(2),
        skc_dport: 1234,
        rcv_isn: RCV_ISN,
        rcv_nxt: RCV_ISN + 1,
        snt_isn: SND_ISN,
        rsk_rcv_wnd: 1000,
        af_specific: { send_synack: () => Math.min(0, sent.push('synack')) } as unknown as tcp_request_sock_ops,
        ...fields,
      });
      inet_csk_reqsk_queue_hash_add(this.listener, req, req.timeout);
      req.skc_refcnt--;
      return req;
    });
  }

  receives(fields: Segment): sock | null {
    return this.bare.run(() => {
      this.req.skc_refcnt++;
      return tcp_check_req(this.listener, segment(fields).skb, this.req, false);
    });
  }

  mib(index: number): number {
    return this.bare.network.mib.net_statistics[index]!;
  }
}

const lastAck = { seq: RCV_ISN + 1, ack: SND_ISN + 1, flags: '.' };

describe('a half-open connection', () => {
  it('answers a repeated SYN with its SYN-ACK, and starts its timer anew', () => {
    const half = new HalfOpen();
    half.bare.until(0.5);
    const before = half.req.rsk_timer.expires;
    expect(half.receives({ seq: RCV_ISN, flags: 'S' })).toBeNull();
    expect(half.sent).toEqual(['synack']);
    expect(half.req.num_retrans).toBe(1);
    expect(half.req.rsk_timer.expires).toBe(before + 125);
  });

  it('limits that to two a second', () => {
    const half = new HalfOpen();
    half.receives({ seq: RCV_ISN, flags: 'S' });
    half.receives({ seq: RCV_ISN, flags: 'S' });
    expect(half.sent).toEqual(['synack']);
    expect(half.mib(LINUX_MIB_TCPACKSKIPPEDSYNRECV)).toBe(1);
  });

  it('leaves a wrong ACK to its listener, which resets', () => {
    const half = new HalfOpen();
    expect(half.receives({ ...lastAck, ack: SND_ISN + 2 })).toBe(half.listener);
  });

  it('answers what is out of window with an ACK, but not a RST', () => {
    const half = new HalfOpen();
    expect(half.receives({ ...lastAck, seq: RCV_ISN + 5000 })).toBeNull();
    expect(half.sent).toEqual(['ack']);
    expect(half.req.dropReason).toBe(SKB_DROP_REASON_TCP_OVERWINDOW);
    half.receives({ seq: RCV_ISN + 5000, flags: 'R' });
    expect(half.sent).toEqual(['ack']);
    expect(half.req.skc_hashed).toBe(true);
  });

  it('ends with a RST in its window', () => {
    const half = new HalfOpen();
    expect(half.receives({ seq: RCV_ISN + 1, flags: 'R' })).toBeNull();
    expect(half.sent).toEqual([]);
    expect(half.req.skc_hashed).toBe(false);
    expect(half.listener.icsk_accept_queue.qlen).toBe(0);
    expect(half.mib(LINUX_MIB_EMBRYONICRSTS)).toBe(1);
    expect(half.bare.network.mib.tcp_statistics[TCP_MIB_ATTEMPTFAILS]).toBe(1);
  });

  it('ends with a SYN in its window, which is answered with a RST', () => {
    const half = new HalfOpen();
    half.receives({ seq: RCV_ISN + 10, flags: 'S' });
    expect(half.sent).toEqual(['reset']);
    expect(half.req.skc_hashed).toBe(false);
  });

  it('ignores what has no ACK', () => {
    const half = new HalfOpen();
    expect(half.receives({ seq: RCV_ISN + 1, flags: 'P', len: 5 })).toBeNull();
    expect(half.sent).toEqual([]);
  });

  it('waits for data with TCP_DEFER_ACCEPT', () => {
    const half = new HalfOpen();
    half.listener.icsk_accept_queue.rskq_defer_accept = 1;
    expect(half.receives(lastAck)).toBeNull();
    expect(half.req.acked).toBe(true);
    expect(half.mib(LINUX_MIB_TCPDEFERACCEPTDROP)).toBe(1);
    expect(half.req.skc_hashed).toBe(true);
  });

  it('ignores the ACK when the accept queue is full', () => {
    const half = new HalfOpen();
    expect(half.receives(lastAck)).toBeNull();
    expect(half.req.dropReason).toBe(SKB_DROP_REASON_TCP_LISTEN_OVERFLOW);
    expect(half.req.acked).toBe(true);
    expect(half.sent).toEqual([]);
    expect(half.req.skc_hashed).toBe(true);
  });

  it('is reset then with tcp_abort_on_overflow', () => {
    const half = new HalfOpen();
    half.bare.network.ipv4.sysctl_tcp_abort_on_overflow = 1;
    half.receives(lastAck);
    expect(half.sent).toEqual(['reset']);
    expect(half.req.skc_hashed).toBe(false);
  });

  it('judges timestamps: no older ones, no echoes of what was never sent', () => {
    const stamps = { tstamp_ok: true, ts_recent: 500, snt_tsval_first: 40, snt_tsval_last: 50 };
    const old = new HalfOpen(stamps);
    old.receives({ ...lastAck, ts: [499, 45] });
    expect(old.req.dropReason).toBe(SKB_DROP_REASON_TCP_RFC7323_PAWS);
    const forged = new HalfOpen(stamps);
    forged.receives({ ...lastAck, ts: [501, 51] });
    expect(forged.req.dropReason).toBe(SKB_DROP_REASON_TCP_RFC7323_TSECR);
    expect(forged.sent).toEqual(['ack']);
  });
});

describe('the socket of a new connection', () => {
  const childOf = (fields: Partial<request_sock>, timeouts = 0): tcp_sock => {
    const half = new HalfOpen({ mss: 1460, rsk_window_clamp: 100_000, num_timeout: timeouts, ...fields });
    return half.bare.run(() => {
      const { skb, th } = segment(lastAck);
      th.window = 500;
      const child = tcp_sk(tcp_create_openreq_child(half.listener, half.req, skb));
      expect(half.bare.network.mib.tcp_statistics[TCP_MIB_PASSIVEOPENS]).toBe(1);
      expect(child.icsk_accept_queue).not.toBe(half.listener.icsk_accept_queue);
      expect(child.rx_opt).not.toBe(half.listener.rx_opt);
      return child;
    });
  };

  it('starts with the numbers of the handshake', () => {
    const child = childOf({ wscale_ok: true, snd_wscale: 7, rcv_wscale: 8 });
    expect(child.skc_state).toBe(TCP_SYN_RECV);
    expect([child.rcv_nxt, child.copied_seq, child.snd_una, child.snd_nxt, child.write_seq]).toEqual([1001, 1001, 7001, 7001, 7001]);
    expect([child.skc_num, child.skc_dport, child.skc_daddr, child.skc_rcv_saddr]).toEqual([80, 1234, ip(2), ip(1)]);
    expect([child.snd_wnd, child.rcv_wnd, child.rx_opt.rcv_wscale, child.rx_opt.mss_clamp]).toEqual([500 * 128, 1000, 8, 1460]);
  });

  it('does without what was not agreed on', () => {
    const child = childOf({ snd_wscale: 7, rcv_wscale: 8 });
    expect([child.snd_wnd, child.rx_opt.rcv_wscale, child.window_clamp]).toEqual([500, 0, 65535]);
    expect(child.tcp_header_len).toBe(20);
    expect(childOf({ tstamp_ok: true }).tcp_header_len).toBe(32);
  });

  it('remembers that its SYN-ACK timed out', () => {
    const child = childOf({ num_retrans: 1 }, 1);
    expect([child.total_retrans, child.total_rto, child.undo_marker]).toEqual([1, 1, SND_ISN]);
  });
});
