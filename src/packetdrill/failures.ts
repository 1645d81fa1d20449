/** The two ways a script can end badly: it cannot be used, or what happened is not what it says. */

/** The script (or a command line option) cannot be understood. */
export class ScriptSyntaxError extends Error {
  override readonly name = 'ScriptSyntaxError';
  readonly path: string;
  readonly line: number;

  constructor(path: string, line: number, what: string) {
    super(`${path}:${line}: ${what}`);
    this.path = path;
    this.line = line;
  }
}

/** An expectation that was not met. The message is whole: path, line, expected, actual. */
export class TestFailure extends Error {
  override readonly name = 'TestFailure';
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** What an event's own code throws: the runner adds path, line and what was being done. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch';
}

export function mismatch(message: string): never {
  throw new Mismatch(message);
}
