/** Files that logs are written to; their errors name them. */
import { openSync, writeSync } from 'node:fs';
import { CaptureWriteError } from '../files/capture_file.ts';

/** Throws CaptureWriteError. */
export function openLog(path: string, flags = 'w'): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    throw new CaptureWriteError(path, 'create', error);
  }
}

/** Writes the first `length` bytes, at `position` or where the last write ended. Throws CaptureWriteError. */
export function writeLog(path: string, fd: number, bytes: Uint8Array, length: number, position: number | null = null): void {
  try {
    for (let done = 0; done < length; ) done += writeSync(fd, bytes, done, length - done, position === null ? null : position + done);
  } catch (error) {
    throw new CaptureWriteError(path, 'write', error);
  }
}
