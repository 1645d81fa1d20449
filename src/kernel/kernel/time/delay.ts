/**
 * include/linux/delay.h, lib/delay.c: waiting for hardware.
 *
 * Simplified: Linux sleeps in `usleep_range` and `msleep`, so that other tasks run meanwhile. Here the functions that use them are not generators: the CPU's
 * clock moves on by the shortest time asked for, accounted as idle. While the kernel is `timeless` (boot and set-up before time starts) nothing is charged.
 */
import { CPU_IDLE, this_cpu } from '../../../machine/cpu.ts';
import { NSEC_PER_MSEC, NSEC_PER_USEC } from '../../../sim/time.ts';
import { kernel } from '../../current.ts';

/** Waits busily. */
export function udelay(us: number): void {
  if (!kernel().timeless) this_cpu.charge(us * NSEC_PER_USEC);
}

export function usleep_range(minUs: number, _maxUs: number): void {
  sleepFor(minUs * NSEC_PER_USEC);
}

export function msleep(ms: number): void {
  sleepFor(ms * NSEC_PER_MSEC);
}

function sleepFor(ns: number): void {
  if (kernel().timeless) return;
  const context = this_cpu.switchContext(CPU_IDLE);
  this_cpu.charge(ns);
  this_cpu.switchContext(context);
}
