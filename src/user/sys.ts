/** What programs and those who start them import: the system calls (system_calls.ts, task_calls.ts), starting (process.ts), addresses (inet.ts). */
export { KilledBySignal, ProgramError } from './errors.ts';
export { inet_addr, inet_ntoa, sockaddr } from './inet.ts';
export { startProgram } from './process.ts';
export { F_GETFL, F_SETFL, FIONREAD, Sys } from './system_calls.ts';
export { type CallListener, Process, type Program, type SpawnOptions } from './task_calls.ts';
