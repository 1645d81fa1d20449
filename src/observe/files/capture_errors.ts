/** What can be wrong with a capture file that we read. Both errors are the user's input, not a bug of ours. */

/** The file cannot be read at all: missing, empty, or no capture. */
export class CaptureOpenError extends Error {
  override readonly name: string = 'CaptureOpenError';
  readonly path: string;

  constructor(path: string, message: string, cause?: unknown) {
    super(`${path}: ${message}`, { cause });
    this.path = path;
  }
}

/** The file is damaged from `offset` on. All packets before were delivered. */
export class CaptureDamage extends Error {
  override readonly name: string = 'CaptureDamage';
  readonly path: string;
  /** Byte of the (unpacked) file at which what was read makes no sense, or at which it ends. */
  readonly offset: number;
  readonly found: string;
  readonly expected: string;

  constructor(path: string, offset: number, found: string, expected: string, packets: number) {
    super(`${path}: damaged at byte ${offset}: ${found}, expected ${expected} (packets before it: ${packets})`);
    this.path = path;
    this.offset = offset;
    this.found = found;
    this.expected = expected;
  }
}
