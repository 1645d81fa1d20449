/** A comparison in words: what `truewire compare` prints, and the same as data. */
import { formatSeconds, NSEC_PER_USEC } from '../sim/time.ts';
import { type Comparison, type FlowResult, type Found, instant } from './compare.ts';
import { flagText, type Kind } from './difference.ts';
import type { Row } from './neighbourhood.ts';
import { SYN } from './packet.ts';
import type { Unit } from './unit.ts';

const COLUMN = 74;
const MICROSECOND_DIGITS = 6;
const ICMP_UNREACHABLE = 3;

/** A packet in a line, in tcpdump's words. `>` goes from the side that opened the flow. */
export function unitText(unit: Unit): string {
  const head = `${String(unit.frame).padStart(6)}  ${seconds(unit.timeNs)} ${unit.direction === 0 ? '>' : '<'} `;
  return head + (unit.protocol === 'tcp' ? segmentText(unit) : otherText(unit));
}

const seconds = (ns: number): string =>
  ns < 0 ? `-${seconds(-ns)}` : formatSeconds(Math.round(ns / NSEC_PER_USEC) * NSEC_PER_USEC, MICROSECOND_DIGITS);

function segmentText(unit: Unit): string {
  const range = unit.carries ? `seq ${unit.sequence}:${unit.end}` : `seq ${unit.sequence}`;
  const options = (unit.flags & SYN) !== 0 ? ` <${unit.options}>` : '';
  const blocks = unit.sack.map((edge, i) => `${i % 2 === 0 ? ' ' : ':'}${edge}`).join('');
  const sack = blocks === '' ? '' : ` sack${blocks}`;
  return `[${flagText(unit.flags)}] ${range} ack ${unit.acknowledgment} win ${unit.window} len ${unit.length}${sack}${options}`;
}

function otherText(unit: Unit): string {
  if (unit.protocol === 'arp') return unit.type === 1 ? 'arp request' : 'arp reply';
  if (unit.fragmentOffset > 0) return `${unit.protocol} fragment at ${unit.fragmentOffset} len ${unit.length}`;
  if (unit.protocol === 'icmp')
    return `icmp ${unit.type === ICMP_UNREACHABLE ? 'unreachable' : `type ${unit.type}`} code ${unit.code} len ${unit.length}`;
  return `${unit.protocol} len ${unit.length}${unit.moreFragments ? ' (first fragment)' : ''}`;
}

const percent = (score: number): string => `${(score * 100).toFixed(score === 1 ? 0 : 2)} %`;

const countsText = (counts: Partial<Record<Kind, number>>): string =>
  Object.entries(counts)
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ') || 'same';

export function describe(comparison: Comparison, names: readonly [string, string], rows: readonly Row[]): string {
  const { same, score, oursUnits, theirsUnits, flows, first } = comparison;
  const lines = [
    `ours    ${names[0]}: ${oursUnits} packets`,
    `theirs  ${names[1]}: ${theirsUnits} packets`,
    same ? `same: ${flowCount(flows)} agree` : `different: ${percent(score)} of the packets agree; ${countsText(comparison.counts)}`,
    '',
    ...flowTable(flows),
  ];
  if (first !== null) lines.push('', ...divergence(first.flow, first.difference, rows));
  return lines.join('\n');
}

const flowCount = (flows: readonly FlowResult[]): string => (flows.length === 1 ? 'one flow' : `all ${flows.length} flows`);

function flowTable(flows: readonly FlowResult[]): string[] {
  const table = flows.map((flow) => [
    flow.ours ?? `(no flow of ours) ${flow.theirs}`,
    String(flow.oursUnits),
    String(flow.theirsUnits),
    percent(flow.score),
    countsText(flow.counts),
  ]);
  const all = [['flow', 'ours', 'theirs', 'agree', 'differences'], ...table];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[0]!) : i < 4 ? cell.padStart(widths[i]!) : cell)).join('  '));
}

function divergence(flow: FlowResult, difference: Found, rows: readonly Row[]): string[] {
  const { kind, what, mechanism } = difference;
  return [
    `first divergence: ${kind} at ${seconds(instant(difference))} s of ${flow.ours ?? flow.theirs}: ${what}`,
    ...(mechanism === null ? [] : [`likely mechanism: ${mechanism}`]),
    '',
    `  ${'ours'.padEnd(COLUMN)}theirs`,
    ...rows.map(rowText),
  ];
}

function rowText({ ours, theirs, here }: Row): string {
  const left = ours === null ? '' : unitText(ours);
  const right = theirs === null ? '' : unitText(theirs);
  return `${here ? '=>' : '  '}${left.padEnd(COLUMN - 1)} ${right}`.trimEnd();
}

/** The comparison for programs. */
export function asData(comparison: Comparison, names: readonly [string, string], rows: readonly Row[]): unknown {
  const { first, flows, ...totals } = comparison;
  return {
    ours: names[0],
    theirs: names[1],
    ...totals,
    first:
      first === null
        ? null
        : { flow: first.flow.ours ?? first.flow.theirs, ...differenceData(first.difference), neighbourhood: rows.map(rowData) },
    flows: flows.map(({ first: _, differences, ...flow }) => ({ ...flow, differences: differences.map(differenceData) })),
  };
}

const rowData = ({ ours, theirs, here }: Row): unknown => ({
  here,
  ours: ours && unitText(ours).trim(),
  theirs: theirs && unitText(theirs).trim(),
});

const differenceData = (difference: Found): Record<string, unknown> => {
  const { kind, what, mechanism, ours, theirs } = difference;
  return {
    kind,
    what,
    mechanism,
    timeNs: instant(difference),
    ours: ours && { frame: ours.frame, packet: unitText(ours).trim() },
    theirs: theirs && { frame: theirs.frame, packet: unitText(theirs).trim() },
  };
};
