/**
 * Runs one script: a task on the emulated host goes through the events one after the other, makes the system calls itself, writes packets into the
 * tun interface and takes those that leave from the tap there. A call that may block runs in a task of its own.
 *
 * Everything happens in virtual time, so the verdict is always the same. An event costs a few microseconds, as it does on real hardware: with none, round
 * trips would measure 0 and much of TCP would behave as it never does.
 */
import { type Sleeping, TASK_INTERRUPTIBLE, TASK_RUNNING, type task_struct } from '../kernel/include/linux/sched.ts';
import type { sk_buff } from '../kernel/include/linux/skbuff.ts';
import { cond_resched, current, schedule, set_current_state, try_to_wake_up } from '../kernel/kernel/sched.ts';
import { skb_copy_bits } from '../kernel/net/core/skbuff_bits.ts';
import { this_cpu } from '../machine/cpu.ts';
import { Timer } from '../sim/event_queue.ts';
import { NSEC_PER_MSEC, NSEC_PER_SEC, NSEC_PER_USEC } from '../sim/time.ts';
import { inet_addr, type Process, type Sys, startProgram } from '../user/sys.ts';
import type { CallAction, CodeAction, CommandAction, EventTime, PacketAction, Script, ScriptEvent } from './ast.ts';
import type { CallWorld } from './call_support.ts';
import { findCall } from './calls.ts';
import { CodeRecorder } from './code.ts';
import { compareHeaders, compareOptions, joinSegments } from './compare.ts';
import { Connection } from './connection.ts';
import { TUN_NAME } from './defaults.ts';
import { Mismatch, mismatch, ScriptSyntaxError, TestFailure } from './failures.ts';
import { ScriptHost } from './host.ts';
import type { RunOptions } from './options.ts';
import { IcmpSpec, readPacket, TcpPacket } from './packet.ts';
import { Recording } from './recording.ts';
import { type ReadScript, Shell } from './shell.ts';
import { checkTime, type DueTime, secondsText, tolerance } from './times.ts';

/** What a script's event costs before it happens. */
const INJECT_NS = 30 * NSEC_PER_USEC;
const CALL_NS = 15 * NSEC_PER_USEC;
const OUTBOUND_NS = 5 * NSEC_PER_USEC;
/** The clock starts this far into a jiffy, as packetdrill takes care that it does. */
const JIFFY_OFFSET_NS = 250 * NSEC_PER_USEC;
/** A multiple of every jiffy and of the 10 ms ticks that user programs see; long enough after boot for stamps to be other than 0. */
const START_GRID_NS = 20 * NSEC_PER_MSEC;
const WARM_UP_NS = 10 * NSEC_PER_SEC;
/** How long after its time an outbound packet is waited for. */
const PACKET_PATIENCE_US = 2_000_000;
/** How long a call waits for a blocking one to end. */
const CALL_PATIENCE_NS = NSEC_PER_SEC;
/** No script takes longer than this. */
const LIFETIME_NS = 24 * 3600 * NSEC_PER_SEC;
const SIGPIPE = 13;
const FIRST_REMOTE_PORT = 38_113;

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

interface Captured {
  readonly bytes: Uint8Array;
  readonly time: number;
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
  readonly connections: Connection[] = [];
  readonly descriptors = new Map<number, number>();
  readonly localAddress: number;
  readonly remoteAddress: number;
  readonly bindPort: number;
  readonly connectPort: number;
  readonly toleranceUs: number;
  startNs = 0;
  sys: Sys = null as unknown as Sys;

  /** The connection that packets belong to. */
  #underTest: Connection | null = null;
  readonly #script: Script;
  readonly #options: RunOptions;
  readonly #host: ScriptHost;
  readonly #shell: Shell;
  readonly #code: CodeRecorder;
  readonly #captured: Captured[] = [];
  readonly #output: string[] = [];
  /** The task that waits for a packet or an instant. */
  #sleeper: task_struct | null = null;
  #blocked: Blocked | null = null;
  #failure: Error | null = null;
  #finished = false;
  #nextRemotePort = FIRST_REMOTE_PORT;
  /** The event that is being done, and when the one before was due. */
  #event: ScriptEvent;
  #due: DueTime = { kind: 'absolute', us: 0, endUs: 0, anchorUs: 0 };
  #previous: { readonly event: ScriptEvent; readonly us: number } | null = null;

  constructor(script: Script, options: RunOptions, host: ScriptHost, readScript: ReadScript) {
    this.#script = script;
    this.#options = options;
    this.#host = host;
    this.localAddress = addressOf(script, options.localIp);
    this.remoteAddress = addressOf(script, options.remoteIp);
    this.bindPort = options.bindPort;
    this.connectPort = options.connectPort;
    this.toleranceUs = options.toleranceUs;
    this.#shell = new Shell(readScript);
    this.#code = new CodeRecorder(script.path);
    this.#event = script.events[0]!;
    host.tun.taps.push((skb, outgoing) => this.#tap(skb, outgoing));
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
      virtualUs: Math.max(0, this.#us(Math.min(simulation.now, this.#host.machine.cpus[0]!.clock))),
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
    yield* this.#start();
    for (const event of this.#script.events) {
      this.#event = event;
      yield* this.#runEvent(event);
      this.#previous = { event, us: this.#due.us };
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

  *#start(): Sleeping<void> {
    const earliest = this_cpu.clock + WARM_UP_NS;
    this.startNs = Math.ceil(earliest / START_GRID_NS) * START_GRID_NS + JIFFY_OFFSET_NS;
    yield* this.#sleepUntil(this.startNs);
  }

  /* Time */

  #us(ns: number): number {
    return Math.floor((ns - this.startNs) / NSEC_PER_USEC);
  }

  get #nowUs(): number {
    return this.#us(this_cpu.clock);
  }

  /** Relative times count from now; of a packet that follows another one in, from when that was due, so that delays do not add up. */
  #dueTime(time: EventTime, event: ScriptEvent): DueTime {
    const inbound = (which: ScriptEvent): boolean => which.action.type === 'packet' && which.action.inbound;
    if (time.kind === 'absolute' || time.kind === 'absoluteRange') return { ...time, anchorUs: 0 };
    const previous = this.#previous;
    const anchorUs = previous !== null && inbound(previous.event) && inbound(event) ? previous.us : this.#nowUs;
    return { kind: time.kind, us: time.us + anchorUs, endUs: time.endUs + anchorUs, anchorUs };
  }

  /** Sleeps until an instant, or until it is woken. */
  *#sleepUntil(ns: number): Sleeping<void> {
    yield* cond_resched();
    if (this_cpu.clock >= ns) return;
    const task = current();
    const timer = new Timer('packetdrill', () => this.#host.onCpu(() => try_to_wake_up(task)));
    this.#host.simulation.at(Math.max(ns, this.#host.simulation.now), timer);
    set_current_state(TASK_INTERRUPTIBLE);
    yield* schedule();
    this.#host.simulation.cancel(timer);
  }

  *#waitForEvent(what: string, costNs: number): Sleeping<void> {
    yield* this.#sleepUntil(this.startNs + this.#due.us * NSEC_PER_USEC);
    this_cpu.charge(costNs);
    yield* cond_resched();
    if (this.#previous !== null) checkTime(this.#due, this.#nowUs, this.#tolerance(), what);
  }

  #tolerance(): number {
    return tolerance(this.#due.us, this.#previous?.us ?? null, this.#options.toleranceUs, this.#options.tolerancePercent);
  }

  /* Events */

  *#runEvent(event: ScriptEvent): Sleeping<void> {
    this.#due = this.#dueTime(event.time, event);
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
    yield* this.#waitForEvent('command', CALL_NS);
    const before = this.#shell.output.length;
    const status = yield* this.#shell.run(text);
    if (status !== 0) mismatch(`'${text.trim()}' exited with status ${status} ${this.#shell.output.slice(before).join('\n')}`.trim());
  }

  *#runCode({ text }: CodeAction, { line }: ScriptEvent): Sleeping<void> {
    yield* this.#waitForEvent('data collection for code', CALL_NS);
    const connection = this.#underTest;
    if (connection === null) return mismatch('no socket to use for code');
    yield* this.#code.record(this.sys, connection.liveFd, line, text);
  }

  /* System calls */

  *#runCall(call: CallAction, event: ScriptEvent): Sleeping<void> {
    yield* this.#awaitBlocked();
    if (call.endUs !== null) return yield* this.#startBlocking(call, event);
    yield* this.#waitForEvent('system call start', CALL_NS);
    yield* findCall(call.name)(this, call);
  }

  returned(): void {
    // Only of calls that may block does it matter when they return.
  }

  setUnderTest(connection: Connection): void {
    this.#underTest = connection;
  }

  /** Starts the call in a task of its own and waits until it sleeps or is over. */
  *#startBlocking(call: CallAction, event: ScriptEvent): Sleeping<void> {
    if (this.#blocked !== null) mismatch('blocking system call while another blocking system call is already in progress');
    yield* this.#waitForEvent('system call start', CALL_NS);
    const due = this.#due;
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
      returnedUs = this.#nowUs;
    });
    try {
      yield* findCall(call.name)(world, call);
      checkTime(
        end,
        returnedUs,
        tolerance(end.us, startUs, this.#options.toleranceUs, this.#options.tolerancePercent),
        'system call return',
      );
    } catch (error) {
      if (error instanceof Mismatch) this.#blocked!.failure = this.#failureOf(event, error);
      else throw error;
    }
    this.#blocked!.done = true;
    this.#wake();
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
    while (this.#blocked !== null && !this.#blocked.done && this_cpu.clock < deadline) yield* this.#sleepWatching(deadline);
    this.#collect();
  }

  *#sleepWatching(deadline: number): Sleeping<void> {
    this.#sleeper = current();
    yield* this.#sleepUntil(deadline);
    this.#sleeper = null;
  }

  #wake(): void {
    if (this.#sleeper !== null) try_to_wake_up(this.#sleeper);
  }

  /* Packets */

  *#runPacket({ inbound, packet }: PacketAction): Sleeping<void> {
    const connection = this.#connectionFor(packet, inbound);
    if (inbound) {
      yield* this.#waitForEvent('inbound packet', INJECT_NS);
      this.#inject(packet, connection);
      return;
    }
    this_cpu.charge(OUTBOUND_NS);
    yield* this.#expect(packet as TcpPacket, connection);
  }

  /** The connection that a script's packet belongs to: that under test, or a new one that a listener would make of it. */
  #connectionFor(packet: TcpPacket | IcmpSpec, inbound: boolean): Connection {
    const current = this.#underTest;
    if (packet instanceof TcpPacket) {
      if (inbound && (current === null || current.state === 'listening')) return this.#passiveConnection(packet);
      if (!inbound && packet.syn && !packet.ack && current?.state === 'activeConnecting') {
        current.state = 'activeSynSent';
        current.scriptLocalIsn = packet.seq;
      }
    }
    return current ?? mismatch('no matching socket for script packet');
  }

  #passiveConnection(packet: TcpPacket): Connection {
    const connection = new Connection();
    connection.state = 'passivePacketReceived';
    connection.remoteIsn = packet.seq;
    connection.remoteAddress = this.remoteAddress;
    connection.remotePort = this.#nextRemotePort++;
    connection.localAddress = this.localAddress;
    connection.localPort = this.bindPort;
    this.connections.unshift(connection);
    this.#underTest = connection;
    return connection;
  }

  #inject(packet: TcpPacket | IcmpSpec, connection: Connection): void {
    if (packet instanceof IcmpSpec) {
      const { remoteAddress, localAddress, localPort, remotePort } = connection;
      this.#host.inject(packet.bytes(remoteAddress, localAddress, localPort, remotePort, connection.localSequence(packet.seq)), 0);
      return;
    }
    if (connection.state === 'passiveSynackSent' && packet.ack) connection.state = 'passiveSynackAcked';
    else if (connection.state === 'activeSynSent' && packet.syn && packet.ack) {
      connection.state = 'activeSynAcked';
      connection.remoteIsn = packet.seq;
    }
    const live = connection.toLive(packet, this.#options.tcpTsEcrScaled);
    this.#host.inject(live.bytes(), this.#options.mss);
  }

  /** Keeps what leaves, with the time at which it did. */
  #tap(skb: sk_buff, outgoing: boolean): void {
    if (!outgoing) return;
    const bytes = new Uint8Array(skb.len);
    skb_copy_bits(skb, 0, bytes, 0, skb.len);
    this.#captured.push({ bytes, time: this_cpu.clock });
    this.#wake();
  }

  /** The next packet, or several that together are what one line of the script says. */
  *#expect(script: TcpPacket, connection: Connection): Sleeping<void> {
    if (connection.state === 'passivePacketReceived' && script.syn && script.ack) connection.scriptLocalIsn = script.seq;
    const segments: TcpPacket[] = [];
    let payload = 0;
    do {
      const live = yield* this.#nextPacket(connection);
      if (connection.state === 'passivePacketReceived' && script.syn && script.ack) {
        connection.state = 'passiveSynackSent';
        connection.liveLocalIsn = live.seq;
      }
      connection.toScript(live);
      if (segments.length > 0) this.#checkContinuation(script, segments, live, payload);
      segments.push(live);
      payload += live.payloadBytes;
    } while (payload < script.payloadBytes && !this.#options.strictSegments);
    const actual = joinSegments(segments);
    try {
      this.#verify(script, actual, connection, payload);
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
      mismatch(`${error.message}\n${this.#dump('script', script, this.#due.us)}\n${this.#dump('actual', actual, this.#us(actual.time))}`);
    }
  }

  #verify(script: TcpPacket, actual: TcpPacket, connection: Connection, payload: number): void {
    if (payload !== script.payloadBytes) mismatch(`live packet payload: expected ${script.payloadBytes} bytes vs actual ${payload} bytes`);
    if (!actual.ipChecksumGood) mismatch('bad outbound IP checksum');
    connection.mapTimestamp(actual, script);
    compareHeaders(script, actual, true);
    compareOptions(
      script,
      actual,
      this.#options.tcpTsTickUs,
      tolerance(this.#due.us, 0, this.#options.toleranceUs, this.#options.tolerancePercent),
    );
    if (!actual.payloadZero) mismatch('incorrect outbound data payload');
    checkTime(this.#due, this.#us(actual.time), this.#tolerance(), 'outbound packet');
  }

  /** A segment that goes on where the one before ended: same headers, same size unless it is the last. */
  #checkContinuation(script: TcpPacket, segments: readonly TcpPacket[], live: TcpPacket, payload: number): void {
    const previous = segments.at(-1)!;
    try {
      compareHeaders(previous, live, false);
      if (live.payloadBytes < script.payloadBytes - payload && live.payloadBytes !== previous.payloadBytes)
        mismatch(
          `fragment payload: expected ${previous.payloadBytes} bytes vs actual ${live.payloadBytes} bytes; ` +
            `total payload: expected ${script.payloadBytes} bytes vs actual ${payload + live.payloadBytes} bytes`,
        );
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
      const actual = [...segments, live].map((segment, i) => this.#dump(`actual #${i}`, segment, this.#us(segment.time)));
      mismatch([error.message, this.#dump('   script', script, this.#due.us), ...actual].join('\n'));
    }
  }

  #dump(what: string, packet: TcpPacket, us: number): string {
    return `${what} packet: ${secondsText(us).padStart(9)} ${packet.toString()}`;
  }

  /** The next packet of the connection; those of others are passed over. */
  *#nextPacket(connection: Connection): Sleeping<TcpPacket> {
    const sinceLast = Math.max(this.#due.us, this.#due.endUs) - (this.#previous?.us ?? 0);
    const patience = Math.trunc(sinceLast / 1e6) * 1_000_000 + PACKET_PATIENCE_US;
    const deadline = this.#due.kind === 'any' ? this.startNs + LIFETIME_NS : this_cpu.clock + patience * NSEC_PER_USEC;
    for (;;) {
      this.#collect();
      const captured = this.#captured.shift();
      if (captured === undefined) {
        if (this_cpu.clock >= deadline) mismatch('Timed out waiting for packet');
        yield* this.#sleepWatching(deadline);
        continue;
      }
      const packet = readPacket(captured.bytes, captured.time);
      if (packet !== null && this.#belongs(packet, connection)) return packet;
    }
  }

  #belongs(packet: TcpPacket, connection: Connection): boolean {
    if (connection.sends(packet)) return true;
    if (connection.state !== 'activeSynSent' || !packet.syn || packet.ack) return false;
    if (packet.dest !== connection.remoteAddress || packet.dport !== connection.remotePort) return false;
    connection.localAddress = packet.source;
    connection.localPort = packet.sport;
    connection.liveLocalIsn = packet.seq;
    return true;
  }
}
