/**
 * Filters in tcpdump's language (pcap-filter(7)) as instructions. `and` and `or` have the same rank and go from left to right, `not` comes before both; a bare
 * value takes the words before it along (`port 80 or 443`).
 *
 * Simplified: of IPv6 only the ethertype and the next header; no names of hosts and ports, gateway, protochain, MPLS, PPPoE; `vlan` moves no offsets.
 */
import { FilterError } from './filter_error.ts';
import * as P from './filter_program.ts';
import { filterTokens, type Token } from './filter_tokens.ts';

/** Reads a filter. Throws FilterError. */
export function compileFilter(text: string): P.FilterProgram {
  const parser = new Parser(filterTokens(text), text.length + 1);
  const code = parser.filter();
  return new P.FilterProgram(text, code);
}

const ETHERTYPES: Readonly<Record<string, number>> = { ip: 0x0800, arp: 0x0806, rarp: 0x8035, ip6: 0x86dd };
const IP_PROTOCOLS: Readonly<Record<string, number>> = { icmp: 1, igmp: 2, tcp: 6, udp: 17, sctp: 132 };
const PROTOCOLS = ['ether', ...Object.keys(ETHERTYPES), ...Object.keys(IP_PROTOCOLS)];
const TYPES = ['host', 'net', 'port', 'portrange', 'proto'];
/** Names for numbers in relations. */
const CONSTANTS: Readonly<Record<string, number>> = {
  tcpflags: 13, icmptype: 0, icmpcode: 1,
  'tcp-fin': 1, 'tcp-syn': 2, 'tcp-rst': 4, 'tcp-push': 8, 'tcp-ack': 16, 'tcp-urg': 32, 'tcp-ece': 64, 'tcp-cwr': 128,
  'icmp-echoreply': 0, 'icmp-unreach': 3, 'icmp-sourcequench': 4, 'icmp-redirect': 5, 'icmp-echo': 8, 'icmp-routeradvert': 9, 'icmp-routersolicit': 10,
  'icmp-timxceed': 11, 'icmp-paramprob': 12, 'icmp-tstamp': 13, 'icmp-tstampreply': 14, 'icmp-ireq': 15, 'icmp-ireqreply': 16, 'icmp-maskreq': 17,
  'icmp-maskreply': 18,
}; // biome-ignore format: a table
const COMPARISONS: Readonly<Record<string, number>> = {
  '=': P.OP_EQUAL, '==': P.OP_EQUAL, '!=': P.OP_NOT_EQUAL, '<': P.OP_LESS, '<=': P.OP_LESS_EQUAL, '>': P.OP_GREATER, '>=': P.OP_GREATER_EQUAL,
}; // biome-ignore format: a table
/** Arithmetic by rank, weakest first. */
const OPERATORS: readonly Readonly<Record<string, number>>[] = [
  { '|': P.OP_OR },
  { '^': P.OP_XOR },
  { '&': P.OP_AND },
  { '<<': P.OP_SHIFT_LEFT, '>>': P.OP_SHIFT_RIGHT },
  { '+': P.OP_ADD, '-': P.OP_SUBTRACT },
  { '*': P.OP_MULTIPLY, '/': P.OP_DIVIDE, '%': P.OP_MODULO },
];

type Code = number[];

/** What stood before a value: `tcp src port`. */
interface Qualifiers {
  readonly protocol: string;
  readonly direction: 'src' | 'dst' | 'both' | 'either';
  readonly type: string;
}

const NO_QUALIFIERS: Qualifiers = { protocol: '', direction: 'either', type: '' };

/* Code that tests two things, whatever they are: jumps are numbered within the piece, and moved when pieces are joined. */

function joined(left: Code, right: Code, jump: number): Code {
  const end = (left.length + right.length) / 3 + 1;
  return [...left, jump, end, 0, ...moved(right, left.length / 3 + 1)];
}
const both = (left: Code, right: Code): Code => joined(left, right, P.OP_JUMP_FALSE);
const either = (left: Code, right: Code): Code => joined(left, right, P.OP_JUMP_TRUE);
const inverse = (code: Code): Code => [...code, P.OP_NOT, 0, 0];
const all = (...parts: Code[]): Code => parts.reduce(both);
const any = (...parts: Code[]): Code => parts.reduce(either);

function moved(code: Code, by: number): Code {
  return code.map((value, i) => (i % 3 === 1 && (code[i - 1] === P.OP_JUMP_TRUE || code[i - 1] === P.OP_JUMP_FALSE) ? value + by : value));
}

const test = (op: number, a = 0, b = 0): Code => [op, a, b];
const ethertype = (name: string): Code => test(P.OP_ETHERTYPE, ETHERTYPES[name]!);

class Parser {
  readonly #tokens: readonly Token[];
  readonly #endColumn: number;
  #at = 0;
  #last: Qualifiers = NO_QUALIFIERS;

  constructor(tokens: readonly Token[], endColumn: number) {
    this.#tokens = tokens;
    this.#endColumn = endColumn;
  }

  filter(): Code {
    if (this.#tokens.length === 0) return [];
    const code = this.#expression();
    if (this.#peek !== '') this.#refuse('and, or, or the end of the filter');
    return code;
  }

  get #peek(): string {
    return this.#tokens[this.#at]?.text ?? '';
  }

  #take(): string {
    return this.#tokens[this.#at++]?.text ?? '';
  }

  #skip(...texts: string[]): boolean {
    if (!texts.includes(this.#peek)) return false;
    this.#at++;
    return true;
  }

  #need(text: string): void {
    if (!this.#skip(text)) this.#refuse(JSON.stringify(text));
  }

  /** Refuses the next token, or the one `back` tokens before it. */
  #refuse(expected: string, back = 0): never {
    const token = this.#tokens[this.#at - back];
    throw new FilterError(token?.column ?? this.#endColumn, token?.text ?? '', expected);
  }

  #expression(): Code {
    let code = this.#term();
    while (true) {
      if (this.#skip('and', '&&')) code = both(code, this.#term());
      else if (this.#skip('or', '||')) code = either(code, this.#term());
      else return code;
    }
  }

  #term(): Code {
    if (this.#skip('not', '!')) return inverse(this.#term());
    return this.#relation() ?? this.#bracketed() ?? this.#primitive();
  }

  #bracketed(): Code | null {
    if (!this.#skip('(')) return null;
    const code = this.#expression();
    this.#need(')');
    return code;
  }

  /* Relations: tcp[13] & 2 != 0 */

  /** Null (and nothing taken) when this is no relation. A bracket may begin one or the other. */
  #relation(): Code | null {
    if (!this.#maybeRelation()) return null;
    const start = this.#at;
    const guards: Code[] = [];
    const left = this.#arithmetic(0, guards);
    const comparison = COMPARISONS[this.#peek];
    if (comparison === undefined) {
      if (start + 1 < this.#at || this.#tokens[start]?.text === '(') {
        this.#at = start;
        if (this.#peek === '(') return null;
        this.#arithmetic(0, []);
        this.#refuse('one of = == != < <= > >=');
      }
      this.#at = start;
      return null;
    }
    this.#at++;
    const right = this.#arithmetic(0, guards);
    return all(...guards, [...left, ...right, comparison, 0, 0]);
  }

  /** Does an arithmetic expression begin here? */
  #maybeRelation(): boolean {
    const [first, second] = [this.#peek, this.#tokens[this.#at + 1]?.text ?? ''];
    if (first === '(') return this.#bracketIsArithmetic();
    if (first === '-' || first === 'len') return true;
    if (second === '[') return true;
    const isNumber = /^(\d+|0x[\da-f]+)$/i.test(first) || first in CONSTANTS;
    return isNumber && (second in COMPARISONS || OPERATORS.some((rank) => second in rank));
  }

  /** Looks beyond the bracket that belongs to the one here: an operator or a comparison follows only arithmetic. */
  #bracketIsArithmetic(): boolean {
    let depth = 0;
    for (let i = this.#at; i < this.#tokens.length; i++) {
      const { text } = this.#tokens[i]!;
      if (text === '(') depth++;
      else if (text === ')' && --depth === 0) {
        const next = this.#tokens[i + 1]?.text ?? '';
        return next in COMPARISONS || OPERATORS.some((rank) => next in rank);
      }
    }
    return false;
  }

  /** `guards` collects what must be true for the loads to mean something: that it is TCP, say. */
  #arithmetic(rank: number, guards: Code[]): Code {
    const operators = OPERATORS[rank];
    if (operators === undefined) return this.#operand(guards);
    let code = this.#arithmetic(rank + 1, guards);
    for (let op = operators[this.#peek]; op !== undefined; op = operators[this.#peek]) {
      this.#at++;
      code = [...code, ...this.#arithmetic(rank + 1, guards), op, 0, 0];
    }
    return code;
  }

  #operand(guards: Code[]): Code {
    const word = this.#peek;
    if (this.#skip('(')) {
      const code = this.#arithmetic(0, guards);
      this.#need(')');
      return code;
    }
    if (this.#skip('-')) return [P.OP_PUSH, 0, 0, ...this.#operand(guards), P.OP_SUBTRACT, 0, 0];
    if (this.#skip('len')) return [P.OP_PUSH_LENGTH, 0, 0];
    if (PROTOCOLS.includes(word)) return this.#load(guards);
    if (Object.hasOwn(CONSTANTS, word)) {
      this.#at++;
      return [P.OP_PUSH, CONSTANTS[word]!, 0];
    }
    return [P.OP_PUSH, this.#number('a number, len, or a protocol with an offset such as tcp[13]'), 0];
  }

  #number(expected: string): number {
    const word = this.#peek;
    if (!/^(\d+|0x[\da-f]+)$/i.test(word)) this.#refuse(expected);
    this.#at++;
    return /^0[0-7]+$/.test(word) ? Number.parseInt(word, 8) : Number(word);
  }

  /** `tcp[tcpflags]`, `ip[2:2]` */
  #load(guards: Code[]): Code {
    const protocol = this.#take();
    this.#need('[');
    const offset = this.#arithmetic(0, guards);
    let size = 1;
    if (this.#skip(':')) {
      size = this.#number('1, 2 or 4');
      if (size !== 1 && size !== 2 && size !== 4) this.#refuse('1, 2 or 4', 1);
    }
    this.#need(']');
    if (protocol === 'ether') return [...offset, P.OP_LOAD_LINK, size, 0];
    if (protocol in ETHERTYPES) {
      guards.push(ethertype(protocol));
      return [...offset, P.OP_LOAD_NETWORK, size, 0];
    }
    guards.push(all(ethertype('ip'), test(P.OP_IP_PROTO, IP_PROTOCOLS[protocol]!), test(P.OP_FIRST_FRAGMENT)));
    return [...offset, P.OP_LOAD_TRANSPORT, size, 0];
  }

  /* Primitives: tcp src port 80 */

  #primitive(): Code {
    if (this.#skip('less')) return test(P.OP_LENGTH_AT_MOST, this.#number('a length'));
    if (this.#skip('greater')) return test(P.OP_LENGTH_AT_LEAST, this.#number('a length'));
    if (this.#skip('vlan')) return test(P.OP_VLAN, /^\d+$/.test(this.#peek) ? this.#number('a VLAN') : -1);
    const start = this.#at;
    const qualifiers = this.#qualifiers();
    if (this.#skip('broadcast'))
      return qualifiers.protocol === 'ip' ? test(P.OP_IP_SRC_OR_DST_BROADCAST) : test(P.OP_MAC_DST, 0xffff, 0xffff_ffff);
    if (this.#skip('multicast')) {
      return qualifiers.protocol === 'ip' ? test(P.OP_IP_DST, 0xe000_0000, 0xf000_0000) : test(P.OP_MULTICAST);
    }
    const { protocol, type, direction } = qualifiers;
    if (protocol !== '' && protocol !== 'ether' && type === '' && direction === 'either' && !this.#isValue()) return protocolTest(protocol);
    if (!this.#isValue())
      this.#refuse(
        this.#at === start ? `a host, net, port, portrange or protocol, such as host 10.0.0.1 or tcp port 80` : expectedAfter(type),
      );
    return this.#value(this.#at === start ? this.#last : qualifiers);
  }

  #qualifiers(): Qualifiers {
    const protocol = PROTOCOLS.includes(this.#peek) ? this.#take() : '';
    let direction: Qualifiers['direction'] = 'either';
    if (this.#peek === 'src' || this.#peek === 'dst') direction = this.#direction();
    const type = TYPES.includes(this.#peek) ? this.#take() : '';
    return { protocol, direction, type };
  }

  /** `src`, `dst`, `src or dst`, `src and dst` */
  #direction(): Qualifiers['direction'] {
    const first = this.#take() as 'src' | 'dst';
    const other = first === 'src' ? 'dst' : 'src';
    const [join = '', second = ''] = [this.#peek, this.#tokens[this.#at + 1]?.text];
    if ((join !== 'or' && join !== 'and') || second !== other || this.#tokens[this.#at + 2]?.text === other) return first;
    this.#at += 2;
    return join === 'or' ? 'either' : 'both';
  }

  #isValue(): boolean {
    const token = this.#tokens[this.#at];
    return token !== undefined && token.kind === 'word' && !['and', 'or', 'not'].includes(token.text);
  }

  #value(qualifiers: Qualifiers): Code {
    this.#last = qualifiers;
    const { protocol, type, direction } = qualifiers;
    const guard = protocol === '' || protocol === 'ether' ? [] : [protocolTest(protocol)];
    if (type === 'port' || type === 'portrange') {
      const [first, last] = this.#ports(type);
      if (protocol !== '' && !['ip', 'ip6', 'tcp', 'udp', 'sctp'].includes(protocol)) this.#refuse(`no port with ${protocol}`, 1);
      return all(...guard, directed(direction, test(P.OP_PORT_SRC, first, last), test(P.OP_PORT_DST, first, last)));
    }
    if (type === 'proto') return this.#protocolNumber(protocol);
    if (protocol === 'ether') return this.#macAddress(direction);
    const [address, mask] = this.#network(type);
    const ip = directed(direction, test(P.OP_IP_SRC, address, mask), test(P.OP_IP_DST, address, mask));
    const arp = directed(direction, test(P.OP_ARP_SRC, address, mask), test(P.OP_ARP_DST, address, mask));
    if (protocol === 'arp' || protocol === 'rarp') return all(...guard, arp);
    return protocol === '' ? any(ip, arp) : all(...guard, ip);
  }

  #ports(type: string): [number, number] {
    const word = this.#peek;
    const match = (type === 'port' ? /^(\d+)()$/ : /^(\d+)(?:-(\d+))?$/).exec(word);
    if (match === null) this.#refuse(type === 'port' ? 'a port number' : 'two port numbers such as 5000-5010');
    const first = Number(match[1]);
    const last = match[2] ? Number(match[2]) : first;
    if (first > 65535 || last > 65535) this.#refuse('a port number up to 65535');
    this.#at++;
    return [Math.min(first, last), Math.max(first, last)];
  }

  #protocolNumber(protocol: string): Code {
    const word = this.#peek;
    const known = protocol === 'ether' ? ETHERTYPES[word] : IP_PROTOCOLS[word];
    if (known !== undefined) this.#at++;
    const number = known ?? this.#number(protocol === 'ether' ? `a number or one of ${Object.keys(ETHERTYPES).join(', ')}` : `a number or one of ${Object.keys(IP_PROTOCOLS).join(', ')}`); // biome-ignore format: one
    if (protocol === 'ether') return test(P.OP_ETHERTYPE, number);
    return protocol === '' ? test(P.OP_IP_PROTO, number) : all(protocolTest(protocol), test(P.OP_IP_PROTO, number));
  }

  #macAddress(direction: Qualifiers['direction']): Code {
    const word = this.#peek;
    if (!/^[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}$/i.test(word)) this.#refuse('a MAC address such as 02:00:00:00:01:01');
    this.#at++;
    const bytes = word.split(':').map((byte) => Number.parseInt(byte, 16));
    const high = bytes[0]! * 256 + bytes[1]!;
    const low = bytes.slice(2).reduce((value, byte) => value * 256 + byte, 0);
    return directed(direction, test(P.OP_MAC_SRC, high, low), test(P.OP_MAC_DST, high, low));
  }

  /** `10.0.0.1`, for `net` also `10.0.0`, `10.0.0.0/24`, `10.0.0.0 mask 255.255.255.0`; address and mask as signed 32-bit numbers. */
  #network(type: string): [number, number] {
    const word = this.#peek;
    const match = /^(\d+(?:\.\d+){0,3})(?:\/(\d+))?$/.exec(word);
    const parts = (match?.[1] ?? '').split('.').map(Number);
    const isNet = type === 'net';
    const good =
      match !== null &&
      parts.every((part) => part <= 255) &&
      (isNet || (parts.length === 4 && match[2] === undefined)) &&
      Number(match[2] ?? 0) <= 32;
    if (!good) this.#refuse(type === 'host' ? 'an IPv4 address' : expectedAfter(type));
    this.#at++;
    const address = [0, 1, 2, 3].reduce((value, i) => (value << 8) | (parts[i] ?? 0), 0);
    let mask = maskOf(match[2] === undefined ? parts.length * 8 : Number(match[2]));
    if (isNet && this.#skip('mask')) mask = this.#network('host')[0];
    if ((address & ~mask) !== 0) this.#refuse('a network whose host bits are 0', 1);
    return [address, mask];
  }
}

const maskOf = (length: number): number => (length === 0 ? 0 : -1 << (32 - length));
const protocolTest = (name: string): Code => (name in ETHERTYPES ? ethertype(name) : test(P.OP_IP_PROTO, IP_PROTOCOLS[name]!));

function directed(direction: Qualifiers['direction'], source: Code, destination: Code): Code {
  if (direction === 'src') return source;
  if (direction === 'dst') return destination;
  return direction === 'both' ? both(source, destination) : either(source, destination);
}

function expectedAfter(type: string): string {
  if (type === 'port') return 'a port number';
  if (type === 'portrange') return 'two port numbers such as 5000-5010';
  if (type === 'net') return 'a network such as 10.0.0.0/24';
  return type === 'proto' ? 'a protocol' : 'an address, host, net, port, portrange or proto';
}
