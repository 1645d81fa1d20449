// What the plugins that change source text need: walking its tree, and putting the changes in.

/** The nodes directly below a node of the tree that rolldown's parser makes. */
export function* children(node) {
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child?.type === 'string') yield child;
    }
  }
}

/** The code with [start, end, text that stands there instead] put in. Those with the same start keep their order. */
export function edited(code, edits) {
  edits.sort((a, b) => a[0] - b[0]);
  let result = '';
  let position = 0;
  for (const [start, end, text] of edits) {
    result += code.slice(position, start) + text;
    position = end;
  }
  return result + code.slice(position);
}
