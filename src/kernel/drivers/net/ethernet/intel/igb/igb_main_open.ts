/**
 * drivers/net/ethernet/intel/igb/igb_main.c: a port is opened, closed, or given other settings.
 * `igb_open` → `__igb_open` → rings, link, `igb_configure`, `igb_request_irq`; `igb_close` → `igb_down` → rings freed.
 */
import * as R from '../../../../../../hw/igb/e1000_regs.ts';
import * as N from '../../../../../include/linux/netdevice.ts';
import { type net_device, netdev_priv, netif_running, netif_tx_start_all_queues } from '../../../../../include/linux/netdevice.ts';
import { schedule_work } from '../../../../../kernel/workqueue.ts';
import { netif_set_real_num_rx_queues, netif_set_real_num_tx_queues } from '../../../../../net/core/dev.ts';
import { napi_enable } from '../../../../../net/core/dev_napi.ts';
import { netif_carrier_off } from '../../../../../net/sched/sch_generic_carrier.ts';
import { EBUSY } from '../../../../../uapi/errno.ts';
import { ETH_FCS_LEN, ETH_FRAME_LEN } from '../../../../../uapi/if_ether.ts';
import { rd32 } from './e1000_hw.ts';
import { __IGB_DOWN, __IGB_RESETTING, __IGB_TESTING, IGB_ETH_PKT_HDR_PAD, IGB_MAX_RX_QUEUES, type igb_adapter, stateHas } from './igb.ts';
import { igb_configure, igb_release_hw_control } from './igb_main_config.ts';
import { igb_vlan_mode } from './igb_main_filter.ts';
import { igb_free_irq, igb_irq_enable, igb_request_irq } from './igb_main_irq.ts';
import { igb_down, igb_power_down_link, igb_power_up_link, igb_reinit_locked, igb_reset, igb_up } from './igb_main_reset.ts';
import {
  igb_free_all_rx_resources,
  igb_free_all_tx_resources,
  igb_setup_all_rx_resources,
  igb_setup_all_tx_resources,
} from './igb_main_resources.ts';
import { igb_clear_interrupt_scheme, igb_init_interrupt_scheme, igb_set_flag_queue_pairs } from './igb_main_vectors.ts';

export function igb_open(netdev: net_device): number {
  return __igb_open(netdev);
}

function __igb_open(netdev: net_device): number {
  const adapter = netdev_priv<igb_adapter>(netdev);
  if (stateHas(adapter, __IGB_TESTING)) return -EBUSY;
  netif_carrier_off(netdev);
  const tx = igb_setup_all_tx_resources(adapter);
  if (tx < 0) return failedOpen(adapter, tx);
  const rx = igb_setup_all_rx_resources(adapter);
  if (rx < 0) {
    igb_free_all_tx_resources(adapter);
    return failedOpen(adapter, rx);
  }
  igb_power_up_link(adapter);
  igb_configure(adapter);
  const irq = igb_request_irq(adapter);
  if (irq < 0) {
    igb_release_hw_control(adapter);
    igb_power_down_link(adapter);
    igb_free_all_rx_resources(adapter);
    igb_free_all_tx_resources(adapter);
    return failedOpen(adapter, irq);
  }
  netif_set_real_num_tx_queues(netdev, adapter.num_tx_queues);
  netif_set_real_num_rx_queues(netdev, adapter.num_rx_queues);
  adapter.state &= ~__IGB_DOWN;
  for (const q_vector of adapter.q_vector) napi_enable(q_vector.napi);
  // Causes from before are forgotten.
  rd32(adapter.hw, R.E1000_TSICR);
  rd32(adapter.hw, R.E1000_ICR);
  igb_irq_enable(adapter);
  netif_tx_start_all_queues(netdev);
  adapter.hw.mac.get_link_status = true;
  schedule_work(adapter.watchdog_task);
  return 0;
}

function failedOpen(adapter: igb_adapter, error: number): number {
  igb_reset(adapter);
  return error;
}

export function igb_close(netdev: net_device): number {
  return __igb_close(netdev);
}

function __igb_close(netdev: net_device): number {
  const adapter = netdev_priv<igb_adapter>(netdev);
  igb_down(adapter);
  igb_free_irq(adapter);
  igb_free_all_tx_resources(adapter);
  igb_free_all_rx_resources(adapter);
  return 0;
}

export function igb_change_mtu(netdev: net_device, new_mtu: number): number {
  const adapter = netdev_priv<igb_adapter>(netdev);
  adapter.state |= __IGB_RESETTING;
  // igb_down and igb_reset compute with it.
  adapter.max_frame_size = Math.max(new_mtu + IGB_ETH_PKT_HDR_PAD, ETH_FRAME_LEN + ETH_FCS_LEN);
  if (netif_running(netdev)) igb_down(adapter);
  netdev.mtu = new_mtu;
  if (netif_running(netdev)) igb_up(adapter);
  else igb_reset(adapter);
  adapter.state &= ~__IGB_RESETTING;
  return 0;
}

/** Tags are inserted exactly if they are stripped. */
export function igb_fix_features(_netdev: net_device, features: number): number {
  const strips = (features & N.NETIF_F_HW_VLAN_CTAG_RX) !== 0;
  return strips ? features | N.NETIF_F_HW_VLAN_CTAG_TX : features & ~N.NETIF_F_HW_VLAN_CTAG_TX;
}

export function igb_set_features(netdev: net_device, features: number): number {
  const adapter = netdev_priv<igb_adapter>(netdev);
  const changed = netdev.features ^ features;
  if ((changed & N.NETIF_F_HW_VLAN_CTAG_RX) !== 0) igb_vlan_mode(netdev, features);
  if ((changed & N.NETIF_F_RXALL) === 0) return 0;
  netdev.features = features;
  if (netif_running(netdev)) igb_reinit_locked(adapter);
  else igb_reset(adapter);
  return 1;
}

/** Another number of queues: vectors and rings are made anew. */
export function igb_reinit_queues(adapter: igb_adapter, queues: number): number {
  const running = netif_running(adapter.netdev);
  if (running) igb_close(adapter.netdev);
  adapter.rss_queues = queues;
  igb_set_flag_queue_pairs(adapter, IGB_MAX_RX_QUEUES);
  igb_clear_interrupt_scheme(adapter);
  const result = igb_init_interrupt_scheme(adapter, true);
  if (result < 0) return result;
  return running ? igb_open(adapter.netdev) : 0;
}
