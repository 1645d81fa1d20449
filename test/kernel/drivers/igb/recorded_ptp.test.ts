/**
 * The clock and the settings of time stamping against a recording of Linux 6.18's igb (hwstamp_ctl and phc_ctl on a port of QEMU's 82576): the same register
 * accesses in the same order with the same values, and the same answers.
 */
import { beforeEach, expect, it } from 'vitest';
import type { igb_adapter } from '../../../../src/kernel/drivers/net/ethernet/intel/igb/igb.ts';
import { ptp_clock_adjtime, ptp_clock_gettime, ptp_clock_settime } from '../../../../src/kernel/drivers/ptp/ptp_clock.ts';
import { netdev_priv } from '../../../../src/kernel/include/linux/netdevice.ts';
import { ADJ_FREQUENCY, ADJ_NANO, ADJ_OFFSET, ADJ_SETOFFSET, type timex } from '../../../../src/kernel/uapi/timex.ts';
import { loadRecording, ReplayedDevice } from './recording.ts';
import { bootWithDriver, type TestHost } from './test_host.ts';

let device: ReplayedDevice;
let host: TestHost;
let adapter: igb_adapter;

beforeEach(() => {
  device = new ReplayedDevice();
  device.expect(loadRecording('probe'));
  host = bootWithDriver(device, 2);
  adapter = netdev_priv<igb_adapter>(host.device);
});

const set = (tx_type: number, rx_filter: number): { result: number; rx_filter: number } => {
  const config = { flags: 0, tx_type, rx_filter };
  const result = host.onCpu(() => host.device.netdev_ops.ndo_hwtstamp_set!(host.device, config));
  return { result, rx_filter: config.rx_filter };
};

function expectAllMade(): void {
  expect(device.difference).toBeNull();
  expect(device.left).toBe(0);
}

it('switches stamping of version 2 messages on with the recorded accesses', () => {
  device.expect(loadRecording('hwtstamp-v2'));
  expect(set(1, 12)).toEqual({ result: 0, rx_filter: 12 });
  expectAllMade();
  expect(adapter.tstamp_config).toEqual({ flags: 0, tx_type: 1, rx_filter: 12 });
});

it('chooses one message type of version 1 with the recorded accesses', () => {
  device.expect(loadRecording('hwtstamp-v1'));
  expect(set(1, 5)).toEqual({ result: 0, rx_filter: 5 });
  expectAllMade();
});

it('stamps all event messages of version 2 for whoever asks for some of them, and refuses what the 82576 cannot without touching it', () => {
  device.expect(loadRecording('hwtstamp-v2'));
  expect(set(1, 7)).toEqual({ result: 0, rx_filter: 12 });
  device.expect([]);
  for (const filter of [1, 2, 3, 15]) expect(set(1, filter)).toEqual({ result: -34, rx_filter: 0 });
  expect(set(2, 0).result).toBe(-34);
  expectAllMade();
  expect(adapter.tstamp_config.rx_filter).toBe(12);
});

it('reads, sets and slews the clock with the recorded accesses', () => {
  device.expect(loadRecording('phc'));
  const ptp = adapter.ptp_clock!;
  const change: timex = { modes: 0, freq: 0, time: 0n };
  host.onCpu(() => {
    // get; what phc_ctl reads before each command comes first.
    const before = ptp_clock_gettime(ptp);
    const now = ptp_clock_gettime(ptp);
    // The counter went from 0x1c684204b80000 to 0x1c684255e80000: 2^-19 ns each.
    expect(now - before).toBe((0x1c684255e80000n - 0x1c684204b80000n) >> 19n);
    // set 1000.5
    ptp_clock_gettime(ptp);
    expect(ptp_clock_settime(ptp, 1_000_500_000_000n)).toBe(0);
    // freq 1000: ppm times 2^16
    expect(ptp_clock_gettime(ptp)).toBe(1_000_500_000_000n + ((0x1c7281c7a00000n - 0x1c6b8949880000n) >> 19n));
    expect(ptp_clock_adjtime(ptp, { modes: ADJ_FREQUENCY, freq: 65536, time: 0n })).toBe(0);
    // freq
    ptp_clock_gettime(ptp);
    expect(ptp_clock_adjtime(ptp, change)).toBe(0);
    expect(change.freq).toBe(65536);
    // freq 0 set
    ptp_clock_gettime(ptp);
    expect(ptp_clock_adjtime(ptp, { modes: ADJ_FREQUENCY, freq: 0, time: 0n })).toBe(0);
    expect(ptp_clock_settime(ptp, 5n)).toBe(0);
  });
  expectAllMade();
});

it('moves the clock by an offset without touching the device, and refuses what it cannot do', () => {
  device.expect([]);
  const ptp = adapter.ptp_clock!;
  const before = adapter.tc.nsec;
  const adjust = (modes: number, freq: number, time: bigint): number => host.onCpu(() => ptp_clock_adjtime(ptp, { modes, freq, time }));
  expect(adjust(ADJ_SETOFFSET | ADJ_NANO, 0, -250_000_001n)).toBe(0);
  expect(adapter.tc.nsec - before).toBe(-250_000_001n);
  // Without ADJ_NANO the part below a second is in µs, rounded down.
  expect(adjust(ADJ_SETOFFSET, 0, 1_000_001_999n)).toBe(0);
  expect(adapter.tc.nsec - before).toBe(-250_000_001n + 1_000_001_000n);
  expect(adjust(ADJ_FREQUENCY, 65_536 * 1_000_001, 0n)).toBe(-34);
  expect(adjust(ADJ_OFFSET, 0, 1n)).toBe(-95);
  expect(host.onCpu(() => ptp_clock_settime(ptp, -1n))).toBe(-22);
  expectAllMade();
});
