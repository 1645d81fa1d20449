/** iperf3 -c: asks a server for a test, sends (or, with -R, receives) for a time or a number of bytes, and prints both sides' results. */
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { SIGTERM } from '../../kernel/kernel/signal.ts';
import { AF_INET, POLLIN, SO_RCVBUF, SO_SNDBUF, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SOL_TCP } from '../../kernel/uapi/socket.ts';
import { TCP_CONGESTION, TCP_MAXSEG, TCP_NODELAY } from '../../kernel/uapi/tcp.ts';
import { NSEC_PER_MSEC, NSEC_PER_SEC } from '../../sim/time.ts';
import { inet_ntoa, sockaddr } from '../inet.ts';
import type { Process, Sys } from '../sys.ts';
import type { Output } from './command.ts';
import type { Iperf3Options } from './iperf3.ts';
import {
  COOKIE_SIZE,
  CREATE_STREAMS,
  DISPLAY_RESULTS,
  EXCHANGE_RESULTS,
  expectState,
  IPERF_DONE,
  PARAM_EXCHANGE,
  receiveJson,
  sendAll,
  sendJson,
  sendState,
  TEST_END,
  TEST_RUNNING,
  TEST_START,
  type TestParameters,
  type TestResults,
  UDP_CONNECT_MSG,
} from './iperf3_protocol.ts';
import { connectedLine, Reporter } from './iperf3_report.ts';
import { Stream, TestState } from './iperf3_stream.ts';
import { strerror } from './strerror.ts';

/** Letters of cookies: no digits that look like letters. */
const COOKIE_LETTERS = 'abcdefghijklmnopqrstuvwxyz234567';
/** A datagram that fits a frame: what the control connection's segments carry. */
const DEFAULT_UDP_BLOCK = 1448;
const VERSION = '3.12';

/** The first stream has number 1, the second 3. */
export const streamId = (index: number): number => (index === 0 ? 1 : index + 2);

class ConnectError extends Error {
  override readonly name = 'ConnectError';
}

export function* iperf3Client(sys: Sys, options: Iperf3Options, out: Output): Sleeping<number> {
  out(`Connecting to host ${inet_ntoa(options.address)}, port ${options.port}`);
  try {
    yield* runTest(sys, options, out);
    return 0;
  } catch (error) {
    if (!(error instanceof Error) || (error.name !== 'ConnectError' && error.name !== 'ControlError')) throw error;
    out(`iperf3: error - ${error.message}`);
    return 1;
  }
}

function* runTest(sys: Sys, options: Iperf3Options, out: Output): Sleeping<void> {
  const control = yield* sys.socket(AF_INET, SOCK_STREAM);
  const result = yield* sys.connect(control, sockaddr(options.address, options.port));
  if (result < 0) throw new ConnectError(`unable to connect to server: ${strerror(result)}`);
  yield* sys.setsockopt(control, SOL_TCP, TCP_NODELAY, 1);
  const cookie = makeCookie(sys);
  yield* sendAll(sys, control, cookie);
  yield* expectState(sys, control, PARAM_EXCHANGE);
  yield* sendJson(sys, control, parametersOf(options));
  yield* expectState(sys, control, CREATE_STREAMS);
  const streams: Stream[] = [];
  if (options.reverse) out(`Reverse mode, remote host ${inet_ntoa(options.address)} is sending`);
  for (let i = 0; i < options.parallel; i++) streams.push(yield* openStream(sys, options, cookie, i, out));
  yield* expectState(sys, control, TEST_START);
  yield* expectState(sys, control, TEST_RUNNING);
  yield* measure(sys, options, control, streams, out);
  yield* sendState(sys, control, IPERF_DONE);
  for (const fd of [...streams.map((stream) => stream.fd), control]) yield* sys.close(fd);
  out('');
  out('iperf Done.');
}

function makeCookie(sys: Sys): Uint8Array {
  const cookie = new Uint8Array(COOKIE_SIZE);
  for (let i = 0; i < COOKIE_SIZE - 1; i++) cookie[i] = COOKIE_LETTERS.charCodeAt(sys.kernel.random.below(COOKIE_LETTERS.length));
  return cookie;
}

export const blockSizeOf = (options: Iperf3Options): number => options.blockSize || (options.udp ? DEFAULT_UDP_BLOCK : 131072);

function parametersOf(options: Iperf3Options): TestParameters {
  return {
    ...(options.udp ? { udp: true } : { tcp: true }),
    omit: 0,
    time: options.totalBytes > 0 ? 0 : options.seconds,
    num: options.totalBytes,
    blockcount: 0,
    ...(options.mss > 0 ? { MSS: options.mss } : {}),
    ...(options.noDelay ? { nodelay: true } : {}),
    parallel: options.parallel,
    ...(options.reverse ? { reverse: true } : {}),
    ...(options.window > 0 ? { window: options.window } : {}),
    len: blockSizeOf(options),
    ...(options.rate > 0 ? { bandwidth: options.rate } : {}),
    pacing_timer: 1000,
    ...(options.congestion === '' ? {} : { congestion: options.congestion }),
    client_version: VERSION,
  };
}

/** What -w, -M, -N and -C ask of a socket, before it connects. */
export function* setOptions(
  sys: Sys,
  fd: number,
  wanted: { window?: number; MSS?: number; nodelay?: boolean; congestion?: string },
): Sleeping<void> {
  const set = function* (level: number, name: number, value: number | string, what: string): Sleeping<void> {
    const result = yield* sys.setsockopt(fd, level, name, value);
    if (result < 0) throw new ConnectError(`unable to set ${what}: ${strerror(result)}`);
  };
  if (wanted.window) {
    yield* set(SOL_SOCKET, SO_SNDBUF, wanted.window, 'socket buffer size');
    yield* set(SOL_SOCKET, SO_RCVBUF, wanted.window, 'socket buffer size');
  }
  if (wanted.nodelay) yield* set(SOL_TCP, TCP_NODELAY, 1, 'TCP/SCTP NODELAY');
  if (wanted.MSS) yield* set(SOL_TCP, TCP_MAXSEG, wanted.MSS, 'TCP/SCTP MSS');
  if (wanted.congestion) yield* set(SOL_TCP, TCP_CONGESTION, wanted.congestion, 'TCP_CONGESTION');
}

function* openStream(sys: Sys, options: Iperf3Options, cookie: Uint8Array, index: number, out: Output): Sleeping<Stream> {
  const fd = yield* sys.socket(AF_INET, options.udp ? SOCK_DGRAM : SOCK_STREAM);
  if (!options.udp) yield* setOptions(sys, fd, parametersOf(options));
  else if (options.window > 0) yield* setOptions(sys, fd, { window: options.window });
  const result = yield* sys.connect(fd, sockaddr(options.address, options.port));
  if (result < 0) throw new ConnectError(`unable to connect stream: ${strerror(result)}`);
  if (options.udp) yield* greet(sys, fd);
  else yield* sendAll(sys, fd, cookie);
  yield* announce(sys, fd, out);
  return new Stream(streamId(index), fd, !options.reverse);
}

/** A datagram each way tells the server the client's port. */
function* greet(sys: Sys, fd: number): Sleeping<void> {
  const message = new Uint8Array(4);
  new DataView(message.buffer).setUint32(0, UDP_CONNECT_MSG, true);
  yield* sys.send(fd, message);
  const count = yield* sys.recv(fd, message);
  if (count < 0) throw new ConnectError(`unable to connect stream: ${strerror(count)}`);
}

export function* announce(sys: Sys, fd: number, out: Output): Sleeping<void> {
  const [local, peer] = [sockaddr(), sockaddr()];
  yield* sys.getsockname(fd, local);
  yield* sys.getpeername(fd, peer);
  out(connectedLine(fd, inet_ntoa(local.sin_addr), local.sin_port, inet_ntoa(peer.sin_addr), peer.sin_port));
}

/** Runs the streams and reports once an interval, until the time is over or all bytes are sent. */
function* measure(sys: Sys, options: Iperf3Options, control: number, streams: Stream[], out: Output): Sleeping<void> {
  const start = sys.clockGettime();
  const { udp, rate, totalBytes } = options;
  const test = new TestState({ udp, blockSize: blockSizeOf(options), rate, totalBytes: options.reverse ? 0 : totalBytes, start });
  const reporter = new Reporter(out, udp, streams);
  reporter.heading();
  const ends = yield* sys.pipe();
  if (typeof ends === 'number') throw new ConnectError(`unable to create a pipe: ${strerror(ends)}`);
  const [wake, waker] = ends;
  test.onDone = function* tell(thread) {
    yield* thread.write(waker, Uint8Array.of(1));
  };
  const threads = streams.map((stream) => sys.spawn((thread) => stream.run(test, thread), { name: 'iperf3' }));
  const seconds = yield* watch(sys, options, test, streams, reporter, start, wake);
  test.done = true;
  for (const stream of streams) yield* stream.lookAtSocket(test, sys);
  yield* stopThreads(sys, threads);
  for (const fd of ends) yield* sys.close(fd);
  yield* sendState(sys, control, TEST_END);
  yield* expectState(sys, control, EXCHANGE_RESULTS);
  const own: TestResults = resultsOf(streams, seconds);
  yield* sendJson(sys, control, own);
  const theirs = yield* receiveJson<TestResults>(sys, control, 'unable to receive results');
  yield* expectState(sys, control, DISPLAY_RESULTS);
  reporter.interval(seconds, true);
  reporter.summary(options.reverse ? theirs.streams : own.streams, options.reverse ? own.streams : theirs.streams);
}

export function resultsOf(streams: readonly Stream[], seconds: number): TestResults {
  const sends = streams[0]?.sender === true;
  return {
    cpu_util_total: 0,
    cpu_util_user: 0,
    cpu_util_system: 0,
    sender_has_retransmits: sends ? 1 : -1,
    streams: streams.map((stream) => stream.results(seconds)),
  };
}

/** Threads may be in the middle of a call that never returns by itself. */
export function* stopThreads(sys: Sys, threads: readonly Process[]): Sleeping<void> {
  for (const thread of threads) {
    if (thread.running) yield* sys.kill(thread, SIGTERM);
    yield* sys.join(thread);
  }
}

/** Returns how many seconds the test took. */
function* watch(
  sys: Sys,
  options: Iperf3Options,
  test: TestState,
  streams: readonly Stream[],
  reporter: Reporter,
  start: number,
  wake: number,
): Sleeping<number> {
  const end = options.totalBytes > 0 && !options.reverse ? Number.POSITIVE_INFINITY : start + options.seconds * NSEC_PER_SEC;
  const everything = (): number => streams.reduce((sum, { bytes }) => sum + bytes, 0);
  let next = start + options.intervalSeconds * NSEC_PER_SEC;
  while (!test.done) {
    const received = options.reverse && options.totalBytes > 0 && everything() >= options.totalBytes;
    if (received || sys.clockGettime() >= end) break;
    const until = Math.min(next, end);
    const wait = Math.max(0, Math.ceil((until - sys.clockGettime()) / NSEC_PER_MSEC));
    yield* sys.poll([{ fd: wake, events: POLLIN, revents: 0 }], options.reverse && options.totalBytes > 0 ? Math.min(wait, 10) : wait);
    const now = sys.clockGettime();
    if (test.done || now < next) continue;
    for (const stream of streams) yield* stream.lookAtSocket(test, sys);
    reporter.interval((now - start) / NSEC_PER_SEC, false);
    next += options.intervalSeconds * NSEC_PER_SEC;
  }
  return (sys.clockGettime() - start) / NSEC_PER_SEC;
}
