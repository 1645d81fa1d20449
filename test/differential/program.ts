/**
 * Programs of socket calls and packets that run on a real kernel (tools/record_calls.py) and here, and what comes of each step. A step is an operation
 * and its arguments; sockets are named, addresses are `family:address:port`, packets hexadecimal.
 */

/** An option's value: an int, or a structure, or its bytes. */
export type OptionValue = number | { str: string } | { timeval: [number, number] } | { linger: [number, number] } | { hex: string };

/** What of a packet depends on the connection: fields (offset, kind) to which its initial numbers are added, and checksums to fill in. */
export interface PacketRepair {
  /** The host's port whose connection it is; left out, that of the last SYN that it sent. */
  readonly port?: number;
  /** The peer's port, where there are several connections. */
  readonly peer?: number;
  readonly fix?: readonly (readonly [offset: number, kind: 'isn' | 'ts' | 'port'])[];
  /** In this order; `end` 0 means the packet's. */
  readonly sums?: readonly (readonly [kind: 'ip' | 'tcp' | 'udp' | 'icmp', at: number, end: number])[];
}

export type Step = readonly [op: string, ...args: readonly unknown[]];

export interface SocketProgram {
  readonly name: string;
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly steps: readonly Step[];
}

/** What a step led to: the call's result (negative: an errno), what it reported, packets that left through tun0, counters that moved, drops. */
export interface StepResult {
  r: number;
  /** Value of an option (hexadecimal) or an ioctl, or poll's events. */
  v?: string | number;
  /** An address that was reported. */
  a?: string;
  /** Data received, flags of the message, control messages. */
  d?: string;
  f?: number;
  c?: [level: number, type: number, data: string][];
  /** epoll's events. */
  e?: [events: number, data: number][];
  out?: string[];
  mib?: Record<string, number>;
  /** Reason and function. */
  drops?: string[];
}

export interface ProgramResult {
  readonly name: string;
  readonly results: StepResult[];
}
