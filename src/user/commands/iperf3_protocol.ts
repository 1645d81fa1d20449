/**
 * iperf3's control connection: one byte a change of state, and settings and results as JSON behind their length. The messages are iperf3's own, with the fields
 * that matter here; unknown ones are ignored on both sides.
 */
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { MSG_NOSIGNAL } from '../../kernel/uapi/socket.ts';
import type { Sys } from '../sys.ts';

export const TEST_START = 1;
export const TEST_RUNNING = 2;
export const TEST_END = 4;
export const PARAM_EXCHANGE = 9;
export const CREATE_STREAMS = 10;
export const SERVER_TERMINATE = 11;
export const CLIENT_TERMINATE = 12;
export const EXCHANGE_RESULTS = 13;
export const DISPLAY_RESULTS = 14;
export const IPERF_DONE = 16;
export const ACCESS_DENIED = -1;
export const SERVER_ERROR = -2;

/** 36 characters and a zero byte: which test a connection belongs to. */
export const COOKIE_SIZE = 37;
export const UDP_CONNECT_MSG = 0x36373839;
export const UDP_CONNECT_REPLY = 0x39383736;

/** What client and server agree on before a test. */
export interface TestParameters {
  tcp?: boolean;
  udp?: boolean;
  omit: number;
  time: number;
  num: number;
  blockcount: number;
  parallel: number;
  reverse?: boolean;
  len: number;
  window?: number;
  MSS?: number;
  nodelay?: boolean;
  bandwidth?: number;
  pacing_timer: number;
  congestion?: string;
  client_version: string;
}

export interface StreamResults {
  id: number;
  bytes: number;
  retransmits: number;
  jitter: number;
  errors: number;
  packets: number;
  start_time: number;
  end_time: number;
}

export interface TestResults {
  cpu_util_total: number;
  cpu_util_user: number;
  cpu_util_system: number;
  sender_has_retransmits: number;
  congestion_used?: string;
  streams: StreamResults[];
}

/** The other side went away, or said something that nobody expects. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
}

/** Reads exactly `size` bytes. */
export function* receiveAll(sys: Sys, fd: number, size: number): Sleeping<Uint8Array> {
  const buffer = new Uint8Array(size);
  for (let done = 0; done < size; ) {
    const count = yield* sys.recv(fd, buffer, 0, done);
    if (count <= 0) throw new ControlError('control socket has closed unexpectedly');
    done += count;
  }
  return buffer;
}

export function* sendAll(sys: Sys, fd: number, data: Uint8Array): Sleeping<void> {
  for (let done = 0; done < data.length; ) {
    const count = yield* sys.send(fd, data, MSG_NOSIGNAL, done);
    if (count < 0) throw new ControlError('unable to send control message');
    done += count;
  }
}

export function* sendState(sys: Sys, fd: number, state: number): Sleeping<void> {
  yield* sendAll(sys, fd, Uint8Array.of(state & 0xff));
}

export function* receiveState(sys: Sys, fd: number): Sleeping<number> {
  const [byte = 0] = yield* receiveAll(sys, fd, 1);
  return byte >= 0x80 ? byte - 0x100 : byte;
}

/** Waits for a certain state. */
export function* expectState(sys: Sys, fd: number, wanted: number): Sleeping<void> {
  const state = yield* receiveState(sys, fd);
  if (state === ACCESS_DENIED) throw new ControlError('the server is busy running a test. try again later');
  if (state === SERVER_TERMINATE) throw new ControlError('the server has terminated');
  if (state !== wanted) throw new ControlError(`received an unknown control message: ${state}`);
}

export function* sendJson(sys: Sys, fd: number, value: unknown): Sleeping<void> {
  const text = new TextEncoder().encode(JSON.stringify(value));
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, text.length);
  yield* sendAll(sys, fd, head);
  yield* sendAll(sys, fd, text);
}

/** Far more than the results of 128 streams. */
const LONGEST_JSON = 1 << 20;

/** `failure`: what iperf3 says when the peer sends something else. */
export function* receiveJson<T extends object>(sys: Sys, fd: number, failure: string): Sleeping<T> {
  const head = yield* receiveAll(sys, fd, 4);
  const length = new DataView(head.buffer).getUint32(0);
  if (length > LONGEST_JSON) throw new ControlError(failure);
  const text = yield* receiveAll(sys, fd, length);
  const value = parsed(new TextDecoder().decode(text));
  if (typeof value !== 'object' || value === null) throw new ControlError(failure);
  return value as T;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
