/** A TCP segment in an Ethernet frame: what an adaptation of recorded connections reads and changes. */
import { finish, fold, sum16 } from '../machine/checksum.ts';
import type { RewrittenFrame } from './rewrite.ts';

const ETHERTYPE_IPV4 = 0x0800;
const IPPROTO_TCP = 6;
const ETHERNET_BYTES = 14;
const FRAGMENT_MASK = 0x3fff;
const TCPOPT_EOL = 0;
const TCPOPT_NOP = 1;
const TCPOPT_SACK = 5;
const TCPOPT_TIMESTAMP = 8;

export const FIN = 0x01;
export const SYN = 0x02;
export const ACK = 0x10;

export class TcpSegment {
  #view: DataView = new DataView(new ArrayBuffer(0));
  #u8: Uint8Array = new Uint8Array(0);
  #ip = 0;
  #tcp = 0;
  #payload = 0;
  /** Where the values of the timestamps option stand, 0 without one. */
  #timestamps = 0;
  /** Where the blocks of the SACK option stand. */
  #sack = 0;
  #blocks = 0;

  /** False when the frame holds no whole TCP header over IPv4, or a fragment. */
  read({ view, u8, start, length }: RewrittenFrame): boolean {
    const ip = start + ETHERNET_BYTES;
    if (length < ETHERNET_BYTES + 40 || view.getUint16(start + 12) !== ETHERTYPE_IPV4) return false;
    const tcp = ip + (view.getUint8(ip) & 15) * 4;
    if (view.getUint8(ip + 9) !== IPPROTO_TCP || (view.getUint16(ip + 6) & FRAGMENT_MASK) !== 0) return false;
    const header = (view.getUint8(tcp + 12) >> 4) * 4;
    if (header < 20 || tcp + header > start + length) return false;
    this.#view = view;
    this.#u8 = u8;
    this.#ip = ip;
    this.#tcp = tcp;
    this.#payload = ip + view.getUint16(ip + 2) - tcp - header;
    this.#readOptions(tcp + 20, tcp + header);
    return true;
  }

  #readOptions(from: number, end: number): void {
    this.#timestamps = this.#sack = this.#blocks = 0;
    for (let at = from; at < end; ) {
      const kind = this.#view.getUint8(at);
      if (kind === TCPOPT_EOL) return;
      const length = kind === TCPOPT_NOP || at + 1 === end ? 1 : this.#view.getUint8(at + 1);
      if (kind !== TCPOPT_NOP && (length < 2 || at + length > end)) return;
      if (kind === TCPOPT_TIMESTAMP && length === 10) this.#timestamps = at + 2;
      if (kind === TCPOPT_SACK) {
        this.#sack = at + 2;
        this.#blocks = (length - 2) >> 3;
      }
      at += length;
    }
  }

  get source(): number {
    return this.#view.getUint32(this.#ip + 12);
  }

  get sourcePort(): number {
    return this.#view.getUint16(this.#tcp);
  }

  get destinationPort(): number {
    return this.#view.getUint16(this.#tcp + 2);
  }

  set destinationPort(port: number) {
    this.#view.setUint16(this.#tcp + 2, port);
  }

  get sequence(): number {
    return this.#view.getUint32(this.#tcp + 4);
  }

  get acknowledgment(): number {
    return this.#view.getUint32(this.#tcp + 8);
  }

  get flags(): number {
    return this.#view.getUint8(this.#tcp + 13);
  }

  /** Sequence numbers that it takes. */
  get span(): number {
    return this.#payload + ((this.flags & SYN) >> 1) + (this.flags & FIN);
  }

  get hasTimestamps(): boolean {
    return this.#timestamps > 0;
  }

  get tsval(): number {
    return this.#view.getUint32(this.#timestamps);
  }

  get tsecr(): number {
    return this.#view.getUint32(this.#timestamps + 4);
  }

  set tsecr(value: number) {
    this.#view.setUint32(this.#timestamps + 4, value);
  }

  /** Moves what is acknowledged, and the blocks of SACK, by `distance`. */
  shiftAcknowledgment(distance: number): void {
    if ((this.flags & ACK) === 0) return;
    this.#shift(this.#tcp + 8, distance);
    for (let i = 0; i < this.#blocks * 2; i++) this.#shift(this.#sack + i * 4, distance);
  }

  #shift(at: number, distance: number): void {
    this.#view.setUint32(at, this.#view.getUint32(at) + distance);
  }

  /** Makes the checksum right. */
  fixChecksum(): void {
    const size = this.#view.getUint16(this.#ip + 2) - (this.#tcp - this.#ip);
    this.#view.setUint16(this.#tcp + 16, 0);
    const pseudo = sum16(this.#u8, this.#ip + 12, 8, IPPROTO_TCP + size);
    this.#view.setUint16(this.#tcp + 16, finish(fold(sum16(this.#u8, this.#tcp, size, pseudo))));
  }
}
