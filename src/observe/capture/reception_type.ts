/** The reception type that epb_flags carries, from the destination address. */
import { PACKET_BROADCAST, PACKET_MULTICAST, PACKET_UNICAST } from '../files/pcapng_format.ts';

export function receptionType(u8: Uint8Array, start: number): number {
  if ((u8[start]! & 1) === 0) return PACKET_UNICAST;
  for (let i = 0; i < 6; i++) if (u8[start + i] !== 0xff) return PACKET_MULTICAST;
  return PACKET_BROADCAST;
}
