/**
 * The state of a TCP connection as an option of the captured segment, in a format that Wireshark decodes (frame.bblog.*): that of FreeBSD's TCP Blackbox Recorder,
 * a custom option of PEN 10949 with a record of 268 bytes. Times are in µs, windows in bytes.
 *
 * What FreeBSD knows and Linux does not stays 0; snd_cwnd and ssthresh are segments in Linux and become bytes here.
 */
import { tcp_sk } from '../../kernel/include/linux/tcp.ts';
import type { net } from '../../kernel/include/net/net_namespace.ts';
import type { sock } from '../../kernel/include/net/sock.ts';
import { isFullsock } from '../../kernel/net/ipv4/inet_hashtables.ts';
import { ehashFind, inet_ehashfn } from '../../kernel/net/ipv4/inet_hashtables_ehash.ts';
import { TCP_CLOSE, TCP_CLOSE_WAIT, TCP_CLOSING, TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_LAST_ACK, TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT, TCP_TIME_WAIT } from '../../kernel/uapi/tcp.ts'; // biome-ignore format: a list
import type { ByteBlock, ByteHeap } from '../../sim/byte_heap.ts';
import { NSEC_PER_MSEC, NSEC_PER_SEC, NSEC_PER_USEC } from '../../sim/time.ts';

export const BBLOG_PEN = 10949;
const TYPE_TCPINFO = 2;
const RECORD_BYTES = 268;
const EVENT_IN = 1;
const EVENT_OUT = 2;
const SENT_WINDOW_SCALE = 0x20;
const RECEIVED_WINDOW_SCALE = 0x40;
const U32 = 0xffff_ffff;

/** FreeBSD's numbers of the states, by Linux's. */
const STATES: readonly number[] = (() => {
  const states: number[] = [];
  for (const [linux, freebsd] of [
    [TCP_CLOSE, 0],
    [TCP_LISTEN, 1],
    [TCP_SYN_SENT, 2],
    [TCP_SYN_RECV, 3],
    [TCP_ESTABLISHED, 4],
    [TCP_CLOSE_WAIT, 5],
    [TCP_FIN_WAIT1, 6],
    [TCP_CLOSING, 7],
    [TCP_LAST_ACK, 8],
    [TCP_FIN_WAIT2, 9],
    [TCP_TIME_WAIT, 10],
  ] as const)
    states[linux] = freebsd;
  return states;
})();

/** The connection that a segment (Ethernet header at `start`) belongs to on this host; null when there is none, or only half of one. */
export function connectionOf(network: net, u8: Uint8Array, start: number, available: number, outgoing: boolean): sock | null {
  const ip = start + 14;
  if (available < 14 + 20 + 20 || u8[start + 12] !== 8 || u8[start + 13] !== 0 || u8[ip + 9] !== 6) return null;
  const tcp = ip + ((u8[ip]! & 15) << 2);
  const laddr = address(u8, outgoing ? ip + 12 : ip + 16);
  const faddr = address(u8, outgoing ? ip + 16 : ip + 12);
  const lport = port(u8, outgoing ? tcp : tcp + 2);
  const fport = port(u8, outgoing ? tcp + 2 : tcp);
  const hash = inet_ehashfn(network, laddr, lport, faddr, fport);
  const found = ehashFind(network.tcp_hashinfo, hash, faddr, fport, laddr, lport, 0);
  return found !== null && isFullsock(found) ? found : null;
}

const address = (u8: Uint8Array, at: number): number => ((u8[at]! << 24) | (u8[at + 1]! << 16) | (u8[at + 2]! << 8) | u8[at + 3]!) >>> 0;

const port = (u8: Uint8Array, at: number): number => (u8[at]! << 8) | u8[at + 1]!;

/** Builds the option's value in place: valid until the next one. */
export class TcpStateOption {
  readonly value: ByteBlock;
  #serial = 0;

  constructor(heap: ByteHeap) {
    this.value = heap.allocate(4 + RECORD_BYTES);
    this.value.view.setUint32(0, TYPE_TCPINFO, true);
  }

  fill(sk: sock, outgoing: boolean, now: number, length: number): ByteBlock {
    const tp = tcp_sk(sk);
    const bytes = (segments: number): number => Math.min(U32, segments * tp.mss_cache);
    const us = Math.floor(now / NSEC_PER_USEC);
    this.#u32(0, Math.floor(now / NSEC_PER_SEC));
    this.#u32(8, us % 1_000_000);
    this.#u32(16, Math.floor(now / NSEC_PER_MSEC));
    this.#u32(20, this.#serial++);
    this.value.u8[4 + 25] = outgoing ? EVENT_OUT : EVENT_IN;
    this.#u32(32, sk.sk_rmem_alloc);
    this.#u32(44, sk.sk_wmem_queued);
    this.#u32(56, STATES[sk.skc_state] ?? 0);
    this.#u32(68, tp.rx_opt.wscale_ok ? SENT_WINDOW_SCALE | RECEIVED_WINDOW_SCALE : 0);
    this.#u32(72, tp.snd_una);
    this.#u32(76, tp.snd_nxt);
    this.#u32(80, bytes(tp.snd_cwnd));
    this.#u32(84, tp.snd_nxt);
    this.#u32(88, tp.high_seq);
    this.#u32(92, tp.snd_wnd);
    this.#u32(96, bytes(tp.snd_ssthresh));
    this.#u32(100, tp.srtt_us >>> 3);
    this.#u32(104, tp.rttvar_us >>> 2);
    this.#u32(112, tp.rcv_wup + tp.rcv_wnd);
    this.#u32(120, tp.rcv_nxt);
    this.#u32(124, tp.rcv_wnd);
    this.#u32(128, tp.sacked_out);
    this.#u32(132, tp.out_of_order_queue.qlen);
    this.value.u8[4 + 156] = (tp.rx_opt.snd_wscale & 15) | ((tp.rx_opt.rcv_wscale & 15) << 4);
    this.#u32(264, length);
    return this.value;
  }

  #u32(offset: number, value: number): void {
    this.value.view.setUint32(4 + offset, value >>> 0, true);
  }
}
