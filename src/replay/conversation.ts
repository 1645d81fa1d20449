/**
 * A TCP connection of a recording, and the one of ours that takes its place. The peer's numbers stay as they were recorded; what its segments say about the
 * host's (acknowledgments, SACK blocks, echoed timestamps, the port) is translated, since ours has drawn other initial numbers.
 */
import { ACK, SYN, type TcpSegment } from './tcp_segment.ts';

/** What one host has sent on a connection, in the recording or here. */
class Sent {
  isn = -1;
  port = -1;
  /** Sequence numbers sent, from the initial one on. */
  length = 0;
  firstTsval = -1;
  /** TSval of each transmission, by what it carried and how often that had been sent. */
  readonly tsvals = new Map<string, number>();
  /** The first transmission with a TSval. */
  readonly carriers = new Map<number, string>();
  readonly #times = new Map<string, number>();

  note(segment: TcpSegment): void {
    if ((segment.flags & SYN) !== 0 && this.isn < 0) {
      this.isn = segment.sequence;
      this.port = segment.sourcePort;
    }
    if (this.isn < 0) return;
    const from = (segment.sequence - this.isn) >>> 0;
    this.length = Math.max(this.length, from + segment.span);
    if (!segment.hasTimestamps) return;
    if (this.firstTsval < 0) this.firstTsval = segment.tsval;
    const what = `${from}+${segment.span}`;
    const times = (this.#times.get(what) ?? 0) + 1;
    this.#times.set(what, times);
    const transmission = `${what}#${times}`;
    this.tsvals.set(transmission, segment.tsval);
    if (!this.carriers.has(segment.tsval)) this.carriers.set(segment.tsval, transmission);
  }
}

export class Conversation {
  readonly peerPort: number;
  readonly #recorded = new Sent();
  readonly #ours = new Sent();

  constructor(peerPort: number) {
    this.peerPort = peerPort;
  }

  get recordedPort(): number {
    return this.#recorded.port;
  }

  get ourPort(): number {
    return this.#ours.port;
  }

  /** The host sends this in the recording. */
  noteRecorded(segment: TcpSegment): void {
    this.#recorded.note(segment);
  }

  /** Our host sends this. */
  noteOurs(segment: TcpSegment): void {
    this.#ours.note(segment);
  }

  /** Whether our host has sent all that the peer's segment acknowledges. */
  isDue(segment: TcpSegment): boolean {
    if ((segment.flags & ACK) === 0) return true;
    return this.#ours.isn >= 0 && this.#ours.length >= (segment.acknowledgment - this.#recorded.isn) >>> 0;
  }

  /** Makes a segment of the recorded peer one for our host. */
  adapt(segment: TcpSegment): void {
    if (this.#ours.port >= 0) segment.destinationPort = this.#ours.port;
    if ((segment.flags & ACK) !== 0) {
      segment.shiftAcknowledgment(this.#ours.isn - this.#recorded.isn);
      if (segment.hasTimestamps) segment.tsecr = this.#echo(segment.tsecr);
    }
    segment.fixChecksum();
  }

  /** The TSval that our host put into what carried `tsecr` in the recording; if it has not sent that, one as long after its first. */
  #echo(tsecr: number): number {
    const carrier = this.#recorded.carriers.get(tsecr);
    const ours = carrier === undefined ? undefined : this.#ours.tsvals.get(carrier);
    return ours ?? (tsecr - this.#recorded.firstTsval + this.#ours.firstTsval) >>> 0;
  }
}
