/** A flood of datagrams from a client to a server over one cable, with something going wrong, and the account of every one of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Outcome, runText } from '../scenario.ts';

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

/** Further entries of a list in YAML's flow style. */
const list = (entries: readonly string[] = []): string => entries.map((entry) => `, ${entry}`).join('');

function topology(flood: Flood, script: string): string {
  return `
until: ${flood.until}
hosts:
  client:
    cpu: { ghz: 3, ipc: 1 }
    interfaces: { eth0: { ${ADDRESSES}1/24${flood.clientInterface ?? ''} } }
    setup: [ ip neigh add 10.0.0.2 lladdr 02:00:00:00:02:01 dev eth0${list(flood.clientSetup)} ]
    ${flood.client ?? ''}
    run: [ { at: 1ms, script: "${script}" }${list(flood.commands)} ]
  server:
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
  readonly clientCard: Record<string, number>;
  readonly serverCard: Record<string, number>;
  readonly clientLog: string[];
  readonly serverLog: string[];
}

/** Counters of `ethtool -S` that stand for a datagram which did not go on. */
const CARD_LOSSES = /^(rx_crc_errors|rx_missed_errors|rx_queue_\d+_drops)$/;

export function flood(spec: Flood): Account {
  const script = spec.script ?? `udp\\nrepeat ${spec.datagrams}: sendto 10.0.0.2 7000 ${spec.bytes}`;
  const outcome = runText('flood.yaml', topology(spec, script));
  const { report } = outcome;
  expect(report.leaked).toEqual([]);
  // What is dropped while the interfaces come up is none of ours: the same run, without a datagram and without faults.
  const quiet = runText('quiet.yaml', topology({ ...spec, client: '', server: '', wire: '' }, 'udp\\nsleep_us 1'));
  const lost: Record<string, number> = {};
  for (const { reason, where, count } of report.drops) {
    const before = quiet.report.drops.find((drop) => drop.reason === reason && drop.where === where)?.count ?? 0;
    if (count > before && reason !== 'interrupt messages lost') lost[`${where}: ${reason}`] = count - before;
  }
  const card = (host: string): Record<string, number> => report.hosts[host]!.interfaces.eth0!.driver;
  for (const [name, count] of Object.entries(card('server'))) if (CARD_LOSSES.test(name) && count > 0) lost[`server card: ${name}`] = count;
  const { UdpOutDatagrams = 0, UdpSndbufErrors = 0 } = report.hosts.client!.snmp;
  const log = (host: string): string[] =>
    readFileSync(join(outcome.directory, `${host}.dmesg.txt`), 'utf8')
      .trimEnd()
      .split('\n')
      .filter((line) => !/^\[ {4}0\./.test(line))
      .map((line) => line.slice('[    1.000000] '.length));
  return {
    outcome,
    sent: UdpOutDatagrams + UdpSndbufErrors,
    received: report.hosts.server!.snmp.UdpInDatagrams ?? 0,
    lost,
    clientCard: card('client'),
    serverCard: card('server'),
    clientLog: log('client'),
    serverLog: log('server'),
  };
}

const sum = (values: Record<string, number>): number => Object.values(values).reduce((a, b) => a + b, 0);

/** Sent = received + lost by reason; and on the way the counters of driver, card and wire agree, over every queue. */
export function expectNothingLostUnseen({ outcome, sent, received, lost, clientCard, serverCard }: Account): void {
  expect(received + sum(lost), `sent ${sent}, received ${received}, lost ${JSON.stringify(lost)}`).toBe(sent);
  expectWireAgrees(outcome, clientCard, serverCard);
  expect(perQueue(serverCard, /^rx_queue_\d+_(packets|drops)$/)).toBe(serverCard.rx_packets!);
}

/**
 * What the sender's queues have sent is on the wire, but for what stood in the card's FIFO at a reset (the card's own tx_packets will not do: like the real
 * driver ours does not read it while there is no link, and the reset clears it). What comes out of the wire is counted by the receiver's card, good or bad.
 */
export function expectWireAgrees(outcome: Outcome, clientCard: Record<string, number>, serverCard: Record<string, number>): void {
  const cardDrops = (reason: string, host: string): number =>
    outcome.report.drops.find((drop) => drop.reason === reason && drop.where === `${host} eth0`)?.count ?? 0;
  const wire = Object.values(outcome.report.wires)[0]!['client.eth0']!;
  const inFifo = cardDrops('in the transmit FIFO at a reset', 'client');
  expect(perQueue(clientCard, /^tx_queue_\d+_packets$/) - inFifo).toBe(wire.frames);
  const off = cardDrops('arrived while the receiver was off', 'server');
  const arrived = serverCard.rx_packets! + serverCard.rx_crc_errors! + serverCard.rx_missed_errors! + off;
  expect(arrived).toBe(wire.frames - wire.lost + wire.duplicated);
}

const perQueue = (card: Record<string, number>, pattern: RegExp): number =>
  Object.entries(card).reduce((total, [name, value]) => (pattern.test(name) ? total + value : total), 0);
