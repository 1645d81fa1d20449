/** Runs whose traces the tests read. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TraceFormat } from '../../../src/observe/trace/trace_formats.ts';
import { type Outcome, runText } from '../../scenarios/scenario.ts';

/** TCP with losses, a refused connection, UDP to a closed port, an address that nobody has: most tracepoints are passed. */
export const BUSY = `
seed: 3
until: 4s
hosts:
  client:
    cpus: 2
    interfaces: { eth0: 10.0.0.1/24 }
    run:
      - script: "connect 10.0.0.2 5001\\nsend 200000\\nshutdown wr\\nrecvall\\ntcpinfo\\nclose"
      - at: 20ms
        script: "connect 10.0.0.2 9\\nclose"
      - at: 30ms
        script: "udp\\nsendto 10.0.0.2 7777 100\\nclose"
      - at: 40ms
        script: "udp\\nsendto 10.0.0.77 7777 100\\nclose"
  server:
    cpus: 1
    interfaces: { eth0: 10.0.0.2/24 }
    run: [ { script: "listen 5001\\naccept\\nrecvall\\nsend 1000\\nclose\\ncloselisten" } ]
wires:
  - between: [client.eth0, server.eth0]
    rate: 1Gbit
    delay: 1ms
    impair: { client: { drop: [30, 60] } }
`;

export const runBusy = (trace: string, traceFormats: readonly TraceFormat[] = ['text']): Outcome =>
  runText('busy.yaml', BUSY, { trace, traceFormats });

/** One line of trace.txt. */
export interface Line {
  readonly comm: string;
  readonly pid: number;
  readonly cpu: number;
  readonly flags: string;
  readonly time: string;
  /** Event's name, or `sys_…` of a system call. */
  readonly event: string;
  /** What comes after the name. */
  readonly text: string;
}

const LINE = /^ *(.*)-(\d+) +\[(\d{3})\] (\S{5}) +(\d+\.\d{6}): (\w+)(.*)$/;

export function parseLine(text: string): Line {
  const match = LINE.exec(text);
  if (match === null) throw new Error(`no line of ftrace: ${text}`);
  const [, comm = '', pid, cpu, flags = '', time = '', event = '', rest = ''] = match;
  return { comm, pid: Number(pid), cpu: Number(cpu), flags, time, event, text: rest.replace(/^: /, '') };
}

export const fileOf = ({ directory }: Outcome, name: string): Buffer => readFileSync(join(directory, name));

export function linesOf(outcome: Outcome): Line[] {
  const lines = fileOf(outcome, 'trace.txt').toString('latin1').split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#')).map(parseLine);
}
