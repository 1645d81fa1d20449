/**
 * Faults on demand, and the places where datagrams get lost between two hosts: the driver does what Linux's does, says so in the kernel log, and nothing
 * is lost without a counter.
 */
import { expect, it } from 'vitest';
import { expectNothingLostUnseen, expectOnlyWaiting, flood } from './flood.ts';

const LINK_UP = 'igb 0000:01:00.0 eth0: igb: eth0 NIC Link is Up 1000 Mbps Full Duplex, Flow Control: RX/TX';
const LINK_DOWN = 'igb 0000:01:00.0 eth0: igb: eth0 NIC Link is Down';
const RESET = 'igb 0000:01:00.0 eth0: Reset adapter';
const TIMED_OUT = /^igb 0000:01:00\.0 eth0: NETDEV WATCHDOG: CPU: 0: transmit queue 0 timed out 50\d\d ms$/;

it('without a fault what is lost is lost at the socket of a reader that is too slow', () => {
  const account = flood({ datagrams: 2000, bytes: 100, until: '100ms' });
  expectNothingLostUnseen(account);
  expect(account.sent).toBe(2000);
  expect(Object.keys(account.lost)).toEqual(['server __udp_queue_rcv_skb: SOCKET_RCVBUFF']);
  expect([account.clientLog, account.serverLog]).toEqual([[], []]);
});

it('ring full: the driver stops its queue and wakes it, and nothing is lost', () => {
  const account = flood({ datagrams: 2000, bytes: 18, until: '300ms', clientInterface: ', tx_ring: 80', rate: '10Mbit' });
  expectNothingLostUnseen(account);
  expect(account).toMatchObject({ sent: 2000, received: 2000, lost: {} });
  expect(account.clientCard.tx_queue_0_restart).toBeGreaterThan(50);
});

it('BQL stop: no more bytes are in the ring than the limit and one packet, the others wait in the qdisc, and nothing is lost', () => {
  const file = '/sys/class/net/eth0/queues/tx-0/byte_queue_limits';
  const samples = [2, 3, 4, 5, 6].map((ms) => `{ at: ${ms}.1ms, command: "cat ${file}/limit ${file}/inflight" }`);
  const spec = { datagrams: 1000, bytes: 1000, until: '100ms', rate: '100Mbit', commands: samples };
  const account = flood({ ...spec, clientSetup: [`echo 3000 | tee ${file}/limit_max`] });
  expectNothingLostUnseen(account);
  expect(account).toMatchObject({ sent: 1000, received: 1000, lost: {} });
  const numbers = account.outcome.output.filter((line) => /^client: \d+$/.test(line)).map((line) => Number(line.slice('client: '.length)));
  expect(numbers).toHaveLength(10);
  for (let i = 0; i < numbers.length; i += 2) {
    expect(numbers[i]).toBe(3000);
    expect(numbers[i + 1]).toBeGreaterThan(3000);
    expect(numbers[i + 1]).toBeLessThanOrEqual(3000 + 1042);
  }
});

it('RX overrun with one queue: frames wait in the card until its FIFO is full, then are missed (MPC)', () => {
  const account = flood({
    datagrams: 3000,
    bytes: 1000,
    until: '200ms',
    server: 'faults: [{ at: 3ms, fault: rx-starvation, for: 10ms }]',
    serverSetup: ['ethtool -A eth0 autoneg off rx off tx off'],
  });
  expectNothingLostUnseen(account);
  expect(account.serverCard.rx_missed_errors).toBeGreaterThan(500);
  expect(account.serverCard.rx_no_buffer_count).toBeGreaterThan(0);
  expect(account.lost['server card: rx_missed_errors']).toBe(account.serverCard.rx_missed_errors);
  expect(account.outcome.report.hosts.server!.interfaces.eth0!.link.rx_missed_errors).toBe(account.serverCard.rx_missed_errors);
});

it('RX overrun with two queues: the starved one drops on its own (RQDPC), and holds up no other', () => {
  const account = flood({
    datagrams: 3000,
    bytes: 1000,
    until: '200ms',
    cpus: 2,
    server: 'faults: [{ at: 3ms, fault: rx-starvation, queue: 0, for: 10ms }, { at: 3ms, fault: rx-starvation, queue: 1, for: 10ms }]',
    serverSetup: ['ethtool -A eth0 autoneg off rx off tx off'],
  });
  expectNothingLostUnseen(account);
  const drops = account.serverCard.rx_queue_0_drops! + account.serverCard.rx_queue_1_drops!;
  expect(drops).toBeGreaterThan(500);
  expect(account.serverCard.rx_missed_errors).toBe(0);
});

it('RX starvation with flow control: pause frames stop the sender, and nothing is lost', () => {
  const account = flood({ datagrams: 5000, bytes: 1000, until: '1s', server: 'faults: [{ at: 3ms, fault: rx-starvation, for: 20ms }]' });
  expectNothingLostUnseen(account);
  expect(account).toMatchObject({ sent: 5000, received: 5000, lost: {} });
  expect(account.serverCard.tx_flow_control_xoff).toBeGreaterThan(0);
  expect(account.clientCard.rx_flow_control_xoff).toBe(account.serverCard.tx_flow_control_xoff);
  expect(account.clientCard.rx_flow_control_xon).toBe(account.serverCard.tx_flow_control_xon);
});

it('TX hang: the transmit watchdog finds the queue stopped, the driver resets the card, and frames flow again', () => {
  const account = flood({
    datagrams: 3000,
    bytes: 1000,
    until: '8s',
    client: 'faults: [{ at: 5ms, fault: tx-hang }]',
    commands: ['{ at: 7s, script: "udp\\nrepeat 20: sendto 10.0.0.2 7000 500" }'],
  });
  expectNothingLostUnseen(account);
  expect(account.clientLog).toEqual([expect.stringMatching(TIMED_OUT), RESET, LINK_UP]);
  expect(account.clientCard.tx_timeout_count).toBe(1);
  expect(account.sent).toBe(3020);
  expect(account.lost['client igb_clean_tx_ring: NOT_SPECIFIED']).toBeGreaterThan(10);
  // Between the reset and the carrier's return there is no queue.
  expect(account.lost['client __dev_xmit_skb: QDISC_DROP']).toBeGreaterThan(50);
  expect(account.received).toBeGreaterThan(2500);
});

it('DMA fault on transmit: the IOMMU logs it, the queue stands still, the watchdog resets the card', () => {
  const account = flood({
    datagrams: 3000,
    bytes: 1000,
    until: '8s',
    client: 'faults: [{ at: 5ms, fault: dma-fault }]',
    commands: ['{ at: 7s, script: "udp\\nrepeat 20: sendto 10.0.0.2 7000 500" }'],
  });
  expectNothingLostUnseen(account);
  expect(account.clientLog).toEqual([
    'DMAR: DRHD: handling fault status reg 2',
    expect.stringMatching(
      /^DMAR: \[DMA Read NO_PASID\] Request device \[01:00\.0\] fault addr 0x[0-9a-f]+000 \[fault reason 0x06\] PTE Read access is not set$/,
    ),
    expect.stringMatching(TIMED_OUT),
    RESET,
    LINK_UP,
  ]);
});

it('DMA fault on receive: the data never reach memory; the driver hands up what was in the buffer, and the stack drops it', () => {
  const account = flood({
    datagrams: 500,
    bytes: 1000,
    until: '100ms',
    server: 'faults: [{ at: 3ms, fault: dma-fault, direction: rx }]',
  });
  expectNothingLostUnseen(account);
  expect(account.serverLog[1]).toMatch(/^DMAR: \[DMA Write NO_PASID\] .* PTE Write access is not set$/);
  expect(account.lost).toMatchObject({ 'server __netif_receive_skb_core: UNHANDLED_PROTO': 1 });
});

it('link flap: both ends lose the carrier and find it again; the sender’s ring is emptied by a reset', () => {
  const account = flood({ datagrams: 5000, bytes: 1000, until: '4s', wire: ', faults: [{ at: 5ms, fault: link-down, for: 50ms }]' });
  expectNothingLostUnseen(account);
  expect(account.clientLog).toEqual([LINK_DOWN, RESET, LINK_UP]);
  expect(account.serverLog).toEqual([LINK_DOWN, LINK_UP]);
  expect(account.lost['client eth0: in the transmit FIFO at a reset']).toBeGreaterThan(0);
  expect(account.lost['client.eth0-server.eth0 from client.eth0: lost on the wire']).toBeGreaterThan(0);
});

it('one end’s PHY without a signal takes the far end’s link, too; also when it is a command that does it', () => {
  const account = flood({
    datagrams: 100,
    bytes: 100,
    until: '2s',
    commands: ['{ at: 100ms, command: fault eth0 link-down for 50ms }', '{ at: 500ms, command: ip link set eth0 down }'],
  });
  expectNothingLostUnseen(account);
  expect(account.clientLog).toEqual([LINK_DOWN, LINK_UP]);
  expect(account.serverLog).toEqual([LINK_DOWN, LINK_UP, LINK_DOWN]);
});

it('CRC errors: damaged frames are counted and dropped by the card', () => {
  const wire = ', faults: [{ at: 3ms, fault: crc-errors, from: client, frames: 7 }]';
  const account = flood({ datagrams: 500, bytes: 1000, until: '1s', wire });
  expectNothingLostUnseen(account);
  expect(account.serverCard).toMatchObject({ rx_crc_errors: 7, rx_errors: 7 });
});

it('interrupts lost at the receiver: its masked vector never fires again; ring and FIFO fill up, then frames are missed', () => {
  const account = flood({ datagrams: 5000, bytes: 1000, until: '1s', server: 'faults: [{ at: 3ms, fault: lost-interrupts, for: 20ms }]' });
  const { sent, received, lost, outcome } = account;
  const waiting = expectOnlyWaiting(account);
  expect(waiting).toBeGreaterThan(255);
  expect(received + waiting + lost['server card: rx_missed_errors']!).toBe(sent);
  expect(outcome.report.drops).toContainEqual({ reason: 'interrupt messages lost', where: 'server eth0', count: 1 });
});

it('a slow PCIe costs time and no frame', () => {
  const account = flood({
    datagrams: 2000,
    bytes: 1000,
    until: '1s',
    client: 'faults: [{ at: 3ms, fault: slow-pcie, for: 20ms, factor: 50 }]',
  });
  expectNothingLostUnseen(account);
  expect(account).toMatchObject({ sent: 2000, received: 2000, lost: {} });
  const slot = flood({ datagrams: 500, bytes: 1000, until: '1s', client: 'pcie: { read: 20us, rate: 100Mbit }' });
  expectNothingLostUnseen(slot);
  expect(slot.received).toBe(500);
});

it('no memory for receive buffers: the ring runs dry, the watchdog raises its vector when there is memory again', () => {
  const account = flood({
    datagrams: 3000,
    bytes: 1000,
    until: '4s',
    server: 'faults: [{ at: 3ms, fault: no-memory, for: 300ms }]',
    serverSetup: ['sysctl -w net.core.rmem_default=16000000', 'ethtool -A eth0 autoneg off rx off tx off'],
    serverWaits: 'sleep_us 500000\\n',
    commands: ['{ at: 3500ms, script: "udp\\nrepeat 20: sendto 10.0.0.2 7000 500" }'],
  });
  expectNothingLostUnseen(account);
  expect(account.serverCard.rx_queue_0_alloc_failed).toBeGreaterThan(0);
  expect(account.serverCard.rx_missed_errors).toBeGreaterThan(500);
  expect(account.received).toBeGreaterThan(20);
});
