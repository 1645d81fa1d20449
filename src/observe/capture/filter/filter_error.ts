/** A filter that cannot be read: where, what was read, what was expected. */
export class FilterError extends Error {
  override readonly name = 'FilterError';
  /** From 1. */
  readonly column: number;

  constructor(column: number, read: string, expected: string) {
    super(`column ${column}: read ${read === '' ? 'the end of the filter' : JSON.stringify(read)}, expected ${expected}`);
    this.column = column;
  }
}
