/**
 * One booted kernel: owner of every table and list, and the software on a machine's CPUs. It decides what a CPU does next, in Linux's order of rank:
 * hard interrupts (machine/cpu.ts), softirqs, ksoftirqd and tasks.
 */
import { type Cpu, this_cpu } from '../machine/cpu.ts';
import type { Machine } from '../machine/machine.ts';
import type { RandomStream } from '../sim/random.ts';
import { NSEC_PER_SEC } from '../sim/time.ts';
import { dmar_fault } from './drivers/iommu/intel/dmar.ts';
import type { CopyCounters } from './include/linux/copies.ts';
import { newCopyCounters } from './include/linux/copies.ts';
import { HRTIMER_SOFTIRQ, TIMER_SOFTIRQ } from './include/linux/interrupt.ts';
import type { module } from './include/linux/module.ts';
import type { pci_dev } from './include/linux/pci.ts';
import { percpu } from './include/linux/percpu.ts';
import type { ptp_clock } from './include/linux/ptp_clock_kernel.ts';
import { task_struct } from './include/linux/sched.ts';
import type { skbCaches } from './include/linux/skbuff.ts';
import type { net } from './include/net/net_namespace.ts';
import { packetWatchers } from './include/net/packet_watchers.ts';
import type { CallTimes } from './kernel/call_times.ts';
import { handle_irq_event, type irq_desc, LOCAL_TIMER_VECTOR } from './kernel/irq.ts';
import { rq, runTaskSlice } from './kernel/sched.ts';
import { ksoftirqdStep, type softirq_action, softirqStep } from './kernel/softirq.ts';
import { hrtimer_cpu_base, hrtimer_interrupt, hrtimer_run_softirq } from './kernel/time/hrtimer.ts';
import { newTimerBase, run_local_timers, run_timer_softirq } from './kernel/time/timer.ts';
import type { worker } from './kernel/workqueue.ts';
import { pageAllocator } from './mm/page_alloc.ts';
import { slabCaches } from './mm/slab.ts';
import { Tracepoints } from './trace/tracepoints.ts';

export interface KernelOptions {
  /** Timer interrupts a second: CONFIG_HZ. */
  readonly HZ: number;
  readonly cpus: number;
  /** Process ids count from here. */
  readonly firstPid: number;
  /** Cost in ns of each instrumented function, by id (trace/cost_model.ts). */
  readonly costs: Int32Array;
  /** What copying and checksumming a byte costs a CPU, in ns. */
  readonly copyNsPerByte: number;
  readonly checksumNsPerByte: number;
  /** What lies between the functions of the table, in ns: entering and leaving the kernel, an interrupt, another task. */
  readonly syscallNs: number;
  readonly interruptNs: number;
  readonly contextSwitchNs: number;
}

export class Kernel {
  readonly machine: Machine;
  readonly options: KernelOptions;
  readonly HZ: number;
  readonly nsPerJiffy: number;
  readonly hostname: string;
  readonly percpu: percpu[] = [];
  readonly idle: task_struct[] = [];
  readonly pages: pageAllocator;
  readonly slab: slabCaches;
  readonly softirq_vec: (softirq_action | undefined)[] = [];
  readonly irq_desc = new Map<number, irq_desc>();
  readonly tasks: task_struct[] = [];
  readonly trace = new Tracepoints();
  /** Capture points inside the stack. */
  readonly watchers = new packetWatchers();
  readonly copies: CopyCounters = newCopyCounters();
  /** get_random_bytes() and friends. */
  readonly random: RandomStream;
  /** Where boot parameters of drivers and of the host live: module parameters. */
  readonly modules = new Map<string, module>();
  readonly log: { time: number; text: string }[] = [];
  /** The one network namespace of a host; set by start_kernel(). */
  init_net: net = null as unknown as net;
  /** sk_buff pools and caches; set by skb_init(). */
  skb: skbCaches = null as unknown as skbCaches;
  /** What programs leave for later ones, as in files of /run: by name. */
  readonly userFiles = new Map<string, unknown>();
  /** Packets dropped, by reason and place: what kfree_skb's tracepoint tells, kept always. */
  readonly drops = new Map<string, { reason: number; location: string; count: number }>();
  spurious_interrupts = 0;
  /** Where the next object would lie: include/linux/address.ts. */
  nextObjectAddress = 0x0100_0000;
  /** struct socks alive, for the report of leaks. */
  liveSockets = 0;
  /** A hard interrupt handler is running: softirqs wait for irq_exit. */
  inHardirq = false;
  /** Boot and set-up happen before time starts: waiting for devices and reading their registers costs nothing. */
  timeless = false;
  /** When tasks go on in their system calls, if that is prescribed: kernel/call_times.ts. */
  callTimes: CallTimes | null = null;
  /** net.core.netdev_rss_key; null until a device asks for it. */
  netdev_rss_key: Uint8Array | null = null;
  /** /dev/ptpN by number: drivers/ptp. */
  readonly ptpClocks = new Map<number, ptp_clock>();
  /** PCI devices found, and the drivers that were registered: drivers/pci. */
  readonly pci_devices: pci_dev[] = [];
  /** Workers of the system work queue: kernel/workqueue.ts. */
  readonly workers: worker[] = [];
  #nextPid: number;

  constructor(machine: Machine, hostname: string, options: KernelOptions) {
    this.machine = machine;
    this.hostname = hostname;
    this.options = options;
    this.#nextPid = options.firstPid;
    this.HZ = options.HZ;
    this.nsPerJiffy = NSEC_PER_SEC / options.HZ;
    this.pages = new pageAllocator(machine.memory);
    this.slab = new slabCaches(this.pages);
    this.random = machine.simulation.random(`${hostname} kernel`);
    machine.addCpus(options.cpus, this, options.costs);
    for (const cpu of machine.cpus) this.#addCpu(cpu);
    machine.onDmaFault = (slot, address, write) => machine.cpus[0]!.runOn(() => dmar_fault(slot, address, write));
    this.softirq_vec[TIMER_SOFTIRQ] = run_timer_softirq;
    this.softirq_vec[HRTIMER_SOFTIRQ] = hrtimer_run_softirq;
  }

  /** A process id that was not used before. */
  nextPid(): number {
    return this.#nextPid++;
  }

  /** The process id that was given last, and how many were given. */
  get lastPid(): number {
    return this.#nextPid - 1;
  }
  get processes(): number {
    return this.#nextPid - this.options.firstPid;
  }

  /** Counts a dropped packet. */
  countDrop(reason: number, location: string): void {
    const key = `${location} ${reason}`;
    const drop = this.drops.get(key);
    if (drop === undefined) this.drops.set(key, { reason, location, count: 1 });
    else drop.count++;
  }

  /** The kernel's own log: printk(). */
  printk(text: string): void {
    this.log.push({ time: this_cpu.clock, text });
  }

  interrupt(cpu: Cpu, vector: number): void {
    this.inHardirq = true;
    cpu.charge(this.options.interruptNs);
    if (vector === LOCAL_TIMER_VECTOR) {
      const pcpu = this.percpu[cpu.id]!;
      pcpu.apic_timer_irqs++;
      hrtimer_interrupt(pcpu);
      run_local_timers(pcpu);
    } else handle_irq_event(vector);
    this.inHardirq = false;
  }

  step(cpu: Cpu): boolean {
    const pcpu = this.percpu[cpu.id]!;
    return softirqStep(pcpu) || ksoftirqdStep(pcpu) || runTaskSlice(pcpu);
  }

  nextStepAt(cpu: Cpu): number {
    const task = this.percpu[cpu.id]!.rq.queue[0];
    return task === undefined ? Number.POSITIVE_INFINITY : task.wakeTime;
  }

  #addCpu(cpu: Cpu): void {
    const name = `${this.hostname} cpu${cpu.id}`;
    const idle = new task_struct(0, `swapper/${cpu.id}`, cpu.id, null);
    const ksoftirqd = new task_struct(14 + 6 * cpu.id, `ksoftirqd/${cpu.id}`, cpu.id, null);
    const raise = (vector: number): void => cpu.raise(vector);
    this.idle.push(idle);
    this.percpu.push(new percpu(cpu, new rq(), newTimerBase(name, raise), new hrtimer_cpu_base(name, raise), idle, ksoftirqd));
  }
}
