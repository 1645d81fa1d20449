/** How two captures can differ, and in which fields two units that correspond do. */
import { ACK, CWR, ECE, FIN, PSH, RST, SYN, URG } from './packet.ts';
import type { Unit } from './unit.ts';

export const KINDS = [
  'missing',
  'extra',
  'order',
  'segmentation',
  'flags',
  'ack',
  'window',
  'option',
  'header',
  'checksum',
  'timing',
] as const;

/** Seen from ours: `missing` is what they have and we don't. */
export type Kind = (typeof KINDS)[number];

export interface Difference {
  readonly kind: Kind;
  /** In words, ours first. */
  readonly what: string;
  readonly ours: Unit | null;
  readonly theirs: Unit | null;
  /** For what only one side has: the other side's last packet before the place where it should be. */
  readonly anchor: Unit | null;
}

const FLAG_LETTERS: readonly (readonly [number, string])[] = [
  [FIN, 'F'],
  [SYN, 'S'],
  [RST, 'R'],
  [PSH, 'P'],
  [URG, 'U'],
  [ECE, 'E'],
  [CWR, 'W'],
  [ACK, '.'],
];

/** As tcpdump writes them. */
export const flagText = (flags: number): string => FLAG_LETTERS.map(([bit, letter]) => ((flags & bit) === 0 ? '' : letter)).join('');

const blocks = (sack: readonly number[]): string => {
  const text: string[] = [];
  for (let i = 0; i < sack.length; i += 2) text.push(`${sack[i]}:${sack[i + 1]}`);
  return text.length === 0 ? 'none' : text.join(' ');
};

const sameBlocks = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((edge, i) => edge === b[i]);

const OPENING = SYN | FIN | RST;

/** Whether two units stand for the same step of the conversation. */
export function correspond(a: Unit, b: Unit): boolean {
  if (a.protocol !== b.protocol || a.direction !== b.direction || a.length !== b.length || a.fragmentOffset !== b.fragmentOffset)
    return false;
  if (a.protocol !== 'tcp') return a.type === b.type && a.code === b.code;
  if (a.sequence !== b.sequence || ((a.flags ^ b.flags) & OPENING) !== 0) return false;
  return !a.pureAck || a.acknowledgment === b.acknowledgment;
}

type Report = (kind: Kind, what: string) => void;

/** Reports every field in which two corresponding units differ. */
export function compareFields(ours: Unit, theirs: Unit, report: Report): void {
  compareHeaders(ours, theirs, report);
  if (ours.protocol === 'tcp') compareTcp(ours, theirs, report);
}

function compareHeaders(ours: Unit, theirs: Unit, report: Report): void {
  if (ours.ttl !== theirs.ttl) report('header', `TTL ${ours.ttl}, theirs ${theirs.ttl}`);
  if (ours.dontFragment !== theirs.dontFragment) report('header', ours.dontFragment ? 'DF set, theirs not' : 'DF not set, theirs is');
  if (ours.ecn !== theirs.ecn) report('header', `ECN ${ours.ecn}, theirs ${theirs.ecn}`);
  if (ours.moreFragments !== theirs.moreFragments)
    report('header', `MF ${ours.moreFragments ? 1 : 0}, theirs ${theirs.moreFragments ? 1 : 0}`);
  // Parts of a super-frame have no checksum of their own.
  if (ours.damaged !== theirs.damaged && !ours.part && !theirs.part) {
    report('checksum', ours.damaged ? 'wrong checksum, theirs is right' : 'right checksum, theirs is wrong');
  }
}

function compareTcp(ours: Unit, theirs: Unit, report: Report): void {
  if (ours.flags !== theirs.flags) report('flags', `flags [${flagText(ours.flags)}], theirs [${flagText(theirs.flags)}]`);
  if (ours.acknowledgment !== theirs.acknowledgment) report('ack', `ack ${ours.acknowledgment}, theirs ${theirs.acknowledgment}`);
  if (ours.window !== theirs.window) report('window', `window ${ours.window}, theirs ${theirs.window}`);
  if (ours.options !== theirs.options) report('option', `options <${ours.options}>, theirs <${theirs.options}>`);
  if (ours.mss !== theirs.mss) report('option', `mss ${ours.mss}, theirs ${theirs.mss}`);
  if (ours.windowScale !== theirs.windowScale) report('option', `wscale ${ours.windowScale}, theirs ${theirs.windowScale}`);
  if (!sameBlocks(ours.sack, theirs.sack)) report('option', `SACK ${blocks(ours.sack)}, theirs ${blocks(theirs.sack)}`);
  if (ours.early !== theirs.early) {
    report(
      'order',
      ours.early ? 'acknowledges what comes later; theirs what came before' : 'acknowledges what came before; theirs what comes later',
    );
  }
}
