/** A capture as a stream of decoded packets, numbered, with times since its first packet. */
import type { CaptureReader } from '../observe/files/captured_packet.ts';
import { decode } from './decode.ts';
import { Packet } from './packet.ts';

const NS_PER_SECOND = 1_000_000_000;

export class PacketStream {
  readonly packet = new Packet();
  readonly #reader: CaptureReader;
  #startSeconds = -1;
  #startNanoseconds = 0;
  #frames = 0;

  constructor(reader: CaptureReader) {
    this.#reader = reader;
  }

  /** The next packet, valid until the next call; null at the end. Throws the reader's CaptureDamage. */
  next(): Packet | null {
    const captured = this.#reader.next();
    if (captured === null) {
      this.#reader.close();
      return null;
    }
    if (this.#startSeconds < 0) {
      this.#startSeconds = captured.seconds;
      this.#startNanoseconds = captured.nanoseconds;
    }
    decode(this.packet, captured);
    this.packet.frame = ++this.#frames;
    // The difference of seconds first: seconds since 1970 in ns are beyond exact numbers.
    this.packet.timeNs = (captured.seconds - this.#startSeconds) * NS_PER_SECOND + captured.nanoseconds - this.#startNanoseconds;
    return this.packet;
  }

  close(): void {
    this.#reader.close();
  }
}
