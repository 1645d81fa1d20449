/** TCP options: between a script's notation and bytes. */
import { mismatch } from './failures.ts';

export const TCPOPT_EOL = 0;
export const TCPOPT_NOP = 1;
export const TCPOPT_MSS = 2;
export const TCPOPT_WINDOW = 3;
export const TCPOPT_SACK_PERM = 4;
export const TCPOPT_SACK = 5;
export const TCPOPT_TIMESTAMP = 8;
export const TCPOPT_MD5SIG = 19;
export const TCPOPT_FASTOPEN = 34;
export const TCPOPT_ACCECN0 = 172;
export const TCPOPT_ACCECN1 = 174;
export const TCPOPT_EXP = 254;
/** The experiment that Fast Open was before it had a kind of its own (RFC 7413 appendix). */
export const TCPOPT_FASTOPEN_MAGIC = 0xf989;

/** One option in a block of them: kind, where it starts, its whole length. */
export interface OptionSpan {
  readonly kind: number;
  readonly offset: number;
  readonly length: number;
}

/** The options of a block in order; a malformed one is an error, as nobody could say what it means. */
export function splitOptions(options: Uint8Array): OptionSpan[] {
  const spans: OptionSpan[] = [];
  for (let offset = 0; offset < options.length; ) {
    const kind = options[offset]!;
    const single = kind === TCPOPT_EOL || kind === TCPOPT_NOP;
    const length = single ? 1 : (options[offset + 1] ?? 0);
    if (length < (single ? 1 : 2) || offset + length > options.length)
      mismatch(`TCP option kind ${kind} with length ${length} does not fit`);
    spans.push({ kind, offset, length });
    // Nothing follows the end of the list but padding.
    if (kind === TCPOPT_EOL) break;
    offset += length;
  }
  return spans;
}

const viewOf = (options: Uint8Array): DataView => new DataView(options.buffer, options.byteOffset, options.length);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Where the timestamp option's value stands (the echo reply follows 4 bytes later); -1 when there is none. */
export function timestampOffset(options: Uint8Array): number {
  const found = splitOptions(options).find(({ kind, length }) => kind === TCPOPT_TIMESTAMP && length === 10);
  return found === undefined ? -1 : found.offset + 2;
}

/** Adds `difference` to both ends of every SACK block. */
export function shiftSackBlocks(options: Uint8Array, difference: number): void {
  const view = viewOf(options);
  for (const { kind, offset, length } of splitOptions(options)) {
    if (kind !== TCPOPT_SACK) continue;
    for (let at = offset + 2; at + 4 <= offset + length; at += 4) view.setUint32(at, (view.getUint32(at) + difference) >>> 0);
  }
}

/** In packetdrill's notation. */
export function optionText(options: Uint8Array, span: OptionSpan): string {
  const view = viewOf(options);
  const { kind, offset, length } = span;
  const data = options.subarray(offset + 2, offset + length);
  switch (kind) {
    case TCPOPT_EOL:
      return 'eol';
    case TCPOPT_NOP:
      return 'nop';
    case TCPOPT_MSS:
      return `mss ${view.getUint16(offset + 2)}`;
    case TCPOPT_WINDOW:
      return `wscale ${data[0]}`;
    case TCPOPT_SACK_PERM:
      return 'sackOK';
    case TCPOPT_SACK:
      return `sack ${sackText(view, offset + 2, offset + length)}`;
    case TCPOPT_TIMESTAMP:
      return `TS val ${view.getUint32(offset + 2)} ecr ${view.getUint32(offset + 6)}`;
    case TCPOPT_MD5SIG:
      return named('md5', data);
    case TCPOPT_FASTOPEN:
      return named('FO', data);
    case TCPOPT_ACCECN0:
      return accecnText(data, ['e0b', 'ceb', 'e1b']);
    case TCPOPT_ACCECN1:
      return accecnText(data, ['e1b', 'ceb', 'e0b']);
    case TCPOPT_EXP:
      return length >= 4 && view.getUint16(offset + 2) === TCPOPT_FASTOPEN_MAGIC ? named('FOEXP', data.subarray(2)) : `exp ${hex(data)}`;
    default:
      return `kind ${kind} ${hex(data)}`;
  }
}

const named = (name: string, data: Uint8Array): string => (data.length === 0 ? name : `${name} ${hex(data)}`);

function sackText(view: DataView, from: number, end: number): string {
  const blocks: string[] = [];
  for (let at = from; at + 8 <= end; at += 8) blocks.push(`${view.getUint32(at)}:${view.getUint32(at + 4)}`);
  return blocks.join(' ');
}

function accecnText(data: Uint8Array, names: readonly string[]): string {
  const view = viewOf(data);
  return `ECN${names
    .slice(0, Math.floor(data.length / 3))
    .map((name, i) => ` ${name} ${view.getUint16(3 * i) * 256 + data[3 * i + 2]!}`)
    .join('')}`;
}

export const optionsText = (options: Uint8Array): string =>
  splitOptions(options)
    .map((span) => optionText(options, span))
    .join(',');
