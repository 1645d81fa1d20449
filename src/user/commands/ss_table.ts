/**
 * ss's columns: each as wide as its widest content, headings included, addresses to the right and ports to the left of the colon between them.
 * As the real ss prints into a pipe: the text of the last row's last column is not measured, since it is never flushed before the widths are made.
 */

/** One socket: what stands in each column. `rest` (processes, details, memory, TCP) may hold line ends. */
export interface SsRow {
  readonly netid: string;
  readonly state: string;
  readonly receive: string;
  readonly send: string;
  readonly local: string;
  readonly localPort: string;
  readonly peer: string;
  readonly peerPort: string;
  readonly rest: string;
}

const HEAD: SsRow = {
  netid: 'Netid',
  state: 'State',
  receive: 'Recv-Q',
  send: 'Send-Q',
  local: 'Local Address:',
  localPort: 'Port',
  peer: 'Peer Address:',
  peerPort: 'Port',
  rest: 'Process',
};

/** Field, whether its content stands to the right, and what separates it from the column before. */
const COLUMNS: readonly (readonly [field: keyof SsRow, right: boolean, delimiter: string])[] = [
  ['netid', false, ''],
  ['state', false, ' '],
  ['receive', false, ' '],
  ['send', false, ' '],
  ['local', true, ' '],
  ['localPort', false, ''],
  ['peer', true, ' '],
  ['peerPort', false, ''],
  ['rest', false, ''],
];

export function ssTable(rows: readonly SsRow[], showNetid: boolean, heading: boolean): string[] {
  const columns = showNetid ? COLUMNS : COLUMNS.slice(1);
  const all = heading ? [HEAD, ...rows] : [...rows];
  const widths = columns.map(([field]) => {
    const measured = field === 'rest' ? all.slice(0, -1) : all;
    return Math.max(0, ...measured.map((row) => row[field].length));
  });
  return all.flatMap((row) => {
    const cells = columns.map(([field, right, delimiter], i) => {
      const text = right ? row[field].padStart(widths[i]!) : row[field].padEnd(widths[i]!);
      return (i === 0 ? '' : delimiter) + text;
    });
    return cells.join('').split('\n');
  });
}
