/**
 * drivers/net/ethernet/intel/igb/igb_main.c: the watchdog: every two seconds and after each link interrupt it looks at the link, sums up the counters and has
 * the transmit rings checked for hangs. `igb_watchdog` (timer) → `igb_watchdog_task` (work). Also the reset that follows a hang.
 */
import * as D from '../../../../../../hw/igb/e1000_defines.ts';
import { E1000_CTRL, E1000_EICS, E1000_ICS } from '../../../../../../hw/igb/e1000_regs.ts';
import { kernel } from '../../../../../current.ts';
import { dev_err, netdev_info } from '../../../../../include/linux/device.ts';
import { type net_device, netdev_priv, netif_carrier_ok } from '../../../../../include/linux/netdevice.ts';
import { msleep } from '../../../../../kernel/time/delay.ts';
import { jiffies, mod_timer, round_jiffies } from '../../../../../kernel/time/timer.ts';
import { schedule_work } from '../../../../../kernel/workqueue.ts';
import { netif_carrier_off, netif_carrier_on } from '../../../../../net/sched/sch_generic_carrier.ts';
import { rd32, wr32 } from './e1000_hw.ts';
import { igb_check_for_copper_link, igb_get_speed_and_duplex_copper } from './e1000_mac.ts';
import { igb_check_downshift, igb_get_phy_info, igb_read_phy_reg } from './e1000_phy.ts';
import { __IGB_DOWN, __IGB_RESETTING, IGB_FLAG_HAS_MSIX, type igb_adapter, igb_desc_unused, stateHas } from './igb.ts';
import { igb_reinit_locked } from './igb_main_reset.ts';
import { igb_update_stats } from './igb_main_stats.ts';
import { igb_ptp_rx_hang, igb_ptp_tx_hang } from './igb_ptp.ts';

const WATCHDOG_SECONDS = 2;
const RECEIVER_STATUS_ATTEMPTS = 20;

export function igb_watchdog(adapter: igb_adapter): void {
  schedule_work(adapter.watchdog_task);
}

/** Some time after the link came up the PHY knows more about the cable. */
export function igb_update_phy_info(adapter: igb_adapter): void {
  igb_get_phy_info(adapter.hw);
}

/** Asks the PHY only after something happened to the link; true when it is up. */
export function igb_has_link(adapter: igb_adapter): boolean {
  if (!adapter.hw.mac.get_link_status) return true;
  igb_check_for_copper_link(adapter.hw);
  return !adapter.hw.mac.get_link_status;
}

export function igb_watchdog_task(adapter: igb_adapter): void {
  const link = igb_has_link(adapter);
  const carrier = netif_carrier_ok(adapter.netdev);
  if (link && !carrier) linkCameUp(adapter);
  else if (!link && carrier) linkWentDown(adapter);
  igb_update_stats(adapter);
  if (!checkTxRings(adapter)) return;
  interruptStarvedRings(adapter);
  igb_ptp_rx_hang(adapter);
  igb_ptp_tx_hang(adapter);
  rearm(adapter, 'watchdog_timer');
}

function rearm(adapter: igb_adapter, timer: 'watchdog_timer' | 'phy_info_timer'): void {
  if (!stateHas(adapter, __IGB_DOWN)) mod_timer(adapter[timer], round_jiffies(jiffies() + WATCHDOG_SECONDS * kernel().HZ));
}

function linkCameUp(adapter: igb_adapter): void {
  const { hw, netdev } = adapter;
  const { speed, duplex } = igb_get_speed_and_duplex_copper(hw);
  adapter.link_speed = speed;
  adapter.link_duplex = duplex;
  const ctrl = rd32(hw, E1000_CTRL);
  const mode = duplex === D.FULL_DUPLEX ? 'Full' : 'Half';
  netdev_info(netdev, `igb: ${netdev.name} NIC Link is Up ${speed} Mbps ${mode} Duplex, Flow Control: ${flowControlName(ctrl)}`);
  igb_check_downshift(hw);
  if (hw.phy.speed_downgraded) netdev_info(netdev, 'Link Speed was downgraded by SmartSpeed');
  adapter.tx_timeout_factor = speed === D.SPEED_10 ? 14 : 1;
  if (speed === D.SPEED_1000) waitForRemoteReceiver(adapter);
  netif_carrier_on(netdev);
  rearm(adapter, 'phy_info_timer');
}

function flowControlName(ctrl: number): string {
  const receives = (ctrl & D.E1000_CTRL_RFCE) !== 0;
  const sends = (ctrl & D.E1000_CTRL_TFCE) !== 0;
  if (receives && sends) return 'RX/TX';
  if (receives) return 'RX';
  return sends ? 'TX' : 'None';
}

/** 1000BASE-T tells when the partner's receiver has locked on. */
function waitForRemoteReceiver(adapter: igb_adapter): void {
  for (let left = RECEIVER_STATUS_ATTEMPTS; ; left--) {
    const status = igb_read_phy_reg(adapter.hw, D.PHY_1000T_STATUS);
    if (status < 0) {
      dev_err(adapter.pdev.dev, 'read 1000Base-T Status Reg');
      return;
    }
    if ((status & D.SR_1000T_REMOTE_RX_STATUS) !== 0) return;
    if (left === 0) {
      dev_err(adapter.pdev.dev, 'exceed max 2 second');
      return;
    }
    msleep(100);
  }
}

function linkWentDown(adapter: igb_adapter): void {
  const netdev = adapter.netdev;
  adapter.link_speed = 0;
  adapter.link_duplex = 0;
  netdev_info(netdev, `igb: ${netdev.name} NIC Link is Down`);
  netif_carrier_off(netdev);
  rearm(adapter, 'phy_info_timer');
}

/**
 * Packets that stand on a ring without a link will never leave: the device is reset to be rid of them (false then). With a link each ring is to be checked
 * for a hang at its next cleaning.
 */
function checkTxRings(adapter: igb_adapter): boolean {
  const carrier = netif_carrier_ok(adapter.netdev);
  for (const ring of adapter.tx_ring) {
    if (!carrier && ring.desc !== null && igb_desc_unused(ring) + 1 < ring.count) {
      adapter.tx_timeout_count++;
      schedule_work(adapter.reset_task);
      return false;
    }
    ring.detectTxHang = true;
  }
  return true;
}

/** A ring that got no memory for its buffers would never be looked at again, since no frame can come: its vector is raised by software. */
function interruptStarvedRings(adapter: igb_adapter): void {
  let eics = 0;
  for (const ring of adapter.rx_ring) {
    if (!ring.rxAllocFailed) continue;
    eics |= ring.q_vector.eims_value;
    ring.rxAllocFailed = false;
  }
  if (eics === 0) return;
  if ((adapter.flags & IGB_FLAG_HAS_MSIX) !== 0) wr32(adapter.hw, E1000_EICS, eics);
  else wr32(adapter.hw, E1000_ICS, D.E1000_ICS_RXDMT0);
}

/** The core found a queue stopped for too long. */
export function igb_tx_timeout(dev: net_device, _txqueue: number): void {
  const adapter = netdev_priv<igb_adapter>(dev);
  adapter.tx_timeout_count++;
  schedule_work(adapter.reset_task);
  wr32(adapter.hw, E1000_EICS, (adapter.eims_enable_mask & ~adapter.eims_other) >>> 0);
}

export function igb_reset_task(adapter: igb_adapter): void {
  if (stateHas(adapter, __IGB_DOWN) || stateHas(adapter, __IGB_RESETTING)) return;
  netdev_info(adapter.netdev, 'Reset adapter');
  igb_reinit_locked(adapter);
}
