/**
 * The driver against a recording of Linux 6.18's igb: fed with the values that were read then, it makes the same accesses in the same order with the same
 * values: probe, open, and the link coming up. Ring addresses and the random hash key are the only values that may differ.
 */
import { beforeAll, expect, it } from 'vitest';
import { IFF_UP, type net_device } from '../../../../src/kernel/include/linux/netdevice.ts';
import { handle_irq_event } from '../../../../src/kernel/kernel/irq.ts';
import { loadRecording, ReplayedDevice } from './recording.ts';
import { bootWithDriver, type TestHost } from './test_host.ts';

const ALL_HOSTS = Uint8Array.of(0x01, 0x00, 0x5e, 0x00, 0x00, 0x01);
const device = new ReplayedDevice();
let host: TestHost;
let dev: net_device;

beforeAll(() => {
  device.expect(loadRecording('probe'));
  host = bootWithDriver(device, 2);
  dev = host.device;
});

it('makes the recorded accesses at probe', () => {
  expect(device.difference).toBeNull();
  expect(device.left).toBe(0);
  expect([...dev.dev_addr]).toEqual([0x02, 0, 0, 0, 0x0a, 0x01]);
  expect([dev.min_mtu, dev.max_mtu]).toEqual([68, 9216]);
});

it('says in the kernel log what it found', () => {
  expect(host.kernel.log.map(({ text }) => text)).toEqual([
    'igb 0000:01:00.0: added PHC on eth0',
    'igb 0000:01:00.0: Intel(R) Gigabit Ethernet Network Connection',
    'igb 0000:01:00.0: eth0: (PCIe:2.5Gb/s:Width x4) 02:00:00:00:0a:01',
    'igb 0000:01:00.0: eth0: PBA No: 1040FF-0FF',
    'igb 0000:01:00.0: Using MSI-X interrupts. 2 rx queue(s), 2 tx queue(s)',
  ]);
});

it('makes the recorded accesses at open, when filters are set, and at the first look at the link', () => {
  device.expect(loadRecording('open'));
  host.onCpu(() => {
    // As __dev_open() does it; then IPv4 joins 224.0.0.1.
    dev.started = true;
    expect(dev.netdev_ops.ndo_open(dev)).toBe(0);
    dev.flags |= IFF_UP;
    dev.netdev_ops.ndo_set_rx_mode!(dev);
    dev.mc.push(ALL_HOSTS);
    dev.netdev_ops.ndo_set_rx_mode!(dev);
  });
  host.run(20_000_000);
  expect(device.difference).toBeNull();
  expect(device.left).toBe(0);
});

it('names its interrupts after the queues they serve', () => {
  const names = [...host.kernel.irq_desc.values()].map(({ name }) => name);
  expect(names).toEqual(['eth0', 'eth0-rx-0', 'eth0-rx-1', 'eth0-tx-0', 'eth0-tx-1']);
});

it('makes the recorded accesses when the link comes up', () => {
  device.expect(loadRecording('link'));
  const linkIrq = [...host.kernel.irq_desc.values()].find(({ name }) => name === 'eth0')!;
  host.onCpu(() => handle_irq_event(linkIrq.irq));
  host.run(100_000_000);
  expect(device.difference).toBeNull();
  expect(device.left).toBe(0);
  expect(dev.carrier).toBe(true);
  expect(host.kernel.log.at(-1)!.text).toBe('igb 0000:01:00.0 eth0: igb: eth0 NIC Link is Up 1000 Mbps Full Duplex, Flow Control: RX/TX');
});
