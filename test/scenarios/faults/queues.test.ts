/** The six places where frames get lost, with eight flows over four queue pairs: nothing is lost without a counter, over every queue. */
import { expect, it } from 'vitest';
import { type Account, expectNothingLostUnseen, type Flood, flood } from './flood.ts';
import { overQueues } from './ledger.ts';

const NO_PAUSE = ['ethtool -A eth0 autoneg off rx off tx off'];
const ROOM = 'sysctl -w net.core.rmem_default=16000000';

function account(spec: Partial<Flood>): Account {
  const common = { cpus: 4, flows: 8, datagrams: 8000, bytes: 1000, until: '2s' };
  const result = flood({ ...common, ...spec });
  expectNothingLostUnseen(result);
  expect(queuesUsed(result.clientCard, 'tx')).toBeGreaterThan(1);
  expect(queuesUsed(result.serverCard, 'rx')).toBeGreaterThan(1);
  return result;
}

const queuesUsed = (card: Readonly<Record<string, number>>, way: 'tx' | 'rx'): number =>
  [0, 1, 2, 3].filter((queue) => card[`${way}_queue_${queue}_packets`]! > 0).length;

const faults = (fault: string): string => `faults: [ ${fault} ]`;
const everyQueue = (fault: string): string => [0, 1, 2, 3].map((queue) => `{ ${fault}, queue: ${queue} }`).join(', ');

it('ring full: each queue stops and wakes by itself', () => {
  const { clientCard } = account({ clientInterface: ', tx_ring: 80', bytes: 18, rate: '10Mbit', datagrams: 4000, until: '4s' });
  expect(overQueues(clientCard, /^tx_queue_\d+_restart$/)).toBeGreaterThan(50);
});

it('BQL stop: each queue has its limit', () => {
  const limits = [0, 1, 2, 3].map((queue) => `echo 3000 | tee /sys/class/net/eth0/queues/tx-${queue}/byte_queue_limits/limit_max`);
  const { received, sent } = account({ rate: '100Mbit', datagrams: 2000, clientSetup: limits, serverSetup: [ROOM] });
  expect(received).toBe(sent);
});

it('RX overrun: starved queues drop on their own (RQDPC), and each drop is the queue’s', () => {
  const { serverCard } = account({
    server: faults(everyQueue('at: 3ms, fault: rx-starvation, for: 10ms')),
    serverSetup: [...NO_PAUSE, ROOM],
  });
  expect(overQueues(serverCard, /^rx_queue_\d+_drops$/)).toBeGreaterThan(100);
  expect([0, 1, 2, 3].filter((queue) => serverCard[`rx_queue_${queue}_drops`]! > 0).length).toBeGreaterThan(1);
});

it('TX hang of one queue: the others go on until the reset, which costs all of them what is in their rings', () => {
  const result = account({ client: faults('{ at: 5ms, fault: tx-hang, queue: 1 }, { at: 5ms, fault: tx-hang, queue: 2 }'), until: '8s' });
  expect(result.clientCard.tx_timeout_count).toBe(1);
  expect(result.lost['client igb_clean_tx_ring: NOT_SPECIFIED']).toBeGreaterThan(10);
});

it('DMA fault of one queue', () => {
  const result = account({ client: faults(everyQueue('at: 5ms, fault: dma-fault')), until: '8s' });
  expect(result.clientLog.some((line) => line.startsWith('DMAR: [DMA Read'))).toBe(true);
  expect(result.clientCard.tx_timeout_count).toBe(1);
});

it('link flap: every queue’s ring is emptied by the reset', () => {
  const result = account({ wire: ', faults: [{ at: 5ms, fault: link-down, for: 50ms }]', until: '4s' });
  expect(result.lost['client eth0: in the transmit FIFO at a reset']).toBeGreaterThan(0);
});

it('CRC errors, slow PCIe and a duplicating wire at once', () => {
  const result = account({
    client: faults('{ at: 3ms, fault: slow-pcie, for: 5ms, factor: 20 }'),
    wire: ', impair: { client: { duplicate: 1%, loss: 2% } }, faults: [{ at: 4ms, fault: crc-errors, from: client, frames: 9 }]',
  });
  expect(result.serverCard.rx_crc_errors).toBe(9);
});
