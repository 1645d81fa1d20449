/** One stream of an iperf3 test: a thread that sends or receives, what it has counted, and what its socket tells. */
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import type { tcp_info } from '../../kernel/net/ipv4/tcp_info.ts';
import { MSG_NOSIGNAL, SOL_TCP } from '../../kernel/uapi/socket.ts';
import { TCP_INFO } from '../../kernel/uapi/tcp.ts';
import { NSEC_PER_SEC, NSEC_PER_USEC } from '../../sim/time.ts';
import { WIDE } from '../../sim/wide.ts';
import type { Sys } from '../sys.ts';
import type { StreamResults } from './iperf3_protocol.ts';

/** Seconds, microseconds and a number at the head of each datagram. */
const UDP_HEADER = 12;
/** How often a stream that must not go faster looks whether it may go on. */
const PACING_NS = 1000 * NSEC_PER_USEC;

/** What the streams of a test share. */
export class TestState {
  readonly udp: boolean;
  readonly blockSize: number;
  /** bit/s of each stream; 0: as fast as it goes. */
  readonly rate: number;
  /** Ends when so many bytes were sent by all streams together; 0: never. */
  readonly totalBytes: number;
  readonly start: number;
  done = false;
  bytesSent = 0;
  /** Told when `totalBytes` were sent. */
  onDone: ((thread: Sys) => Sleeping<void>) | null = null;

  constructor(options: { udp: boolean; blockSize: number; rate: number; totalBytes: number; start: number }) {
    this.udp = options.udp;
    this.blockSize = options.blockSize;
    this.rate = options.rate;
    this.totalBytes = options.totalBytes;
    this.start = options.start;
  }
}

export class Stream {
  readonly id: number;
  readonly fd: number;
  readonly sender: boolean;
  bytes = WIDE;
  /** Datagrams: sent, or the highest number received. */
  packets = 0;
  lost = 0;
  outOfOrder = 0;
  jitterSeconds = 0;
  retransmits = 0;
  cwnd = 0;
  /** As of the last report. */
  reported = { bytes: 0, packets: 0, lost: 0, retransmits: 0 };
  #transit = Number.NaN;

  constructor(id: number, fd: number, sender: boolean) {
    this.id = id;
    this.fd = fd;
    this.sender = sender;
  }

  /** Body of the thread. */
  *run(test: TestState, sys: Sys): Sleeping<number> {
    const work = this.sender ? this.#send(test, sys) : this.#receive(test, sys);
    return yield* work;
  }

  *#send(test: TestState, sys: Sys): Sleeping<number> {
    const block = sys.malloc(test.blockSize);
    while (!test.done) {
      yield* this.#waitForRate(test, sys);
      if (test.done) break;
      if (test.udp) this.#stamp(block, sys.clockGettime());
      const sent = yield* sys.send(this.fd, block, MSG_NOSIGNAL);
      if (sent < 0) return 1;
      this.bytes += sent;
      test.bytesSent += sent;
      if (test.totalBytes > 0 && test.bytesSent >= test.totalBytes && !test.done) {
        test.done = true;
        yield* test.onDone?.(sys) ?? nothing();
      }
    }
    return 0;
  }

  /** As long as the average so far is above the rate that was asked for. */
  *#waitForRate(test: TestState, sys: Sys): Sleeping<void> {
    if (test.rate === 0) return;
    while (!test.done) {
      const elapsed = sys.clockGettime() - test.start;
      if (this.bytes * 8 * NSEC_PER_SEC < test.rate * elapsed || this.bytes === 0) return;
      yield* sys.nanosleep(PACING_NS - (elapsed % PACING_NS));
    }
  }

  #stamp(block: Uint8Array, now: number): void {
    const view = new DataView(block.buffer);
    const us = Math.floor(now / NSEC_PER_USEC);
    view.setUint32(0, Math.floor(us / 1e6));
    view.setUint32(4, us % 1e6);
    view.setUint32(8, ++this.packets);
  }

  *#receive(test: TestState, sys: Sys): Sleeping<number> {
    const buffer = sys.malloc(test.udp ? 65536 : test.blockSize);
    while (!test.done) {
      const count = yield* sys.recv(this.fd, buffer);
      if (count <= 0) return count === 0 ? 0 : 1;
      this.bytes += count;
      if (test.udp && count >= UDP_HEADER) this.#arrived(buffer, sys.clockGettime());
    }
    return 0;
  }

  /** Loss from the numbers, jitter as RTP has it (RFC 3550 6.4.1). */
  #arrived(buffer: Uint8Array, now: number): void {
    const view = new DataView(buffer.buffer);
    const number = view.getUint32(8);
    if (number > this.packets) {
      this.lost += number - 1 - this.packets;
      this.packets = number;
    } else {
      this.outOfOrder++;
      if (this.lost > 0) this.lost--;
    }
    const transit = now / NSEC_PER_SEC - (view.getUint32(0) + view.getUint32(4) / 1e6);
    if (!Number.isNaN(this.#transit)) this.jitterSeconds += (Math.abs(transit - this.#transit) - this.jitterSeconds) / 16;
    this.#transit = transit;
  }

  /** Asks the socket how it fares. */
  *lookAtSocket(test: TestState, sys: Sys): Sleeping<void> {
    if (test.udp || !this.sender) return;
    const info = (yield* sys.getsockopt(this.fd, SOL_TCP, TCP_INFO)) as tcp_info | number;
    if (typeof info === 'number') return;
    this.retransmits = info.tcpi_total_retrans;
    this.cwnd = info.tcpi_snd_cwnd * info.tcpi_snd_mss;
  }

  /** What happened since this was last called. */
  takeInterval(): Stream['reported'] {
    const { bytes, packets, lost, retransmits, reported: last } = this;
    this.reported = { bytes, packets, lost, retransmits };
    return {
      bytes: bytes - last.bytes,
      packets: packets - last.packets,
      lost: lost - last.lost,
      retransmits: retransmits - last.retransmits,
    };
  }

  results(endSeconds: number): StreamResults {
    const { id, bytes, retransmits, jitterSeconds, lost, packets } = this;
    const retransmitted = this.sender ? retransmits : -1;
    return { id, bytes, retransmits: retransmitted, jitter: jitterSeconds, errors: lost, packets, start_time: 0, end_time: endSeconds };
  }
}

function* nothing(): Sleeping<void> {}
