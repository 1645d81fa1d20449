/**
 * Starting and ending programs: what fork, exec and exit do. `startProgram` from outside of the machine (a topology's `run:`, with its CPU as this_cpu),
 * `sys.spawn` from within a program.
 */
import { kernel } from '../kernel/current.ts';
import { exit_files, filesOf, newFiles, shareFiles } from '../kernel/fs/file.ts';
import { type Sleeping, task_struct } from '../kernel/include/linux/sched.ts';
import { kernelSpawn, wake_up_all } from '../kernel/kernel/sched.ts';
import { releaseTaskFrag } from '../kernel/net/core/sock_frag.ts';
import { KilledBySignal } from './errors.ts';
import { Sys } from './system_calls.ts';
import { Process, type Program, ProgramExit, type SpawnOptions } from './task_calls.ts';

/** Longest name of a task. */
const TASK_COMM_LEN = 15;
/** Exit code of a program that a signal killed, as shells report it. */
const SIGNAL_BASE = 128;

/** Starts a program on a CPU now; `prepare` sees its Sys before it begins, to listen to its calls. */
export function startProgram(program: Program, name: string, cpu: number, prepare?: (sys: Sys) => void): Process {
  const task = new task_struct(kernel().nextPid(), name.slice(0, TASK_COMM_LEN), cpu, null);
  task.files = newFiles(null);
  return begin(task, program, prepare);
}

function spawnTask(parent: Sys, program: Program, options: SpawnOptions): Process {
  const name = options.name ?? parent.task.comm;
  const task = new task_struct(kernel().nextPid(), name.slice(0, TASK_COMM_LEN), options.cpu ?? parent.task.cpu, null);
  if (options.process === true) task.files = newFiles(filesOf(parent.task).fd[1] ?? null);
  else shareFiles(task, parent.task);
  return begin(task, program);
}

function begin(task: task_struct, program: Program, prepare?: (sys: Sys) => void): Process {
  const process = new Process(task);
  const sys = new Sys(kernel(), task, spawnTask);
  prepare?.(sys);
  task.onExit = () => wake_up_all(process.ended);
  task.body = run(sys, program);
  kernelSpawn(task);
  return process;
}

/**
 * A program from its first instruction to its exit code; what it left open is closed. Here and in programs, each generator more between a task and the place where it
 * sleeps is one more to go through each time it does.
 */
function* run(sys: Sys, program: Program): Sleeping<number> {
  let code: number;
  try {
    code = yield* program(sys);
    sys.checkPending();
  } catch (thrown) {
    code = exitCodeOf(thrown);
  }
  yield* exit_files(sys.task);
  releaseTaskFrag(sys.task);
  return code;
}

function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof ProgramExit) return thrown.code;
  if (thrown instanceof KilledBySignal) return SIGNAL_BASE + thrown.signal;
  throw thrown;
}
