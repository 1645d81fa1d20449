/** What programs and those who start them import: the system calls (system_calls.ts), starting (process.ts), addresses (inet.ts). */
export { KilledBySignal, ProgramError } from './errors.ts';
export { inet_addr, inet_ntoa, sockaddr } from './inet.ts';
export { startProgram } from './process.ts';
export { type CallListener, F_GETFL, F_SETFL, FIONREAD, Process, type Program, type SpawnOptions, Sys } from './system_calls.ts';
