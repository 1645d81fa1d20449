/** A script: options, a command, timed events, a command. Packets and system calls have files of their own. */
import type { Action, EventTime, Script, ScriptEvent, ScriptOption, TimeKind } from './ast.ts';
import { ScriptSyntaxError } from './failures.ts';
import { parseCall } from './parse_call.ts';
import { parsePacket } from './parse_packet.ts';
import { Scanner } from './scanner.ts';

/** What the collections' test runners define for IPv4. */
export const DEFAULT_DEFINES: ReadonlyMap<string, string> = new Map([
  ['TFO_COOKIE', '3021b9d889017eeb'],
  ['TFO_COOKIE_ZERO', 'b7c12350a90dc8f5'],
  ['CODE', 'host_unreachable'],
  ['CMSG_LEVEL_IP', 'SOL_IP'],
  ['CMSG_TYPE_RECVERR', 'IP_RECVERR'],
]);

/** Parses a script. Throws ScriptSyntaxError. */
export function parseScript(path: string, text: string, defines: ReadonlyMap<string, string>): Script {
  const merged = new Map([...DEFAULT_DEFINES, ...scriptDefines(path, text), ...defines]);
  const scanner = new Scanner(path, text, merged);
  const options = parseOptions(scanner);
  const initCommand = scanner.peek().kind === 'command' ? scanner.next().text : null;
  const events: ScriptEvent[] = [];
  let cleanupCommand: string | null = null;
  for (;;) {
    const token = scanner.peek();
    if (token.kind === 'end') break;
    if (token.kind === 'command') {
      cleanupCommand = scanner.next().text;
      if (scanner.peek().kind !== 'end') scanner.fail('expected the end: a command without a time is the last thing in a script');
      break;
    }
    events.push(parseEvent(scanner));
  }
  if (events.length === 0) scanner.fail('expected an event');
  checkTimes(path, events);
  return { path, options, initCommand, events, cleanupCommand };
}

/** `--define=NAME=value` counts from the first token on, so it is looked for before the rest is read. */
function scriptDefines(path: string, text: string): [string, string][] {
  return parseOptions(new Scanner(path, text, new Map()))
    .filter(({ name }) => name === 'define')
    .map(({ line, value }) => {
      const match = /^([^=]+)=(.*)$/s.exec(value ?? '');
      if (match === null) throw new ScriptSyntaxError(path, line, '--define: expected NAME=value');
      return [match[1]!, match[2]!];
    });
}

function parseOptions(scanner: Scanner): ScriptOption[] {
  const options: ScriptOption[] = [];
  while (scanner.peek().kind === 'option') {
    const { line, text } = scanner.next();
    const value = scanner.match(/=([^\s`]*(?:`[^`]*`)?)/y);
    options.push({ line, name: text.slice(2), value: value === null ? null : value[1]!.replace(/^"(.*)"$/s, '$1') });
  }
  return options;
}

function parseEvent(scanner: Scanner): ScriptEvent {
  const line = scanner.line;
  const time = parseTime(scanner);
  const action = parseAction(scanner);
  const outbound = action.type === 'packet' && !action.inbound;
  if (time.kind === 'any' && !outbound)
    throw new ScriptSyntaxError(scanner.path, line, 'semantic error: event time <star> can only be used with outbound packets');
  if (time.kind.endsWith('Range')) {
    if (!outbound)
      throw new ScriptSyntaxError(scanner.path, line, 'semantic error: event time range can only be used with outbound packets');
    if (time.endUs < time.us) throw new ScriptSyntaxError(scanner.path, line, 'semantic error: time range is backwards');
  }
  return { line, time, action };
}

function parseTime(scanner: Scanner): EventTime {
  if (scanner.skip('*')) return { kind: 'any', us: 0, endUs: 0 };
  const relative = scanner.skip('+');
  const us = parseSeconds(scanner);
  if (!scanner.skip('~')) return { kind: relative ? 'relative' : 'absolute', us, endUs: us };
  if (relative) scanner.expect('+');
  const kind: TimeKind = relative ? 'relativeRange' : 'absoluteRange';
  return { kind, us, endUs: parseSeconds(scanner) };
}

/** Seconds, as whole µs. */
export function parseSeconds(scanner: Scanner): number {
  const token = scanner.next();
  if (token.kind !== 'float' && token.kind !== 'number') scanner.fail('expected a time in seconds', token);
  if (token.text.startsWith('-')) scanner.fail('semantic error: negative time', token);
  // Decimal digits are exact in a script; the product of binary fractions need not be.
  return Math.floor(Number(`${token.text}e6`));
}

function parseAction(scanner: Scanner): Action {
  const token = scanner.peek();
  if (token.kind === 'command') return { type: 'command', text: scanner.next().text };
  if (token.kind === 'code') return { type: 'code', text: scanner.next().text };
  if (scanner.skip('<')) return { type: 'packet', inbound: true, packet: parsePacket(scanner, true) };
  if (scanner.skip('>')) return { type: 'packet', inbound: false, packet: parsePacket(scanner, false) };
  if (token.kind === 'word' || token.kind === 'ellipsis') return parseCall(scanner, parseSeconds);
  return scanner.fail('expected a packet, a system call, a command or code');
}

function checkTimes(path: string, events: readonly ScriptEvent[]): void {
  const first = events[0]!;
  if (first.time.us !== 0) throw new ScriptSyntaxError(path, first.line, 'first event should be at time 0');
  for (let i = 1; i < events.length; i++) {
    const before = events[i - 1]!.time;
    const { time, line } = events[i]!;
    if (!before.kind.startsWith('absolute') || !time.kind.startsWith('absolute') || time.us >= before.us) continue;
    throw new ScriptSyntaxError(path, line, `time goes backward in script from ${before.us} usec to ${time.us} usec`);
  }
}
