/**
 * Header splitting and replication (datasheet 7.1.10): which bytes of a packet go to the header buffer of its first descriptor, where the packet buffer's
 * begin, and what the descriptor says of it. SRRCTL.DESCTYPE chooses the way, PSRTYPE the packets:
 *
 * | DESCTYPE                         | to the header buffer                                   | to the packet buffers |
 * | -------------------------------- | ------------------------------------------------------ | --------------------- |
 * | 010 split                        | the headers, if they fit                               | the rest              |
 * | 011 replicate                    | as much of the packet as fits                          | the packet            |
 * | 100 replicate large packets only | the same, of packets larger than the header buffer     | the packet            |
 * | 101 split, always use the buffer | the headers, or as much as fits when they are not known | the rest             |
 */
import * as D from './e1000_defines.ts';
import * as R from './e1000_regs.ts';
import { registerMap } from './registers.ts';
import type { Entry } from './rx_buffer.ts';
import type { RxQueue } from './rx_queue.ts';

/** Without VMDq there is one pool, number 0. */
const PSRTYPE = registerMap.slotOf(R.E1000_PSRTYPE(0));
/** Bits of PSRTYPE: IPv4 alone, with TCP, with UDP; the same of IPv6. */
const IPV4_ONLY = 1;
const IPV6_ONLY = 7;
const WITH_TCP = 1;
const WITH_UDP = 2;

export class HeaderSplit {
  /** Bytes that go to the header buffer; 0 when it is not used. */
  header = 0;
  /** The packet buffers begin with this byte of the packet. */
  from = 0;
  /** hdr_info of the write-back: length of the headers, and SPH when they were recognised. */
  info = 0;
  /** The headers are longer than the header buffer (HBO). */
  overflow = false;

  /** Nothing is split: by far the most frequent case. */
  none(): void {
    this.header = 0;
    this.from = 0;
    this.info = 0;
    this.overflow = false;
  }

  /** For a packet of `length` bytes, of which `stripped` have been taken out of its headers. */
  plan(entry: Entry, queue: RxQueue, length: number, stripped: number, registers: Uint32Array): void {
    const end = headersEnd(entry, registers[PSRTYPE]!);
    const headers = end === 0 ? 0 : end - stripped;
    const room = queue.headerSize;
    this.overflow = headers > room;
    this.header = 0;
    this.from = 0;
    this.info = headers === 0 ? 0 : D.E1000_RXDADV_SPH | (headers << D.E1000_RXDADV_HDRBUFLEN_SHIFT);
    const type = queue.descriptorType;
    if (type === D.E1000_SRRCTL_DESCTYPE_HDR_SPLIT) this.#split(headers);
    else if (type === D.E1000_SRRCTL_DESCTYPE_HDR_SPLIT_ALWAYS) this.#splitAlways(headers, length, room);
    else if (type === D.E1000_SRRCTL_DESCTYPE_HDR_REPLICATION || length > room) this.header = Math.min(length, room);
  }

  #split(headers: number): void {
    if (headers === 0 || this.overflow) return;
    this.header = headers;
    this.from = headers;
  }

  /** A packet that fits into the header buffer goes there as a whole, whatever it is. */
  #splitAlways(headers: number, length: number, room: number): void {
    if (length <= room || headers === 0) {
      this.overflow = false;
      this.header = Math.min(length, room);
      this.info = this.header << D.E1000_RXDADV_HDRBUFLEN_SHIFT;
    } else this.header = Math.min(headers, room);
    this.from = this.header;
  }
}

/** Where the headers that PSRTYPE selects end; 0 when the packet is none of those. A packet whose layer 4 is not selected may be as its layer 3. */
function headersEnd({ found }: Entry, psrtype: number): number {
  const { pktInfo } = found;
  let type = 0;
  if ((pktInfo & D.E1000_RXDADV_PKTTYPE_IPV4) !== 0) type = IPV4_ONLY;
  else if ((pktInfo & D.E1000_RXDADV_PKTTYPE_IPV6) !== 0) type = IPV6_ONLY;
  if (type === 0) return 0;
  const isTcp = (pktInfo & D.E1000_RXDADV_PKTTYPE_TCP) !== 0;
  const l4 = isTcp ? WITH_TCP : (pktInfo & D.E1000_RXDADV_PKTTYPE_UDP) !== 0 ? WITH_UDP : 0;
  if (((psrtype >>> (type + l4)) & 1) !== 0) return found.headerEnd;
  return ((psrtype >>> type) & 1) !== 0 ? found.networkEnd : 0;
}
