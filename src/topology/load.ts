/** A topology file as a checked Topology: YAML → schema → what the schema cannot see (names that must exist, ends used twice, addresses that overlap). */
import { isCollection, isNode, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { FilterError } from '../observe/capture/filter/filter_error.ts';
import { compileFilter } from '../observe/capture/filter/filter_parse.ts';
import { nearest } from '../user/nearest.ts';
import { probeProblem } from './probes.ts';
import { type HostSpec, type InterfaceAddress, type TopologyFile, topologySchema } from './schema.ts';
import { TopologyError } from './topology_error.ts';

export interface Topology extends TopologyFile {
  /** From the file's name. */
  readonly name: string;
  /** Where something stands in the file, as file:line:column, for messages about it. */
  readonly place: (...path: (string | number)[]) => string;
}

type Path = readonly PropertyKey[];

/** The text of a topology, and where its parts stand. */
class Source {
  readonly file: string;
  readonly #lines = new LineCounter();
  readonly document: ReturnType<typeof parseDocument>;

  constructor(file: string, text: string) {
    this.file = file;
    this.document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
  }

  at(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${this.file}:${line}:${col}`;
  }

  /** Place of the value at a path, or of the nearest enclosing one that exists. */
  place(path: Path): string {
    for (let length = path.length; length >= 0; length--) {
      const node = this.document.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return this.at(node.range[0]);
    }
    return this.at(0);
  }

  /** Place of a key within the map at a path. */
  placeOfKey(path: Path, key: string): string {
    const map = path.length === 0 ? this.document.contents : this.document.getIn(path, true);
    const items = (map as { items?: { key: Node }[] } | null)?.items ?? [];
    const found = items.find((item) => isScalar(item.key) && String(item.key.value) === key);
    return found?.key.range ? this.at(found.key.range[0]) : this.place(path);
  }

  /** What stands at a path, short enough for a message. */
  read(path: Path): string {
    const value = this.document.getIn(path);
    const text = value === undefined ? 'nothing' : JSON.stringify(isNode(value) ? value.toJSON() : value);
    return text.length > 60 ? `${text.slice(0, 57)}…` : text;
  }
}

/** Applies `--set path=value` to a document before it is checked. */
export interface Override {
  readonly path: readonly string[];
  readonly value: unknown;
}

/** Reads and checks a topology. Throws TopologyError with all problems that were found. */
export function loadTopology(file: string, text: string, overrides: readonly Override[] = []): Topology {
  const source = new Source(file, text);
  const syntax = source.document.errors.map((error) => `${source.at(error.pos[0])}: ${error.message.split('\n')[0]}`);
  if (syntax.length === 0) syntax.push(...unknownAliases(source));
  if (syntax.length > 0) throw new TopologyError(syntax);
  for (const override of overrides) applyOverride(source, override);
  const parsed = topologySchema.safeParse(plainValues(source) ?? {});
  if (!parsed.success) throw new TopologyError(unique(parsed.error.issues.flatMap((issue) => explain(source, issue))));
  const problems = [
    ...checkWires(source, parsed.data),
    ...checkAddresses(source, parsed.data),
    ...checkCaptures(source, parsed.data),
    ...checkFaults(source, parsed.data),
    ...checkProbes(source, parsed.data),
  ];
  if (problems.length > 0) throw new TopologyError(problems);
  return { ...parsed.data, name: nameOf(file), place: (...path) => source.place(path) };
}

/** Aliases of anchors that do not exist: the parser leaves them to whoever asks for values. */
function unknownAliases(source: Source): string[] {
  const { document } = source;
  const unknown: string[] = [];
  visit(document, {
    Alias(_key, alias) {
      if (alias.resolve(document) !== undefined) return;
      unknown.push(
        `${source.at(alias.range![0])}: read "*${alias.source}", expected the name of an anchor that stands before it as "&${alias.source}"`,
      );
    },
  });
  return unknown;
}

/** The document without anchors and aliases. */
function plainValues(source: Source): unknown {
  try {
    return source.document.toJS();
  } catch (error) {
    // Aliases of aliases that would fill the memory.
    if (error instanceof ReferenceError)
      throw new TopologyError([`${source.at(0)}: ${error.message}, expected a topology that repeats less`]);
    throw error;
  }
}

function applyOverride(source: Source, { path, value }: Override): void {
  const keys = path.map(asKey);
  for (let length = 0; length < keys.length; length++) {
    const holder = source.document.getIn(keys.slice(0, length));
    if (holder === undefined || isCollection(holder)) continue;
    const where = path.slice(0, length).join('.');
    throw new TopologyError([
      `--set ${path.join('.')}: ${where} is ${source.read(keys.slice(0, length))}, expected a map or a list to set ${JSON.stringify(path[length])} in`,
    ]);
  }
  source.document.setIn(keys, value);
}

const asKey = (part: string): string | number => (/^\d+$/.test(part) ? Number(part) : part);
const unique = (lines: string[]): string[] => [...new Set(lines)];
const nameOf = (file: string): string => (file.split('/').pop() ?? file).replace(/\.ya?ml$/, '');
const meant = (word: string, candidates: Iterable<string>): string => {
  const near = nearest(word, candidates);
  return near === null ? '' : `; did you mean ${JSON.stringify(near)}?`;
};

/** zod's view of a problem as lines of ours. In a union the branch that got furthest is the one that was meant. */
function explain(source: Source, issue: z.core.$ZodIssue, base: Path = []): string[] {
  const path = [...base, ...issue.path];
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(source, path, key));
  if (issue.code === 'invalid_union' && !issue.message.startsWith('expected')) {
    return meantBranch(issue.errors, source.read(path)).flatMap((inner) => explain(source, inner, path));
  }
  return [refusal(source, path, issue.message)];
}

/** Of a union's refusals the one of the form that was meant: for a map what is wrong inside it, otherwise what another notation expected. */
function meantBranch(branches: z.core.$ZodIssue[][], read: string): z.core.$ZodIssue[] {
  const inside = (branch: z.core.$ZodIssue[]): boolean =>
    branch.some((issue) => issue.path.length > 0 || issue.code === 'unrecognized_keys');
  const explained = (branch: z.core.$ZodIssue[]): boolean => branch.every((issue) => issue.message.startsWith('expected'));
  return (read.startsWith('{') ? branches.find(inside) : branches.find(explained)) ?? branches.at(-1) ?? [];
}

function refusal(source: Source, path: Path, message: string): string {
  const what = path.length === 0 ? 'the file' : path.map(String).join('.');
  const read = source.read(path);
  const choices = /^expected one of (.*)$/.exec(message)?.[1]?.split(', ') ?? [];
  const expected = message.startsWith('expected') ? message : `which is wrong: ${message}`;
  return `${source.place(path)}: ${what}: read ${read}, ${expected}${meant(read.replaceAll('"', ''), choices)}`;
}

/** The keys that a map at a path may have. */
const KNOWN_KEYS: readonly [RegExp, readonly string[]][] = [
  [/^$/, ['about', 'seed', 'until', 'hosts', 'wires', 'capture']],
  [/^hosts\.[^.]+$/, ['cpus', 'cpu', 'hz', 'memory', 'interfaces', 'pcie', 'probes', 'faults', 'setup', 'run']],
  [/^hosts\.[^.]+\.interfaces\.[^.]+$/, ['address', 'nic', 'mac', 'mtu', 'interrupts', 'queues', 'rx_ring', 'tx_ring']],
  [/^hosts\.[^.]+\.cpu$/, ['ghz', 'ipc', 'copy', 'shared']],
  [/^hosts\.[^.]+\.probes\.\d+$/, ['events', 'cost']],
  [/^hosts\.[^.]+\.pcie$/, ['posted_write', 'read', 'write', 'register_read', 'rate']],
  [/^hosts\.[^.]+\.faults\.\d+$/, ['at', 'fault', 'on', 'queue', 'direction', 'for', 'frames', 'factor']],
  [/^hosts\.[^.]+\.run\.\d+$/, ['at', 'cpu', 'script', 'command', 'program']],
  [/^wires\.\d+$/, ['name', 'between', 'rate', 'delay', 'impair', 'faults']],
  [/^wires\.\d+\.faults\.\d+$/, ['at', 'fault', 'from', 'for', 'frames']],
  [/^wires\.\d+\.impair\.[^.]+$/, ['drop', 'loss', 'corrupt', 'duplicate', 'reorder', 'reorder_by', 'jitter']],
  [/^capture\.\d+$/, ['point', 'on', 'snaplen', 'file', 'format', 'filter', 'max_size', 'files', 'tcp_state']],
];

function unknownKey(source: Source, path: Path, key: string): string {
  const where = path.map(String).join('.');
  const known = KNOWN_KEYS.find(([pattern]) => pattern.test(where))?.[1] ?? [];
  const expected = known.length > 0 ? `, expected one of ${known.join(', ')}` : '';
  return `${source.placeOfKey(path, key)}: unknown key ${JSON.stringify(key)}${where ? ` in ${where}` : ''}${expected}${meant(key, known)}`;
}

function* checkWires(source: Source, file: TopologyFile): Generator<string> {
  const used = new Map<string, number>();
  for (const [index, wire] of (file.wires ?? []).entries()) {
    const hosts = wire.between.map((end) => end.split('.', 1)[0]!);
    for (const [side, end] of wire.between.entries()) {
      const path = ['wires', index, 'between', side];
      const problem = checkEnd(source, file, path, end);
      if (problem !== null) yield problem;
      const earlier = used.get(end);
      if (earlier !== undefined)
        yield `${source.place(path)}: ${end} is plugged into wires.${earlier} already, expected an interface without a wire`;
      used.set(end, index);
    }
    for (const who of Object.keys(wire.impair ?? {})) {
      if (!hosts.includes(who) && !wire.between.includes(who)) {
        yield `${source.placeOfKey(['wires', index, 'impair'], who)}: impair: ${JSON.stringify(who)} is at no end of this wire, expected ${hosts.join(' or ')}${meant(who, hosts)}`;
      }
    }
  }
}

function checkEnd(source: Source, file: TopologyFile, path: Path, end: string): string | null {
  const [hostName = '', ...rest] = end.split('.');
  const host: HostSpec | undefined = file.hosts[hostName];
  const names = Object.keys(file.hosts);
  if (host === undefined) {
    return `${source.place(path)}: there is no host ${JSON.stringify(hostName)}, expected one of ${names.join(', ')}${meant(hostName, names)}`;
  }
  const interfaces = Object.keys(host.interfaces ?? {});
  const name = rest.join('.');
  if (interfaces.includes(name)) return null;
  return `${source.place(path)}: ${hostName} has no interface ${JSON.stringify(name)}, expected one of ${interfaces.join(', ') || 'its interfaces, but it has none'}${meant(name, interfaces)}`;
}

const sameNetwork = (a: InterfaceAddress, b: InterfaceAddress): boolean => {
  const shift = 32 - Math.min(a.prefix, b.prefix);
  return shift === 32 || a.address >>> shift === b.address >>> shift;
};

function* checkAddresses(source: Source, file: TopologyFile): Generator<string> {
  const seen: { host: string; name: string; address: InterfaceAddress }[] = [];
  for (const [host, spec] of Object.entries(file.hosts)) {
    for (const [name, networkInterface] of Object.entries(spec.interfaces ?? {})) {
      for (const address of networkInterface.address ?? []) {
        const place = source.place(['hosts', host, 'interfaces', name]);
        for (const other of seen) {
          if (other.address.address === address.address) {
            yield `${place}: ${host}.${name}: ${address.text} is ${other.host}.${other.name}'s address already, expected another`;
          } else if (other.host === host && other.name !== name && sameNetwork(other.address, address)) {
            yield `${place}: ${host}.${name}: ${address.text} overlaps with ${other.address.text} of ${host}.${other.name}, expected another network`;
          }
        }
        seen.push({ host, name, address });
      }
    }
  }
}

function filterProblem(filter: string): string | null {
  try {
    compileFilter(filter);
    return null;
  } catch (error) {
    if (error instanceof FilterError) return error.message;
    throw error;
  }
}

function* checkCaptures(source: Source, file: TopologyFile): Generator<string> {
  for (const [index, capture] of (file.capture ?? []).entries()) {
    const { on, filter, point } = capture;
    if (capture.files !== undefined && capture.max_size === undefined)
      yield `${source.place(['capture', index, 'files'])}: files: a ring of files needs the size of each, expected max_size beside it`;
    if (point === 'socket' && filter !== undefined)
      yield `${source.place(['capture', index, 'filter'])}: filter: the point socket sees data without headers, expected another point`;
    if (capture.tcp_state !== undefined && !['tcpdump', 'gro', 'qdisc'].includes(point))
      yield `${source.place(['capture', index, 'tcp_state'])}: tcp_state: ${point} knows no sockets, expected the point tcpdump, gro or qdisc`;
    if (filter !== undefined) {
      const problem = filterProblem(filter);
      if (problem !== null) yield `${source.place(['capture', index, 'filter'])}: filter: ${problem}`;
    }
    if (on === undefined || (capture.point === 'wire' && (file.wires ?? []).some((wire) => wire.name === on))) continue;
    if (point === 'socket' && Object.hasOwn(file.hosts, on)) continue;
    // Every host has lo, and only its packet taps can be captured: there is no card.
    if (capture.point !== 'nic' && Object.keys(file.hosts).some((host) => on === `${host}.lo`)) continue;
    const problem = checkEnd(source, file, ['capture', index, 'on'], on);
    if (problem !== null) yield problem;
  }
}

/** Probes name tracepoints that exist. */
function* checkProbes(source: Source, file: TopologyFile): Generator<string> {
  for (const [host, spec] of Object.entries(file.hosts)) {
    for (const [index, { events }] of (spec.probes ?? []).entries()) {
      const problem = probeProblem(events);
      if (problem !== null) yield `${source.place(['hosts', host, 'probes', index, 'events'])}: events: ${problem}`;
    }
  }
}

/** Faults name interfaces and ends that exist. */
function* checkFaults(source: Source, file: TopologyFile): Generator<string> {
  for (const [host, spec] of Object.entries(file.hosts)) {
    const names = Object.keys(spec.interfaces ?? {});
    for (const [index, { on, fault }] of (spec.faults ?? []).entries()) {
      if (fault === 'no-memory' || (on === undefined && names.length > 0) || (on !== undefined && names.includes(on))) continue;
      const place = source.place(['hosts', host, 'faults', index, 'on']);
      yield `${place}: ${host} has no interface ${JSON.stringify(on ?? '')}, expected one of ${names.join(', ') || 'its interfaces, but it has none'}${meant(on ?? '', names)}`;
    }
  }
  for (const [index, wire] of (file.wires ?? []).entries()) {
    const ends = [...wire.between.map((end) => end.split('.', 1)[0]!), ...wire.between];
    for (const [i, { from }] of (wire.faults ?? []).entries()) {
      if (from === undefined || ends.includes(from)) continue;
      const place = source.place(['wires', index, 'faults', i, 'from']);
      yield `${place}: ${JSON.stringify(from)} is at no end of this wire, expected one of ${ends.join(', ')}${meant(from, ends)}`;
    }
  }
}
