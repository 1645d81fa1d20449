/** setsockopt() and getsockopt() in scripts: `[n]`, strings, and the structures of some options. */
import type { Sleeping } from '../kernel/include/linux/sched.ts';
import { SOL_SOCKET, SOL_TCP } from '../kernel/uapi/socket.ts';
import { TCP_CONGESTION, TCP_ULP } from '../kernel/uapi/tcp.ts';
import type { CallAction, Expression } from './ast.ts';
import { argumentCount, type Call, type CallWorld, checkResult, liveFd } from './call_support.ts';
import { mismatch } from './failures.ts';
import { bracketedNumber, fieldsOf, numberOf } from './values.ts';

const SO_BINDTODEVICE = 25;
const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** Options whose value is text; other strings are bytes. */
const isTextOption = (level: number, option: number): boolean =>
  (level === SOL_TCP && (option === TCP_CONGESTION || option === TCP_ULP)) || (level === SOL_SOCKET && option === SO_BINDTODEVICE);

function optionValue(expression: Expression | undefined, level: number, option: number, length: number): unknown {
  if (expression?.kind === 'string') {
    if (isTextOption(level, option)) return expression.value.slice(0, length);
    // A structure's bytes; what the script leaves out is 0.
    const bytes = new Uint8Array(length);
    bytes.set(bytesOf(expression.value).subarray(0, length));
    return bytes;
  }
  if (expression?.kind === 'struct') {
    const fields = fieldsOf(expression, []);
    if (fields.has('onoff')) return { l_onoff: numberOf(fields.get('onoff')), l_linger: numberOf(fields.get('linger')) };
    return Object.fromEntries([...fields].map(([name, value]) => [name, numberOf(value)]));
  }
  // Options are ints: what C would see in 4 bytes.
  return bracketedNumber(expression) | 0;
}

function* setsockoptCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 5);
  const fd = liveFd(world, call.args[0]);
  const level = numberOf(call.args[1]);
  const option = numberOf(call.args[2]);
  const value = optionValue(call.args[3], level, option, numberOf(call.args[4]));
  checkResult(world, call, yield* world.sys.setsockopt(fd, level, option, value));
}

function* getsockoptCall(world: CallWorld, call: CallAction): Sleeping<void> {
  argumentCount(call, 5);
  const fd = liveFd(world, call.args[0]);
  const level = numberOf(call.args[1]);
  const option = numberOf(call.args[2]);
  const length = bracketedNumber(call.args[4]);
  const value = yield* world.sys.getsockopt(fd, level, option);
  // Values that are numbers are returned as such, so a negative one is an errno unless the script expects just that value.
  const expectsSuccess = numberOf(call.result) === 0;
  const failed =
    typeof value === 'number' && value < 0 && !(expectsSuccess && call.args[3]?.kind === 'list' && bracketedNumber(call.args[3]) === value);
  checkResult(world, call, failed ? (value as number) : 0);
  if (failed) return;
  compareValue(call.args[3], value, length);
}

function compareValue(expression: Expression | undefined, value: unknown, length: number): void {
  if (expression?.kind === 'string') {
    compareBytes(expression.value, value, length);
    return;
  }
  if (length !== 4) mismatch(`Unsupported getsockopt optlen: ${length}`);
  if (typeof value !== 'number') mismatch(`Bad getsockopt optlen: expected: ${length} actual: a structure`);
  const expected = bracketedNumber(expression) | 0;
  if ((value | 0) !== expected) mismatch(`Bad getsockopt optval: expected: ${expected} actual: ${value | 0}`);
}

const printable = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`)).join('');

function compareBytes(expected: string, value: unknown, length: number): void {
  const actual = typeof value === 'string' ? bytesOf(value) : concatenated(value);
  if (actual === null) mismatch('Bad getsockopt optval: expected bytes');
  if (actual.length !== length && typeof value !== 'string')
    mismatch(`Bad getsockopt optlen: expected: ${length} actual: ${actual.length}`);
  const wanted = bytesOf(expected).subarray(0, length);
  if (wanted.some((byte, i) => byte !== (actual[i] ?? 0)))
    mismatch(`Bad getsockopt optval: expected: '${printable(wanted)}' actual: '${printable(actual)}'`);
}

/** TCP_FASTOPEN_KEY may come as one array of bytes or as a list of keys. */
function concatenated(value: unknown): Uint8Array | null {
  if (value instanceof Uint8Array) return value;
  return Array.isArray(value) && value.every((part) => part instanceof Uint8Array)
    ? Uint8Array.from((value as Uint8Array[]).flatMap((part) => [...part]))
    : null;
}

export const SOCKET_OPTION_CALLS: Readonly<Record<string, Call>> = { setsockopt: setsockoptCall, getsockopt: getsockoptCall };
