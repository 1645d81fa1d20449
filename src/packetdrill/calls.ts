/**
 * System calls of scripts: arguments from the script, the call through the host's system call interface, then result, errno and whatever came back compared
 * with what the script says. Messages, epoll and socket options have files of their own.
 */
import type { Sleeping } from '../kernel/include/linux/sched.ts';
import { ENOENT } from '../kernel/uapi/errno.ts';
import type { sockaddr_in } from '../kernel/uapi/in.ts';
import { AF_INET } from '../kernel/uapi/socket.ts';
import { F_GETFL } from '../user/sys.ts';
import type { CallAction, Expression } from './ast.ts';
import {
  argumentCount,
  beginConnecting,
  buffer,
  type Call,
  type CallWorld,
  checkResult,
  connectionOf,
  liveFd,
  nameDescriptor,
} from './call_support.ts';
import { EPOLL_CALLS } from './calls_epoll.ts';
import { MESSAGE_CALLS } from './calls_message.ts';
import { SOCKET_OPTION_CALLS } from './calls_sockopt.ts';
import { Connection } from './connection.ts';
import { mismatch } from './failures.ts';
import { bracketedNumber, fieldsOf, isNullBuffer, listOf, numberOf } from './values.ts';

const O_RDWR = 2;

/** An address: `...` is the usual one, `AF_UNSPEC` one without a family, otherwise `{sa_family=…, sin_port=…, sin_addr=…}`. */
function addressOf(expression: Expression | undefined, address: number, port: number): sockaddr_in {
  if (expression?.kind === 'ellipsis') return { sin_family: AF_INET, sin_addr: address, sin_port: port };
  if (expression?.kind === 'struct') {
    const fields = fieldsOf(expression, ['sa_family', 'sin_port', 'sin_addr']);
    const number = (name: string): number => numberOf(fields.get(name));
    return { sin_family: number('sa_family'), sin_addr: number('sin_addr'), sin_port: number('sin_port') };
  }
  return { sin_family: numberOf(expression), sin_addr: 0, sin_port: 0 };
}

/* Sockets */

function* socketCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 3);
  const [family, type, protocol] = call.args;
  const result = yield* world.sys.socket(family?.kind === 'ellipsis' ? AF_INET : numberOf(family), numberOf(type), numberOf(protocol));
  checkResult(world, call, result, true);
  if (result < 0) return;
  const script = numberOf(call.result);
  nameDescriptor(world, script, result);
  world.setUnderTest(newConnection(world, script, result));
}

function newConnection(world: CallWorld, scriptFd: number, live: number): Connection {
  const connection = new Connection();
  connection.scriptFd = scriptFd;
  connection.liveFd = live;
  world.connections.unshift(connection);
  return connection;
}

function* bindCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 3);
  const fd = liveFd(world, call.args[0]);
  checkResult(world, call, yield* world.sys.bind(fd, addressOf(call.args[1], world.localAddress, world.bindPort)));
}

function* listenCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 2);
  const fd = liveFd(world, call.args[0]);
  const result = yield* world.sys.listen(fd, numberOf(call.args[1]));
  checkResult(world, call, result);
  const connection = connectionOf(world, numberOf(call.args[0]));
  if (result === 0 && connection !== null) connection.state = 'listening';
}

function* acceptCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 3, 4);
  const fd = liveFd(world, call.args[0]);
  const peer: sockaddr_in = { sin_family: 0, sin_addr: 0, sin_port: 0 };
  const flags = call.args.length === 4 ? numberOf(call.args[3]) : 0;
  const result = yield* world.sys.accept(fd, peer, flags);
  checkResult(world, call, result, true);
  if (result < 0) return;
  const passive = world.connections.filter(({ state }) => state === 'passiveSynackSent' || state === 'passiveSynackAcked');
  // A connection that was opened anew out of TIME_WAIT was accepted before.
  const connection = passive.find(({ liveFd: live }) => live === -1) ?? passive.find(({ remotePort }) => remotePort === peer.sin_port);
  if (connection === undefined) return mismatch('unable to find socket matching accept() call');
  const script = numberOf(call.result);
  // The script may use a name anew while the socket that had it is still open.
  world.descriptors.set(script, result);
  for (const other of world.connections) if (other.scriptFd === script) other.scriptFd = -1;
  connection.scriptFd = script;
  connection.liveFd = result;
}

function* connectCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 3);
  const fd = liveFd(world, call.args[0]);
  const address = addressOf(call.args[1], world.remoteAddress, world.connectPort);
  beginConnecting(world, numberOf(call.args[0]), address);
  checkResult(world, call, yield* world.sys.connect(fd, address));
}

function* shutdownCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 2);
  checkResult(world, call, yield* world.sys.shutdown(liveFd(world, call.args[0]), numberOf(call.args[1])));
}

function* closeCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 1);
  const script = numberOf(call.args[0]);
  const fd = liveFd(world, call.args[0]);
  const result = yield* world.sys.close(fd);
  checkResult(world, call, result);
  if (result < 0) return;
  world.descriptors.delete(script);
  const connection = connectionOf(world, script);
  // Packets may still come and go; the name is free for another descriptor.
  if (connection !== null) {
    connection.scriptFd = -1;
    connection.liveFd = -2;
  }
}

/* Data */

const SCRIPT_READS: readonly string[] = ['read', 'recv', 'recvfrom'];

function* readCall(world: CallWorld, call: CallAction): Sleeping<void> {
  const plain = call.name === 'read';
  argumentCount(call, plain ? 3 : call.name === 'recv' ? 4 : 6);
  const fd = liveFd(world, call.args[0]);
  const length = numberOf(call.args[2]);
  const data = buffer(isNullBuffer(call.args[1]), length);
  const flags = plain ? 0 : numberOf(call.args[3]);
  checkResult(world, call, yield* world.sys.recv(fd, data, flags, 0, length));
}

function* writeCall(world: CallWorld, call: CallAction): Sleeping<void> {
  const plain = call.name === 'write';
  argumentCount(call, plain ? 3 : 4);
  const fd = liveFd(world, call.args[0]);
  const length = numberOf(call.args[2]);
  const data = buffer(isNullBuffer(call.args[1]), length);
  checkResult(world, call, yield* world.sys.send(fd, data, plain ? 0 : numberOf(call.args[3]), 0, length));
}

function* sendtoCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 6);
  const fd = liveFd(world, call.args[0]);
  const length = numberOf(call.args[2]);
  const data = buffer(isNullBuffer(call.args[1]), length);
  const flags = numberOf(call.args[3]);
  const address = addressOf(call.args[4], world.remoteAddress, world.connectPort);
  beginConnecting(world, numberOf(call.args[0]), address);
  checkResult(world, call, yield* world.sys.sendto(fd, data, flags, address, 0, length));
}

function* fcntlCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 2, 3);
  const fd = liveFd(world, call.args[0]);
  const command = numberOf(call.args[1]);
  const result = yield* world.sys.fcntl(fd, command, call.args.length > 2 ? numberOf(call.args[2]) : 0);
  // Sockets are open both ways.
  checkResult(world, call, command === F_GETFL && result >= 0 ? result | O_RDWR : result);
}

function* ioctlCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 2, 3);
  const fd = liveFd(world, call.args[0]);
  const result = yield* world.sys.ioctl(fd, numberOf(call.args[1]));
  checkResult(world, call, result < 0 ? result : 0);
  if (call.args.length < 3) return;
  const expected = bracketedNumber(call.args[2]);
  if (result >= 0 && result !== expected) mismatch(`Bad ioctl optval: expected: ${expected} actual: ${result}`);
}

/* Files and pipes */

function* openCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 2, 3);
  const path = call.args[0];
  if (path?.kind !== 'string') return mismatch('Expected the name of a file');
  const content = world.files.get(path.value);
  const result = content === undefined ? -ENOENT : yield* world.sys.open(content);
  checkResult(world, call, result, true);
  if (result >= 0) nameDescriptor(world, numberOf(call.result), result);
}

function* pipeCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 1);
  const names = listOf(call.args[0]).map(numberOf);
  const result = yield* world.sys.pipe();
  checkResult(world, call, typeof result === 'number' ? result : 0);
  if (typeof result === 'number') return;
  nameDescriptor(world, names[0]!, result[0]);
  nameDescriptor(world, names[1]!, result[1]);
}

function* spliceCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 6);
  const from = liveFd(world, call.args[0]);
  const to = liveFd(world, call.args[2]);
  checkResult(world, call, yield* world.sys.splice(from, to, numberOf(call.args[4]), numberOf(call.args[5])));
}

function* sendfileCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 4);
  const to = liveFd(world, call.args[0]);
  const from = liveFd(world, call.args[1]);
  checkResult(world, call, yield* world.sys.sendfile(to, from, numberOf(call.args[3])));
}

const CALLS: Readonly<Record<string, Call>> = {
  socket: socketCall,
  bind: bindCall,
  listen: listenCall,
  accept: acceptCall,
  accept4: acceptCall,
  connect: connectCall,
  shutdown: shutdownCall,
  close: closeCall,
  ...Object.fromEntries(SCRIPT_READS.map((name) => [name, readCall])),
  write: writeCall,
  send: writeCall,
  sendto: sendtoCall,
  fcntl: fcntlCall,
  ioctl: ioctlCall,
  open: openCall,
  pipe: pipeCall,
  splice: spliceCall,
  sendfile: sendfileCall,
  ...MESSAGE_CALLS,
  ...EPOLL_CALLS,
  ...SOCKET_OPTION_CALLS,
};

export const findCall = (name: string): Call => CALLS[name] ?? mismatch(`Unknown system call: '${name}'`);
