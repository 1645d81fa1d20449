/**
 * A filter as instructions of three numbers (operation and two operands) for a small machine with one truth and a stack of 32-bit numbers; and the loop that
 * runs them over a packet. No closure and no allocation a packet. As with BPF, a load from beyond the packet's end rejects the packet.
 */

export const OP_ETHERTYPE = 0; // a
export const OP_IP_PROTO = 1; // a: of IPv4, or of IPv6 as next header
export const OP_IP_SRC = 2; // a: address, b: mask
export const OP_IP_DST = 3;
export const OP_ARP_SRC = 4;
export const OP_ARP_DST = 5;
export const OP_PORT_SRC = 6; // a: first, b: last
export const OP_PORT_DST = 7;
export const OP_MAC_SRC = 8; // a: upper 16 bits, b: lower 32
export const OP_MAC_DST = 9;
export const OP_MULTICAST = 10;
export const OP_LENGTH_AT_MOST = 11; // a
export const OP_LENGTH_AT_LEAST = 12;
export const OP_VLAN = 13; // a: id, or -1
export const OP_FIRST_FRAGMENT = 14;
export const OP_NOT = 15;
export const OP_JUMP_TRUE = 16; // a: instruction
export const OP_JUMP_FALSE = 17;
export const OP_PUSH = 18; // a
export const OP_PUSH_LENGTH = 19;
export const OP_LOAD_LINK = 20; // a: bytes; offset on the stack
export const OP_LOAD_NETWORK = 21;
export const OP_LOAD_TRANSPORT = 22;
export const OP_ADD = 23;
export const OP_SUBTRACT = 24;
export const OP_MULTIPLY = 25;
export const OP_DIVIDE = 26;
export const OP_MODULO = 27;
export const OP_AND = 28;
export const OP_OR = 29;
export const OP_XOR = 30;
export const OP_SHIFT_LEFT = 31;
export const OP_SHIFT_RIGHT = 32;
export const OP_EQUAL = 33;
export const OP_NOT_EQUAL = 34;
export const OP_LESS = 35;
export const OP_LESS_EQUAL = 36;
export const OP_GREATER = 37;
export const OP_GREATER_EQUAL = 38;
export const OP_IP_SRC_OR_DST_BROADCAST = 39;

const ETH_HLEN = 14;
const ETH_P_IP = 0x0800;
const ETH_P_ARP = 0x0806;
const ETH_P_RARP = 0x8035;
const ETH_P_IPV6 = 0x86dd;
const ETH_P_8021Q = 0x8100;
const IPV6_HLEN = 40;
const TCP = 6;
const UDP = 17;
const SCTP = 132;
const STACK = 64;

/** Thrown by nobody: the sign that a load went beyond the packet. */
const OUTSIDE = -1;

export class FilterProgram {
  /** As it was written. */
  readonly text: string;
  readonly #code: Float64Array;
  readonly #stack = new Float64Array(STACK);
  #u8: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;

  constructor(text: string, code: readonly number[]) {
    this.text = text;
    this.#code = Float64Array.from(code);
  }

  /** Does the filter take this packet? `available` bytes of it lie at `start`; it has `length`. */
  matches(u8: Uint8Array, start: number, available: number, length: number): boolean {
    this.#u8 = u8;
    this.#start = start;
    this.#end = start + available;
    const code = this.#code;
    const stack = this.#stack;
    let truth = true;
    let top = 0;
    for (let pc = 0; pc < code.length; pc += 3) {
      const op = code[pc]!;
      const a = code[pc + 1]!;
      if (op === OP_JUMP_TRUE || op === OP_JUMP_FALSE) {
        if (truth === (op === OP_JUMP_TRUE)) pc = a * 3 - 3;
      } else if (op === OP_NOT) truth = !truth;
      else if (op < OP_NOT || op === OP_IP_SRC_OR_DST_BROADCAST) truth = this.#test(op, a, code[pc + 2]!, length);
      else if (op === OP_PUSH) stack[top++] = a;
      else if (op === OP_PUSH_LENGTH) stack[top++] = length;
      else if (op <= OP_LOAD_TRANSPORT) {
        const value = this.#load(op, stack[top - 1]!, a);
        if (value === OUTSIDE) return false;
        stack[top - 1] = value;
      } else {
        top -= 2;
        if (op <= OP_SHIFT_RIGHT) stack[top] = calculate(op, stack[top]!, stack[top + 1]!);
        else truth = compare(op, stack[top]!, stack[top + 1]!);
        if (op <= OP_SHIFT_RIGHT) top++;
      }
    }
    return truth;
  }

  #test(op: number, a: number, b: number, length: number): boolean {
    switch (op) {
      case OP_ETHERTYPE:
        return this.#number(12, 2) === a;
      case OP_IP_PROTO:
        return this.#protocol() === a;
      case OP_IP_SRC:
        return this.#number(12, 2) === ETH_P_IP && ((this.#number(26, 4) ^ a) & b) === 0;
      case OP_IP_DST:
        return this.#number(12, 2) === ETH_P_IP && ((this.#number(30, 4) ^ a) & b) === 0;
      case OP_ARP_SRC:
        return this.#isArp() && ((this.#number(28, 4) ^ a) & b) === 0;
      case OP_ARP_DST:
        return this.#isArp() && ((this.#number(38, 4) ^ a) & b) === 0;
      case OP_PORT_SRC:
        return this.#port(0, a, b);
      case OP_PORT_DST:
        return this.#port(2, a, b);
      case OP_MAC_SRC:
        return this.#number(6, 2) === a && this.#number(8, 4) === b;
      case OP_MAC_DST:
        return this.#number(0, 2) === a && this.#number(2, 4) === b;
      case OP_MULTICAST:
        return (this.#number(0, 1) & 1) === 1;
      case OP_LENGTH_AT_MOST:
        return length <= a;
      case OP_LENGTH_AT_LEAST:
        return length >= a;
      case OP_VLAN:
        return this.#number(12, 2) === ETH_P_8021Q && (a < 0 || (this.#number(14, 2) & 0xfff) === a);
      case OP_FIRST_FRAGMENT:
        return (this.#number(20, 2) & 0x1fff) === 0;
      default:
        return this.#number(12, 2) === ETH_P_IP && (this.#number(30, 4) === 0xffff_ffff || this.#number(30, 4) === 0);
    }
  }

  #isArp(): boolean {
    const type = this.#number(12, 2);
    return type === ETH_P_ARP || type === ETH_P_RARP;
  }

  /** -1 when there is none. */
  #protocol(): number {
    const type = this.#number(12, 2);
    return type === ETH_P_IP ? this.#number(ETH_HLEN + 9, 1) : type === ETH_P_IPV6 ? this.#number(ETH_HLEN + 6, 1) : -1;
  }

  #port(at: number, first: number, last: number): boolean {
    const protocol = this.#protocol();
    if (protocol !== TCP && protocol !== UDP && protocol !== SCTP) return false;
    const isIp = this.#number(12, 2) === ETH_P_IP;
    if (isIp && (this.#number(20, 2) & 0x1fff) !== 0) return false;
    const header = isIp ? (this.#number(ETH_HLEN, 1) & 15) << 2 : IPV6_HLEN;
    const port = this.#number(ETH_HLEN + header + at, 2);
    return port >= first && port <= last;
  }

  #load(op: number, offset: number, bytes: number): number {
    if (op === OP_LOAD_LINK) return this.#number(offset, bytes);
    if (op === OP_LOAD_NETWORK) return this.#number(ETH_HLEN + offset, bytes);
    const first = this.#number(ETH_HLEN, 1);
    return first === OUTSIDE ? OUTSIDE : this.#number(ETH_HLEN + ((first & 15) << 2) + offset, bytes);
  }

  /** Big-endian, unsigned; -1 beyond the end. */
  #number(offset: number, bytes: number): number {
    const at = this.#start + offset;
    if (offset < 0 || at + bytes > this.#end) return OUTSIDE;
    const u8 = this.#u8;
    if (bytes === 1) return u8[at]!;
    const high = (u8[at]! << 8) | u8[at + 1]!;
    return bytes === 2 ? high : ((high << 16) | (u8[at + 2]! << 8) | u8[at + 3]!) >>> 0;
  }
}

/** All numbers have 32 bits and no sign. */
function calculate(op: number, a: number, b: number): number {
  switch (op) {
    case OP_ADD:
      return (a + b) >>> 0;
    case OP_SUBTRACT:
      return (a - b) >>> 0;
    case OP_MULTIPLY:
      return Math.imul(a, b) >>> 0;
    case OP_DIVIDE:
      return b === 0 ? 0 : Math.floor(a / b);
    case OP_MODULO:
      return b === 0 ? 0 : a % b;
    case OP_AND:
      return (a & b) >>> 0;
    case OP_OR:
      return (a | b) >>> 0;
    case OP_XOR:
      return (a ^ b) >>> 0;
    case OP_SHIFT_LEFT:
      return b > 31 ? 0 : (a << b) >>> 0;
    default:
      return b > 31 ? 0 : a >>> b;
  }
}

function compare(op: number, a: number, b: number): boolean {
  switch (op) {
    case OP_EQUAL:
      return a === b;
    case OP_NOT_EQUAL:
      return a !== b;
    case OP_LESS:
      return a < b;
    case OP_LESS_EQUAL:
      return a <= b;
    case OP_GREATER:
      return a > b;
    default:
      return a >= b;
  }
}
