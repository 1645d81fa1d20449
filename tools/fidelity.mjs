/**
 * The list of simplifications in docs/fidelity.md, made from the `Simplified:` comments of the sources, so that it never drifts from them.
 *
 *     node tools/fidelity.mjs        rewrites the list between its two marks
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const DOCUMENT = 'docs/fidelity.md';
const BEGIN = '<!-- simplified: begin (node tools/fidelity.mjs) -->';
const END = '<!-- simplified: end -->';

const filesBelow = (folder) =>
  readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name);
      return statSync(path).isDirectory() ? filesBelow(path) : path.endsWith('.ts') ? [path] : [];
    });

/** The sentences after each `Simplified:` up to the end of its comment or paragraph. */
function simplifications(text) {
  const found = [];
  for (const match of text.matchAll(/Simplified:/g)) {
    const lines = text.slice(match.index + 'Simplified:'.length).split('\n');
    const words = [];
    for (const [i, line] of lines.entries()) {
      const isComment = i === 0 || /^\s*(\*|\/\/)/.test(line);
      const content = (i === 0 ? line : line.replace(/^\s*(\*(?!\/)|\/\/)\s?/, '')).replace(/\*\/.*$/, '').trim();
      if (!isComment || (i > 0 && content === '')) break;
      if (i > 0 && /Simplified:/.test(content)) break;
      words.push(content);
      if (/\*\//.test(line)) break;
    }
    found.push(words.join(' ').trim());
  }
  return found;
}

export function simplifiedList() {
  const rows = filesBelow('src').flatMap((path) => simplifications(readFileSync(path, 'utf8')).map((text) => `- \`${path}\`: ${text}`));
  return [BEGIN, ...rows, END].join('\n');
}

const pattern = new RegExp(`${BEGIN.replaceAll(/[()]/g, '\\$&')}[\\s\\S]*${END}`);

/** The list as it stands in the document. */
export const documentedList = () => pattern.exec(readFileSync(DOCUMENT, 'utf8'))?.[0] ?? '';

if (process.argv[1]?.endsWith('fidelity.mjs')) {
  const text = readFileSync(DOCUMENT, 'utf8');
  writeFileSync(
    DOCUMENT,
    text.replace(pattern, () => simplifiedList()),
  );
}
