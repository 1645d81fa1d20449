/** Reading from a connection, and ending it: what the user gets, and what the peer is told. */
import { describe, expect, it } from 'vitest';
import { __skb_queue_tail, skb_fill_page_desc } from '../../../../src/kernel/include/linux/skbuff.ts';
import type { tcp_sock } from '../../../../src/kernel/include/linux/tcp.ts';
import { msghdr, SOCK_DONE, SOCK_LINGER, sock_hold, sock_set_flag } from '../../../../src/kernel/include/net/sock.ts';
import { alloc_pages } from '../../../../src/kernel/mm/page_alloc.ts';
import { alloc_skb } from '../../../../src/kernel/net/core/skbuff.ts';
import { skb_set_owner_r } from '../../../../src/kernel/net/core/sock_owner.ts';
import { tcp_close, tcp_poll, tcp_read_sock, tcp_recvmsg, tcp_shutdown } from '../../../../src/kernel/net/ipv4/tcp.ts';
import { LINUX_MIB_TCPABORTONCLOSE, LINUX_MIB_TCPABORTONDATA } from '../../../../src/kernel/uapi/snmp.ts';
import {
  MSG_DONTWAIT,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  MSG_WAITALL,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  SIOCATMARK,
  SIOCINQ,
  SIOCOUTQ,
  SOL_TCP,
} from '../../../../src/kernel/uapi/socket.ts';
import { TCP_CLOSE, TCP_FIN_WAIT1, TCP_INQ } from '../../../../src/kernel/uapi/tcp.ts';
import { PeerlessHost, summary } from './tcp_peerless.ts';

/** As if a segment with the next `size` bytes of the pattern had arrived in order. */
function arrive(host: PeerlessHost, tp: tcp_sock, size: number, fin = false): void {
  host.run(() => {
    const skb = alloc_skb(128, 0)!;
    if (size > 0) {
      const page = alloc_pages(0, 3)!;
      const start = (tp.rcv_nxt - 5000) >>> 0;
      for (let i = 0; i < size; i++) page.mem.u8[page.offset + i] = (start + i) % 251;
      skb_fill_page_desc(skb, 0, page, page.offset, size);
      skb.len = skb.data_len = size;
      skb.truesize += size;
    }
    skb.tcp.seq = tp.rcv_nxt;
    skb.tcp.end_seq = (tp.rcv_nxt + size + (fin ? 1 : 0)) >>> 0;
    skb.tcp.tcp_flags = fin ? 0x11 : 0x10;
    tp.rcv_nxt = skb.tcp.end_seq;
    skb_set_owner_r(skb, tp);
    __skb_queue_tail(tp.sk_receive_queue, skb);
    if (fin) sock_set_flag(tp, SOCK_DONE);
    tp.sk_data_ready(tp);
  });
}

function recv(host: PeerlessHost, tp: tcp_sock, size: number, flags = 0): { result: number | undefined; bytes: number[]; msg: msghdr } {
  const msg = new msghdr(new Uint8Array(size));
  const result = host.task(tcp_recvmsg(tp, msg, flags));
  return { result, bytes: [...msg.data.subarray(0, Math.max(result ?? 0, 0))], msg };
}

const pattern = (from: number, size: number): number[] => Array.from({ length: size }, (_, i) => (from + i) % 251);

describe('recv()', () => {
  it('takes bytes across segments, and less than asked for when there is no more', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    arrive(host, tp, 300);
    arrive(host, tp, 200);
    expect(recv(host, tp, 350)).toMatchObject({ result: 350, bytes: pattern(0, 350) });
    expect(recv(host, tp, 350)).toMatchObject({ result: 150, bytes: pattern(350, 150) });
    expect(recv(host, tp, 1, MSG_DONTWAIT).result).toBe(-11);
    expect([tp.sk_rmem_alloc, host.kernel.skb.live]).toEqual([0, 0]);
  });

  it('sleeps until something arrives, with MSG_WAITALL until all has', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    let result: number | undefined;
    const msg = new msghdr(new Uint8Array(100));
    function* program(): Generator<void, number, void> {
      result = yield* tcp_recvmsg(tp, msg, MSG_WAITALL);
      return result;
    }
    expect(host.task(program())).toBeUndefined();
    arrive(host, tp, 60);
    host.pass(1);
    expect(result).toBeUndefined();
    arrive(host, tp, 60);
    host.pass(1);
    expect(result).toBe(100);
    expect([...msg.data]).toEqual(pattern(0, 100));
  });

  it('leaves what it peeks at, discards with MSG_TRUNC, and ends at the FIN', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    arrive(host, tp, 100);
    expect(recv(host, tp, 40, MSG_PEEK)).toMatchObject({ result: 40, bytes: pattern(0, 40) });
    expect(recv(host, tp, 30, MSG_TRUNC)).toMatchObject({ result: 30, bytes: pattern(0, 30).fill(0) });
    arrive(host, tp, 0, true);
    expect(recv(host, tp, 500, MSG_PEEK)).toMatchObject({ result: 70, bytes: pattern(30, 70) });
    expect(recv(host, tp, 500)).toMatchObject({ result: 70, bytes: pattern(30, 70) });
    expect(recv(host, tp, 500).result).toBe(0);
    expect(host.kernel.skb.live).toBe(0);
  });

  it('of nothing takes nothing', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    arrive(host, tp, 10);
    expect(recv(host, tp, 0).result).toBe(0);
    expect(recv(host, tp, 10).bytes).toEqual(pattern(0, 10));
  });

  it('stops at the urgent mark, and skips the urgent byte, which MSG_OOB gets', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    arrive(host, tp, 100);
    tp.urg_seq = (tp.copied_seq + 50) >>> 0;
    tp.urg_data = 0x100 | 50;
    expect(host.run(() => tcp_poll(tp.sk_socket!))).toBe(POLLIN | 0x40 | POLLOUT | 0x100 | POLLPRI);
    expect(recv(host, tp, 100)).toMatchObject({ result: 50, bytes: pattern(0, 50) });
    expect(host.run(() => tp.skc_prot.ioctl!(tp, SIOCATMARK))).toBe(1);
    expect(recv(host, tp, 10, MSG_OOB)).toMatchObject({ result: 1, bytes: [50] });
    expect(recv(host, tp, 100)).toMatchObject({ result: 49, bytes: pattern(51, 49) });
    expect(recv(host, tp, 10, MSG_OOB).result).toBe(-22);
  });

  it('tells with TCP_INQ what is left', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    host.run(() => tp.skc_prot.setsockopt(tp, SOL_TCP, TCP_INQ, 1));
    arrive(host, tp, 100);
    expect(host.run(() => tp.skc_prot.ioctl!(tp, SIOCINQ))).toBe(100);
    expect(recv(host, tp, 30).msg.msg_control).toEqual([{ cmsg_level: SOL_TCP, cmsg_type: TCP_INQ, data: 70 }]);
  });

  it('sends a window update when it has freed enough of a closed window', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    for (let i = 0; i < 4; i++) arrive(host, tp, 16_384);
    expect(recv(host, tp, 65_536).result).toBe(65_536);
    const [update] = host.take();
    expect(update).toMatchObject({ flags: '.', payload: 0, ack: 65_536 });
    expect(update!.window * 128).toBeGreaterThanOrEqual(65_536);
  });
});

describe('tcp_read_sock()', () => {
  it('hands out segments up to a limit', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    arrive(host, tp, 100);
    arrive(host, tp, 100);
    const pieces: number[] = [];
    const take = (limit: number): number =>
      host.run(() =>
        tcp_read_sock(tp, limit, (_skb, _offset, len) => {
          pieces.push(len);
          return len;
        }),
      );
    expect([take(150), take(150), take(150)]).toEqual([150, 50, 0]);
    expect(pieces).toEqual([100, 50, 50]);
    expect(host.kernel.skb.live).toBe(0);
  });
});

describe('the end', () => {
  /** close(), with a reference of the test's own, so that the socket can be looked at afterwards. */
  const close = (host: PeerlessHost, tp: tcp_sock): void => {
    sock_hold(tp);
    function* program(): Generator<void, number, void> {
      yield* tcp_close(tp, 0);
      return 0;
    }
    expect(host.task(program())).toBe(0);
  };

  it('shutdown() puts the FIN on the last segment that waits, or sends it alone', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    host.send(tp, 100);
    host.send(tp, 100);
    host.take();
    host.run(() => tcp_shutdown(tp, 2));
    expect(summary(host.take())).toEqual(['100:200(100) FP.']);
    expect(tp.skc_state).toBe(TCP_FIN_WAIT1);
    expect(host.run(() => tp.skc_prot.ioctl!(tp, SIOCOUTQ))).toBe(201);
    host.drain(tp);
    const other = host.socket();
    host.run(() => tcp_shutdown(other, 2));
    expect(summary(host.take())).toEqual(['0:0(0) F.']);
    host.drain(other);
  });

  it('close() with unread data resets the connection (RFC 2525 2.17)', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    arrive(host, tp, 10);
    close(host, tp);
    expect(summary(host.take())).toEqual(['0:0(0) R.']);
    expect(tp.skc_state).toBe(TCP_CLOSE);
    expect(host.network.mib.net_statistics[LINUX_MIB_TCPABORTONCLOSE]).toBe(1);
    expect(host.kernel.skb.live).toBe(0);
  });

  it('close() with SO_LINGER 0 resets it, too', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    sock_set_flag(tp, SOCK_LINGER);
    host.send(tp, 10);
    host.take();
    close(host, tp);
    expect(summary(host.take())).toEqual(['10:10(0) R.']);
    expect(host.network.mib.net_statistics[LINUX_MIB_TCPABORTONDATA]).toBe(1);
    expect(host.kernel.skb.live).toBe(0);
  });

  it('close() otherwise sends a FIN and leaves an orphan that goes on', () => {
    const host = new PeerlessHost();
    const tp = host.socket();
    const { sk_socket } = tp;
    close(host, tp);
    expect(summary(host.take())).toEqual(['0:0(0) F.']);
    expect([tp.skc_state, tp.sk_socket, host.network.ipv4.tcp_orphan_count]).toEqual([TCP_FIN_WAIT1, null, 1]);
    tp.sk_socket = sk_socket;
    expect(host.run(() => tcp_poll(sk_socket!)) & POLLHUP).toBe(POLLHUP);
    tp.sk_socket = null;
    host.drain(tp);
  });
});
