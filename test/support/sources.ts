/** The project's own sources as text, for tests of its structure. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

export interface Import {
  readonly target: string;
  /** Only types: gone at run time. */
  readonly typeOnly: boolean;
}

export interface SourceFile {
  /** From the project's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** Imports of our own files, by path from the root. */
  readonly imports: readonly Import[];
  /** Imports of packages and of Node's modules. */
  readonly packages: readonly string[];
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : path.endsWith('.ts') ? [path] : [];
  });
}

const IMPORT =
  /^(?:import|export)\s+(type\s+)?([\s\S]*?)\s*from\s+'([^']+)';?$|^import\s+'([^']+)';?$|(?:import|typeof import)\('([^']+)'\)/gm;

function parse(path: string): SourceFile {
  const text = readFileSync(path, 'utf8');
  const imports: Import[] = [];
  const packages: string[] = [];
  for (const [, type, names = '', from, bare, inline] of text.matchAll(IMPORT)) {
    const target = from ?? bare ?? inline ?? '';
    if (!target.startsWith('.')) {
      packages.push(target);
      continue;
    }
    const parts = /^\{([\s\S]*)\}$/.exec(names.trim())?.[1]?.split(',') ?? [];
    const named = parts.map((part) => part.trim()).filter((part) => part !== '');
    const typeOnly = type !== undefined || inline !== undefined || (named.length > 0 && named.every((name) => name.startsWith('type ')));
    imports.push({ target: normalize(join(dirname(path), target)), typeOnly });
  }
  return { path, text, imports, packages };
}

export const sources = (folder: string): SourceFile[] => filesBelow(folder).map(parse);

/** Groups of nodes that reach each other (Tarjan), the trivial ones left out. */
export function cycles(edges: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (node: string): void => {
    index.set(node, index.size);
    low.set(node, index.get(node)!);
    stack.push(node);
    for (const next of edges.get(node) ?? []) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(node, Math.min(low.get(node)!, low.get(next)!));
    }
    if (low.get(node) !== index.get(node)) return;
    const group = stack.splice(stack.indexOf(node));
    if (group.length > 1 || edges.get(node)?.has(node) === true) found.push(group.sort());
  };
  for (const node of edges.keys()) if (!index.has(node)) visit(node);
  return found;
}
