/**
 * Capture points inside a kernel, which see sk_buffs: `tcpdump` where Linux's packet taps are (before TSO on the way out, after GRO on the way in), `gro` where
 * frames enter GRO, `qdisc` where packets are given to a queueing discipline, `ip` between IP and what is below it. What they see is the skb: super-frames,
 * checksums not filled in yet. Unlike a real tap they take no clone and cost the host nothing, so that looking changes nothing.
 *
 * A packet that is dropped on its way out before the tap appears there all the same, with the reason as comment. At `qdisc` and `ip`, which it has passed, it
 * appears a second time, with the comment and under the same id.
 */
import { IFF_LOOPBACK, type net_device } from '../../kernel/include/linux/netdevice.ts';
import { CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, type sk_buff, skb_dst } from '../../kernel/include/linux/skbuff.ts';
import {
  drop_reasons,
  SKB_DROP_REASON_DEV_HDR,
  SKB_DROP_REASON_NEIGH_CREATEFAIL,
  SKB_DROP_REASON_NEIGH_DEAD,
  SKB_DROP_REASON_NEIGH_FAILED,
  SKB_DROP_REASON_NEIGH_QUEUEFULL,
  SKB_DROP_REASON_NETFILTER_DROP,
  SKB_DROP_REASON_QDISC_CONGESTED,
  SKB_DROP_REASON_QDISC_DROP,
  SKB_DROP_REASON_QDISC_OVERLIMIT,
} from '../../kernel/include/net/dropreason.ts';
import { this_cpu } from '../../machine/cpu.ts';
import type { PacketWriter } from '../files/packet_writer.ts';
import {
  PACKET_CHECKSUM_NOT_READY,
  PACKET_CHECKSUM_VALID,
  PACKET_INBOUND,
  PACKET_OUTBOUND,
  PACKET_TCP_SEGMENTATION_OFFLOADED,
} from '../files/pcapng_format.ts';
import type { CapturePoint } from './capture_session.ts';
import { type GateOptions, PacketGate } from './packet_gate.ts';
import { receptionType } from './reception_type.ts';
import { BBLOG_PEN, connectionOf, TcpStateOption } from './tcp_state_option.ts';

export type SkbPoint = 'tcpdump' | 'gro' | 'qdisc' | 'ip';

export interface SkbCaptureOptions extends GateOptions {
  readonly point: SkbPoint;
  /** Write the connection's state along with TCP segments. */
  readonly tcpState: boolean;
}

const ETH_P_IP = 0x0800;
const ETH_HLEN = 14;
/** As much of an IP packet as filters look at. */
const IP_HEAD = 160;

/** Losses at a queueing discipline. */
const QDISC_DROPS: readonly number[] = [SKB_DROP_REASON_QDISC_DROP, SKB_DROP_REASON_QDISC_OVERLIMIT, SKB_DROP_REASON_QDISC_CONGESTED];
/** Losses between IP and the packet tap. */
const EGRESS_DROPS: readonly number[] = [...QDISC_DROPS, SKB_DROP_REASON_DEV_HDR];
/** Losses of packets that wait for a neighbour's address: they are on their way out and have no Ethernet header yet. */
const NEIGHBOUR_DROPS: readonly number[] = [
  SKB_DROP_REASON_NEIGH_CREATEFAIL,
  SKB_DROP_REASON_NEIGH_DEAD,
  SKB_DROP_REASON_NEIGH_FAILED,
  SKB_DROP_REASON_NEIGH_QUEUEFULL,
];

export class SkbCapture {
  readonly #dev: net_device;
  readonly #gate: PacketGate;
  readonly #atIp: boolean;
  readonly #state: TcpStateOption | null;
  readonly #frame = new Uint8Array(ETH_HLEN + IP_HEAD);

  /** Listens at once; `detach` ends that. */
  constructor(dev: net_device, point: CapturePoint, options: SkbCaptureOptions) {
    this.#dev = dev;
    this.#gate = new PacketGate(point, options);
    this.#atIp = options.point === 'ip';
    this.#frame[12] = ETH_P_IP >> 8;
    this.#state = options.tcpState && !this.#atIp ? new TcpStateOption(dev.nd_net.kernel.machine.simulation.bytes) : null;
    this.detach = this.#listen(options.point);
  }

  readonly detach: () => void;

  #listen(point: SkbPoint): () => void {
    const { watchers } = this.#dev.nd_net.kernel;
    // On loopback one skb goes out and comes in: libpcap leaves the first out, so that nobody sees everything twice.
    const onceOnly = point === 'tcpdump' && (this.#dev.flags & IFF_LOOPBACK) !== 0;
    const tap = (skb: sk_buff, outgoing: boolean): void => {
      if (skb.dev === this.#dev && !(onceOnly && outgoing)) this.#write(skb, outgoing, null);
    };
    const drop = (skb: sk_buff, reason: number, location: string): void => this.#dropped(point, skb, reason, location);
    const taps = point === 'tcpdump' ? this.#dev.taps : watchers[point];
    taps.push(tap);
    if (point !== 'gro') watchers.drop.push(drop);
    return () => {
      taps.splice(taps.indexOf(tap), 1);
      if (point !== 'gro') watchers.drop.splice(watchers.drop.indexOf(drop), 1);
    };
  }

  #dropped(point: SkbPoint, skb: sk_buff, reason: number, location: string): void {
    const egress = EGRESS_DROPS.includes(reason);
    if (!(point === 'ip' ? this.#isOurPacket(skb) : skb.dev === this.#dev && egress)) return;
    const outgoing = egress || skb.mac_header < 0 || NEIGHBOUR_DROPS.includes(reason);
    // What is refused before the point's place in the stack has not been shown yet.
    const seen =
      point === 'ip' ? !outgoing || reason !== SKB_DROP_REASON_NETFILTER_DROP : QDISC_DROPS.includes(reason) && point === 'qdisc';
    this.#write(skb, outgoing, `dropped: ${drop_reasons[reason] ?? reason}${location === '' ? '' : ` (${location})`}`, seen);
  }

  /** An IP packet that came in by our device, or is to leave by it: until IP has handed it down only its route says so. */
  #isOurPacket(skb: sk_buff): boolean {
    return skb.protocol === ETH_P_IP && skb.network_header >= 0 && (skb.dev ?? skb_dst(skb)?.dev ?? null) === this.#dev;
  }

  /** `dropped` says why the packet was lost here; it may have been `seen` here before. */
  #write(skb: sk_buff, outgoing: boolean, dropped: string | null, seen = false): void {
    const gate = this.#gate;
    const u8 = skb.mem.u8;
    const start = this.#startOf(skb, outgoing);
    const length = skb.len + skb.data - start;
    const now = this_cpu.clock;
    const linear = Math.min(skb.data + skb.len - skb.data_len - start, length);
    if (linear <= 0 || !this.#wants(u8, start, linear, length, now, seen)) return;
    const captured = gate.kept(length);
    const { writer } = gate;
    writer.beginPacket(gate.interfaceId, now, captured, length);
    appendSkb(writer, skb, start, captured);
    if (this.#state !== null) this.#addState(this.#state, u8, start, linear, length, outgoing, now);
    const flags = this.#atIp ? (outgoing ? PACKET_OUTBOUND : PACKET_INBOUND) : flagsOf(skb, outgoing, start);
    if (dropped !== null) gate.drop();
    writer.endPacket(flags, skb.packetId, queueOf(skb, outgoing), this.#hashOf(skb, outgoing), dropped);
  }

  /** The card's. What the kernel makes of its own for a packet is no Toeplitz hash. */
  #hashOf(skb: sk_buff, outgoing: boolean): number {
    return outgoing || skb.sw_hash || skb.hash === 0 || (this.#dev.flags & IFF_LOOPBACK) !== 0 ? -1 : skb.hash;
  }

  /** Filters speak of frames: one is made up around the head of an IP packet. */
  #wants(u8: Uint8Array, start: number, linear: number, length: number, now: number, seen: boolean): boolean {
    if (!this.#atIp) return this.#gate.wants(u8, start, linear, length, now, seen);
    const head = Math.min(linear, IP_HEAD);
    for (let i = 0; i < head; i++) this.#frame[ETH_HLEN + i] = u8[start + i]!;
    return this.#gate.wants(this.#frame, 0, ETH_HLEN + head, ETH_HLEN + length, now, seen);
  }

  /** First byte to be shown: of the Ethernet header, at `ip` of the IP header. */
  #startOf(skb: sk_buff, outgoing: boolean): number {
    if (this.#atIp) return skb.network_header;
    return skb.mac_header >= 0 && !outgoing ? skb.mac_header : skb.data;
  }

  /** What the kernel's functions would charge for the search is not the host's time. */
  #addState(state: TcpStateOption, u8: Uint8Array, start: number, linear: number, length: number, outgoing: boolean, now: number): void {
    const cpu = this_cpu;
    const { tracer } = cpu;
    cpu.tracer = null;
    const sk = connectionOf(this.#dev.nd_net, u8, start, linear, outgoing);
    cpu.clock = now;
    cpu.tracer = tracer;
    if (sk !== null) this.#gate.writer.customOption(BBLOG_PEN, state.fill(sk, outgoing, now, length));
  }
}

const queueOf = (skb: sk_buff, outgoing: boolean): number => (outgoing ? skb.queue_mapping : skb.queue_mapping - 1);

function flagsOf(skb: sk_buff, outgoing: boolean, start: number): number {
  const direction = (outgoing ? PACKET_OUTBOUND : PACKET_INBOUND) | receptionType(skb.mem.u8, start);
  const checksum =
    skb.ip_summed === CHECKSUM_PARTIAL
      ? PACKET_CHECKSUM_NOT_READY
      : !outgoing && skb.ip_summed === CHECKSUM_UNNECESSARY
        ? PACKET_CHECKSUM_VALID
        : 0;
  return direction | checksum | (skb.shinfo.gso_size > 0 ? PACKET_TCP_SEGMENTATION_OFFLOADED : 0);
}

/** The first `length` bytes of an skb from offset `start` of its linear part on: linear part, fragments, fragment list. */
function appendSkb(writer: PacketWriter, skb: sk_buff, start: number, length: number): void {
  const linear = Math.min(skb.data + skb.len - skb.data_len - start, length);
  writer.append(skb.mem.block, start, linear);
  let left = length - linear;
  const shinfo = skb.shinfo;
  for (let i = 0; i < shinfo.nr_frags && left > 0; i++) {
    const frag = shinfo.frags[i]!;
    const size = Math.min(frag.size, left);
    writer.append(frag.page.mem.block, frag.off, size);
    left -= size;
  }
  for (let part = shinfo.frag_list; part !== null && left > 0; part = part.next) {
    const size = Math.min(part.len, left);
    appendSkb(writer, part, part.data, size);
    left -= size;
  }
}
