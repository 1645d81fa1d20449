/** sendmsg(), recvmsg(), readv() and writev() in scripts, with control messages. */
import type { sock_exterr_skb } from '../kernel/include/linux/errqueue.ts';
import type { Sleeping } from '../kernel/include/linux/sched.ts';
import { type cmsghdr, msghdr } from '../kernel/include/net/sock.ts';
import type { scm_timestamping } from '../kernel/net/core/sock_cmsg.ts';
import { IP_RECVERR } from '../kernel/uapi/in.ts';
import { AF_INET, MSG_FASTOPEN, SO_TIMESTAMPING, SOL_IP, SOL_SOCKET } from '../kernel/uapi/socket.ts';
import { NSEC_PER_SEC, NSEC_PER_USEC } from '../sim/time.ts';
import type { CallAction, Expression } from './ast.ts';
import { argumentCount, beginConnecting, buffer, type Call, type CallWorld, checkResult, liveFd } from './call_support.ts';
import { mismatch } from './failures.ts';
import { type Fields, fieldsOf, listOf, numberOf } from './values.ts';

/** Sizes of an I/O vector's pieces: `[{..., 10}, {..., 20}]`. */
function vectorSizes(expression: Expression | undefined): number[] {
  return listOf(expression).map((entry) => {
    const items = entry.kind === 'struct' ? entry.fields : mismatch('Expected {..., length}');
    return numberOf(items[1]?.[1]);
  });
}

function messageFields(expression: Expression | undefined): Fields {
  return fieldsOf(expression, ['msg_name', 'msg_iov', 'msg_flags']);
}

/** Data of the vector's length. Zeros are zeros wherever they lie, so the pieces need not be apart; their sizes are told. */
function messageOf(vector: Expression | undefined): msghdr {
  const sizes = vectorSizes(vector);
  const length = sizes.reduce((sum, size) => sum + size, 0);
  const message = new msghdr(buffer(false, length), 0, length);
  message.pieces = sizes;
  return message;
}

function* sendmsgCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 3);
  const fd = liveFd(world, call.args[0]);
  const fields = messageFields(call.args[1]);
  const flags = numberOf(call.args[2]);
  const message = messageOf(fields.get('msg_iov'));
  if ((flags & MSG_FASTOPEN) !== 0 && fields.get('msg_name')?.kind === 'ellipsis') {
    message.msg_name = { sin_family: AF_INET, sin_addr: world.remoteAddress, sin_port: world.connectPort };
    beginConnecting(world, numberOf(call.args[0]), message.msg_name);
  }
  const control = fields.get('msg_control');
  if (control !== undefined) message.msg_control = listOf(control).map(controlToSend);
  checkResult(world, call, yield* world.sys.sendmsg(fd, message, flags));
}

function controlToSend(expression: Expression): cmsghdr {
  const fields = fieldsOf(expression, ['cmsg_level', 'cmsg_type', 'cmsg_data']);
  return {
    cmsg_level: numberOf(fields.get('cmsg_level')),
    cmsg_type: numberOf(fields.get('cmsg_type')),
    data: numberOf(fields.get('cmsg_data')),
  };
}

function* recvmsgCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 3);
  const fd = liveFd(world, call.args[0]);
  const fields = messageFields(call.args[1]);
  const message = messageOf(fields.get('msg_iov'));
  const result = yield* world.sys.recvmsg(fd, message, numberOf(call.args[2]));
  checkResult(world, call, result);
  // After a failed call the structures are what they were before it.
  if (result < 0) return;
  const wanted = numberOf(fields.get('msg_flags'));
  const hex = (flags: number): string => `0x${(flags >>> 0).toString(16).toUpperCase().padStart(8, '0')}`;
  if (message.msg_flags !== wanted) mismatch(`Expected msg_flags ${hex(wanted)} but got ${hex(message.msg_flags)}`);
  const control = fields.get('msg_control');
  compareControl(world, control === undefined ? [] : listOf(control), message.msg_control);
}

function compareControl(world: CallWorld, wanted: readonly Expression[], got: readonly cmsghdr[]): void {
  for (let i = 0; i < Math.min(wanted.length, got.length); i++) {
    const fields = fieldsOf(wanted[i], ['cmsg_level', 'cmsg_type', 'cmsg_data']);
    const { cmsg_level, cmsg_type, data } = got[i]!;
    const level = numberOf(fields.get('cmsg_level'));
    const type = numberOf(fields.get('cmsg_type'));
    if (level !== cmsg_level) mismatch(`Bad level in cmsg ${i}: expected=${level} actual=${cmsg_level}`);
    if (type !== cmsg_type) mismatch(`Bad type in cmsg ${i}: expected=${type} actual=${cmsg_type}`);
    compareData(world, i, got[i]!, fields.get('cmsg_data')!, data);
  }
  if (got.length > wanted.length) mismatch(`received more than ${wanted.length} cmsgs`);
  if (got.length < wanted.length) mismatch(`received only ${got.length} cmsgs`);
}

function compareData(world: CallWorld, index: number, { cmsg_level, cmsg_type }: cmsghdr, wanted: Expression, data: unknown): void {
  if (cmsg_level === SOL_IP && cmsg_type === IP_RECVERR) compareError(index, wanted, data as sock_exterr_skb);
  else if (cmsg_level === SOL_SOCKET && cmsg_type === SO_TIMESTAMPING) compareStamp(world, index, wanted, data as scm_timestamping);
  else if (numberOf(wanted) !== data) mismatch(`Bad data in cmsg ${index}: expected=${numberOf(wanted)} actual=${String(data)}`);
}

const ERROR_FIELDS = ['errno', 'origin', 'type', 'code', 'info', 'data'] as const;

function compareError(index: number, wanted: Expression, error: sock_exterr_skb): void {
  const fields = fieldsOf(
    wanted,
    ERROR_FIELDS.map((name) => `ee_${name}`),
  );
  for (const name of ERROR_FIELDS) {
    const expected = numberOf(fields.get(`ee_${name}`));
    const actual = error[`ee_${name}`];
    if (expected !== actual) mismatch(`Bad ${name} in extended err ${index}: expected=${expected} actual=${actual}`);
  }
}

/** Seconds and nanoseconds since the script's start; all zero means that it does not matter. */
function compareStamp(world: CallWorld, index: number, wanted: Expression, stamp: scm_timestamping): void {
  const fields = fieldsOf(wanted, ['scm_sec', 'scm_nsec']);
  const expected = numberOf(fields.get('scm_sec')) * NSEC_PER_SEC + numberOf(fields.get('scm_nsec'));
  if (expected === 0) return;
  const actual = (stamp.software !== 0 ? stamp.software : Number(stamp.hardware)) - world.startNs;
  if (Math.abs(actual - expected) > world.toleranceUs * NSEC_PER_USEC)
    mismatch(
      `Bad timestamp 0 in scm_timestamping ${index}: expected=${Math.floor(expected / NSEC_PER_USEC)} actual=${Math.floor(actual / NSEC_PER_USEC)}`,
    );
}

function* vectorCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 3);
  const fd = liveFd(world, call.args[0]);
  const message = messageOf(call.args[1]);
  checkResult(world, call, yield* call.name === 'readv' ? world.sys.recvmsg(fd, message) : world.sys.sendmsg(fd, message));
}

export const MESSAGE_CALLS: Readonly<Record<string, Call>> = {
  sendmsg: sendmsgCall,
  recvmsg: recvmsgCall,
  readv: vectorCall,
  writev: vectorCall,
};
