/**
 * nc: `nc -l PORT` takes one connection and prints what comes; `nc ADDRESS PORT` sends its input (from a pipe: `echo hello | nc 10.0.0.2 5000`) and prints the
 * answer. -u datagrams, -N shuts the connection down after the input, -z only connects, -p source port, -w seconds to wait, -k serves one after the other.
 * As OpenBSD's nc it ends when the peer closes.
 */
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { AF_INET, MSG_NOSIGNAL, POLLIN, SHUT_WR, SO_REUSEADDR, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET } from '../../kernel/uapi/socket.ts';
import { NSEC_PER_SEC } from '../../sim/time.ts';
import { inet_addr, inet_ntoa, sockaddr } from '../inet.ts';
import type { Sys } from '../sys.ts';
import { type Output, refuse } from './command.ts';
import { strerror } from './strerror.ts';
import { getopt } from './words.ts';

const READ_SIZE = 16384;

interface Options {
  readonly listen: boolean;
  readonly udp: boolean;
  readonly shutdown: boolean;
  readonly scan: boolean;
  readonly keep: boolean;
  readonly verbose: boolean;
  /** ms; -1: for ever. */
  readonly timeout: number;
  readonly sourcePort: number;
  readonly address: number;
  readonly port: number;
}

function readOptions(words: readonly string[]): Options {
  const { options, rest } = getopt('nc', words, 'luNzkvn4', 'pws');
  const has = (letter: string): boolean => options.some((option) => option.letter === letter);
  const value = (letter: string): string | undefined => options.find((option) => option.letter === letter)?.value;
  const number = (word: string, what: string, most: number): number =>
    /^\d+$/.test(word) && Number(word) <= most ? Number(word) : refuse('nc', word, what);
  const listen = has('l');
  const portWord =
    (listen ? (value('p') ?? rest.at(-1)) : rest[1]) ?? refuse('nc', 'the end of the line', listen ? 'a port' : 'an address and a port');
  const addressWord = listen ? (rest.length === 2 ? rest[0]! : '0.0.0.0') : (rest[0] ?? '');
  const wait = value('w');
  return {
    listen,
    udp: has('u'),
    shutdown: has('N'),
    scan: has('z'),
    keep: has('k'),
    verbose: has('v'),
    timeout: wait === undefined ? -1 : (number(wait, 'seconds', 2_147_483) * NSEC_PER_SEC) / 1e6,
    sourcePort: listen ? 0 : number(value('p') ?? '0', 'a port', 65535),
    address: inet_addr(addressWord) ?? refuse('nc', addressWord, 'an IPv4 address'),
    port: number(portWord, 'a port', 65535),
  };
}

/** `input` is null where there is no pipe: then nothing is sent, and nothing is known to be over. */
export function* nc(words: readonly string[], out: Output, sys: Sys, input: string | null = null): Sleeping<number> {
  const options = readOptions(words);
  const data = input === null ? null : new TextEncoder().encode(input);
  if (options.udp) return yield* datagrams(sys, options, data, out);
  return options.listen ? yield* serve(sys, options, data, out) : yield* connect(sys, options, data, out);
}

function complain(out: Output, call: string, result: number): number {
  out(`nc: ${call}: ${strerror(result)}`);
  return 1;
}

function* serve(sys: Sys, options: Options, data: Uint8Array | null, out: Output): Sleeping<number> {
  const listener = yield* sys.socket(AF_INET, SOCK_STREAM);
  yield* sys.setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, 1);
  const bound = yield* sys.bind(listener, sockaddr(options.address, options.port));
  if (bound < 0) return complain(out, 'bind', bound);
  yield* sys.listen(listener, options.keep ? 5 : 1);
  do {
    const peer = sockaddr();
    const fd = yield* sys.accept(listener, peer);
    if (fd < 0) return complain(out, 'accept', fd);
    if (options.verbose) out(`Connection received on ${inet_ntoa(peer.sin_addr)} ${peer.sin_port}`);
    const status = yield* exchange(sys, fd, options, data, out);
    yield* sys.close(fd);
    if (status !== 0) return status;
  } while (options.keep);
  yield* sys.close(listener);
  return 0;
}

function* connect(sys: Sys, options: Options, data: Uint8Array | null, out: Output): Sleeping<number> {
  const where = `${inet_ntoa(options.address)} port ${options.port} (tcp)`;
  const fd = yield* sys.socket(AF_INET, SOCK_STREAM);
  if (options.sourcePort !== 0) {
    yield* sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    const bound = yield* sys.bind(fd, sockaddr(0, options.sourcePort));
    if (bound < 0) return complain(out, 'bind failed', bound);
  }
  const result = yield* sys.connect(fd, sockaddr(options.address, options.port));
  if (result < 0) {
    if (options.verbose || options.scan) out(`nc: connect to ${where} failed: ${strerror(result)}`);
    return 1;
  }
  if (options.verbose) out(`Connection to ${inet_ntoa(options.address)} ${options.port} port [tcp/*] succeeded!`);
  const status = options.scan ? 0 : yield* exchange(sys, fd, options, data, out);
  yield* sys.close(fd);
  return status;
}

/** Sends the input, then prints what comes until the peer has closed. A thread sends, so that neither waits for the other. */
function* exchange(sys: Sys, fd: number, options: Options, data: Uint8Array | null, out: Output): Sleeping<number> {
  const sender =
    data === null
      ? null
      : sys.spawn(function* send(thread) {
          for (let done = 0; done < data.length; ) {
            const sent = yield* thread.send(fd, data, MSG_NOSIGNAL, done, data.length - done);
            if (sent < 0) return 1;
            done += sent;
          }
          if (options.shutdown) yield* thread.shutdown(fd, SHUT_WR);
          return 0;
        });
  const text = new LinePrinter(out);
  const buffer = new Uint8Array(READ_SIZE);
  let count = yield* receive(sys, fd, buffer, options.timeout);
  for (; count > 0; count = yield* receive(sys, fd, buffer, options.timeout)) text.add(buffer.subarray(0, count));
  text.end();
  if (sender !== null) yield* sys.join(sender);
  return count < 0 ? complain(out, 'read', count) : 0;
}

/** Bytes; 0 at the end or when nothing came in time. */
function* receive(sys: Sys, fd: number, buffer: Uint8Array, timeout: number): Sleeping<number> {
  if (timeout >= 0) {
    const ready = yield* sys.poll([{ fd, events: POLLIN, revents: 0 }], timeout);
    if (ready <= 0) return 0;
  }
  return yield* sys.recv(fd, buffer);
}

/** With -l a datagram's sender becomes the peer. Without -w it listens for ever, as nc does. */
function* datagrams(sys: Sys, options: Options, data: Uint8Array | null, out: Output): Sleeping<number> {
  const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
  const local = options.listen ? sockaddr(options.address, options.port) : sockaddr(0, options.sourcePort);
  const bound = yield* sys.bind(fd, local);
  if (bound < 0) return complain(out, 'bind', bound);
  const text = new LinePrinter(out);
  const buffer = new Uint8Array(65536);
  if (options.listen) {
    const peer = sockaddr();
    const first = yield* sys.recvfrom(fd, buffer, 0, peer);
    if (first < 0) return complain(out, 'recvfrom', first);
    text.add(buffer.subarray(0, first));
    yield* sys.connect(fd, peer);
  } else {
    const result = yield* sys.connect(fd, sockaddr(options.address, options.port));
    if (result < 0) return complain(out, 'connect', result);
  }
  if (data !== null && data.length > 0) yield* sys.send(fd, data);
  for (let count = 1; count > 0; ) {
    count = yield* receive(sys, fd, buffer, options.timeout);
    if (count < 0) return complain(out, 'read', count);
    text.add(buffer.subarray(0, count));
  }
  text.end();
  yield* sys.close(fd);
  return 0;
}

/** Bytes as lines of a log. */
class LinePrinter {
  readonly #out: Output;
  readonly #decoder = new TextDecoder();
  #rest = '';

  constructor(out: Output) {
    this.#out = out;
  }

  add(bytes: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) this.#out(line);
  }

  /** What came without an end of line. */
  end(): void {
    if (this.#rest !== '') this.#out(this.#rest);
    this.#rest = '';
  }
}
