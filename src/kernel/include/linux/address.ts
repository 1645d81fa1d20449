/** Kernel addresses of objects, for what prints pointers. They are given when an object is made, so that they never depend on who looks. */
import { this_cpu } from '../../../machine/cpu.ts';
import type { Kernel } from '../../kernel.ts';

/** The low 32 bits of a fresh object's address in the direct map (ffff8880…); 0 outside of any kernel. */
export function newAddress(size: number): number {
  if (this_cpu === null) return 0;
  const kernel = this_cpu.os as Kernel;
  const address = kernel.nextObjectAddress;
  kernel.nextObjectAddress += (size + 63) & ~63;
  return address;
}
