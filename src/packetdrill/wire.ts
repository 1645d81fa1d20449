/** The interface as a script sees it: packets it puts in, packets it expects to come out, and to which connection they belong. */
import type { Sleeping } from '../kernel/include/linux/sched.ts';
import type { sk_buff } from '../kernel/include/linux/skbuff.ts';
import { skb_copy_bits } from '../kernel/net/core/skbuff_bits.ts';
import { this_cpu } from '../machine/cpu.ts';
import { NSEC_PER_SEC, NSEC_PER_USEC } from '../sim/time.ts';
import { compareHeaders, compareOptions, joinSegments } from './compare.ts';
import { Connection } from './connection.ts';
import { Mismatch, mismatch } from './failures.ts';
import type { ScriptHost } from './host.ts';
import type { RunOptions } from './options.ts';
import { IcmpSpec, readPacket, TcpPacket } from './packet.ts';
import type { ScriptClock } from './script_clock.ts';
import { checkTime, secondsText } from './times.ts';

/** How long after its time an outbound packet is waited for. */
const PACKET_PATIENCE_US = 2_000_000;
const FOR_EVER_NS = 24 * 3600 * NSEC_PER_SEC;
const FIRST_REMOTE_PORT = 38_113;

interface Captured {
  readonly bytes: Uint8Array;
  readonly time: number;
}

interface Addresses {
  readonly localAddress: number;
  readonly remoteAddress: number;
  readonly bindPort: number;
}

export class Wire {
  /** Newest first. */
  readonly connections: Connection[] = [];
  /** The connection that packets belong to. */
  underTest: Connection | null = null;
  readonly #clock: ScriptClock;
  readonly #host: ScriptHost;
  readonly #options: RunOptions;
  readonly #addresses: Addresses;
  readonly #captured: Captured[] = [];
  /** Looks after what else goes on while packets are waited for; throws when that has failed. */
  readonly #watch: () => void;
  #nextRemotePort = FIRST_REMOTE_PORT;

  constructor(clock: ScriptClock, host: ScriptHost, options: RunOptions, addresses: Addresses, watch: () => void) {
    this.#clock = clock;
    this.#host = host;
    this.#options = options;
    this.#addresses = addresses;
    this.#watch = watch;
    host.tun.taps.push((skb, outgoing) => this.#tap(skb, outgoing));
  }

  /** The connection that a script's packet belongs to: that under test, or a new one that a listener would make of it. */
  connectionFor(packet: TcpPacket | IcmpSpec, inbound: boolean): Connection {
    const current = this.underTest;
    if (packet instanceof TcpPacket) {
      if (inbound && (current === null || current.state === 'listening')) return this.#passiveConnection(packet);
      if (!inbound && packet.syn && !packet.ack && current?.state === 'activeConnecting') {
        current.state = 'activeSynSent';
        current.scriptLocalIsn = packet.seq;
      }
    }
    return current ?? mismatch('no matching socket for script packet');
  }

  #passiveConnection(packet: TcpPacket): Connection {
    const connection = new Connection();
    connection.state = 'passivePacketReceived';
    connection.remoteIsn = packet.seq;
    connection.remoteAddress = this.#addresses.remoteAddress;
    connection.remotePort = this.#nextRemotePort++;
    connection.localAddress = this.#addresses.localAddress;
    connection.localPort = this.#addresses.bindPort;
    this.connections.unshift(connection);
    this.underTest = connection;
    return connection;
  }

  inject(packet: TcpPacket | IcmpSpec, connection: Connection): void {
    if (packet instanceof IcmpSpec) {
      const { remoteAddress, localAddress, localPort, remotePort } = connection;
      this.#host.inject(packet.bytes(remoteAddress, localAddress, localPort, remotePort, connection.localSequence(packet.seq)), 0);
      return;
    }
    if (connection.state === 'passiveSynackSent' && packet.ack) connection.state = 'passiveSynackAcked';
    else if (connection.state === 'activeSynSent' && packet.syn && packet.ack) {
      connection.state = 'activeSynAcked';
      connection.remoteIsn = packet.seq;
    }
    const live = connection.toLive(packet, this.#options.tcpTsEcrScaled);
    this.#host.inject(live.bytes(), this.#options.mss);
  }

  /** Keeps what leaves, with the time at which it did. */
  #tap(skb: sk_buff, outgoing: boolean): void {
    if (!outgoing) return;
    const bytes = new Uint8Array(skb.len);
    skb_copy_bits(skb, 0, bytes, 0, skb.len);
    this.#captured.push({ bytes, time: this_cpu.clock });
    this.#clock.wake();
  }

  /** The next packet, or several that together are what one line of the script says. */
  *expect(script: TcpPacket, connection: Connection): Sleeping<void> {
    if (connection.state === 'passivePacketReceived' && script.syn && script.ack) connection.scriptLocalIsn = script.seq;
    const segments: TcpPacket[] = [];
    let payload = 0;
    do {
      const live = yield* this.#nextPacket(connection);
      if (connection.state === 'passivePacketReceived' && script.syn && script.ack) {
        connection.state = 'passiveSynackSent';
        connection.liveLocalIsn = live.seq;
      }
      connection.toScript(live);
      // A SYN that an earlier socket sent again, taken for that of the connection under test: this one is the latter's.
      if (segments.length > 0 && segments[0]!.sport !== live.sport) {
        segments.length = 0;
        payload = 0;
      }
      if (segments.length > 0) this.#checkContinuation(script, segments, live, payload);
      segments.push(live);
      payload += live.payloadBytes;
    } while (payload < script.payloadBytes && !this.#options.strictSegments);
    const actual = joinSegments(segments);
    try {
      this.#verify(script, actual, connection, payload);
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
      mismatch(
        `${error.message}\n${this.#dump('script', script, this.#clock.due.us)}\n${this.#dump('actual', actual, this.#clock.us(actual.time))}`,
      );
    }
  }

  #verify(script: TcpPacket, actual: TcpPacket, connection: Connection, payload: number): void {
    if (payload !== script.payloadBytes) mismatch(`live packet payload: expected ${script.payloadBytes} bytes vs actual ${payload} bytes`);
    if (!actual.ipChecksumGood) mismatch('bad outbound IP checksum');
    connection.mapTimestamp(actual, script);
    compareHeaders(script, actual, true);
    compareOptions(script, actual, this.#options.tcpTsTickUs, this.#clock.toleranceSince(this.#clock.due.us, 0));
    if (!actual.payloadZero) mismatch('incorrect outbound data payload');
    checkTime(this.#clock.due, this.#clock.us(actual.time), this.#clock.toleranceUs, 'outbound packet');
  }

  /** A segment that goes on where the one before ended: same headers, same size unless it is the last. */
  #checkContinuation(script: TcpPacket, segments: readonly TcpPacket[], live: TcpPacket, payload: number): void {
    const previous = segments.at(-1)!;
    try {
      compareHeaders(previous, live, false);
      if (live.payloadBytes < script.payloadBytes - payload && live.payloadBytes !== previous.payloadBytes)
        mismatch(
          `fragment payload: expected ${previous.payloadBytes} bytes vs actual ${live.payloadBytes} bytes; ` +
            `total payload: expected ${script.payloadBytes} bytes vs actual ${payload + live.payloadBytes} bytes`,
        );
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
      const actual = [...segments, live].map((segment, i) => this.#dump(`actual #${i}`, segment, this.#clock.us(segment.time)));
      mismatch([error.message, this.#dump('   script', script, this.#clock.due.us), ...actual].join('\n'));
    }
  }

  #dump(what: string, packet: TcpPacket, us: number): string {
    return `${what} packet: ${secondsText(us).padStart(9)} ${packet.toString()}`;
  }

  /** The next packet of the connection; those of others are passed over. */
  *#nextPacket(connection: Connection): Sleeping<TcpPacket> {
    const sinceLast = Math.max(this.#clock.due.us, this.#clock.due.endUs) - (this.#clock.previousUs ?? 0);
    const patience = Math.trunc(sinceLast / 1e6) * 1_000_000 + PACKET_PATIENCE_US;
    const deadline = this.#clock.due.kind === 'any' ? this.#clock.startNs + FOR_EVER_NS : this_cpu.clock + patience * NSEC_PER_USEC;
    for (;;) {
      this.#watch();
      const captured = this.#captured.shift();
      if (captured === undefined) {
        if (this_cpu.clock >= deadline) mismatch('Timed out waiting for packet');
        yield* this.#clock.sleepWatching(deadline);
        continue;
      }
      const packet = readPacket(captured.bytes, captured.time);
      if (packet !== null && this.#belongs(packet, connection)) return packet;
    }
  }

  #belongs(packet: TcpPacket, connection: Connection): boolean {
    if (connection.sends(packet)) return true;
    if (connection.state !== 'activeSynSent' || !packet.syn || packet.ack) return false;
    if (packet.dest !== connection.remoteAddress || packet.dport !== connection.remotePort) return false;
    connection.localAddress = packet.source;
    connection.localPort = packet.sport;
    connection.liveLocalIsn = packet.seq;
    return true;
  }
}
