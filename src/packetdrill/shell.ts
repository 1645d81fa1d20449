/** Runs the shell lines of scripts against the emulated host. */
import type { Sleeping } from '../kernel/include/linux/sched.ts';
import { CommandError } from '../user/commands/command.ts';
import { Mismatch } from './failures.ts';
import { COMMANDS, type ShellCommand } from './shell_commands.ts';
import { setDefaults, writeFile } from './shell_files.ts';
import { type Pipeline, parseShell, type SimpleCommand } from './shell_parse.ts';

/** Text of a shell script that is named relative to the packetdrill script; null when there is none. */
export type ReadScript = (path: string) => string | null;

const basename = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** What commands of one script share. */
export class Shell {
  readonly #readScript: ReadScript;
  readonly variables: ReadonlyMap<string, string> = new Map([
    ['PPID', '1000'],
    ['PACKETDRILL_PID', '1000'],
  ]);
  /** Files that scripts made. */
  readonly files = new Map<string, Uint8Array>();
  /** Counters as `nstat` saw them last. */
  readonly nstatHistory = new Map<string, number>();
  /** What commands printed, for reports. */
  readonly output: string[] = [];

  constructor(readScript: ReadScript) {
    this.#readScript = readScript;
  }

  /** Runs lines; returns the exit status of the last command. */
  *run(text: string): Sleeping<number> {
    let status = 0;
    for (const pipeline of parseShell(text, this.variables)) {
      if ((pipeline.when === 'success' && status !== 0) || (pipeline.when === 'failure' && status === 0)) continue;
      status = yield* this.#pipeline(pipeline);
    }
    return status;
  }

  *#pipeline(pipeline: Pipeline): Sleeping<number> {
    let input = '';
    let status = 0;
    for (const [i, command] of pipeline.commands.entries()) {
      const lines: string[] = [];
      status = yield* this.#command(command, input, (line) => lines.push(line));
      input = lines.map((line) => `${line}\n`).join('');
      const output = command.redirects.find(({ errorsOnly, input: from }) => !errorsOnly && !from);
      if (output !== undefined) status = writeFile(this, output.target, input, output.append) || status;
      else if (i === pipeline.commands.length - 1) this.output.push(...lines);
      if (output !== undefined) input = '';
    }
    return pipeline.negated ? Number(status === 0) : status;
  }

  *#command({ words, redirects }: SimpleCommand, input: string, out: (line: string) => void): Sleeping<number> {
    const name = words[0];
    if (name === undefined) return 0;
    const quiet = redirects.some(({ errorsOnly, target }) => errorsOnly || target === '/dev/null');
    const complain = (text: string): void => {
      if (!quiet) this.output.push(text);
    };
    const command = this.#find(name);
    if (command === null) {
      complain(`sh: ${name}: not found`);
      return 127;
    }
    try {
      return yield* command(words, { shell: this, input, out, complain });
    } catch (error) {
      if (!(error instanceof CommandError) && !(error instanceof Mismatch)) throw error;
      complain(error.message);
      return 1;
    }
  }

  #find(name: string): ShellCommand | null {
    const base = basename(name);
    if (/^sysctl_restore_.*\.sh$/.test(base)) return succeed;
    const known = COMMANDS[base];
    if (known !== undefined) return known;
    const text = name.includes('/') && base.endsWith('.sh') ? this.#readScript(name) : null;
    if (text !== null) return scriptText(text);
    return base === 'defaults.sh' ? defaults : null;
  }
}

// A host that ends with its script has nothing to restore.
// biome-ignore lint/correctness/useYield: a command may sleep, this one need not
function* succeed(): Sleeping<number> {
  return 0;
}

/** A shell script beside the packetdrill script. */
const scriptText = (text: string): ShellCommand =>
  function* (_words, { shell }) {
    return yield* shell.run(text);
  };

/** The collections' common set-up, when it is not there to be read. */
const defaults: ShellCommand = function* (_words, { shell }) {
  return yield* setDefaults(shell);
};
