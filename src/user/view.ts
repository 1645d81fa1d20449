/** A command line that only looks: run at once, at no cost, outside of every task. For views of a run at an instant (`--at '1.5s client: ss -tin'`). */
import type { Kernel } from '../kernel/kernel.ts';
import { CommandError } from './commands/command.ts';
import { commandLine } from './commands/shell.ts';
import { ProgramError } from './errors.ts';
import { Sys } from './system_calls.ts';

/** A view's lines. Throws CommandError for a line that is wrong, or one that would have to wait. */
export type View = (owner: Kernel) => string[];

export function viewOf(line: string): View {
  const lines: string[] = [];
  const program = commandLine(line, (text) => lines.push(text));
  return (owner) => {
    lines.length = 0;
    const sys = new Sys(owner, owner.idle[0]!, () => {
      throw new ProgramError('a view starts no tasks');
    });
    const { done } = program(sys).next();
    if (done !== true) throw new CommandError(`${line}: takes time, expected a command that only shows something`);
    return [...lines];
  };
}
