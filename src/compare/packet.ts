/** What the comparison knows of one captured packet, whatever it is. Filled again and again by the decoder. */
import type { ChecksumState } from './ipv4_checksum.ts';

export type Protocol = 'tcp' | 'udp' | 'icmp' | 'arp' | 'ip' | 'other';

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;
export const URG = 0x20;
export const ECE = 0x40;
export const CWR = 0x80;

export class Packet {
  /** Frame number in its file, from 1, as Wireshark counts. */
  frame = 0;
  /** Since the file's first packet. */
  timeNs = 0;
  protocol: Protocol = 'other';
  /** Ethertype for `other`, protocol number for `ip`. */
  number = 0;
  source = '';
  destination = '';
  sourcePort = 0;
  destinationPort = 0;
  ttl = 0;
  dontFragment = false;
  ecn = 0;
  id = 0;
  /** In octets. */
  fragmentOffset = 0;
  moreFragments = false;
  /** Octets after the transport header (of a later fragment: after the IP header). */
  payload = 0;
  checksum: ChecksumState = 'unknown';
  sequence = 0;
  acknowledgment = 0;
  flags = 0;
  window = 0;
  urgent = 0;
  /** Kinds in their order, as tcpdump names them. */
  options = '';
  mss = -1;
  windowScale = -1;
  /** Absolute: left, right, left, right … */
  readonly sack: number[] = [];
  optionBytes = 0;
  /** Type and code of ICMP, operation of ARP. */
  type = 0;
  code = 0;

  get isFragment(): boolean {
    return this.moreFragments || this.fragmentOffset > 0;
  }

  /** Forgets what only some packets have. */
  clear(): void {
    this.protocol = 'other';
    this.source = this.destination = '';
    this.number = this.sourcePort = this.destinationPort = 0;
    this.ttl = this.ecn = this.id = this.fragmentOffset = this.payload = 0;
    this.dontFragment = this.moreFragments = false;
    this.checksum = 'unknown';
    this.sequence = this.acknowledgment = this.flags = this.window = this.urgent = 0;
    this.options = '';
    this.mss = this.windowScale = -1;
    this.sack.length = 0;
    this.optionBytes = this.type = this.code = 0;
  }
}
