/** Opens a capture of any format we read: the file's first bytes tell which. */
import { ByteSource } from './byte_source.ts';
import { CaptureDamage, CaptureOpenError } from './capture_errors.ts';
import type { CaptureReader } from './captured_packet.ts';
import { PCAP_MAGIC_MICROSECONDS, PCAP_MAGIC_NANOSECONDS, PcapReader } from './pcap_reader.ts';
import { BLOCK_SECTION_HEADER } from './pcapng_format.ts';
import { PcapngReader } from './pcapng_reader.ts';

const EXPECTED = 'expected pcap (a1b2c3d4, a1b23c4d, in either byte order) or pcapng (0a0d0d0a)';
/** Formats that people take for pcap, by their first word. */
const OTHERS: readonly (readonly [number, string])[] = [
  [0xa1b2cd34, 'a pcap file with Kuznetzov’s extra fields'],
  [0x34cdb2a1, 'a pcap file with Kuznetzov’s extra fields'],
  [0x736e6f6f, 'a snoop file'],
  [0x504b0304, 'a zip archive'],
  [0x28b52ffd, 'a file packed with zstd'],
  [0xfd377a58, 'a file packed with xz'],
];

/** Opens a capture for reading. Throws CaptureOpenError when it is none, CaptureDamage when already its header is cut off. */
export function openCapture(path: string, chunkBytes?: number): CaptureReader {
  const source = new ByteSource(path, chunkBytes);
  try {
    return detect(source);
  } catch (error) {
    source.close();
    throw error;
  }
}

function detect(source: ByteSource): CaptureReader {
  if (!source.available(1)) throw new CaptureOpenError(source.path, 'is empty, expected a capture (pcap or pcapng)');
  if (!source.available(4)) {
    throw new CaptureOpenError(source.path, `is no capture: it has only ${source.left} bytes, ${EXPECTED}`);
  }
  const big = source.view.getUint32(source.start);
  const little = source.view.getUint32(source.start, true);
  if (big === BLOCK_SECTION_HEADER) return new PcapngReader(source);
  if (isPcap(big)) return new PcapReader(source, big, false);
  if (isPcap(little)) return new PcapReader(source, little, true);
  throw new CaptureOpenError(source.path, `is no capture: it begins with ${describeMagic(big)}, ${EXPECTED}`);
}

function isPcap(magic: number): boolean {
  return magic === PCAP_MAGIC_MICROSECONDS || magic === PCAP_MAGIC_NANOSECONDS;
}

function describeMagic(word: number): string {
  const known = OTHERS.find(([magic]) => magic === word);
  const text = word.toString(16).padStart(8, '0');
  return known === undefined ? text : `${text} (${known[1]})`;
}

export type { CapturedInterface, CapturedPacket, CaptureReader } from './captured_packet.ts';
export { CaptureDamage, CaptureOpenError };
