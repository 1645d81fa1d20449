/** How programs end other than by returning. */

/** A mistake in a program (not in truewire, not in its input): the message says where and what. */
export class ProgramError extends Error {
  override readonly name = 'ProgramError';
}

/** A signal that the program does not ignore ends it. */
export class KilledBySignal extends Error {
  override readonly name = 'KilledBySignal';
  readonly signal: number;

  constructor(signal: number) {
    super(`killed by signal ${signal}`);
    this.signal = signal;
  }
}
