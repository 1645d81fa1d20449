/** The C library's strerror(), for the errors that network programs meet. */
import { errno, errnoName } from '../../kernel/uapi/errno.ts';

const TEXTS: ReadonlyMap<number, string> = new Map([
  [errno.EPERM, 'Operation not permitted'],
  [errno.ENOENT, 'No such file or directory'],
  [errno.EINTR, 'Interrupted system call'],
  [errno.EBADF, 'Bad file descriptor'],
  [errno.EAGAIN, 'Resource temporarily unavailable'],
  [errno.ENOMEM, 'Cannot allocate memory'],
  [errno.EACCES, 'Permission denied'],
  [errno.EEXIST, 'File exists'],
  [errno.ESRCH, 'No such process'],
  [errno.ENODEV, 'No such device'],
  [errno.ERANGE, 'Numerical result out of range'],
  [errno.EINVAL, 'Invalid argument'],
  [errno.EBUSY, 'Device or resource busy'],
  [errno.EPIPE, 'Broken pipe'],
  [errno.ENODATA, 'No data available'],
  [errno.EMSGSIZE, 'Message too long'],
  [errno.ENOPROTOOPT, 'Protocol not available'],
  [errno.EPROTONOSUPPORT, 'Protocol not supported'],
  [errno.EOPNOTSUPP, 'Operation not supported'],
  [errno.EADDRINUSE, 'Address already in use'],
  [errno.EADDRNOTAVAIL, 'Cannot assign requested address'],
  [errno.ENETDOWN, 'Network is down'],
  [errno.ENETUNREACH, 'Network is unreachable'],
  [errno.ECONNABORTED, 'Software caused connection abort'],
  [errno.ECONNRESET, 'Connection reset by peer'],
  [errno.ENOBUFS, 'No buffer space available'],
  [errno.ENOTCONN, 'Transport endpoint is not connected'],
  [errno.ETIMEDOUT, 'Connection timed out'],
  [errno.ECONNREFUSED, 'Connection refused'],
  [errno.EHOSTUNREACH, 'No route to host'],
  [errno.EINPROGRESS, 'Operation now in progress'],
]);

export const strerror = (result: number): string => TEXTS.get(Math.abs(result)) ?? errnoName(result);
