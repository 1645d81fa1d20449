/**
 * What the device does to a packet on its way out (datasheet 7.2.4, 7.2.5): cutting a large send into segments, putting in checksums, VLAN tag and
 * padding. The driver has left the pseudo-header's sum in the checksum field (without the length when segments are cut), so that the device only adds.
 */
import { finish, fold } from '../../machine/checksum.ts';
import type { ByteBlock, ByteHeap } from '../../sim/byte_heap.ts';
import { WIDE } from '../../sim/wide.ts';
import { type Frame, MIN_FRAME } from '../../wire/frame.ts';
import { crc32c } from './crc.ts';
import * as D from './e1000_defines.ts';

export const VLAN_TAG = 4;
const ADDRESSES = 12;
const MAX_HEADER = 512;
/** Offsets in the headers. */
const IP4_TOT_LEN = 2;
const IP4_ID = 4;
const IP4_CHECK = 10;
const IP6_PAYLOAD_LEN = 4;
const IP6_HEADER = 40;
const TCP_SEQ = 4;
const TCP_OFFSET_FLAGS = 12;
const TCP_CHECK = 16;
const UDP_LEN = 4;
const UDP_CHECK = 6;
const SCTP_CHECKSUM = 8;

/** What a context descriptor says (7.2.2.3). Each queue has two. */
export class TxContext {
  vlan = 0;
  macLength = 0;
  ipLength = 0;
  isIpv4 = false;
  l4Type = D.E1000_ADVTXD_TUCMD_L4T_UDP;
  l4Length = 0;
  mss = 0;

  load(vlanMacIpLens: number, typeTucmd: number, mssL4len: number): void {
    this.vlan = vlanMacIpLens >>> D.E1000_ADVTXD_VLAN_SHIFT;
    this.macLength = (vlanMacIpLens & D.E1000_ADVTXD_MACLEN_MASK) >>> D.E1000_ADVTXD_MACLEN_SHIFT;
    this.ipLength = vlanMacIpLens & D.E1000_ADVTXD_IPLEN_MASK;
    this.isIpv4 = (typeTucmd & D.E1000_ADVTXD_TUCMD_IPV4) !== 0;
    this.l4Type = typeTucmd & D.E1000_ADVTXD_TUCMD_L4T_MASK;
    this.l4Length = (mssL4len >>> D.E1000_ADVTXD_L4LEN_SHIFT) & 0xff;
    this.mss = mssL4len >>> D.E1000_ADVTXD_MSS_SHIFT;
  }

  get headerLength(): number {
    return this.macLength + this.ipLength + this.l4Length;
  }

  clear(): void {
    this.load(0, 0, 0);
  }
}

/** Offset of the 16-bit checksum in the layer 4 header. */
function checkOffset(l4Type: number): number {
  return l4Type === D.E1000_ADVTXD_TUCMD_L4T_TCP ? TCP_CHECK : UDP_CHECK;
}

/** A UDP checksum that comes out as 0 is sent as ones, because 0 means none (RFC 768). */
function checkValue(sum: number, l4Type: number): number {
  const check = finish(sum);
  return check === 0 && l4Type === D.E1000_ADVTXD_TUCMD_L4T_UDP ? 0xffff : check;
}

/** Puts IP and layer 4 checksums into a whole packet of `length` bytes that begins at `at`. */
export function insertChecksums(frame: Frame, at: number, length: number, context: TxContext, ip: boolean, l4: boolean): void {
  const l3 = at + context.macLength;
  if (ip) frame.view.setUint16(l3 + IP4_CHECK, finish(frame.block.sum(l3, context.ipLength)));
  if (!l4) return;
  const start = l3 + context.ipLength;
  const bytes = length - context.macLength - context.ipLength;
  if (context.l4Type === D.E1000_ADVTXD_TUCMD_L4T_SCTP) {
    frame.view.setUint32(start + SCTP_CHECKSUM, 0);
    frame.view.setUint32(start + SCTP_CHECKSUM, crc32c(frame.u8, start, bytes), true);
    return;
  }
  const check = start + checkOffset(context.l4Type);
  const sum = frame.block.sum(start, bytes);
  const pseudo = frame.view.getUint16(check);
  const value = checkValue(sum, context.l4Type);
  frame.view.setUint16(check, value);
  frame.rememberSum(fold(sum + (pseudo ^ 0xffff) + value), start, bytes);
}

/** Legacy checksum offload (7.2.2.1): the sum from CSS to the end goes to CSO. */
export function insertLegacyChecksum(frame: Frame, at: number, length: number, css: number, cso: number): void {
  if (css >= length || cso + 2 > length) return;
  frame.view.setUint16(at + cso, finish(frame.block.sum(at + css, length - css)));
}

/** Opens a gap after the addresses of a frame that was stored VLAN_TAG bytes too far and puts the tag in. */
export function insertVlanTag(frame: Frame, ethertype: number, tag: number): void {
  const start = frame.start;
  frame.u8.copyWithin(start, start + VLAN_TAG, start + VLAN_TAG + ADDRESSES);
  frame.view.setUint16(start + ADDRESSES, ethertype);
  frame.view.setUint16(start + ADDRESSES + 2, tag);
}

/** Zeroes between a short packet's end and the shortest frame (TCTL.PSP). The frame's length is set already. */
export function pad(frame: Frame, length: number): void {
  if (length < MIN_FRAME) frame.u8.fill(0, frame.start + length, frame.start + MIN_FRAME);
}

/** Cuts one large send: keeps its header and what is the same in all segments' checksums. */
export class Segmenter {
  readonly header: ByteBlock;
  #headerLength = 0;
  #macLength = 0;
  #l4At = 0;
  #isIpv4 = false;
  #isTcp = false;
  #l4Type = 0;
  #l4Length = 0;
  #mss = 0;
  #ipCheck = false;
  #ipId = 0;
  #sequence = WIDE;
  #flags = 0;
  /** Sums of the headers without what differs, and the pseudo header's, which the driver has left in the checksum field. */
  #ipBase = 0;
  #l4Base = 0;
  #pseudo = 0;
  #firstMask = 0;
  #middleMask = 0;
  #lastMask = 0;

  constructor(heap: ByteHeap) {
    this.header = heap.allocate(MAX_HEADER);
  }

  /** The whole header is in `header`. `flagsLow` and `flagsHigh` are DTXTCPFLGL and DTXTCPFLGH. */
  begin(context: TxContext, ipCheck: boolean, flagsLow: number, flagsHigh: number): void {
    this.#headerLength = context.headerLength;
    this.#macLength = context.macLength;
    this.#l4At = context.macLength + context.ipLength;
    this.#isIpv4 = context.isIpv4;
    this.#l4Type = context.l4Type;
    this.#isTcp = context.l4Type === D.E1000_ADVTXD_TUCMD_L4T_TCP;
    this.#l4Length = context.l4Length;
    this.#mss = context.mss;
    this.#ipCheck = ipCheck;
    this.#firstMask = flagsLow & 0xfff;
    this.#middleMask = (flagsLow >>> 16) & 0xfff;
    this.#lastMask = flagsHigh & 0xfff;
    this.#readFields(context.ipLength);
  }

  /** Takes out of the header what differs from segment to segment, and sums up the rest. */
  #readFields(ipLength: number): void {
    const view = this.header.view;
    const ip = this.#macLength;
    if (this.#isIpv4) {
      this.#ipId = view.getUint16(ip + IP4_ID);
      view.setUint16(ip + IP4_TOT_LEN, 0);
      view.setUint16(ip + IP4_ID, 0);
      this.#ipBase = this.header.sum(ip, ipLength);
    }
    if (this.#isTcp) {
      this.#sequence = view.getUint32(this.#l4At + TCP_SEQ);
      this.#flags = view.getUint16(this.#l4At + TCP_OFFSET_FLAGS);
      view.setUint32(this.#l4At + TCP_SEQ, 0);
      view.setUint16(this.#l4At + TCP_OFFSET_FLAGS, 0);
    } else view.setUint16(this.#l4At + UDP_LEN, 0);
    const check = this.#l4At + checkOffset(this.#l4Type);
    this.#pseudo = view.getUint16(check);
    view.setUint16(check, 0);
    this.#l4Base = this.header.sum(this.#l4At, this.#l4Length);
  }

  /** Writes the header of segment `index` in front of its `payload` bytes, which are in place. `at` is where the header begins. */
  writeHeader(frame: Frame, at: number, index: number, payload: number, isLast: boolean): void {
    this.header.copyTo(frame.block, at, 0, this.#headerLength);
    this.#writeIp(frame.view, at + this.#macLength, index, payload);
    const l4 = at + this.#l4At;
    const length = this.#l4Length + payload;
    const sum = this.#l4Base + frame.block.sum(at + this.#headerLength, payload);
    const all = this.#isTcp ? this.#writeTcp(frame.view, l4, index, sum, length, isLast) : this.#writeUdp(frame.view, l4, sum, length);
    frame.rememberSum(fold(all), l4, length);
  }

  #writeIp(view: DataView, ip: number, index: number, payload: number): void {
    const length = this.#headerLength - this.#macLength + payload;
    if (!this.#isIpv4) {
      view.setUint16(ip + IP6_PAYLOAD_LEN, length - IP6_HEADER);
      return;
    }
    const id = (this.#ipId + index) & 0xffff;
    view.setUint16(ip + IP4_TOT_LEN, length);
    view.setUint16(ip + IP4_ID, id);
    if (this.#ipCheck) view.setUint16(ip + IP4_CHECK, finish(this.#ipBase + length + id));
  }

  /** `sum` is that of the segment so far; returns that of all of it. */
  #writeUdp(view: DataView, udp: number, sum: number, length: number): number {
    const check = checkValue(sum + length + this.#pseudo + length, this.#l4Type);
    view.setUint16(udp + UDP_LEN, length);
    view.setUint16(udp + UDP_CHECK, check);
    return sum + length + check;
  }

  /** `sum` is that of the segment so far; returns that of all of it. */
  #writeTcp(view: DataView, tcp: number, index: number, sum: number, length: number, isLast: boolean): number {
    const sequence = (this.#sequence + index * this.#mss) >>> 0;
    const word = this.#flags & (0xf000 | this.#flagMask(index, isLast));
    view.setUint32(tcp + TCP_SEQ, sequence);
    view.setUint16(tcp + TCP_OFFSET_FLAGS, word);
    const all = sum + (sequence >>> 16) + (sequence & 0xffff) + word;
    const check = finish(all + this.#pseudo + length);
    view.setUint16(tcp + TCP_CHECK, check);
    return all + check;
  }

  /**
   * Simplified: a send that fits into one segment is first and last at once; the datasheet does not say which of the two masks applies. Here the segment
   * keeps what either lets pass, so nothing is lost of a header that needed no cutting.
   */
  #flagMask(index: number, isLast: boolean): number {
    if (index === 0) return isLast ? this.#firstMask | this.#lastMask : this.#firstMask;
    return isLast ? this.#lastMask : this.#middleMask;
  }
}
