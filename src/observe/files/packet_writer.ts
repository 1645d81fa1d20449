/**
 * What a capture point writes to, whatever the format: packets whole or in pieces, with what is known of each. A format that has no room for something (classic
 * pcap: for anything but time and bytes) leaves it out.
 */
import type { ByteBlock } from '../../sim/byte_heap.ts';

/** A capture point. */
export interface CaptureInterface {
  name: string;
  linkType?: number;
  snapLen?: number;
  description?: string;
  mac?: Uint8Array;
  /** Addresses are host-order numbers. */
  ipv4?: readonly { address: number; prefixLength: number }[];
  speedBps?: number;
  filter?: string;
  os?: string;
  hardware?: string;
  /** Bytes of FCS at the end of each packet; 0 keeps Wireshark from guessing. */
  fcsLength?: number;
  comment?: string;
}

/** Counters of an Interface Statistics Block; what is absent is not written. */
export interface InterfaceStatistics {
  received?: number;
  dropped?: number;
  filterAccepted?: number;
  osDropped?: number;
}

export interface PacketWriter {
  /** Bytes of the file so far. */
  readonly bytes: number;
  /** Describes a capture point; its packets name it by the id returned. `nowNs` is when it began to capture. */
  addInterface(description: CaptureInterface, nowNs: number): number;
  /** Names of IPv4 addresses (host-order numbers). */
  addNames(names: readonly { address: number; name: string }[]): void;
  /** Packets written for an interface. */
  packets(interfaceId: number): number;
  /** `flags` 0, `packetId`, `queue`, `hash` -1 and `comment` null mean none. */
  packet(
    interfaceId: number,
    timeNs: number,
    bytes: ByteBlock,
    offset: number,
    captured: number,
    original: number,
    flags: number,
    packetId: number,
    queue: number,
    hash: number,
    comment: string | null,
  ): void;
  /** Opens a packet whose `captured` bytes come in pieces; `append` them, then options, then `endPacket`. */
  beginPacket(interfaceId: number, timeNs: number, captured: number, original: number): void;
  append(bytes: ByteBlock, offset: number, length: number): void;
  /** Packets lost on this interface since the one before. */
  dropCount(count: number): void;
  /** A binary custom option of the organisation with this Private Enterprise Number. */
  customOption(enterprise: number, value: ByteBlock): void;
  endPacket(flags: number, packetId: number, queue: number, hash: number, comment: string | null): void;
  /** Counters for the statistics that `close` writes. */
  setStatistics(interfaceId: number, statistics: InterfaceStatistics): void;
  /** Ends the capture. `nowNs` is when capturing ended. */
  close(nowNs: number): void;
}
