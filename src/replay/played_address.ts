/** Which address of a capture a host should play when nobody says: the one that is asked for something first, otherwise the one most frames go to. */
import type { CaptureReader } from '../observe/files/capture_reader.ts';
import { ethernetLength, writeEthernet } from './link_types.ts';

const LOOK_AHEAD = 10_000;
const IPPROTO_ICMP = 1;
const IPPROTO_TCP = 6;
const SYN = 0x02;
const ACK = 0x10;
const ECHO_REQUEST = 8;

/** Null when there is no IPv4 among the first frames. */
export function playedAddress(reader: CaptureReader): number | null {
  const counts = new Map<number, number>();
  const header = new Uint8Array(65536);
  const view = new DataView(header.buffer);
  for (let i = 0; i < LOOK_AHEAD; i++) {
    const packet = nextOrNull(reader);
    if (packet === null) break;
    const length = ethernetLength(packet);
    if (length < 34 || length > header.length) continue;
    writeEthernet(packet, header, 0);
    if (view.getUint16(12) !== 0x0800) continue;
    const destination = view.getUint32(30);
    if (asks(header)) return destination;
    if (destination >>> 28 !== 14 && destination !== 0xffff_ffff) counts.set(destination, (counts.get(destination) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
}

/** A first SYN or an echo request. */
function asks(frame: Uint8Array): boolean {
  const transport = 14 + (frame[14]! & 15) * 4;
  const protocol = frame[23];
  if (protocol === IPPROTO_TCP) return (frame[transport + 13]! & (SYN | ACK)) === SYN;
  return protocol === IPPROTO_ICMP && frame[transport] === ECHO_REQUEST;
}

/** Damage is reported when the capture is replayed; here it only ends the look. */
function nextOrNull(reader: CaptureReader): ReturnType<CaptureReader['next']> {
  try {
    return reader.next();
  } catch {
    return null;
  }
}
