/** A flood of datagrams from a client to a server over one cable, with something going wrong, and the account of every one of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Outcome, runText } from '../scenario.ts';
import { expectSettled, type Lost, overQueues, stations } from './ledger.ts';

export interface Flood {
  /** Lines of the client's and of the server's part of the topology, in YAML's flow style. */
  readonly client?: string;
  readonly server?: string;
  readonly clientInterface?: string;
  readonly serverInterface?: string;
  readonly wire?: string;
  readonly rate?: string;
  readonly datagrams: number;
  readonly bytes: number;
  /** Programs that send, each from an address of its own, so that flows spread over the queues; one unless told. */
  readonly flows?: number;
  /** Processors of each host, and so queue pairs of its card; one unless told. */
  readonly cpus?: number;
  readonly until: string;
  /** The client's script; by default it sends as fast as it can. */
  readonly script?: string;
  /** More entries of the client's `run:`. */
  readonly commands?: readonly string[];
  readonly clientSetup?: readonly string[];
  readonly serverSetup?: readonly string[];
  /** What the server's script does before it reads. */
  readonly serverWaits?: string;
}

const ADDRESSES = 'address: 10.0.0.';

const FLOW_ADDRESS = '10.0.0.1';

/** One more sender: its address, and its entry of `run:`. */
const flowAddress = (i: number): string => `ip addr add ${FLOW_ADDRESS}${i}/24 dev eth0`;
const flowScript = (i: number, { datagrams, bytes, flows = 1 }: Flood): string =>
  `{ at: 1ms, script: "udp\\nbind ${FLOW_ADDRESS}${i} 0\\nrepeat ${datagrams / flows}: sendto 10.0.0.2 7000 ${bytes}" }`;
const flowsOf = ({ flows = 1 }: Flood): number[] => Array.from({ length: flows - 1 }, (_, i) => i + 1);

/** Further entries of a list in YAML's flow style. */
const list = (entries: readonly string[] = []): string => entries.map((entry) => `, ${entry}`).join('');

function topology(flood: Flood, script: string): string {
  return `
until: ${flood.until}
hosts:
  client:
    cpus: ${flood.cpus ?? 1}
    cpu: { ghz: 3, ipc: 1 }
    interfaces: { eth0: { ${ADDRESSES}1/24${flood.clientInterface ?? ''} } }
    setup: [ ip neigh add 10.0.0.2 lladdr 02:00:00:00:02:01 dev eth0${list(flowsOf(flood).map(flowAddress))}${list(flood.clientSetup)} ]
    ${flood.client ?? ''}
    run: [ { at: 1ms, script: "${script}" }${list(flowsOf(flood).map((i) => flowScript(i, flood)))}${list(flood.commands)} ]
  server:
    cpus: ${flood.cpus ?? 1}
    interfaces: { eth0: { ${ADDRESSES}2/24${flood.serverInterface ?? ''} } }
    setup: [ ip neigh add 10.0.0.1 lladdr 02:00:00:00:01:01 dev eth0${list(flood.serverSetup)} ]
    ${flood.server ?? ''}
    run: [ { script: "udp\\nbind 10.0.0.2 7000\\n${flood.serverWaits ?? ''}repeat ${flood.datagrams}: recvfrom 2000" } ]
wires:
  - { between: [client.eth0, server.eth0], rate: ${flood.rate ?? '1Gbit'}, delay: 10us ${flood.wire ?? ''} }
`;
}

export interface Account {
  readonly outcome: Outcome;
  readonly sent: number;
  readonly received: number;
  /** By reason and place: what kernels, cards and wires say. */
  readonly lost: Record<string, number>;
  /** The same by place and reason. */
  readonly lostAt: Lost;
  readonly clientCard: Record<string, number>;
  readonly serverCard: Record<string, number>;
  readonly clientLog: string[];
  readonly serverLog: string[];
}

/** Counters of `ethtool -S` that stand for a datagram which did not go on. */
const CARD_LOSSES = /^(rx_crc_errors|rx_missed_errors|rx_queue_\d+_drops)$/;

export function flood(spec: Flood): Account {
  const script = spec.script ?? `udp\\nrepeat ${spec.datagrams / (spec.flows ?? 1)}: sendto 10.0.0.2 7000 ${spec.bytes}`;
  const outcome = runText('flood.yaml', topology(spec, script));
  const { report } = outcome;
  expect(report.leaked).toEqual([]);
  // What is dropped while the interfaces come up is none of ours: the same run, without a datagram and without faults.
  const quiet = runText('quiet.yaml', topology({ ...spec, client: '', server: '', wire: '', flows: 1 }, 'udp\\nsleep_us 1'));
  const lost: Record<string, number> = {};
  const counts = new Map<string, number>();
  for (const { reason, where, count } of report.drops) {
    const before = quiet.report.drops.find((drop) => drop.reason === reason && drop.where === where)?.count ?? 0;
    if (count > before && reason !== 'interrupt messages lost') lost[`${where}: ${reason}`] = count - before;
    for (const key of [where, `${where}: ${reason}`]) counts.set(key, (counts.get(key) ?? 0) + count - before);
  }
  const card = (host: string): Record<string, number> => report.hosts[host]!.interfaces.eth0!.driver;
  for (const [name, count] of Object.entries(card('server'))) if (CARD_LOSSES.test(name) && count > 0) lost[`server card: ${name}`] = count;
  const { UdpOutDatagrams = 0, UdpSndbufErrors = 0 } = report.hosts.client!.snmp;
  const log = (host: string): string[] =>
    readFileSync(join(outcome.directory, `${host}.dmesg.txt`), 'utf8')
      .trimEnd()
      .split('\n')
      // Neither from power-on to the start of the programs, nor when the driver is unloaded at the end.
      .filter((line) => !/^\[ {4}0\.|: removed PHC on eth0$/.test(line))
      .map((line) => line.slice('[    1.000000] '.length));
  return {
    outcome,
    sent: UdpOutDatagrams + UdpSndbufErrors,
    received: report.hosts.server!.snmp.UdpInDatagrams ?? 0,
    lost,
    lostAt: (where, reason) => counts.get(reason === undefined ? where : `${where}: ${reason}`) ?? 0,
    clientCard: card('client'),
    serverCard: card('server'),
    clientLog: log('client'),
    serverLog: log('server'),
  };
}

const sum = (values: Record<string, number>): number => Object.values(values).reduce((a, b) => a + b, 0);

/** Sent (and doubled on the wire) = received + lost by reason; and at every station on the way the counters of stack, driver, card and wire agree, over every queue. */
export function expectNothingLostUnseen({ outcome, sent, received, lost, lostAt }: Account): void {
  expectSettled(stations(outcome.report, lostAt));
  const { duplicated } = Object.values(outcome.report.wires)[0]!['client.eth0']!;
  expect(received + sum(lost), `sent ${sent}, received ${received}, lost ${JSON.stringify(lost)}`).toBe(sent + duplicated);
}

/** The same while frames stand in the server's ring that nobody takes; returns how many. */
export function expectOnlyWaiting({ outcome, serverCard, lostAt }: Account): number {
  const waiting = serverCard.rx_packets! - overQueues(serverCard, /^rx_queue_\d+_(packets|drops)$/);
  expectSettled(stations(outcome.report, lostAt, waiting));
  return waiting;
}
