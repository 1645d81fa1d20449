/**
 * `ethtool -t` (offline, on a port that is down) against a recording of Linux 6.18's igb: link, registers, EEPROM, interrupts and loopback, with the resets in
 * between: the same register accesses in the same order with the same values. The device here is the recording, and what it does besides: ICS interrupts, and
 * what is transmitted comes back.
 */
import { expect, it } from 'vitest';
import { ETH_TEST_FL_OFFLINE } from '../../../../src/kernel/include/linux/ethtool.ts';
import { handle_irq_event } from '../../../../src/kernel/kernel/irq.ts';
import type { PciSlot } from '../../../../src/machine/machine.ts';
import { startProgram } from '../../../../src/user/sys.ts';
import { loadRecording, ReplayedDevice } from './recording.ts';
import { bootWithDriver, type TestHost } from './test_host.ts';

const ICS = 0x00c8;
const RDBAL0 = 0x2800;
const TDBAL0 = 0x3800;
const TDT0 = 0x3818;
const RING = 256;
/** DD and EOP. */
const DONE = 3;

class LoopingDevice extends ReplayedDevice {
  host: TestHost | null = null;
  #slot: PciSlot | null = null;
  readonly #base = new Map<number, number>();
  #received = 0;
  frames = 0;

  override attach(slot: PciSlot): void {
    this.#slot = slot;
  }

  override writel(offset: number, value: number): void {
    super.writel(offset, value);
    if (offset === RDBAL0 || offset === TDBAL0) this.#base.set(offset, value);
    else if (offset === ICS) this.#interrupt();
    else if (offset === TDT0 && value > 0) this.#loop((value - 1) % RING);
    else if (offset === TDT0 && this.frames > 0) this.#loop(RING - 1);
  }

  /** The recorded device's interrupts come before the next access. */
  #interrupt(): void {
    const irq = [...this.host!.kernel.irq_desc.values()].find(({ name, handler }) => name === 'eth0' && handler !== null)!;
    handle_irq_event(irq.irq);
  }

  /** The frame of a transmit descriptor goes into the next receive buffer. */
  #loop(index: number): void {
    const memory = this.#slot!.machine.dma.memory;
    const descriptor = (base: number, i: number): { view: DataView; at: number } => {
      const section = memory.section(base);
      return { view: section.view, at: base - section.base + 16 * i };
    };
    const tx = descriptor(this.#base.get(TDBAL0)!, index);
    const rx = descriptor(this.#base.get(RDBAL0)!, this.#received++ % RING);
    const length = tx.view.getUint32(tx.at + 8, true) & 0xffff;
    const from = tx.view.getUint32(tx.at, true);
    const to = rx.view.getUint32(rx.at, true);
    const source = memory.section(from);
    const target = memory.section(to);
    target.u8.set(source.u8.subarray(from - source.base, from - source.base + length), to - target.base);
    rx.view.setUint32(rx.at + 8, DONE, true);
    rx.view.setUint16(rx.at + 12, length, true);
    this.frames++;
  }
}

it('makes the recorded accesses, and passes', () => {
  const device = new LoopingDevice();
  device.expect(loadRecording('probe'));
  const host = bootWithDriver(device, 2);
  device.host = host;
  device.expect(loadRecording('self-test'));
  const test = { flags: ETH_TEST_FL_OFFLINE };
  let results: [string, number][] = [];
  host.onCpu(() =>
    startProgram(
      function* ethtool() {
        results = yield* host.device.ethtool_ops!.self_test!(host.device, test);
        return 0;
      },
      'ethtool',
      0,
    ),
  );
  host.run(30e9);
  expect(device.difference).toMatch(/instead of nothing$/);
  expect(device.left).toBe(0);
  expect(device.frames).toBe(640);
  expect(results).toEqual([
    ['Register test  (offline)', 0],
    ['Eeprom test    (offline)', 0],
    ['Interrupt test (offline)', 0],
    ['Loopback test  (offline)', 0],
    ['Link test   (on/offline)', 0],
  ]);
  expect(test.flags).toBe(ETH_TEST_FL_OFFLINE);
});
