/**
 * The way of a flood of datagrams as a ledger: at each station what came in is what went on plus what was dropped there, by its own counters. So a frame
 * that is lost without a counter, or counted twice, shows at the station where it happens.
 */
import { expect } from 'vitest';
import type { RunReport } from '../../../src/observe/report/run_report.ts';

export interface Station {
  readonly name: string;
  readonly cameIn: number;
  readonly wentOn: Readonly<Record<string, number>>;
}

type Counters = Readonly<Record<string, number>>;

const total = (counters: Counters): number => Object.values(counters).reduce((a, b) => a + b, 0);

/** The sum over all queues of a counter of `ethtool -S`. */
export const overQueues = (card: Counters, pattern: RegExp): number =>
  Object.entries(card).reduce((sum, [name, value]) => (pattern.test(name) ? sum + value : sum), 0);

/** What a kernel function, a card or a wire dropped: by reason, those before programs start left out. */
export type Lost = (where: string, reason?: string) => number;

/** All stations between the client's send() and the server's receive queue. `waiting`: frames that stand in the server's ring when the run ends. */
export function stations(report: RunReport, lost: Lost, waiting = 0): Station[] {
  const { client, server } = report.hosts as { client: RunReport['hosts'][string]; server: RunReport['hosts'][string] };
  const [tx, rx] = [client.interfaces.eth0!, server.interfaces.eth0!];
  const { UdpOutDatagrams = 0, UdpSndbufErrors = 0, IpOutTransmits = 0 } = client.snmp;
  const { IpInReceives = 0, IpInDelivers = 0, UdpInDatagrams = 0, UdpInErrors = 0, UdpNoPorts = 0, UdpRcvbufErrors = 0 } = server.snmp;
  const [name] = Object.keys(report.wires);
  const wire = report.wires[name!]!['client.eth0']!;
  const sentByQueues = overQueues(tx.driver, /^tx_queue_\d+_packets$/);
  const takenByQueues = overQueues(rx.driver, /^rx_queue_\d+_packets$/);
  const droppedByQueues = overQueues(rx.driver, /^rx_queue_\d+_drops$/);
  const missed = rx.driver.rx_missed_errors!;
  const damaged = rx.driver.rx_crc_errors!;
  return [
    { name: 'UDP of the client', cameIn: UdpOutDatagrams, wentOn: { IpOutTransmits } },
    { name: 'send buffers', cameIn: UdpSndbufErrors, wentOn: {} },
    {
      name: 'queueing disciplines and transmit rings of the client',
      cameIn: IpOutTransmits,
      wentOn: {
        sentByQueues,
        overTheLimit: lost('client __dev_xmit_skb'),
        emptiedWithTheDevice: lost('client pfifo_fast_reset'),
        inTheRingAtAReset: lost('client igb_clean_tx_ring'),
      },
    },
    { name: 'ip -s link of the client', cameIn: sentByQueues, wentOn: { tx_packets: tx.link.tx_packets } },
    {
      name: 'card of the client',
      cameIn: sentByQueues,
      wentOn: { frames: wire.frames, inTheFifoAtAReset: lost('client eth0', 'in the transmit FIFO at a reset') },
    },
    {
      name: 'wire',
      cameIn: wire.frames + wire.duplicated,
      wentOn: {
        lost: wire.lost,
        damaged,
        missed,
        whileTheReceiverWasOff: lost('server eth0', 'arrived while the receiver was off'),
        good: rx.driver.rx_packets!,
      },
    },
    {
      name: 'card of the server',
      cameIn: rx.driver.rx_packets!,
      wentOn: { takenByQueues, droppedByQueues, waiting, inTheFifoAtAReset: lost('server eth0', 'in the receive FIFO at a reset') },
    },
    {
      name: 'ip -s link of the server',
      cameIn: takenByQueues + missed + damaged,
      wentOn: { rx_packets: rx.link.rx_packets, rx_missed_errors: rx.link.rx_missed_errors, rx_crc_errors: rx.link.rx_crc_errors },
    },
    // igb adds to this one what it counts elsewhere, too.
    { name: 'rx_fifo_errors of the server', cameIn: droppedByQueues + missed, wentOn: { rx_fifo_errors: rx.link.rx_fifo_errors } },
    {
      name: 'core of the server',
      cameIn: takenByQueues,
      wentOn: {
        IpInReceives,
        unknownProtocol: lost('server __netif_receive_skb_core'),
        backlog: lost('server enqueue_to_backlog'),
      },
    },
    { name: 'IP of the server', cameIn: IpInReceives, wentOn: { IpInDelivers } },
    { name: 'UDP of the server', cameIn: IpInDelivers, wentOn: { UdpInDatagrams, UdpInErrors, UdpNoPorts } },
    { name: 'receive buffers', cameIn: UdpRcvbufErrors, wentOn: { dropped: lost('server __udp_queue_rcv_skb', 'SOCKET_RCVBUFF') } },
  ];
}

/** Every station's account is settled. */
export function expectSettled(ledger: readonly Station[]): void {
  const open = ledger.filter(({ cameIn, wentOn }) => cameIn !== total(wentOn));
  expect(open.map(({ name, cameIn, wentOn }) => `${name}: ${cameIn} in, ${JSON.stringify(wentOn)} on`)).toEqual([]);
}
