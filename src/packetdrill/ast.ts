/** What a parsed script consists of. */
import type { IcmpSpec, TcpPacket } from './packet.ts';

export interface Script {
  readonly path: string;
  readonly options: readonly ScriptOption[];
  /** The command that runs before the clock starts; null when there is none. */
  readonly initCommand: string | null;
  readonly events: readonly ScriptEvent[];
  readonly cleanupCommand: string | null;
}

/** `--name=value` at a script's head. */
export interface ScriptOption {
  readonly line: number;
  readonly name: string;
  readonly value: string | null;
}

/** `+.1`, `.1`, `*`, `1~2`, `+1~+2`. */
export type TimeKind = 'absolute' | 'relative' | 'any' | 'absoluteRange' | 'relativeRange';

/** When an event is due, µs. */
export interface EventTime {
  readonly kind: TimeKind;
  readonly us: number;
  /** End of a range; same as `us` otherwise. */
  readonly endUs: number;
}

export interface ScriptEvent {
  readonly line: number;
  readonly time: EventTime;
  readonly action: Action;
}

export type Action = PacketAction | CallAction | CommandAction | CodeAction;

export interface PacketAction {
  readonly type: 'packet';
  readonly inbound: boolean;
  readonly packet: TcpPacket | IcmpSpec;
}

export interface CallAction {
  readonly type: 'call';
  readonly name: string;
  readonly args: readonly Expression[];
  /** When a blocking call must return, µs; null for one that must not block. */
  readonly endUs: number | null;
  readonly result: Expression;
  /** Name of the errno, null when the script does not say. */
  readonly errno: string | null;
}

export interface CommandAction {
  readonly type: 'command';
  readonly text: string;
}

export interface CodeAction {
  readonly type: 'code';
  readonly text: string;
}

/** Expressions of system calls. Symbols are still names here. */
export type Expression =
  | { readonly kind: 'ellipsis' }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'word'; readonly name: string }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'list'; readonly items: readonly Expression[] }
  /** `{name=value, …}` or `{value, …}`: items without name have the empty one. */
  | { readonly kind: 'struct'; readonly fields: readonly (readonly [string, Expression])[] };
