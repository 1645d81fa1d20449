/** Files that logs are written to; their errors name them, and leave a file of whole records. */
import { fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { CaptureWriteError } from '../files/capture_file.ts';

const NEWLINE = 10;

/** How many of the first `written` bytes are whole records. */
export type WholeRecords = (bytes: Uint8Array, written: number) => number;

/** All or nothing of what is written at once: whoever writes hands over whole records. */
const noPart: WholeRecords = () => 0;
export const wholeLines: WholeRecords = (bytes, written) => (written === 0 ? 0 : bytes.lastIndexOf(NEWLINE, written - 1) + 1);

/** Throws CaptureWriteError. */
export function openLog(path: string): number {
  try {
    return openSync(path, 'w');
  } catch (error) {
    throw new CaptureWriteError(path, 'create', error);
  }
}

/** Writes the first `length` bytes where the last write ended. Throws CaptureWriteError, when the file has been cut to whole records. */
export function writeLog(path: string, fd: number, bytes: Uint8Array, length: number, whole: WholeRecords = noPart): void {
  let done = 0;
  try {
    while (done < length) done += writeSync(fd, bytes, done, length - done, null);
  } catch (error) {
    cutOff(fd, done - whole(bytes, done));
    throw new CaptureWriteError(path, 'write', error);
  }
}

function cutOff(fd: number, bytes: number): void {
  try {
    if (bytes > 0) ftruncateSync(fd, fstatSync(fd).size - bytes);
  } catch {
    // A pipe or device: nothing to cut there.
  }
}
