/** Which file each capture point of a topology writes to, and whether those that share one can. */
import { type CaptureFormat, extensionOf } from '../observe/capture/capture_format.ts';
import type { Topology } from './load.ts';
import type { CaptureSpec } from './schema.ts';
import { TopologyError } from './topology_error.ts';

/** What the command line says about all captures. */
export interface CaptureOptions {
  /** Of points that do not say. */
  readonly format?: CaptureFormat;
  /** One file of all points. */
  readonly merge?: boolean;
}

/** A capture whose format is settled. */
export type FormattedCapture = CaptureSpec & { readonly format: CaptureFormat };

/** The captures of a topology as a run makes them. Throws TopologyError when points share a file that has no room for both. */
export function formatCaptures(topology: Topology, options: CaptureOptions): FormattedCapture[] {
  const captures = (topology.capture ?? []).map((spec) => ({ ...spec, ...settled(spec, options, topology.name) }));
  const problems = [...checkSharing(topology, captures)];
  if (problems.length > 0) throw new TopologyError(problems);
  return captures;
}

/** A file that is called .pcap is one. */
function settled(
  { format, file }: CaptureSpec,
  { format: common, merge }: CaptureOptions,
  name: string,
): { format: CaptureFormat; file?: string } {
  if (merge === true) return { format: 'pcapng', file: `${name}.${extensionOf('pcapng')}` };
  return { format: format ?? (file?.endsWith('.pcap') === true ? 'pcap' : (common ?? 'pcapng')) };
}

function* checkSharing(topology: Topology, captures: readonly FormattedCapture[]): Generator<string> {
  const first = new Map<string, FormattedCapture>();
  for (const [index, capture] of captures.entries()) {
    const { file, format, tcp_state } = capture;
    const at = (key: string): string => `${topology.place('capture', index, key)}: ${key}`;
    if (tcp_state === true && topology.capture?.[index]?.format !== undefined && format !== 'pcapng')
      yield `${at('tcp_state')}: a classic pcap file has no room for the state of TCP, expected format: pcapng`;
    if (file === undefined) continue;
    const other = first.get(file);
    if (format !== 'pcapng' && (other !== undefined || placesOf(topology, capture) > 1))
      yield `${at('file')}: ${file} would have several capture points and a classic pcap file has one, expected format: pcapng or a file for each`;
    else if (other !== undefined && !sameSettings(other, capture))
      yield `${at('file')}: ${file} is another point's, too, with another format, max_size or files, expected the same`;
    if (other === undefined) first.set(file, capture);
  }
}

const sameSettings = (a: FormattedCapture, b: FormattedCapture): boolean =>
  a.format === b.format && a.max_size === b.max_size && a.files === b.files;

/** How many places an entry captures at. */
function placesOf({ hosts, wires }: Topology, { point, on }: CaptureSpec): number {
  if (on !== undefined) return 1;
  if (point === 'wire') return wires?.length ?? 0;
  if (point === 'socket') return Object.keys(hosts).length;
  return Object.values(hosts).reduce((sum, { interfaces }) => sum + Object.keys(interfaces ?? {}).length, 0);
}
