/** A command line as a program: commands by name, joined by pipes. What one prints is the next one's input, whole, when it has ended. */
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { nearest } from '../nearest.ts';
import type { Program } from '../sys.ts';
import { type Command, CommandError, type Output, shellStages } from './command.ts';
import { COMMANDS } from './commands.ts';

/** The program of a command line. Throws CommandError at once when a command does not exist. */
export function commandLine(line: string, out: Output): Program {
  const stages = shellStages(line).map((words) => ({ words, command: commandNamed(words[0] ?? '') }));
  return function* shell(sys): Sleeping<number> {
    let input: string | null = null;
    let status = 0;
    for (const [index, { words, command }] of stages.entries()) {
      const printed: string[] = [];
      const last = index === stages.length - 1;
      status = yield* command(words, last ? out : (text) => printed.push(text), sys, input);
      input = printed.map((text) => `${text}\n`).join('');
    }
    return status;
  };
}

function commandNamed(name: string): Command {
  const base = name.replace(/^(\/usr)?\/s?bin\//, '');
  const command = Object.hasOwn(COMMANDS, base) ? COMMANDS[base] : undefined;
  if (command !== undefined) return command;
  const near = nearest(name, Object.keys(COMMANDS));
  const hint = near === null ? '' : `; did you mean ${JSON.stringify(near)}?`;
  throw new CommandError(`unknown command ${JSON.stringify(name)}, expected one of ${Object.keys(COMMANDS).join(', ')}${hint}`);
}
