/** iperf3's lines: intervals, sums and the table at the end, in its columns and units. */
import type { Output } from './command.ts';
import type { StreamResults } from './iperf3_protocol.ts';
import type { Stream } from './iperf3_stream.ts';

const RULE = '- - - - - - - - - - - - - - - - - - - - - - - - -';

/** Three digits that count, and the unit: `1.09 GBytes`, ` 941 Mbits`. */
function scaled(value: number, base: number, unit: string): string {
  const prefixes = ['', 'K', 'M', 'G', 'T'];
  let power = 0;
  let rest = value;
  for (; rest >= base && power < prefixes.length - 1; power++) rest /= base;
  const digits = rest < 9.995 ? rest.toFixed(2) : rest < 99.95 ? rest.toFixed(1) : rest.toFixed(0);
  return `${digits.padStart(4)} ${prefixes[power]}${unit}s`;
}

export const bytesText = (bytes: number): string => scaled(bytes, 1024, 'Byte');
const rateText = (bytes: number, seconds: number): string => `${scaled(seconds > 0 ? (bytes * 8) / seconds : 0, 1000, 'bit')}/sec`;

/** Which columns a table has: a TCP sender knows retransmissions and window, datagrams their loss. */
export type Columns = 'tcp' | 'tcp sender' | 'udp' | 'udp sender';

const HEADINGS: Readonly<Record<Columns, string>> = {
  tcp: '[ ID] Interval           Transfer     Bitrate',
  'tcp sender': '[ ID] Interval           Transfer     Bitrate         Retr  Cwnd',
  udp: '[ ID] Interval           Transfer     Bitrate         Jitter    Lost/Total Datagrams',
  'udp sender': '[ ID] Interval           Transfer     Bitrate         Total Datagrams',
};

export class Reporter {
  readonly #out: Output;
  readonly #udp: boolean;
  readonly #streams: readonly Stream[];
  readonly #labels: ReadonlyMap<Stream, string>;
  #lastSeconds = 0;
  #intervals = 0;

  constructor(out: Output, udp: boolean, streams: readonly Stream[]) {
    this.#out = out;
    this.#udp = udp;
    this.#streams = streams;
    this.#labels = new Map(streams.map((stream) => [stream, label(stream.fd)]));
  }

  get #sending(): boolean {
    return this.#streams[0]?.sender === true;
  }

  heading(): void {
    this.#out(HEADINGS[this.#udp ? (this.#sending ? 'udp sender' : 'udp') : this.#sending ? 'tcp sender' : 'tcp']);
  }

  /** Everything since the last interval. A short one at the end without data is left out. */
  interval(seconds: number, last: boolean): void {
    const span = seconds - this.#lastSeconds;
    const bytes = this.#streams.reduce((sum, stream) => sum + stream.bytes - stream.reported.bytes, 0);
    if (span <= 0 || (last && this.#intervals > 0 && span < 0.1 && bytes === 0)) return;
    const times = this.#times(this.#lastSeconds, seconds);
    const sum = { bytes: 0, packets: 0, lost: 0, retransmits: 0 };
    for (const stream of this.#streams) {
      const part = stream.takeInterval();
      for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += part[key];
      this.#out(
        `${this.#labels.get(stream)} ${times}  ${bytesText(part.bytes)}  ${rateText(part.bytes, span)}${this.#details(stream, part)}`,
      );
    }
    if (this.#streams.length > 1) {
      const total = `${bytesText(sum.bytes)}  ${rateText(sum.bytes, span)}`;
      const rest = this.#udp
        ? this.#sumOfDatagrams(sum)
        : this.#sending
          ? `  ${String(sum.retransmits).padStart(3)}             `
          : ' '.repeat(18);
      this.#out(`[SUM] ${times}  ${total}${rest}`);
    }
    this.#lastSeconds = seconds;
    this.#intervals++;
  }

  #times = (from: number, to: number): string => `${from.toFixed(2).padStart(6)}-${to.toFixed(2).padEnd(6)} sec`;

  #details(stream: Stream, part: Stream['reported']): string {
    if (!this.#udp) return stream.sender ? `  ${String(part.retransmits).padStart(3)}   ${bytesText(stream.cwnd)}       ` : ' '.repeat(18);
    if (stream.sender) return `  ${part.packets}  `;
    return `  ${(stream.jitterSeconds * 1000).toFixed(3)} ms  ${lossText(part.lost, part.packets)}  `;
  }

  #sumOfDatagrams = ({ packets, lost }: { packets: number; lost: number }): string =>
    this.#sending ? `  ${packets}  ` : `  ${(this.#averageJitter() * 1000).toFixed(3)} ms  ${lossText(lost, packets)}  `;

  #averageJitter = (): number => this.#streams.reduce((sum, { jitterSeconds }) => sum + jitterSeconds, 0) / this.#streams.length;

  /** Both sides' views of each stream; a side whose results are not known is left out (null). */
  summary(senders: readonly StreamResults[] | null, receivers: readonly StreamResults[] | null): void {
    const retransmits = senders?.some((sender) => sender.retransmits >= 0) === true;
    this.#out(RULE);
    this.#out(this.#udp ? HEADINGS.udp : retransmits ? HEADINGS['tcp sender'].replace('  Cwnd', '') : HEADINGS.tcp);
    this.#streams.forEach((stream, i) => {
      const name = this.#labels.get(stream)!;
      if (senders !== null) this.#out(this.#total(name, senders[i]!, 'sender'));
      if (receivers !== null) this.#out(this.#total(name, receivers[i]!, 'receiver'));
    });
    if (this.#streams.length > 1) {
      if (senders !== null) this.#out(this.#total('[SUM]', addUp(senders), 'sender'));
      if (receivers !== null) this.#out(this.#total('[SUM]', addUp(receivers), 'receiver'));
    }
  }

  #total(name: string, { bytes, end_time, retransmits, jitter, errors, packets }: StreamResults, side: 'sender' | 'receiver'): string {
    const head = `${name} ${this.#times(0, end_time)}  ${bytesText(bytes)}  ${rateText(bytes, end_time)}`;
    if (this.#udp)
      return `${head}  ${(side === 'sender' ? 0 : jitter * 1000).toFixed(3)} ms  ${lossText(side === 'sender' ? 0 : errors, packets)}  ${side}`;
    if (side === 'sender' && retransmits >= 0) return `${head}  ${String(retransmits).padStart(3)}             ${side}`;
    return `${head}                  ${side}`;
  }
}

/** `0/863 (0%)`: two digits of the share. */
function lossText(lost: number, packets: number): string {
  const share = packets > 0 ? (100 * lost) / packets : 0;
  return `${lost}/${packets} (${Number(share.toPrecision(2))}%)`;
}

function addUp(all: readonly StreamResults[]): StreamResults {
  const sum: StreamResults = { id: 0, bytes: 0, retransmits: 0, jitter: 0, errors: 0, packets: 0, start_time: 0, end_time: 0 };
  for (const stream of all) {
    sum.bytes += stream.bytes;
    sum.retransmits += stream.retransmits;
    sum.jitter += stream.jitter / all.length;
    sum.errors += stream.errors;
    sum.packets += stream.packets;
    sum.end_time = Math.max(sum.end_time, stream.end_time);
  }
  if (sum.retransmits < 0) sum.retransmits = -1;
  return sum;
}

const label = (fd: number): string => `[${String(fd).padStart(3)}]`;

export const connectedLine = (fd: number, local: string, localPort: number, peer: string, peerPort: number): string =>
  `${label(fd)} local ${local} port ${localPort} connected to ${peer} port ${peerPort}`;
