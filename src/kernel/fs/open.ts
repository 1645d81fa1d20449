/** fs/open.c: opening by a path. The only files with a path that can be opened are those of devices. */
import { kernel } from '../current.ts';
import { ptp_open } from '../drivers/ptp/ptp_chardev.ts';
import { ENOENT } from '../uapi/errno.ts';
import { fd_install, get_unused_fd_flags } from './file.ts';

/** A descriptor of /dev/ptpN, or -errno. */
export function openDeviceFile(path: string): number {
  const number = /^\/dev\/ptp(\d+)$/.exec(path)?.[1];
  const ptp = number === undefined ? undefined : kernel().ptpClocks.get(Number(number));
  if (ptp === undefined) return -ENOENT;
  const fd = get_unused_fd_flags(0);
  if (fd >= 0) fd_install(fd, ptp_open(ptp));
  return fd;
}
