/**
 * Runs one script: a task on the emulated host goes through the events one after the other, makes the system calls itself, writes packets into the
 * tun interface and takes those that leave from the tap there. A call that may block runs in a task of its own.
 *
 * Everything happens in virtual time, so the verdict is always the same. An event costs a few microseconds, as it does on real hardware: with none, round
 * trips would measure 0 and much of TCP would behave as it never does.
 */
import { type Sleeping, TASK_RUNNING } from '../kernel/include/linux/sched.ts';
import { this_cpu } from '../machine/cpu.ts';
import { NSEC_PER_SEC, NSEC_PER_USEC } from '../sim/time.ts';
import { inet_addr, type Process, type Sys, startProgram } from '../user/sys.ts';
import type { CallAction, CodeAction, CommandAction, PacketAction, Script, ScriptEvent } from './ast.ts';
import type { CallWorld } from './call_support.ts';
import { findCall } from './calls.ts';
import { CodeRecorder } from './code.ts';
import type { Connection } from './connection.ts';
import { TUN_NAME } from './defaults.ts';
import { Mismatch, mismatch, ScriptSyntaxError, TestFailure } from './failures.ts';
import { ScriptHost } from './host.ts';
import type { RunOptions } from './options.ts';
import type { TcpPacket } from './packet.ts';
import { Recording } from './recording.ts';
import { ScriptClock } from './script_clock.ts';
import { type ReadScript, Shell } from './shell.ts';
import { checkTime, type DueTime } from './times.ts';
import { Wire } from './wire.ts';

/** What a script's event costs before it happens. */
const INJECT_NS = 30 * NSEC_PER_USEC;
const CALL_NS = 15 * NSEC_PER_USEC;
const OUTBOUND_NS = 5 * NSEC_PER_USEC;
/** How long a call waits for a blocking one to end. */
const CALL_PATIENCE_NS = NSEC_PER_SEC;
/** No script takes longer than this. */
const LIFETIME_NS = 24 * 3600 * NSEC_PER_SEC;
const SIGPIPE = 13;

/** What became of a script. */
export interface Verdict {
  readonly path: string;
  readonly ok: boolean;
  /** Why it failed, as packetdrill would say; empty when it did not. */
  readonly message: string;
  /** Line of the event that failed; 0 when none did. */
  readonly line: number;
  /** Virtual time since the script's start, µs. */
  readonly virtualUs: number;
  /** What the script's commands and code printed. */
  readonly output: readonly string[];
}

/** A blocking call that is under way. */
interface Blocked {
  readonly process: Process;
  failure: Error | null;
  done: boolean;
}

/** What a script may have of the world outside. */
export interface Outside {
  /** Path of the files to leave, without endings; null for none. */
  readonly recordTo: string | null;
  readonly readScript: ReadScript;
}

export function runScript(script: Script, options: RunOptions, { recordTo, readScript }: Outside): Verdict {
  const host = new ScriptHost(options.hz);
  const recording = recordTo === null ? null : new Recording(host, recordTo);
  try {
    return new ScriptRun(script, options, host, readScript).run();
  } finally {
    recording?.close();
  }
}

function addressOf(script: Script, text: string): number {
  return inet_addr(text) ?? refuse(script, text);
}

function refuse(script: Script, text: string): never {
  throw new ScriptSyntaxError(script.path, 1, `read ${JSON.stringify(text)}, expected an IPv4 address`);
}

class ScriptRun implements CallWorld {
  readonly descriptors = new Map<number, number>();
  readonly localAddress: number;
  readonly remoteAddress: number;
  readonly bindPort: number;
  readonly connectPort: number;
  readonly toleranceUs: number;
  sys: Sys = null as unknown as Sys;

  readonly #script: Script;
  readonly #options: RunOptions;
  readonly #host: ScriptHost;
  readonly #clock: ScriptClock;
  readonly #wire: Wire;
  readonly #shell: Shell;
  readonly #code: CodeRecorder;
  readonly #output: string[] = [];
  #blocked: Blocked | null = null;
  #failure: Error | null = null;
  #finished = false;
  /** The event that is being done. */
  #event: ScriptEvent;

  constructor(script: Script, options: RunOptions, host: ScriptHost, readScript: ReadScript) {
    this.#script = script;
    this.#options = options;
    this.#host = host;
    this.localAddress = addressOf(script, options.localIp);
    this.remoteAddress = addressOf(script, options.remoteIp);
    this.bindPort = options.bindPort;
    this.connectPort = options.connectPort;
    this.toleranceUs = options.toleranceUs;
    this.#clock = new ScriptClock(host, options);
    this.#wire = new Wire(this.#clock, host, options, this, () => this.#collect());
    this.#shell = new Shell(readScript);
    this.#code = new CodeRecorder(script.path);
    this.#event = script.events[0]!;
  }

  get connections(): Connection[] {
    return this.#wire.connections;
  }

  get startNs(): number {
    return this.#clock.startNs;
  }

  get files(): ReadonlyMap<string, Uint8Array> {
    return this.#shell.files;
  }

  run(): Verdict {
    const { simulation } = this.#host;
    this.#host.onCpu(() => startProgram((sys) => this.#program(sys), 'packetdrill', 0));
    simulation.run(LIFETIME_NS);
    if (!this.#finished) this.#failure ??= new TestFailure(this.#event.line, this.#stuckText());
    const failure = this.#failure;
    return {
      path: this.#script.path,
      ok: failure === null,
      message: failure?.message ?? '',
      line: failure instanceof TestFailure ? failure.line : 0,
      virtualUs: Math.max(0, this.#clock.us(Math.min(simulation.now, this.#host.machine.cpus[0]!.clock))),
      output: [...this.#shell.output, ...this.#output],
    };
  }

  /** Nothing is left that could happen, or nothing but timers without end. */
  #stuckText(): string {
    const { action, line } = this.#event;
    const what = action.type === 'call' ? `${action.name}() never returns` : 'Timed out waiting for packet';
    return `${this.#script.path}:${line}: ${what}`;
  }

  *#program(sys: Sys): Sleeping<number> {
    this.sys = sys;
    sys.ignoreSignal(SIGPIPE);
    try {
      yield* this.#everything();
    } catch (error) {
      this.#fail(error);
    }
    this.#finished = true;
    this.#host.simulation.stop();
    return this.#failure === null ? 0 : 1;
  }

  /** Keeps the first failure; what is no verdict about the script is a bug and goes on. */
  #fail(error: unknown): void {
    if (error instanceof TestFailure) this.#failure ??= error;
    else if (error instanceof Mismatch) this.#failure ??= new TestFailure(0, `${this.#script.path}: ${error.message}`);
    else throw error;
  }

  *#everything(): Sleeping<void> {
    yield* this.#setUp();
    yield* this.#clock.start();
    for (const event of this.#script.events) {
      this.#event = event;
      yield* this.#runEvent(event);
      this.#clock.end(event);
      if (this.#failure !== null) return;
    }
    if (this.#script.cleanupCommand !== null) yield* this.#command(this.#script.cleanupCommand, 'cleanup command');
    this.#code.run((line) => this.#output.push(line));
    yield* this.#awaitBlocked();
    if (this.#blocked !== null)
      throw new TestFailure(
        this.#event.line,
        `${this.#script.path}:${this.#event.line}: runtime error: exiting while a blocking system call is in progress`,
      );
  }

  /* Before the clock starts */

  *#setUp(): Sleeping<void> {
    const { localIp, remoteIp, prefixLength, mtu } = this.#options;
    const lines = [
      'ip link set dev lo up',
      `ip link set dev ${TUN_NAME} mtu ${mtu}`,
      `ip link set dev ${TUN_NAME} up`,
      `ip address add ${localIp}/${prefixLength} dev ${TUN_NAME}`,
      `ip route add ${remoteIp}/32 via ${localIp} dev ${TUN_NAME}`,
    ];
    for (const line of lines) yield* this.#command(line, 'set-up');
    if (this.#script.initCommand !== null) yield* this.#command(this.#script.initCommand, 'init command');
  }

  *#command(text: string, what: string): Sleeping<void> {
    const before = this.#shell.output.length;
    const status = yield* this.#shell.run(text);
    if (status === 0) return;
    const said = this.#shell.output.slice(before).join('\n');
    throw new TestFailure(
      0,
      `${this.#script.path}: error executing ${what}: '${text.trim()}' exited with status ${status}${said === '' ? '' : `\n${said}`}`,
    );
  }

  /* Events */

  *#runEvent(event: ScriptEvent): Sleeping<void> {
    this.#clock.begin(event);
    const { action } = event;
    try {
      switch (action.type) {
        case 'packet':
          return yield* this.#runPacket(action);
        case 'call':
          return yield* this.#runCall(action, event);
        case 'command':
          return yield* this.#runCommand(action);
        case 'code':
          return yield* this.#runCode(action, event);
      }
    } catch (error) {
      throw error instanceof Mismatch ? this.#failureOf(event, error) : error;
    }
  }

  #failureOf(event: ScriptEvent, { message }: Mismatch): TestFailure {
    const { action, line } = event;
    const place = `${this.#script.path}:${line}:`;
    switch (action.type) {
      case 'packet':
        return new TestFailure(line, `${place} error handling packet: ${message}`);
      case 'call':
        return new TestFailure(
          line,
          message.startsWith('timing error') ? `${place} ${message}` : `${place} runtime error in ${action.name} call: ${message}`,
        );
      case 'command':
        return new TestFailure(line, `${place} error executing command: ${message}`);
      case 'code':
        return new TestFailure(line, `${place} runtime error in code: ${message}`);
    }
  }

  *#runCommand({ text }: CommandAction): Sleeping<void> {
    yield* this.#clock.waitForEvent('command', CALL_NS);
    const before = this.#shell.output.length;
    const status = yield* this.#shell.run(text);
    if (status !== 0) mismatch(`'${text.trim()}' exited with status ${status} ${this.#shell.output.slice(before).join('\n')}`.trim());
  }

  *#runCode({ text }: CodeAction, { line }: ScriptEvent): Sleeping<void> {
    yield* this.#clock.waitForEvent('data collection for code', CALL_NS);
    const connection = this.#wire.underTest;
    if (connection === null) return mismatch('no socket to use for code');
    yield* this.#code.record(this.sys, connection.liveFd, line, text);
  }

  /* System calls */

  *#runCall(call: CallAction, event: ScriptEvent): Sleeping<void> {
    yield* this.#awaitBlocked();
    if (call.endUs !== null) return yield* this.#startBlocking(call, event);
    yield* this.#clock.waitForEvent('system call start', CALL_NS);
    yield* findCall(call.name)(this, call);
  }

  returned(): void {
    // Only of calls that may block does it matter when they return.
  }

  setUnderTest(connection: Connection): void {
    this.#wire.underTest = connection;
  }

  /** Starts the call in a task of its own and waits until it sleeps or is over. */
  *#startBlocking(call: CallAction, event: ScriptEvent): Sleeping<void> {
    if (this.#blocked !== null) mismatch('blocking system call while another blocking system call is already in progress');
    yield* this.#clock.waitForEvent('system call start', CALL_NS);
    const { due } = this.#clock;
    const endUs = call.endUs! + due.anchorUs;
    const process = this.sys.spawn((sys) =>
      this.#blockingTask(sys, call, event, { kind: due.kind, us: endUs, endUs, anchorUs: due.anchorUs }, due.us),
    );
    const blocked: Blocked = { process, failure: null, done: false };
    this.#blocked = blocked;
    while (!blocked.done && process.task.__state === TASK_RUNNING) yield;
    this.#collect();
  }

  *#blockingTask(sys: Sys, call: CallAction, event: ScriptEvent, end: DueTime, startUs: number): Sleeping<number> {
    sys.ignoreSignal(SIGPIPE);
    let returnedUs = -1;
    const world = this.#worldOf(sys, () => {
      returnedUs = this.#clock.nowUs;
    });
    try {
      yield* findCall(call.name)(world, call);
      checkTime(end, returnedUs, this.#clock.toleranceSince(end.us, startUs), 'system call return');
    } catch (error) {
      if (error instanceof Mismatch) this.#blocked!.failure = this.#failureOf(event, error);
      else throw error;
    }
    this.#blocked!.done = true;
    this.#clock.wake();
    return 0;
  }

  /** The same run for a task of its own. */
  #worldOf(sys: Sys, returned: () => void): CallWorld {
    const { connections, descriptors, localAddress, remoteAddress, bindPort, connectPort, toleranceUs, startNs, files } = this;
    const shared = { connections, descriptors, localAddress, remoteAddress, bindPort, connectPort, toleranceUs, startNs, files };
    const setUnderTest = (connection: Connection): void => this.setUnderTest(connection);
    return { ...shared, sys, returned, setUnderTest };
  }

  /** A call's failure is the script's as soon as it is known. */
  #collect(): void {
    const blocked = this.#blocked;
    if (blocked === null || !blocked.done) return;
    this.#blocked = null;
    if (blocked.failure !== null) throw blocked.failure;
  }

  /** Waits a while for a blocking call that is under way. */
  *#awaitBlocked(): Sleeping<void> {
    const deadline = this_cpu.clock + CALL_PATIENCE_NS;
    while (this.#blocked !== null && !this.#blocked.done && this_cpu.clock < deadline) yield* this.#clock.sleepWatching(deadline);
    this.#collect();
  }

  /* Packets */

  *#runPacket({ inbound, packet }: PacketAction): Sleeping<void> {
    const connection = this.#wire.connectionFor(packet, inbound);
    if (inbound) {
      yield* this.#clock.waitForEvent('inbound packet', INJECT_NS);
      this.#wire.inject(packet, connection);
      return;
    }
    this_cpu.charge(OUTBOUND_NS);
    yield* this.#wire.expect(packet as TcpPacket, connection);
  }
}
