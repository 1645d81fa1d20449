/** arch/x86/entry/syscalls/syscall_64.tbl: numbers of the system calls that programs here can make, by the name of their function in the kernel. */
export const syscall_numbers: Readonly<Record<string, number>> = {
  read: 0, write: 1, close: 3, poll: 7, ioctl: 16, dup: 32, nanosleep: 35, sendfile64: 40, socket: 41, connect: 42, accept: 43, sendto: 44,
  recvfrom: 45, sendmsg: 46, recvmsg: 47, shutdown: 48, bind: 49, listen: 50, getsockname: 51, getpeername: 52, setsockopt: 54, getsockopt: 55,
  wait4: 61, kill: 62, fcntl: 72, clock_settime: 227, clock_gettime: 228, epoll_wait: 232, epoll_ctl: 233, openat: 257, splice: 275, accept4: 288, epoll_create1: 291, pipe2: 293,
  clock_adjtime: 305,
}; // biome-ignore format: a table
