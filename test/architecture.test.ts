import { describe, expect, it } from 'vitest';
import { cycles, type SourceFile, sources } from './support/sources.ts';

const files = sources('src');
const folderOf = (path: string): string => path.split('/')[1]!;

/** Who may import whom: docs/architecture.md. */
const ALLOWED: Record<string, readonly string[]> = {
  sim: [],
  machine: ['sim'],
  wire: ['sim'],
  hw: ['machine', 'sim', 'wire'],
  kernel: ['machine', 'sim', 'hw'],
  user: ['kernel', 'machine', 'sim'],
  observe: ['kernel', 'machine', 'wire', 'hw', 'sim'],
  topology: ['sim', 'machine', 'wire', 'hw', 'kernel', 'user', 'observe'],
  replay: ['sim', 'machine', 'wire', 'kernel', 'observe', 'topology'],
  compare: ['sim', 'observe'],
  packetdrill: ['sim', 'machine', 'kernel', 'user', 'observe'],
  cli: ['compare', 'packetdrill', 'sim', 'machine', 'wire', 'hw', 'kernel', 'user', 'observe', 'topology', 'replay'],
};

/** The files that stand for the datasheet. */
const DATASHEET = ['src/hw/igb/e1000_regs.ts', 'src/hw/igb/e1000_defines.ts', 'src/hw/igb/e1000_desc.ts'];

const offences = (check: (file: SourceFile) => Iterable<string>): string[] =>
  files.flatMap((file) => [...check(file)].map((what) => `${file.path}: ${what}`));

const edges = (keep: (file: SourceFile) => string[], node: (path: string) => string): Map<string, Set<string>> => {
  const graph = new Map<string, Set<string>>();
  for (const file of files) {
    const from = node(file.path);
    const targets = graph.get(from) ?? new Set();
    for (const target of keep(file).map(node)) if (target !== from) targets.add(target);
    graph.set(from, targets);
  }
  return graph;
};

describe('the house', () => {
  it('has no rooms but those of the plan', () => {
    expect([...new Set(files.map(({ path }) => folderOf(path)))].filter((folder) => !(folder in ALLOWED) && folder !== 'index.ts')).toEqual(
      [],
    );
  });

  it('has doors only where the plan has them', () => {
    expect(
      offences(function* ({ path, imports }) {
        const from = folderOf(path);
        for (const { target } of imports) {
          const to = folderOf(target);
          if (from !== to && from !== 'index.ts' && !ALLOWED[from]!.includes(to)) yield `imports ${target}`;
        }
      }),
    ).toEqual([]);
  });

  it('lets driver and device meet only in the datasheet', () => {
    expect(
      offences(function* ({ path, imports }) {
        if (folderOf(path) !== 'kernel') return;
        for (const { target } of imports) if (folderOf(target) === 'hw' && !DATASHEET.includes(target)) yield `imports ${target}`;
      }),
    ).toEqual([]);
    expect(
      offences(function* ({ path, imports }) {
        if (folderOf(path) !== 'hw') return;
        for (const { target } of imports)
          if (folderOf(target) === 'wire' && !/wire\/(port|frame)\.ts$/.test(target)) yield `imports ${target}`;
      }),
    ).toEqual([]);
  });

  it('has no cycle between folders, not even of types', () => {
    expect(cycles(edges(({ imports }) => imports.map(({ target }) => target), folderOf))).toEqual([]);
  });

  it('has no cycle of value imports between files', () => {
    const values = ({ imports }: SourceFile): string[] => imports.filter(({ typeOnly }) => !typeOnly).map(({ target }) => target);
    expect(cycles(edges(values, (path) => path))).toEqual([]);
  });

  it('touches the file system only in observe and cli', () => {
    expect(
      offences(function* ({ path, packages }) {
        if (!['observe', 'cli'].includes(folderOf(path))) yield* packages.filter((name) => /^(node:)?(fs|fs\/promises)$/.test(name));
      }),
    ).toEqual([]);
  });

  it('knows neither the wall clock nor chance nor promises below observe and cli', () => {
    const forbidden = /\b(Date\.now|new Date|Math\.random|setTimeout|setInterval|setImmediate|performance\.now|new Promise|async )\b/;
    expect(
      offences(function* ({ path, text }) {
        if (['observe', 'cli'].includes(folderOf(path))) return;
        for (const line of code(text)) if (forbidden.test(line)) yield line.trim();
      }),
    ).toEqual([]);
  });

  it('keeps no mutable state at module level but the register that says which CPU runs', () => {
    expect(
      offences(function* ({ path, text }) {
        for (const line of code(text)) if (/^(export )?(let|var) /.test(line) && path !== 'src/machine/cpu.ts') yield line;
      }),
    ).toEqual([]);
  });

  it('is printed to and left only by cli', () => {
    expect(
      offences(function* ({ path, text }) {
        if (folderOf(path) === 'cli') return;
        for (const line of code(text)) if (/\b(console\.\w+|process\.(exit\b|stdout|stderr|exitCode))/.test(line)) yield line.trim();
      }),
    ).toEqual([]);
  });
});

/** Lines without comments. */
const code = (text: string): string[] =>
  text
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .split('\n')
    .map((line) => line.replace(/(^|\s)\/\/.*$/, ''));

describe('names', () => {
  it('are either snake_case as in Linux and the datasheet, or camelCase and PascalCase: never half of each', () => {
    const declared = /^(?:export )?(?:const|function\*?|class|interface|type) (\w+)/gm;
    expect(
      offences(function* ({ text }) {
        for (const [, name = ''] of text.matchAll(declared)) if (/_/.test(name) && /[a-z][A-Z]/.test(name)) yield name;
      }),
    ).toEqual([]);
  });

  it('of files are snake_case', () => {
    expect(files.map(({ path }) => path).filter((path) => !/^[a-z0-9_/]+\.ts$/.test(path))).toEqual([]);
  });
});
