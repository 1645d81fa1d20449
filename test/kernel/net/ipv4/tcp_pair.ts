/**
 * Two connected TCP sockets of one host and a wire between them, below TCP and above nothing: IP's place (`icsk_af_ops.queue_xmit`) puts segments on the
 * wire one by one, which delays, drops, duplicates or reorders them as a test says, and hands them to the other socket as tcp_v4_rcv() would.
 */

import { softnet_data } from '../../../../src/kernel/include/linux/netdevice.ts';
import type { Sleeping } from '../../../../src/kernel/include/linux/sched.ts';
import { CHECKSUM_UNNECESSARY, type sk_buff, skb_put, skb_reserve } from '../../../../src/kernel/include/linux/skbuff.ts';
import { tcp_sk, type tcp_sock } from '../../../../src/kernel/include/linux/tcp.ts';
import { GFP_ATOMIC } from '../../../../src/kernel/include/linux/types.ts';
import { msghdr, type sock, sock_owned_by_user } from '../../../../src/kernel/include/net/sock.ts';
import { tcp_fast_path_on, tcp_left_out, tcp_segs_in } from '../../../../src/kernel/include/net/tcp.ts';
import { alloc_skb } from '../../../../src/kernel/net/core/skbuff.ts';
import { skb_copy_bits } from '../../../../src/kernel/net/core/skbuff_bits.ts';
import { __kfree_skb, consume_skb } from '../../../../src/kernel/net/core/skbuff_free.ts';
import { sk_add_backlog } from '../../../../src/kernel/net/core/sock_lock.ts';
import * as tcp from '../../../../src/kernel/net/ipv4/tcp.ts';
import { tcp_set_default_congestion_control } from '../../../../src/kernel/net/ipv4/tcp_cong.ts';
import { tcp_init_transfer, tcp_rcv_established, tcp_rcv_state_process } from '../../../../src/kernel/net/ipv4/tcp_input.ts';
import { tcphdr } from '../../../../src/kernel/uapi/in.ts';
import { TCP_ESTABLISHED } from '../../../../src/kernel/uapi/tcp.ts';
import { IRS, ISS, PeerlessHost } from './tcp_peerless.ts';

/** A segment on the wire: what a test's rule may look at. `index` counts from 1, per direction. */
export interface OnWire {
  readonly index: number;
  readonly fromA: boolean;
  /** Relative to the sender's initial sequence number + 1. */
  readonly seq: number;
  readonly ack: number;
  readonly payload: number;
  readonly flags: number;
  readonly bytes: Uint8Array;
}

/** When (ns from now) copies of a segment arrive; none: it is lost. */
export type Rule = (segment: OnWire) => number[];

export interface PairOptions {
  readonly oneWayNs?: number;
  readonly rule?: Rule;
  readonly congestion?: string;
  readonly sack?: boolean;
  readonly timestamps?: boolean;
  readonly setUp?: (tp: tcp_sock) => void;
  /** 8 is 1 Gbit/s. */
  readonly nsPerByte?: number;
}

/** A segment that nobody sent: numbers relative to the initial ones + 1, as in the log. */
export interface Forged {
  readonly flags: number;
  readonly seq: number;
  readonly ack?: number;
  readonly payload?: Uint8Array;
  readonly window?: number;
  /** Timestamp value and echo; absent: no option. */
  readonly stamps?: readonly [number, number];
  readonly urgent?: number;
}

const HEADROOM = 128;
const FRAME_OVERHEAD = 58;

export class TcpPair {
  readonly host = new PeerlessHost();
  readonly a: tcp_sock;
  readonly b: tcp_sock;
  /** Everything that was put on the wire. */
  readonly log: OnWire[] = [];
  readonly received: number[] = [];
  rule: Rule;
  /** Called after every segment that was processed. */
  check: (tp: tcp_sock) => void = verifyScoreboard;
  readonly #nsPerByte: number;
  readonly #counts = { a: 0, b: 0 };
  /** When each direction has sent all that waits. */
  readonly #free: number[] = [0, 0];

  constructor(options: PairOptions = {}) {
    for (const pcpu of this.host.kernel.percpu) pcpu.softnet_data ??= new softnet_data();
    this.#nsPerByte = options.nsPerByte ?? 8;
    const delay = options.oneWayNs ?? 10_000_000;
    this.rule = options.rule ?? ((): number[] => [delay]);
    const prepare = (tp: tcp_sock): void => {
      tp.icsk_af_ops = { ...this.host.af_ops, queue_xmit: (sk, skb) => this.#transmit(sk, skb) };
      tp.sk_backlog_rcv = (sk, skb) => this.#process(sk, skb);
      if (options.sack === false) tp.rx_opt.sack_ok = 0;
      if (options.timestamps === false) {
        tp.rx_opt.tstamp_ok = false;
        tp.tcp_header_len = 20;
        tp.mss_cache = 1460;
      }
      options.setUp?.(tp);
    };
    if (options.congestion !== undefined) this.host.run(() => tcp_set_default_congestion_control(this.host.network, options.congestion!));
    this.a = this.host.socket((tp) => {
      prepare(tp);
      this.#begin(tp);
    });
    this.b = this.host.socket((tp) => {
      prepare(tp);
      tp.write_seq = tp.snd_nxt = tp.snd_una = tp.snd_up = tp.snd_sml = tp.pushed_seq = IRS;
      tp.rcv_nxt = tp.copied_seq = tp.rcv_wup = ISS;
      this.#begin(tp);
    });
  }

  #begin(tp: tcp_sock): void {
    tp.rx_opt.ts_recent = 0;
    tp.rx_opt.mss_clamp = 1460;
    tcp_init_transfer(tp);
    tp.advmss = 1448;
    tcp_fast_path_on(tp);
  }

  /** B reads all there is, into `received`. */
  readAtB(expected: number): void {
    const sink = this.received;
    const { b } = this;
    function* program(): Sleeping<number> {
      while (sink.length < expected) {
        const msg = new msghdr(new Uint8Array(65_536));
        const n = yield* tcp.tcp_recvmsg(b, msg, 0);
        if (n <= 0) return n;
        for (let i = 0; i < n; i++) sink.push(msg.data[i]!);
      }
      return sink.length;
    }
    this.host.task(program());
  }

  /** A sends `size` bytes of the pattern. */
  sendAtA(size: number): void {
    const { a } = this;
    function* program(): Sleeping<number> {
      const msg = new msghdr(Uint8Array.from({ length: size }, (_, i) => i % 251));
      return yield* tcp.tcp_sendmsg(a, msg);
    }
    this.host.task(program());
  }

  pass(ms: number): void {
    this.host.pass(ms);
  }

  /** Hands A a segment as if B had sent it (or the other way round), now. */
  inject(toA: boolean, forged: Forged): void {
    const payload = forged.payload ?? new Uint8Array();
    const header = forged.stamps === undefined ? 20 : 32;
    const bytes = new Uint8Array(header + payload.length);
    bytes.set(payload, header);
    const view = new DataView(bytes.buffer);
    const [own, other] = toA ? [IRS, ISS] : [ISS, IRS];
    view.setUint32(4, (own + forged.seq) >>> 0);
    view.setUint32(8, (other + (forged.ack ?? 0)) >>> 0);
    bytes[12] = (header / 4) << 4;
    bytes[13] = forged.flags;
    view.setUint16(14, forged.window ?? 512);
    view.setUint16(18, forged.urgent ?? 0);
    if (forged.stamps !== undefined) {
      view.setUint32(20, 0x0101_080a);
      view.setUint32(24, forged.stamps[0]);
      view.setUint32(28, forged.stamps[1]);
    }
    this.host.run(() => this.#arrive({ index: 0, fromA: !toA, seq: 0, ack: 0, payload: payload.length, flags: forged.flags, bytes }));
    this.pass(0);
  }

  /** A MIB counter of the host. */
  stat(field: number): number {
    return this.host.network.mib.net_statistics[field]!;
  }

  /** Cuts a super-segment as TSO does and puts its packets on the wire. */
  #transmit(sk: sock, skb: sk_buff): number {
    const bytes = new Uint8Array(skb.len);
    skb_copy_bits(skb, 0, bytes, 0, skb.len);
    const header = (bytes[12]! >> 4) * 4;
    const mss = skb.shinfo.gso_size || bytes.length;
    consume_skb(skb);
    for (let at = header; at === header || at < bytes.length; at += mss) this.#emit(sk === this.a, cut(bytes, header, at, mss));
    return 0;
  }

  #emit(fromA: boolean, bytes: Uint8Array): void {
    const th = new tcphdr(new DataView(bytes.buffer), 0);
    const index = fromA ? ++this.#counts.a : ++this.#counts.b;
    const [own, other] = fromA ? [ISS, IRS] : [IRS, ISS];
    const segment: OnWire = {
      index,
      fromA,
      seq: (th.seq - own) | 0,
      ack: (th.ack_seq - other) | 0,
      payload: bytes.length - th.doff * 4,
      flags: bytes[13]!,
      bytes,
    };
    this.log.push(segment);
    const { simulation, machine } = this.host;
    const way = fromA ? 0 : 1;
    const start = Math.max(machine.cpus[0]!.clock, simulation.now, this.#free[way]!);
    const sent = start + (FRAME_OVERHEAD + bytes.length) * this.#nsPerByte;
    this.#free[way] = sent;
    for (const delay of this.rule(segment)) simulation.once(sent + delay, 'arrival', () => this.host.run(() => this.#arrive(segment)));
  }

  #arrive(segment: OnWire): void {
    const sk = segment.fromA ? this.b : this.a;
    const skb = alloc_skb(HEADROOM + segment.bytes.length, GFP_ATOMIC)!;
    skb_reserve(skb, HEADROOM);
    skb.mem.u8.set(segment.bytes, skb_put(skb, segment.bytes.length));
    skb.transport_header = skb.data;
    skb.ip_summed = CHECKSUM_UNNECESSARY;
    const th = new tcphdr(skb.mem.view, skb.data);
    skb.tcp.seq = th.seq;
    skb.tcp.end_seq = (th.seq + th.syn + th.fin + segment.payload) >>> 0;
    skb.tcp.ack_seq = th.ack_seq;
    skb.tcp.tcp_flags = th.flagWord & 0x1ff;
    skb.tcp.sacked = 0;
    tcp_segs_in(tcp_sk(sk), skb);
    if (!sock_owned_by_user(sk)) this.#process(sk, skb);
    else if (sk_add_backlog(sk, skb, 1 << 30) !== 0) __kfree_skb(skb);
  }

  #process(sk: sock, skb: sk_buff): number {
    if (sk.skc_state === TCP_ESTABLISHED) tcp_rcv_established(sk, skb);
    else tcp_rcv_state_process(sk, skb);
    this.check(tcp_sk(sk));
    return 0;
  }
}

function cut(bytes: Uint8Array, header: number, at: number, mss: number): Uint8Array {
  const payload = bytes.subarray(at, at + mss);
  const packet = new Uint8Array(header + payload.length);
  packet.set(bytes.subarray(0, header));
  packet.set(payload, header);
  const th = new tcphdr(new DataView(packet.buffer), 0);
  th.seq = (th.seq + at - header) >>> 0;
  if (at + mss < bytes.length) packet[13]! &= ~0x09;
  return packet;
}

/** What must hold of a retransmission queue at any time: its tags add up to the counters. */
export function verifyScoreboard(tp: tcp_sock): void {
  const sum = { packets: 0, sacked: 0, lost: 0, retrans: 0 };
  for (let skb = tp.tcp_rtx_queue.first; skb !== null; skb = skb.next) {
    const { sacked, tcp_gso_segs } = skb.tcp;
    sum.packets += tcp_gso_segs;
    if ((sacked & 1) !== 0) sum.sacked += tcp_gso_segs;
    if ((sacked & 2) !== 0) sum.retrans += tcp_gso_segs;
    if ((sacked & 4) !== 0) sum.lost += tcp_gso_segs;
    if ((sacked & 5) === 5) throw new Error(`segment ${skb.tcp.seq} is SACKed and lost`);
  }
  const counters = {
    packets: tp.packets_out,
    sacked: tp.rx_opt.sack_ok !== 0 ? tp.sacked_out : 0,
    lost: tp.lost_out,
    retrans: tp.retrans_out,
  };
  if (JSON.stringify(sum) !== JSON.stringify(counters))
    throw new Error(`queue ${JSON.stringify(sum)}, counters ${JSON.stringify(counters)}`);
  if (tcp_left_out(tp) > tp.packets_out) throw new Error(`${tcp_left_out(tp)} left the network of ${tp.packets_out}`);
}
