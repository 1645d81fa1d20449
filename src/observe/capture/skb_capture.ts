/**
 * The capture point `tcpdump`: where Linux's packet taps are, before TSO on the way out and after GRO on the way in. What a tap sees is the skb:
 * super-frames, checksums not filled in yet. Unlike a real tap it takes no clone and costs the host nothing, so that looking changes nothing.
 */
import { IFF_LOOPBACK, type net_device } from '../../kernel/include/linux/netdevice.ts';
import { CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, type sk_buff } from '../../kernel/include/linux/skbuff.ts';
import {
  PACKET_CHECKSUM_NOT_READY,
  PACKET_CHECKSUM_VALID,
  PACKET_INBOUND,
  PACKET_OUTBOUND,
  PACKET_TCP_SEGMENTATION_OFFLOADED,
} from '../files/pcapng_format.ts';
import type { PcapngWriter } from '../files/pcapng_writer.ts';
import type { CapturePoint } from './capture_session.ts';
import { receptionType } from './reception_type.ts';

export class SkbCapture {
  readonly #point: CapturePoint;
  readonly #snapLen: number;
  readonly #now: () => number;

  /** `now` is the clock that stamps: the CPU's that handles the packet. */
  constructor(dev: net_device, point: CapturePoint, snapLen: number, now: () => number) {
    this.#point = point;
    this.#snapLen = snapLen;
    this.#now = now;
    // On loopback one skb goes out and comes in: libpcap leaves the first out, so that nobody sees everything twice.
    const loopback = (dev.flags & IFF_LOOPBACK) !== 0;
    dev.taps.push((skb, outgoing) => {
      if (!(loopback && outgoing)) this.#tap(skb, outgoing);
    });
  }

  #tap(skb: sk_buff, outgoing: boolean): void {
    const start = skb.mac_header >= 0 && !outgoing ? skb.mac_header : skb.data;
    const length = skb.len + skb.data - start;
    const captured = Math.min(length, this.#snapLen);
    const writer = this.#point.writer;
    writer.beginPacket(0, this.#now(), captured, length);
    appendSkb(writer, skb, start, captured);
    writer.endPacket(flagsOf(skb, outgoing, start), skb.packetId, queueOf(skb, outgoing), skb.hash === 0 ? -1 : skb.hash, null);
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
function appendSkb(writer: PcapngWriter, skb: sk_buff, start: number, length: number): void {
  const linear = Math.min(skb.data + skb.len - skb.data_len - start, length);
  writer.append(skb.mem.u8, start, linear);
  let left = length - linear;
  const shinfo = skb.shinfo;
  for (let i = 0; i < shinfo.nr_frags && left > 0; i++) {
    const frag = shinfo.frags[i]!;
    const size = Math.min(frag.size, left);
    writer.append(frag.page.mem.u8, frag.off, size);
    left -= size;
  }
  for (let part = shinfo.frag_list; part !== null && left > 0; part = part.next) {
    const size = Math.min(part.len, left);
    appendSkb(writer, part, part.data, size);
    left -= size;
  }
}
