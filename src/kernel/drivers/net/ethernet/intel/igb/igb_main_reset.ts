/**
 * drivers/net/ethernet/intel/igb/igb_main.c: up and down. `igb_up` loads the configuration and starts; `igb_down` stops and resets the device;
 * `igb_reset` brings it to where `igb_configure` can begin.
 */
import * as D from '../../../../../../hw/igb/e1000_defines.ts';
import * as R from '../../../../../../hw/igb/e1000_regs.ts';
import { dev_err } from '../../../../../include/linux/device.ts';
import { netif_running, netif_tx_start_all_queues, netif_tx_stop_all_queues } from '../../../../../include/linux/netdevice.ts';
import { usleep_range } from '../../../../../kernel/time/delay.ts';
import { timer_delete_sync } from '../../../../../kernel/time/timer.ts';
import { schedule_work } from '../../../../../kernel/workqueue.ts';
import { napi_disable, napi_enable, napi_synchronize } from '../../../../../net/core/dev_napi.ts';
import { netif_carrier_off } from '../../../../../net/sched/sch_generic_carrier.ts';
import { igb_init_hw_82575, igb_power_down_phy_copper_82575, igb_reset_hw_82575, igb_setup_copper_link_82575 } from './e1000_82575.ts';
import { rd32, wr32, wrfl } from './e1000_hw.ts';
import { igb_force_mac_fc, igb_setup_link } from './e1000_mac.ts';
import { igb_get_phy_info, igb_power_up_phy_copper, igb_reset_phy } from './e1000_phy.ts';
import { __IGB_DOWN, __IGB_RESETTING, IGB_PTP_ENABLED, type igb_adapter } from './igb.ts';
import { igb_configure } from './igb_main_config.ts';
import { igb_flush_mac_table, igb_set_default_mac_filter } from './igb_main_filter.ts';
import { hasMsix, igb_assign_vector, igb_configure_msix, igb_irq_disable, igb_irq_enable } from './igb_main_irq.ts';
import { igb_clean_rx_ring } from './igb_main_rx.ts';
import { igb_update_stats } from './igb_main_stats.ts';
import { igb_clean_tx_ring } from './igb_main_tx_clean.ts';
import { igb_ptp_reset } from './igb_ptp.ts';

export function igb_power_up_link(adapter: igb_adapter): void {
  igb_reset_phy(adapter.hw);
  igb_power_up_phy_copper(adapter.hw);
  igb_setup_link(adapter.hw, igb_setup_copper_link_82575);
}

export function igb_power_down_link(adapter: igb_adapter): void {
  igb_power_down_phy_copper_82575(adapter.hw);
}

export function igb_reset(adapter: igb_adapter): void {
  const { hw, netdev } = adapter;
  setFlowControlThresholds(adapter);
  igb_reset_hw_82575(hw);
  wr32(hw, R.E1000_WUC, 0);
  if (igb_init_hw_82575(hw, adapter.shadow_vfta) < 0) dev_err(adapter.pdev.dev, 'Hardware Error');
  igb_flush_mac_table(adapter);
  igb_set_default_mac_filter(adapter);
  if (!hw.mac.autoneg) igb_force_mac_fc(hw);
  if (!netif_running(netdev)) igb_power_down_link(adapter);
  wr32(hw, R.E1000_VET, D.ETHERNET_IEEE_VLAN_TYPE);
  if ((adapter.ptp_flags & IGB_PTP_ENABLED) !== 0) igb_ptp_reset(adapter);
  igb_get_phy_info(hw);
}

/** XOFF is sent when the receive FIFO has room for one frame that is under way and the one after it. */
function setFlowControlThresholds(adapter: igb_adapter): void {
  const fc = adapter.hw.fc;
  const fifoKiB = rd32(adapter.hw, R.E1000_RXPBS) & D.E1000_RXPBS_SIZE_MASK_82576;
  const mark = fifoKiB * 1024 - (adapter.max_frame_size + D.MAX_JUMBO_FRAME_SIZE);
  fc.high_water = mark & ~0xf;
  fc.low_water = fc.high_water - 16;
  fc.pause_time = 0xffff;
  fc.send_xon = true;
  fc.current_mode = fc.requested_mode;
}

/** From a reset device to traffic. */
export function igb_up(adapter: igb_adapter): number {
  igb_configure(adapter);
  adapter.state &= ~__IGB_DOWN;
  for (const q_vector of adapter.q_vector) napi_enable(q_vector.napi);
  if (hasMsix(adapter)) igb_configure_msix(adapter);
  else igb_assign_vector(adapter.q_vector[0]!, 0);
  rd32(adapter.hw, R.E1000_TSICR);
  rd32(adapter.hw, R.E1000_ICR);
  igb_irq_enable(adapter);
  netif_tx_start_all_queues(adapter.netdev);
  adapter.hw.mac.get_link_status = true;
  schedule_work(adapter.watchdog_task);
  return 0;
}

export function igb_down(adapter: igb_adapter): void {
  const { hw, netdev } = adapter;
  // Interrupt handlers leave the watchdog alone from here on.
  adapter.state |= __IGB_DOWN;
  wr32(hw, R.E1000_RCTL, (rd32(hw, R.E1000_RCTL) & ~D.E1000_RCTL_EN) >>> 0);
  netif_carrier_off(netdev);
  netif_tx_stop_all_queues(netdev);
  wr32(hw, R.E1000_TCTL, (rd32(hw, R.E1000_TCTL) & ~D.E1000_TCTL_EN) >>> 0);
  wrfl(hw);
  usleep_range(10000, 11000);
  igb_irq_disable(adapter);
  for (const q_vector of adapter.q_vector) {
    napi_synchronize(q_vector.napi);
    napi_disable(q_vector.napi);
  }
  timer_delete_sync(adapter.watchdog_timer);
  timer_delete_sync(adapter.phy_info_timer);
  // The reset clears the device's counters.
  igb_update_stats(adapter);
  adapter.link_speed = 0;
  adapter.link_duplex = 0;
  igb_reset(adapter);
  for (const ring of adapter.tx_ring) igb_clean_tx_ring(ring);
  for (const ring of adapter.rx_ring) igb_clean_rx_ring(ring);
}

export function igb_reinit_locked(adapter: igb_adapter): void {
  adapter.state |= __IGB_RESETTING;
  igb_down(adapter);
  igb_up(adapter);
  adapter.state &= ~__IGB_RESETTING;
}
