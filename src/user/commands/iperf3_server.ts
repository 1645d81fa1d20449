/** iperf3 -s: waits for clients and does what they ask, one test after the other; with -1 only one. */
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { AF_INET, POLLIN, SO_REUSEADDR, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SOL_TCP } from '../../kernel/uapi/socket.ts';
import { TCP_NODELAY } from '../../kernel/uapi/tcp.ts';
import { NSEC_PER_MSEC, NSEC_PER_SEC } from '../../sim/time.ts';
import { inet_ntoa, sockaddr } from '../inet.ts';
import type { Sys } from '../sys.ts';
import type { Output } from './command.ts';
import type { Iperf3Options } from './iperf3.ts';
import { announce, resultsOf, setOptions, stopThreads, streamId } from './iperf3_client.ts';
import {
  COOKIE_SIZE,
  ControlError,
  CREATE_STREAMS,
  DISPLAY_RESULTS,
  EXCHANGE_RESULTS,
  expectState,
  IPERF_DONE,
  PARAM_EXCHANGE,
  receiveAll,
  receiveJson,
  receiveState,
  sendJson,
  sendState,
  TEST_END,
  TEST_RUNNING,
  TEST_START,
  type TestParameters,
  type TestResults,
  UDP_CONNECT_REPLY,
} from './iperf3_protocol.ts';
import { Reporter } from './iperf3_report.ts';
import { Stream, TestState } from './iperf3_stream.ts';
import { strerror } from './strerror.ts';

const RULE = '-----------------------------------------------------------';

export function* iperf3Server(sys: Sys, options: Iperf3Options, out: Output): Sleeping<number> {
  const listener = yield* sys.socket(AF_INET, SOCK_STREAM);
  yield* sys.setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, 1);
  const bound = yield* sys.bind(listener, sockaddr(0, options.port));
  if (bound < 0) {
    out(`iperf3: error - unable to start listener for connections: ${strerror(bound)}`);
    return 1;
  }
  yield* sys.listen(listener, 0x7fff_ffff);
  for (let number = 1; ; number++) {
    for (const line of [RULE, `Server listening on ${options.port} (test #${number})`, RULE]) out(line);
    const status = yield* oneTest(sys, options, listener, out);
    if (options.oneOff) {
      yield* sys.close(listener);
      return status;
    }
  }
}

function* oneTest(sys: Sys, options: Iperf3Options, listener: number, out: Output): Sleeping<number> {
  const peer = sockaddr();
  const control = yield* sys.accept(listener, peer);
  if (control < 0) {
    out(`iperf3: error - unable to accept connection from client: ${strerror(control)}`);
    return 1;
  }
  const open: number[] = [control];
  try {
    yield* sys.setsockopt(control, SOL_TCP, TCP_NODELAY, 1);
    const cookie = yield* receiveAll(sys, control, COOKIE_SIZE);
    out(`Accepted connection from ${inet_ntoa(peer.sin_addr)}, port ${peer.sin_port}`);
    yield* sendState(sys, control, PARAM_EXCHANGE);
    const parameters = yield* receiveJson<TestParameters>(sys, control, 'unable to receive parameters from client');
    const streams = yield* openStreams(sys, options, { control, listener, cookie, parameters, open }, out);
    yield* measure(sys, control, parameters, streams, out);
    return 0;
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    out(`iperf3: error - ${error.message}`);
    return 1;
  } finally {
    for (const fd of open.reverse()) yield* sys.close(fd);
  }
}

interface Session {
  readonly control: number;
  readonly listener: number;
  readonly cookie: Uint8Array;
  readonly parameters: TestParameters;
  /** Descriptors to be closed at the end. */
  readonly open: number[];
}

function* openStreams(sys: Sys, options: Iperf3Options, session: Session, out: Output): Sleeping<Stream[]> {
  const { control, listener, cookie, parameters, open } = session;
  const udp = parameters.udp === true;
  let datagrams = udp ? yield* listenForDatagrams(sys, options.port) : -1;
  // Connections inherit these from the socket that listens.
  if (!udp) yield* setOptions(sys, listener, parameters);
  yield* sendState(sys, control, CREATE_STREAMS);
  const streams: Stream[] = [];
  while (streams.length < parameters.parallel) {
    const fd = udp ? yield* acceptDatagrams(sys, datagrams) : yield* acceptStream(sys, listener, cookie);
    open.push(fd);
    yield* announce(sys, fd, out);
    streams.push(new Stream(streamId(streams.length), fd, parameters.reverse === true));
    if (udp && streams.length < parameters.parallel) datagrams = yield* listenForDatagrams(sys, options.port);
  }
  return streams;
}

function* acceptStream(sys: Sys, listener: number, cookie: Uint8Array): Sleeping<number> {
  while (true) {
    const fd = yield* sys.accept(listener);
    if (fd < 0) throw new ControlError(`unable to accept stream connection: ${strerror(fd)}`);
    const theirs = yield* receiveAll(sys, fd, COOKIE_SIZE);
    if (Buffer.compare(theirs, cookie) === 0) return fd;
    // Another client: one test at a time.
    yield* sys.close(fd);
  }
}

function* listenForDatagrams(sys: Sys, port: number): Sleeping<number> {
  const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
  yield* sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  const bound = yield* sys.bind(fd, sockaddr(0, port));
  if (bound < 0) throw new ControlError(`unable to bind: ${strerror(bound)}`);
  return fd;
}

/** The first datagram says who sends: from then on the socket is that client's alone. */
function* acceptDatagrams(sys: Sys, fd: number): Sleeping<number> {
  const peer = sockaddr();
  const buffer = new Uint8Array(2048);
  const count = yield* sys.recvfrom(fd, buffer, 0, peer);
  if (count < 0) throw new ControlError(`unable to accept stream connection: ${strerror(count)}`);
  yield* sys.connect(fd, peer);
  const reply = new Uint8Array(4);
  new DataView(reply.buffer).setUint32(0, UDP_CONNECT_REPLY, true);
  yield* sys.send(fd, reply);
  return fd;
}

function* measure(sys: Sys, control: number, parameters: TestParameters, streams: Stream[], out: Output): Sleeping<void> {
  yield* sendState(sys, control, TEST_START);
  yield* sendState(sys, control, TEST_RUNNING);
  const start = sys.clockGettime();
  const udp = parameters.udp === true;
  const rate = parameters.bandwidth ?? 0;
  const test = new TestState({ udp, blockSize: parameters.len, rate, totalBytes: 0, start });
  const reporter = new Reporter(out, udp, streams);
  reporter.heading();
  const threads = streams.map((stream) => sys.spawn((thread) => stream.run(test, thread), { name: 'iperf3' }));
  try {
    yield* reportUntilMessage(sys, control, test, streams, reporter, start);
    const state = yield* receiveState(sys, control);
    if (state !== TEST_END) throw new ControlError('the client has terminated');
  } finally {
    test.done = true;
    for (const stream of streams) yield* stream.lookAtSocket(test, sys);
    yield* stopThreads(sys, threads);
  }
  const seconds = (sys.clockGettime() - start) / NSEC_PER_SEC;
  yield* sendState(sys, control, EXCHANGE_RESULTS);
  yield* receiveJson<TestResults>(sys, control, 'unable to receive results');
  const own = resultsOf(streams, seconds);
  yield* sendJson(sys, control, own);
  yield* sendState(sys, control, DISPLAY_RESULTS);
  reporter.interval(seconds, true);
  reporter.summary(parameters.reverse === true ? own.streams : null, parameters.reverse === true ? null : own.streams);
  yield* expectState(sys, control, IPERF_DONE);
}

/** An interval's report each second, until the client says something. */
function* reportUntilMessage(
  sys: Sys,
  control: number,
  test: TestState,
  streams: readonly Stream[],
  reporter: Reporter,
  start: number,
): Sleeping<void> {
  for (let next = start + NSEC_PER_SEC; ; next += NSEC_PER_SEC) {
    const wait = Math.max(0, Math.ceil((next - sys.clockGettime()) / NSEC_PER_MSEC));
    const ready = yield* sys.poll([{ fd: control, events: POLLIN, revents: 0 }], wait);
    if (ready !== 0) return;
    for (const stream of streams) yield* stream.lookAtSocket(test, sys);
    reporter.interval((sys.clockGettime() - start) / NSEC_PER_SEC, false);
  }
}
