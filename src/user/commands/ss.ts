/**
 * ss of iproute2: sockets of TCP, UDP, RAW, with -t -u -w, -l or -a, -n, -i -m -e -o -p, -H -O, -s, `state NAME` and filters `sport = :5001`, `dport`, `src`, `dst`.
 *
 * Simplified: a host of ours has no /etc/services, so ports are numbers with and without -n; no IPv6, no Unix sockets.
 */
import { kernel } from '../../kernel/current.ts';
import { file, filesOf } from '../../kernel/fs/file.ts';
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { inet_sk } from '../../kernel/include/net/inet_sock.ts';
import { sk_rmem_alloc_get, sk_wmem_alloc_get, type sock } from '../../kernel/include/net/sock.ts';
import { sk_get_meminfo } from '../../kernel/net/core/sock_getsockopt.ts';
import { sock_gen_cookie } from '../../kernel/net/core/sock_life.ts';
import { inet_diag_dump } from '../../kernel/net/ipv4/inet_diag.ts';
import { TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN, TCP_SYN_RECV, TCP_TIME_WAIT } from '../../kernel/uapi/tcp.ts';
import { inet_ntoa } from '../inet.ts';
import { type Output, refuse } from './command.ts';
import { readFilter, type SocketFilter } from './ss_filter.ts';
import { type SsRow, ssTable } from './ss_table.ts';
import { detailText, memoryText, tcpText, timerText } from './ss_tcp.ts';

const STATES = [
  'UNKNOWN', 'ESTAB', 'SYN-SENT', 'SYN-RECV', 'FIN-WAIT-1', 'FIN-WAIT-2', 'TIME-WAIT', 'UNCONN', 'CLOSE-WAIT', 'LAST-ACK', 'LISTEN', 'CLOSING',
] as const; // biome-ignore format: a table

const SS_ALL = 0xfff;
/** Without -a and -l: what has or makes a connection. */
const SS_CONN = SS_ALL & ~((1 << TCP_LISTEN) | (1 << TCP_CLOSE) | (1 << TCP_TIME_WAIT) | (1 << TCP_SYN_RECV));
const STATE_NAMES: Readonly<Record<string, number>> = {
  all: SS_ALL,
  connected: SS_ALL & ~((1 << TCP_LISTEN) | (1 << TCP_CLOSE)),
  synchronized: SS_ALL & ~((1 << TCP_LISTEN) | (1 << TCP_CLOSE) | (1 << 2)),
  bucket: (1 << TCP_SYN_RECV) | (1 << TCP_TIME_WAIT),
  big: SS_ALL & ~((1 << TCP_SYN_RECV) | (1 << TCP_TIME_WAIT)),
  established: 1 << TCP_ESTABLISHED, 'syn-sent': 1 << 2, 'syn-recv': 1 << 3, 'fin-wait-1': 1 << 4, 'fin-wait-2': 1 << 5, 'time-wait': 1 << 6,
  closed: 1 << 7, 'close-wait': 1 << 8, 'last-ack': 1 << 9, listening: 1 << TCP_LISTEN, listen: 1 << TCP_LISTEN, closing: 1 << 11,
}; // biome-ignore format: a table

/** Letters of the long options. */
const LONG: Readonly<Record<string, string>> = {
  '--tcp': 't', '--udp': 'u', '--raw': 'w', '--listening': 'l', '--all': 'a', '--numeric': 'n', '--info': 'i', '--memory': 'm', '--extended': 'e',
  '--options': 'o', '--processes': 'p', '--no-header': 'H', '--oneline': 'O', '--summary': 's', '--ipv4': '4',
}; // biome-ignore format: a table
const LETTERS = 'tuwlaniemopHOs4rbZx';

interface Request {
  readonly letters: ReadonlySet<string>;
  readonly states: number;
  readonly filter: SocketFilter;
}

function readRequest(words: readonly string[]): Request {
  const letters = new Set<string>();
  let states: number | null = null;
  let at = 1;
  for (; at < words.length; at++) {
    const word = words[at]!;
    if (word === 'state') states = (states ?? 0) | stateNamed(words[++at] ?? '');
    else if (word === 'exclude') states = (states ?? SS_ALL) & ~stateNamed(words[++at] ?? '');
    else if (/^-./.test(word)) for (const letter of lettersOf(word)) letters.add(letter);
    else break;
  }
  const chosen = letters.has('a') ? SS_ALL : letters.has('l') ? (1 << TCP_LISTEN) | (1 << TCP_CLOSE) : SS_CONN;
  return { letters, states: states ?? chosen, filter: readFilter(words.slice(at)) };
}

function lettersOf(word: string): string {
  const letters = LONG[word] ?? word.slice(1);
  if (word.startsWith('--') && LONG[word] === undefined) refuse('ss', word, `one of ${Object.keys(LONG).join(' ')}`);
  const unknown = [...letters].find((letter) => !LETTERS.includes(letter));
  return unknown === undefined ? letters : refuse('ss', word, `letters of ${[...LETTERS].map((letter) => `-${letter}`).join(' ')}`);
}

const stateNamed = (name: string): number => STATE_NAMES[name.toLowerCase()] ?? refuse('ss', name, `one of the states ${Object.keys(STATE_NAMES).join(', ')}`); // biome-ignore format: short

// biome-ignore lint/correctness/useYield: a command may sleep, this one need not
export function* ss(words: readonly string[], out: Output): Sleeping<number> {
  const request = readRequest(words);
  const { letters } = request;
  if (letters.has('s')) summary(out);
  if (letters.has('s') && letters.size === 1) return 0;
  const all = !letters.has('t') && !letters.has('u') && !letters.has('w');
  const kinds = [all || letters.has('u'), all || letters.has('w'), all || letters.has('t')];
  const rows = [
    ...(kinds[0] ? datagramRows(request, 'udp', udpSockets()) : []),
    ...(kinds[1] ? datagramRows(request, 'raw', kernel().init_net.raw_sockets) : []),
    ...(kinds[2] ? tcpRows(request) : []),
  ];
  for (const line of ssTable(rows, kinds.filter(Boolean).length > 1, !letters.has('H'))) out(line);
  return 0;
}

const udpSockets = (): sock[] => [...kernel().init_net.udp_table.values()].flat();

function tcpRows(request: Request): SsRow[] {
  const { letters, states, filter } = request;
  return inet_diag_dump(kernel().init_net, states)
    .filter(({ id }) => filter(id))
    .map((message) => {
      const { id, idiag_state: state, meminfo } = message;
      const first = `${processes(request, message.sk)}${letters.has('o') || letters.has('e') ? timerText(message) : ''}${letters.has('e') ? detailText(message) : ''}`;
      const memory = letters.has('m') && meminfo !== null ? memoryText(meminfo) : '';
      const info = letters.has('i') && message.sk !== null ? tcpText(message.sk, letters.has('e') || letters.has('o')) : '';
      const more = letters.has('m') || letters.has('i') ? `${letters.has('O') ? '' : '\n\t'}${memory}${info}` : '';
      return row('tcp', state, [message.idiag_rqueue, message.idiag_wqueue], id, first + more);
    });
}

/** Datagram sockets are UNCONN, or ESTAB when connected. */
function datagramRows(request: Request, netid: string, sockets: readonly sock[]): SsRow[] {
  const { letters, states, filter } = request;
  return sockets
    .map((sk) => ({
      sk,
      id: { src: sk.skc_rcv_saddr, sport: netid === 'raw' ? sk.skc_num : inet_sk(sk).inet_sport, dst: sk.skc_daddr, dport: sk.skc_dport },
    }))
    .filter(({ sk, id }) => (states & (1 << sk.skc_state)) !== 0 && filter(id))
    .map(({ sk, id }) => {
      sock_gen_cookie(sk);
      const details = letters.has('e') ? ` ino:${sk.sk_ino} sk:${sk.skc_cookie.toString(16)} <->` : '';
      const memory = letters.has('m') ? `${letters.has('O') ? '' : '\n\t'}${memoryText(sk_get_meminfo(sk))}` : '';
      const rest = `${processes(request, sk)}${details}${memory}`;
      return row(netid, sk.skc_state, [sk_rmem_alloc_get(sk), sk_wmem_alloc_get(sk)], id, rest);
    });
}

function row(
  netid: string,
  state: number,
  [receive, send]: readonly [number, number],
  id: { src: number; sport: number; dst: number; dport: number },
  rest: string,
): SsRow {
  const port = (number: number): string => (number === 0 ? '*' : String(number));
  return {
    netid,
    state: STATES[state] ?? 'UNKNOWN',
    receive: String(receive),
    send: String(send),
    local: `${inet_ntoa(id.src)}:`,
    localPort: port(id.sport),
    peer: `${inet_ntoa(id.dst)}:`,
    peerPort: port(id.dport),
    rest,
  };
}

/** ` users:(("nc",pid=301,fd=3))`: whoever has a descriptor of the socket. */
function processes({ letters }: Request, sk: sock | null): string {
  if (!letters.has('p') || sk === null) return '';
  const users = kernel().tasks.flatMap((task) =>
    filesOf(task).fd.flatMap((opened, fd) => {
      const held = opened instanceof file && (opened.private_data as { sk?: sock } | null)?.sk === sk;
      return held ? [`("${task.comm}",pid=${task.pid},fd=${fd})`] : [];
    }),
  );
  return users.length === 0 ? '' : ` users:(${users.join(',')})`;
}

function summary(out: Output): void {
  const network = kernel().init_net;
  const inuse = (name: string): number => network.prot_inuse.get(name) ?? 0;
  const messages = inet_diag_dump(network);
  const count = (state: number): number => messages.filter(({ idiag_state }) => idiag_state === state).length;
  const [tcp, udp, raw, timewait] = [inuse('TCP'), inuse('UDP'), inuse('RAW'), network.ipv4.tcp_death_row_count];
  const allocated = network.proto_memory.get('TCP')?.sockets_allocated ?? 0;
  const { tcp_orphan_count: orphaned, fqdir } = network.ipv4;
  out(`Total: ${network.kernel.liveSockets}`);
  out(
    `TCP:   ${allocated + timewait} (estab ${count(TCP_ESTABLISHED)}, closed ${allocated - tcp + timewait}, orphaned ${orphaned}, timewait ${timewait})`,
  );
  out('');
  out('Transport Total     IP        IPv6');
  const line = (name: string, total: number): void =>
    out(`${name}\t  ${String(total).padEnd(9)} ${String(total).padEnd(9)} ${'0'.padEnd(9)}`);
  line('RAW', raw);
  line('UDP', udp);
  line('TCP', tcp);
  line('INET', raw + udp + tcp);
  line('FRAG', fqdir.nqueues);
  out('');
}
