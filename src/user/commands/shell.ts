/**
 * A command line as a program: commands by name, joined by pipes. What one prints is the next one's input, whole, when it has ended. `&&` and `||` run what
 * follows only if what came before succeeded, or failed, and `;` in any case.
 */
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { nearest } from '../nearest.ts';
import type { Program, Sys } from '../sys.ts';
import { type Command, CommandError, type Output, type Pipeline, shellPipelines } from './command.ts';
import { COMMANDS } from './commands.ts';

interface Stage {
  readonly words: readonly string[];
  readonly command: Command;
}

/** The program of a command line. Throws CommandError at once when a command does not exist. */
export function commandLine(line: string, out: Output): Program {
  const pipelines = shellPipelines(line).map(({ stages, joint }) => ({ stages: stages.map(stageOf), joint }));
  return function* shell(sys): Sleeping<number> {
    let status = 0;
    let before: Pipeline['joint'] = ';';
    for (const { stages, joint } of pipelines) {
      if (before === ';' || (before === '&&') === (status === 0)) status = yield* runPipeline(stages, joint, out, sys);
      before = joint;
    }
    return status;
  };
}

const stageOf = (words: readonly string[]): Stage => ({ words, command: commandNamed(words[0] ?? '') });

/** What goes wrong ends the line with a CommandError, unless `||` says what to do then. */
function* runPipeline(stages: readonly Stage[], joint: Pipeline['joint'], out: Output, sys: Sys): Sleeping<number> {
  let input: string | null = null;
  let status = 0;
  for (const [index, { words, command }] of stages.entries()) {
    const printed: string[] = [];
    const last = index === stages.length - 1;
    try {
      status = yield* command(words, last ? out : (text) => printed.push(text), sys, input);
    } catch (error) {
      if (!(error instanceof CommandError) || joint !== '||') throw error;
      out(error.message);
      status = 1;
    }
    input = printed.map((text) => `${text}\n`).join('');
  }
  return status;
}

function commandNamed(name: string): Command {
  const base = name.replace(/^(\/usr)?\/s?bin\//, '');
  const command = Object.hasOwn(COMMANDS, base) ? COMMANDS[base] : undefined;
  if (command !== undefined) return command;
  const near = nearest(name, Object.keys(COMMANDS));
  const hint = near === null ? '' : `; did you mean ${JSON.stringify(near)}?`;
  throw new CommandError(`unknown command ${JSON.stringify(name)}, expected one of ${Object.keys(COMMANDS).join(', ')}${hint}`);
}
