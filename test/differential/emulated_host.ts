/**
 * Programs of socket calls on the emulated kernel, as tools/record_calls.py runs them on a real one: a host with lo and tun0 (10.0.0.1/24, and a route to
 * 192.0.2.0/24), at the same pace.
 */
import { tun_get_user, tun_set_iff, type tun_struct } from '../../src/kernel/drivers/net/tun.ts';
import type { net_device } from '../../src/kernel/include/linux/netdevice.ts';
import type { Sleeping } from '../../src/kernel/include/linux/sched.ts';
import { drop_reasons } from '../../src/kernel/include/net/dropreason.ts';
import { start_kernel } from '../../src/kernel/init/main.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { skb_copy_bits } from '../../src/kernel/net/core/skbuff_bits.ts';
import { netstatGroups, snmpGroups } from '../../src/kernel/net/ipv4/proc.ts';
import { cpuSpeed } from '../../src/kernel/trace/cost_model.ts';
import { Machine } from '../../src/machine/machine.ts';
import { Simulation } from '../../src/sim/simulation.ts';
import { COMMANDS } from '../../src/user/commands/commands.ts';
import { type Sys, startProgram } from '../../src/user/sys.ts';
import { type CallHost, OPERATIONS } from './calls.ts';
import { Connections } from './connections.ts';
import { toHex } from './option_bytes.ts';
import type { PacketRepair, SocketProgram, Step, StepResult } from './program.ts';

const MEMORY_BYTES = 256 * 1024 * 1024;
/** From one step that may send something to the next, as the recorder has it. */
const GRID_NS = 56_000_000;
const SETTLE_NS = 100_000_000;
const LIFETIME_NS = 600e9;
const SIGPIPE = 13;
const NO_FD = 9999;
/** Steps that send nothing: nobody waits after them, and counters are not read. */
const QUIET: ReadonlySet<string> = new Set([
  'get', 'option', 'poll', 'ioctl', 'sockname', 'peername', 'socket', 'bind', 'epoll', 'epctl', 'epwait', 'nonblock', 'sysctl',
]); // biome-ignore format: a list
/** What the recorder sets, and what is the same for all namespaces of the machine where it ran. */
const SYSCTLS: readonly (readonly [string, string])[] = [
  ['net.ipv4.tcp_congestion_control', 'reno'],
  ['net.ipv4.tcp_rmem', '4096 131072 6291456'],
  ['net.ipv4.tcp_wmem', '4096 16384 4194304'],
  ['net.core.rmem_max', '4194304'],
  ['net.core.wmem_max', '4194304'],
  ['net.ipv4.tcp_max_syn_backlog', '2048'],
];
const SET_UP = [
  'ip link set lo up',
  'ip address add 10.0.0.1/24 dev tun0',
  'ip link set tun0 up',
  'ip route add 192.0.2.0/24 dev tun0',
]; // biome-ignore format: a list

export class EmulatedHost {
  readonly #simulation = new Simulation(1);
  readonly #machine = new Machine('recorded', this.#simulation, MEMORY_BYTES);
  readonly #kernel: Kernel;
  readonly #tun: net_device;
  readonly #connections = new Connections();
  readonly #fds = new Map<string, number>();
  #packets: string[] = [];
  #drops: string[] = [];
  readonly #counters = new Map<string, number>();

  constructor() {
    this.#kernel = new Kernel(this.#machine, 'recorded', { HZ: 250, cpus: 1, firstPid: 300, ...cpuSpeed(3e9, 1) });
    this.#onCpu(() => start_kernel(this.#kernel, { interfaceNames: [] }));
    this.#tun = this.#onCpu(() => tun_set_iff('tun0'));
    (this.#tun.priv as tun_struct).reader = (skb) => {
      const bytes = new Uint8Array(skb.len);
      skb_copy_bits(skb, 0, bytes, 0, skb.len);
      this.#connections.notice(bytes);
      this.#packets.push(toHex(bytes));
    };
    this.#kernel.trace.kfree_skb = (_skb, location, reason) => void this.#drops.push(`${drop_reasons[reason]} ${location}`);
  }

  #onCpu<T>(work: () => T): T {
    return this.#machine.cpus[0]!.runOn(work);
  }

  run(program: SocketProgram): StepResult[] {
    const results: StepResult[] = [];
    this.#onCpu(() => startProgram((sys) => this.#program(sys, program, results), 'program', 0));
    this.#simulation.run(this.#simulation.now + LIFETIME_NS);
    return results;
  }

  *#program(sys: Sys, { sysctls = {}, steps }: SocketProgram, results: StepResult[]): Sleeping<number> {
    sys.ignoreSignal(SIGPIPE);
    for (const line of SET_UP) yield* COMMANDS['ip']!(line.split(' '), () => undefined, sys);
    for (const [name, value] of [...SYSCTLS, ...Object.entries(sysctls)]) this.#sysctl(name, value);
    yield* sys.nanosleep(SETTLE_NS);
    this.#report();
    let due = sys.clockGettime();
    for (const [i, step] of steps.entries()) {
      const result = yield* this.#step(sys, i, step);
      results.push(result);
      if (QUIET.has(step[0])) continue;
      due += step[0] === 'sleep' ? (step[1] as number) * 1e6 : GRID_NS;
      yield* sys.nanosleep(Math.max(0, due - sys.clockGettime()));
      Object.assign(result, this.#report());
    }
    return 0;
  }

  *#step(sys: Sys, index: number, [op, ...args]: Step): Sleeping<StepResult> {
    const host: CallHost = {
      sys,
      index,
      fd: (name) => (typeof name === 'number' ? name : (this.#fds.get(name as string) ?? NO_FD)),
      made: (name, fd) => {
        if (fd >= 0) this.#fds.set(name as string, fd);
        return { r: Math.min(fd, 0) };
      },
      sysctl: (name, value) => this.#sysctl(name, value),
      inject: (packet, how: PacketRepair) => tun_get_user(this.#tun, this.#connections.repaired(packet, how), 0),
    };
    const operation = OPERATIONS[op];
    if (operation === undefined) throw new Error(`no such operation: ${op}`);
    return yield* operation(host, args);
  }

  #sysctl(name: string, value: string): number {
    return this.#kernel.init_net.sysctls.set(name.replaceAll('/', '.'), value);
  }

  /** What has happened since the last time. */
  #report(): Partial<StepResult> {
    const report: Partial<StepResult> = {};
    if (this.#packets.length > 0) report.out = this.#packets;
    const mib = this.#moved();
    if (Object.keys(mib).length > 0) report.mib = mib;
    if (this.#drops.length > 0) report.drops = this.#drops;
    this.#packets = [];
    this.#drops = [];
    return report;
  }

  #moved(): Record<string, number> {
    const network = this.#kernel.init_net;
    const moved: Record<string, number> = {};
    for (const { title, names, values } of [...snmpGroups(network), ...netstatGroups(network)])
      for (const [i, name] of names.entries()) {
        const value = values[i] ?? 0;
        const change = value - (this.#counters.get(title + name) ?? 0);
        if (change !== 0) moved[title + name] = change;
        this.#counters.set(title + name, value);
      }
    return moved;
  }
}
