/** What a host runs, as programs: set-up commands, socket scripts, command lines, modules. */
import type { Sleeping } from '../kernel/include/linux/sched.ts';
import { CommandError, type Output } from '../user/commands/command.ts';
import { commandLine } from '../user/commands/shell.ts';
import type { ScriptLog } from '../user/socket_script/log.ts';
import { ScriptError } from '../user/socket_script/parse.ts';
import { socketScript } from '../user/socket_script/run.ts';
import type { Program } from '../user/sys.ts';
import type { ProgramSpec } from './schema.ts';
import { TopologyError } from './topology_error.ts';

/** A program and what it is called in reports. */
export interface NamedProgram {
  readonly name: string;
  readonly title: string;
  readonly program: Program;
}

/** Modules that `program:` entries name, loaded beforehand: path → the program they export. */
export type LoadedPrograms = ReadonlyMap<string, Program>;

/** The program of a `run:` entry. `place` says where it stands, for errors; `log` takes what it prints. */
export function programOf(spec: ProgramSpec, place: string, log: ScriptLog, loaded: LoadedPrograms): NamedProgram {
  if (spec.script !== undefined) return { name: 'sockscript', title: 'script', program: scriptOf(spec.script, place, log) };
  if (spec.command !== undefined) {
    const name = /^\s*(\S*)/.exec(spec.command)![1]!;
    return { name, title: spec.command, program: commandProgram(spec.command, place, (line) => log.line(line)) };
  }
  const program = loaded.get(spec.program!);
  if (program === undefined)
    throw new TopologyError([`${place}: program: ${spec.program} was not loaded, expected a module that exports a program`]);
  return { name: 'node', title: spec.program!, program };
}

function scriptOf(text: string, place: string, log: ScriptLog): Program {
  try {
    return socketScript(text, log);
  } catch (error) {
    if (error instanceof ScriptError)
      throw new TopologyError([`${place}: script line ${error.line}, column ${error.column}: ${error.message}`]);
    throw error;
  }
}

/** A command line as a program; unknown commands are found at once. */
export function commandProgram(line: string, place: string, out: Output): Program {
  const complain = (error: unknown): never => {
    if (error instanceof CommandError) throw new TopologyError([`${place}: ${error.message}`]);
    throw error;
  };
  let program: Program;
  try {
    program = commandLine(line, out);
  } catch (error) {
    return complain(error);
  }
  return function* run(sys): Sleeping<number> {
    try {
      return yield* program(sys);
    } catch (error) {
      return complain(error);
    }
  };
}
