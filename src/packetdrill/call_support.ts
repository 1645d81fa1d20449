/** What the system calls of scripts have in common: descriptors by the script's names, results and errno to compare, buffers. */
import type { Sleeping } from '../kernel/include/linux/sched.ts';
import type { sockaddr_in } from '../kernel/uapi/in.ts';
import { AF_UNSPEC } from '../kernel/uapi/socket.ts';
import type { Sys } from '../user/sys.ts';
import type { CallAction, Expression } from './ast.ts';
import type { Connection } from './connection.ts';
import { mismatch } from './failures.ts';
import { errnoText, errnoValue } from './symbols.ts';
import { numberOf } from './values.ts';

/** What the calls need of the run. */
export interface CallWorld {
  readonly sys: Sys;
  readonly connections: Connection[];
  /** Packets belong to this connection from now on. */
  setUnderTest(connection: Connection): void;
  /** Descriptors by the script's name: sockets, epolls, pipes, files. */
  readonly descriptors: Map<number, number>;
  readonly localAddress: number;
  readonly remoteAddress: number;
  readonly bindPort: number;
  readonly connectPort: number;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly toleranceUs: number;
  /** Clock of the start of the script, ns. */
  readonly startNs: number;
  /** The system call has returned: what follows is only comparing. */
  returned(): void;
}

export type Call = (world: CallWorld, call: CallAction) => Sleeping<void>;

/** The real descriptor for the script's name. */
export function liveFd(world: CallWorld, expression: Expression | undefined): number {
  const script = numberOf(expression);
  return world.descriptors.get(script) ?? mismatch(`unable to find socket with script fd ${script}`);
}

export function connectionOf(world: CallWorld, scriptFd: number): Connection | null {
  return world.connections.find((connection) => connection.scriptFd === scriptFd) ?? null;
}

export function argumentCount(call: CallAction, least: number, most = least): void {
  const count = call.args.length;
  if (count < least || count > most) mismatch(`Expected ${least}${most === least ? '' : `-${most}`} args but got ${count}`);
}

/** Result and errno must be as the script says. `descriptor`: any result will do that is not negative, when the script's is not. */
export function checkResult(world: CallWorld, call: CallAction, result: number, descriptor = false): void {
  world.returned();
  const expected = numberOf(call.result);
  const actual = result < 0 ? -1 : result;
  const errno = result < 0 ? -result : 0;
  if (descriptor && expected >= 0) {
    if (actual < 0) mismatch(`Expected non-negative result but got ${actual} with errno ${errnoText(errno)}`);
  } else if (actual !== expected) mismatch(`Expected result ${expected} but got ${actual} with errno ${errnoText(errno)}`);
  if (call.errno === null) return;
  const wanted = errnoValue(call.errno) ?? mismatch(`Unknown symbol: '${call.errno}'`);
  if (errno !== wanted) mismatch(`Expected errno ${errnoText(wanted)} but got ${errnoText(errno)}`);
}

/** A new descriptor under the script's name for it. */
export function nameDescriptor(world: CallWorld, script: number, live: number): void {
  if (world.descriptors.has(script)) mismatch(`duplicate fd ${script} in script`);
  world.descriptors.set(script, live);
}

/** A user buffer of `length` bytes of zeros; NULL is memory that is not there, of which nothing can be read or written. */
export const buffer = (isNull: boolean, length: number): Uint8Array => new Uint8Array(isNull ? 0 : Math.max(0, length));

/** connect() and sendto() open a connection on a fresh socket; AF_UNSPEC makes it fresh again. */
export function beginConnecting(world: CallWorld, scriptFd: number, address: sockaddr_in): void {
  const connection = connectionOf(world, scriptFd);
  if (connection === null) return;
  if (address.sin_family === AF_UNSPEC) {
    connection.state = 'new';
    return;
  }
  if (connection.state !== 'new') return;
  connection.state = 'activeConnecting';
  connection.remoteAddress = world.remoteAddress;
  connection.remotePort = world.connectPort;
}
