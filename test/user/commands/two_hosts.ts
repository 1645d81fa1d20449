/** Two hosts on a cable for tests of commands: what their programs print, and views of them. */
import { loadTopology } from '../../../src/topology/load.ts';
import { runTopology } from '../../../src/topology/run.ts';
import { temporaryFolder } from '../../scenarios/scenario.ts';

export interface Printed {
  /** What programs printed, by host. */
  readonly client: string[];
  readonly server: string[];
  /** What each view showed, in the order in which it was shown. */
  readonly views: string[][];
  readonly statuses: (number | null)[];
  readonly directory: string;
}

export interface TwoHosts {
  readonly client?: readonly string[];
  readonly server?: readonly string[];
  readonly clientSetup?: readonly string[];
  readonly clientCpus?: number;
  readonly views?: readonly string[];
  readonly wire?: string;
  readonly capture?: string;
}

export function twoHosts({
  client = [],
  server = [],
  clientSetup = [],
  clientCpus = 1,
  views = [],
  wire = 'delay: 1ms',
  capture = '',
}: TwoHosts): Printed {
  const run = (at: string, commands: readonly string[]): string =>
    `[${commands.map((command) => `{ at: ${at}, command: ${JSON.stringify(command)} }`).join(', ')}]`;
  const text = `
hosts:
  client: { cpus: ${clientCpus}, interfaces: { eth0: 10.0.0.1/24 }, setup: ${JSON.stringify(clientSetup)}, run: ${run('10ms', client)} }
  server: { interfaces: { eth0: 10.0.0.2/24 }, run: ${run('0ms', server)} }
wires: [{ between: [client.eth0, server.eth0], rate: 1Gbit, ${wire} }]
${capture}`;
  const printed: Printed = { client: [], server: [], views: [], statuses: [], directory: temporaryFolder() };
  const report = runTopology(loadTopology('two.yaml', text), {
    directory: printed.directory,
    trace: 'none',
    onOutput: (host, line) => printed[host as 'client' | 'server'].push(line),
    views,
    onView: (_host, _at, _line, lines) => printed.views.push([...lines]),
  });
  printed.statuses.push(...report.programs.map(({ status }) => status));
  return printed;
}
