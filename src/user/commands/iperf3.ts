/**
 * iperf3: `-s [-1] [-p PORT]` serves, `-c ADDRESS [-t SECONDS | -n BYTES] [-P STREAMS] [-u] [-b RATE] [-R] [-w SIZE] [-M MSS] [-C ALGORITHM] [-l LENGTH] [-i SECONDS]
 * [-N] [-p PORT]` measures. Control protocol and output are those of iperf3 3.12.
 *
 * Simplified: no --bidir, -O, -k, JSON output, authentication or zero copy; the results carry no CPU utilisation.
 */
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { inet_addr } from '../inet.ts';
import type { Sys } from '../sys.ts';
import { type Output, refuse } from './command.ts';
import { iperf3Client } from './iperf3_client.ts';
import { iperf3Server } from './iperf3_server.ts';
import { getopt } from './words.ts';

const DEFAULT_PORT = 5201;
const DEFAULT_SECONDS = 10;
/** Datagrams must not flood a network that nobody measured yet: 1 Mbit/s unless said otherwise. */
const DEFAULT_UDP_RATE = 1_048_576;

export interface Iperf3Options {
  readonly server: boolean;
  readonly oneOff: boolean;
  readonly address: number;
  readonly port: number;
  readonly seconds: number;
  readonly totalBytes: number;
  readonly parallel: number;
  readonly udp: boolean;
  /** bit/s; 0: no limit. */
  readonly rate: number;
  readonly reverse: boolean;
  readonly window: number;
  readonly mss: number;
  readonly congestion: string;
  readonly blockSize: number;
  readonly intervalSeconds: number;
  readonly noDelay: boolean;
}

const POWERS: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4 };

/** `10M`, `1.5g`; in thousands for rates, in 1024s for sizes. */
function quantity(letter: string, word: string, base: number): number {
  const match = /^(\d+(?:\.\d+)?)([kmgt]?)$/i.exec(word) ?? refuse(`iperf3 -${letter}`, word, 'a number such as 10M');
  return Math.floor(Number(match[1]) * base ** POWERS[match[2]!.toLowerCase()]!);
}

function readOptions(words: readonly string[]): Iperf3Options {
  const spelled = words.map((word) => LONG[word] ?? word);
  const { options } = getopt('iperf3', spelled, 's1uRN4', 'cptnPbwMCli');
  const has = (letter: string): boolean => options.some((option) => option.letter === letter);
  const value = (letter: string): string | undefined => options.findLast((option) => option.letter === letter)?.value;
  const size = (letter: string, base: number, otherwise: number): number => {
    const word = value(letter);
    return word === undefined ? otherwise : quantity(letter, word, base);
  };
  const server = has('s');
  const client = value('c');
  if (server === (client !== undefined)) refuse('iperf3', words.slice(1).join(' '), '-s or -c and an address');
  return {
    server,
    oneOff: has('1'),
    address: client === undefined ? 0 : (inet_addr(client) ?? refuse('iperf3 -c', client, 'an IPv4 address')),
    port: size('p', 1, DEFAULT_PORT),
    seconds: Number(value('t') ?? DEFAULT_SECONDS),
    totalBytes: size('n', 1024, 0),
    parallel: size('P', 1, 1),
    udp: has('u'),
    rate: size('b', 1000, has('u') ? DEFAULT_UDP_RATE : 0),
    reverse: has('R'),
    window: size('w', 1024, 0),
    mss: size('M', 1, 0),
    congestion: value('C') ?? '',
    blockSize: size('l', 1024, 0),
    intervalSeconds: Number(value('i') ?? 1) || Number.POSITIVE_INFINITY,
    noDelay: has('N'),
  };
}

const LONG: Readonly<Record<string, string>> = {
  '--server': '-s', '--client': '-c', '--one-off': '-1', '--port': '-p', '--time': '-t', '--bytes': '-n', '--parallel': '-P', '--udp': '-u', '--bitrate': '-b',
  '--reverse': '-R', '--window': '-w', '--set-mss': '-M', '--congestion': '-C', '--length': '-l', '--interval': '-i', '--no-delay': '-N',
}; // biome-ignore format: a table

export function* iperf3(words: readonly string[], out: Output, sys: Sys): Sleeping<number> {
  const options = readOptions(words);
  return options.server ? yield* iperf3Server(sys, options, out) : yield* iperf3Client(sys, options, out);
}
