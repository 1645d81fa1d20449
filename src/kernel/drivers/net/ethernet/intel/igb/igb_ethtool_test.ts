/**
 * drivers/net/ethernet/intel/igb/igb_ethtool.c: `ethtool -t`: `igb_diag_test` → `igb_link_test`, and if the port may be taken out of service:
 * `igb_reg_test`, `igb_eeprom_test`, `igb_intr_test`, `igb_loopback_test`, with a reset after each.
 *
 * Simplified: the last reset does not wait for auto-negotiation to end (igb_wait_autoneg); opening the port starts it anew anyway.
 */
import { E1000_IVAR_VALID, E1000_STATUS_LU } from '../../../../../../hw/igb/e1000_defines.ts';
import * as R from '../../../../../../hw/igb/e1000_regs.ts';
import { dev_info } from '../../../../../include/linux/device.ts';
import { ETH_TEST_FL_FAILED, ETH_TEST_FL_OFFLINE, type ethtool_test } from '../../../../../include/linux/ethtool.ts';
import { IRQ_HANDLED } from '../../../../../include/linux/interrupt.ts';
import { type net_device, netdev_priv, netif_running } from '../../../../../include/linux/netdevice.ts';
import type { Sleeping } from '../../../../../include/linux/sched.ts';
import { free_irq, request_irq } from '../../../../../kernel/irq.ts';
import { msleep_interruptible, usleep_range_state } from '../../../../../kernel/time/sleep_timeout.ts';
import { rd32, wr32, wrfl } from './e1000_hw.ts';
import { igb_check_for_copper_link } from './e1000_mac.ts';
import { igb_validate_nvm_checksum } from './e1000_nvm.ts';
import { __IGB_TESTING, IGB_FLAG_HAS_MSI, IGB_FLAG_HAS_MSIX, type igb_adapter } from './igb.ts';
import { igb_loopback_test } from './igb_ethtool_loopback.ts';
import { igb_reg_test } from './igb_ethtool_reg_test.ts';
import { igb_close, igb_open } from './igb_main_open.ts';
import { igb_power_up_link, igb_reset } from './igb_main_reset.ts';

/** The bits of ICS that an 82576 has. */
const ICS_82576 = 0x77d4fbfd;
const CAUSES = 31;
const ALL = 0xffffffff;
/** What the interrupt test reports: a masked cause interrupted, an unmasked one did not, another than the unmasked one did. */
const MASKED_CAME = 3;
const DID_NOT_COME = 4;
const OTHER_CAME = 5;

const igb_gstrings_test = [
  'Register test  (offline)',
  'Eeprom test    (offline)',
  'Interrupt test (offline)',
  'Loopback test  (offline)',
  'Link test   (on/offline)',
] as const;

/** Results by name, 0 for passed; `test.flags` tells whether all were. A second user of the port finds it busy meanwhile. */
export function* igb_diag_test(dev: net_device, test: ethtool_test): Sleeping<[name: string, result: number][]> {
  const adapter = netdev_priv<igb_adapter>(dev);
  adapter.state |= __IGB_TESTING;
  let results: readonly number[];
  if (test.flags === ETH_TEST_FL_OFFLINE) results = yield* offlineTests(adapter, dev);
  else {
    dev_info(adapter.pdev.dev, 'online testing starting');
    results = [0, 0, 0, 0, yield* igb_link_test(adapter)];
    adapter.state &= ~__IGB_TESTING;
  }
  if (results.some((result) => result !== 0)) test.flags |= ETH_TEST_FL_FAILED;
  yield* msleep_interruptible(4000);
  return igb_gstrings_test.map((name, i) => [name, results[i]!]);
}

/** The link is tested before the resets disturb it; settings of the link that the loopback test changes are restored. */
function* offlineTests(adapter: igb_adapter, dev: net_device): Sleeping<number[]> {
  const { mac, phy } = adapter.hw;
  const running = netif_running(dev);
  const { autoneg, forced_speed_duplex } = mac;
  const { autoneg_advertised } = phy;
  dev_info(adapter.pdev.dev, 'offline testing starting');
  igb_power_up_link(adapter);
  const link = yield* igb_link_test(adapter);
  if (running) igb_close(dev);
  else igb_reset(adapter);
  const registers = igb_reg_test(adapter);
  igb_reset(adapter);
  const eeprom = igb_eeprom_test(adapter);
  igb_reset(adapter);
  const interrupts = yield* igb_intr_test(adapter);
  igb_reset(adapter);
  igb_power_up_link(adapter);
  const loopback = yield* igb_loopback_test(adapter);
  phy.autoneg_advertised = autoneg_advertised;
  mac.forced_speed_duplex = forced_speed_duplex;
  mac.autoneg = autoneg;
  igb_reset(adapter);
  adapter.state &= ~__IGB_TESTING;
  if (running) igb_open(dev);
  return [registers, eeprom, interrupts, loopback, link];
}

/** Auto-negotiation may take some seconds. */
function* igb_link_test(adapter: igb_adapter): Sleeping<number> {
  igb_check_for_copper_link(adapter.hw);
  if (adapter.hw.mac.autoneg) yield* msleep_interruptible(5000);
  return (rd32(adapter.hw, R.E1000_STATUS) & E1000_STATUS_LU) !== 0 ? 0 : 1;
}

const igb_eeprom_test = (adapter: igb_adapter): number => (igb_validate_nvm_checksum(adapter.hw) < 0 ? 2 : 0);

/** Notes what came. */
function igb_test_intr(_irq: number, adapter: igb_adapter): number {
  adapter.test_icr |= rd32(adapter.hw, R.E1000_ICR);
  return IRQ_HANDLED;
}

/** Raises each cause by software. Where nobody shares the interrupt it is also seen to that masked ones don't come. */
function* igb_intr_test(adapter: igb_adapter): Sleeping<number> {
  const { hw, pdev, netdev } = adapter;
  const msix = (adapter.flags & IGB_FLAG_HAS_MSIX) !== 0;
  const shared = msix || (adapter.flags & IGB_FLAG_HAS_MSI) === 0;
  const irq = msix ? adapter.msix_entries[0]!.vector : pdev.irq;
  request_irq(irq, igb_test_intr, netdev.name, adapter);
  if (msix) {
    wr32(hw, R.E1000_IVAR_MISC, E1000_IVAR_VALID << 8);
    wr32(hw, R.E1000_EIMS, 1);
  }
  dev_info(pdev.dev, `testing ${shared ? 'shared' : 'unshared'} interrupt`);
  yield* settle(adapter, R.E1000_IMC, ALL);
  let result = 0;
  for (let i = 0; i < CAUSES && result === 0; i++)
    if ((ICS_82576 & (1 << i)) !== 0) result = yield* testCause(adapter, (1 << i) >>> 0, shared);
  yield* settle(adapter, R.E1000_IMC, ALL);
  free_irq(irq);
  return result;
}

function* testCause(adapter: igb_adapter, mask: number, shared: boolean): Sleeping<number> {
  if (!shared && (yield* comes(adapter, mask, R.E1000_IMC, mask, mask))) return MASKED_CAME;
  if (!(yield* comes(adapter, mask, R.E1000_IMS, mask, mask))) return DID_NOT_COME;
  if (!shared && (yield* comes(adapter, mask, R.E1000_IMC, ~mask >>> 0, ~mask >>> 0))) return OTHER_CAME;
  return 0;
}

/** Writes a mask register, raises causes, and tells whether the handler saw the cause `mask`. */
function* comes(adapter: igb_adapter, mask: number, register: number, written: number, raised: number): Sleeping<boolean> {
  adapter.test_icr = 0;
  wr32(adapter.hw, R.E1000_ICR, ALL);
  wr32(adapter.hw, register, written);
  yield* settle(adapter, R.E1000_ICS, raised);
  return (adapter.test_icr & mask) !== 0;
}

/** A write, and the time to take effect. */
function* settle(adapter: igb_adapter, register: number, value: number): Sleeping<void> {
  wr32(adapter.hw, register, value);
  wrfl(adapter.hw);
  yield* usleep_range_state(10000, 11000);
}
