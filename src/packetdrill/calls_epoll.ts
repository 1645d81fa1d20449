/** poll() and epoll in scripts. An event's data is the script's own number, whichever member of the union it is given as. */
import type { epoll_event } from '../kernel/fs/eventpoll.ts';
import type { pollfd } from '../kernel/fs/select.ts';
import type { Sleeping } from '../kernel/include/linux/sched.ts';
import type { CallAction, Expression } from './ast.ts';
import { argumentCount, type Call, type CallWorld, checkResult, liveFd, nameDescriptor } from './call_support.ts';
import { mismatch } from './failures.ts';
import { fieldsOf, listOf, numberOf } from './values.ts';

function* epollCreateCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 1);
  const result = yield* world.sys.epollCreate(0);
  checkResult(world, call, result, true);
  if (result >= 0) nameDescriptor(world, numberOf(call.result), result);
}

/** `{events=…, fd=N}`, or `ptr`, `u32`, `u64` in place of `fd`. */
function eventOf(expression: Expression | undefined): epoll_event {
  const fields = fieldsOf(expression, ['events']);
  const data = fields.get('fd') ?? fields.get('ptr') ?? fields.get('u32') ?? fields.get('u64');
  if (data === undefined) return mismatch('epoll_event specified incorrectly');
  return { events: numberOf(fields.get('events')), data: numberOf(data) };
}

function* epollCtlCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 4);
  const epfd = liveFd(world, call.args[0]);
  const fd = liveFd(world, call.args[2]);
  const event = eventOf(call.args[3]);
  checkResult(world, call, yield* world.sys.epollCtl(epfd, numberOf(call.args[1]), fd, { events: event.events | 0, data: event.data }));
}

function* epollWaitCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 4);
  const epfd = liveFd(world, call.args[0]);
  const expected = eventOf(call.args[1]);
  const result = yield* world.sys.epollWait(epfd, numberOf(call.args[2]), numberOf(call.args[3]) | 0);
  checkResult(world, call, typeof result === 'number' ? result : result.length);
  const first = typeof result === 'number' ? undefined : result[0];
  const events = (first?.events ?? 0) >>> 0;
  if (events !== expected.events >>> 0)
    mismatch(
      `epoll_event->events does not match script: expected: 0x${(expected.events >>> 0).toString(16)} actual: 0x${events.toString(16)}`,
    );
  const data = first?.data ?? 0;
  if (data !== expected.data)
    mismatch(`epoll_event->data does not match script: expected: ${String(expected.data)} actual: ${String(data)}`);
}

function* pollCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 3);
  const wanted: number[] = [];
  const fds = listOf(call.args[0]).map((entry): pollfd => {
    const fields = fieldsOf(entry, ['fd', 'events']);
    const revents = fields.get('revents');
    wanted.push(revents === undefined ? 0 : numberOf(revents));
    return { fd: liveFd(world, fields.get('fd')), events: numberOf(fields.get('events')), revents: 0 };
  });
  if (fds.length !== numberOf(call.args[1])) mismatch(`Expected ${numberOf(call.args[1])} pollfds but got ${fds.length}`);
  checkResult(world, call, yield* world.sys.poll(fds, numberOf(call.args[2]) | 0));
  for (const [i, { revents }] of fds.entries())
    if (revents !== wanted[i]) mismatch(`Expected revents of ${flags(wanted[i]!)} but got ${flags(revents)} for pollfd ${i}`);
}

const POLL_FLAGS: readonly (readonly [string, number])[] = [
  ['POLLIN', 1],
  ['POLLPRI', 2],
  ['POLLOUT', 4],
  ['POLLERR', 8],
  ['POLLHUP', 16],
  ['POLLNVAL', 32],
  ['POLLRDNORM', 64],
  ['POLLRDBAND', 128],
  ['POLLWRNORM', 256],
  ['POLLWRBAND', 512],
  ['POLLRDHUP', 0x2000],
];

const flags = (value: number): string =>
  POLL_FLAGS.filter(([, bit]) => (value & bit) !== 0)
    .map(([name]) => name)
    .join('|') || '0';

export const EPOLL_CALLS: Readonly<Record<string, Call>> = {
  epoll_create: epollCreateCall,
  epoll_create1: epollCreateCall,
  epoll_ctl: epollCtlCall,
  epoll_wait: epollWaitCall,
  poll: pollCall,
};
