/** What input and output past the operating system's page cache (O_DIRECT) need: a descriptor, and memory that begins at a page of the machine. */
import fs from 'node:fs';
import { wasmLoops } from '../../sim/byte_heap_wasm.ts';

/** Place in the file, length and address are multiples of this: no common disk has larger blocks. */
export const DISK_BLOCK = 4096;

/** JavaScript promises no address to any buffer, but engines map the memory of a WebAssembly instance by itself, so that it begins at a page. Null without one. */
export function pagedBuffer(bytes: number): Uint8Array | null {
  const loops = wasmLoops(bytes);
  return loops === null ? null : new Uint8Array(loops.buffer);
}

/**
 * Another descriptor of an open file, which goes past the cache; -1 where system or file system cannot. By way of /proc, so that it is this file even if it has got
 * another name meanwhile.
 */
export function directDescriptor(fd: number, access: number): number {
  const { O_DIRECT } = fs.constants as { readonly O_DIRECT?: number };
  if (O_DIRECT === undefined) return -1;
  try {
    // Pipes take the flag, too, but have no places to write at.
    return fs.fstatSync(fd).isFile() ? fs.openSync(`/proc/self/fd/${fd}`, access | O_DIRECT) : -1;
  } catch {
    return -1;
  }
}
