/** A mistake in what the user wrote: one line each, `file:line:column: what was read; what was expected`. Exit code 2. */
export class TopologyError extends Error {
  override readonly name = 'TopologyError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}
