/**
 * drivers/net/ethernet/intel/igb/igb_main.c: the driver as the PCI core sees it.
 * `igb_init_module` → `igb_probe` → `igb_sw_init` → `igb_reset` → `register_netdev`; `igb_exit_module` → `igb_remove`.
 *
 * The file is cut: igb_main_open.ts (open, close, settings), igb_main_reset.ts (up, down, reset), igb_main_config.ts (registers), igb_main_filter.ts (addresses,
 * VLANs), igb_main_vectors.ts (queues and vectors), igb_main_irq.ts (interrupts), igb_main_itr.ts (moderation), igb_main_resources.ts (ring memory), igb_main_tx.ts,
 * igb_main_tx_clean.ts, igb_main_rx_alloc.ts, igb_main_rx.ts, igb_main_poll.ts (NAPI), igb_main_watchdog.ts, igb_main_stats.ts.
 */
import * as D from '../../../../../../hw/igb/e1000_defines.ts';
import * as R from '../../../../../../hw/igb/e1000_regs.ts';
import { kernel } from '../../../../../current.ts';
import { dev_err, dev_info } from '../../../../../include/linux/device.ts';
import * as N from '../../../../../include/linux/netdevice.ts';
import { type net_device, type net_device_ops, netdev_priv } from '../../../../../include/linux/netdevice.ts';
import {
  PCI_VENDOR_ID_INTEL,
  type pci_dev,
  type pci_device_id,
  type pci_driver,
  pci_get_drvdata,
  pci_set_drvdata,
} from '../../../../../include/linux/pci.ts';
import type { sk_buff } from '../../../../../include/linux/skbuff.ts';
import { timer_delete_sync, timer_list } from '../../../../../kernel/time/timer.ts';
import { cancel_work_sync, work_struct } from '../../../../../kernel/workqueue.ts';
import { alloc_etherdev_mqs, free_netdev, register_netdev, unregister_netdev } from '../../../../../net/core/dev.ts';
import { netif_carrier_off } from '../../../../../net/sched/sch_generic_carrier.ts';
import { EIO } from '../../../../../uapi/errno.ts';
import { ETH_FCS_LEN, ETH_MIN_MTU, ETH_ZLEN } from '../../../../../uapi/if_ether.ts';
import { pci_disable_device, pci_enable_device_mem, pci_set_master } from '../../../../pci/pci.ts';
import { pci_register_driver, pci_unregister_driver } from '../../../../pci/pci_driver.ts';
import { igb_get_invariants_82575, igb_read_mac_addr_82575, igb_reset_hw_82575 } from './e1000_82575.ts';
import { E1000_DEV_ID_82576, e1000_fc_default, rd32 } from './e1000_hw.ts';
import { igb_enable_mng_pass_thru, igb_get_bus_info_pcie } from './e1000_mac.ts';
import { igb_get_fw_version, igb_read_part_string, igb_validate_nvm_checksum } from './e1000_nvm.ts';
import { igb_check_reset_block, igb_reset_phy } from './e1000_phy.ts';
import {
  __IGB_DOWN,
  IGB_ETH_PKT_HDR_PAD,
  IGB_FLAG_HAS_MSI,
  IGB_FLAG_HAS_MSIX,
  IGB_MAX_RX_QUEUES,
  IGB_MAX_TX_QUEUES,
  igb_adapter,
} from './igb.ts';
import { igb_ethtool_ops } from './igb_ethtool.ts';
import { abandonLoopbackTest } from './igb_ethtool_loopback.ts';
import { igb_get_hw_control, igb_release_hw_control } from './igb_main_config.ts';
import { igb_set_default_mac_filter, igb_set_mac, igb_set_rx_mode, igb_vlan_rx_add_vid, igb_vlan_rx_kill_vid } from './igb_main_filter.ts';
import { igb_irq_disable } from './igb_main_irq.ts';
import { igb_change_mtu, igb_close, igb_fix_features, igb_open, igb_set_features } from './igb_main_open.ts';
import { igb_reset } from './igb_main_reset.ts';
import { igb_get_stats64 } from './igb_main_stats.ts';
import { igb_xmit_frame } from './igb_main_tx.ts';
import { igb_clear_interrupt_scheme, igb_init_interrupt_scheme, igb_init_queue_configuration } from './igb_main_vectors.ts';
import { igb_reset_task, igb_tx_timeout, igb_update_phy_info, igb_watchdog, igb_watchdog_task } from './igb_main_watchdog.ts';
import { igb_ptp_hwtstamp_get, igb_ptp_hwtstamp_set, igb_ptp_init, igb_ptp_stop } from './igb_ptp.ts';

const TX_WATCHDOG_SECONDS = 5;
const IGB_MAX_MAC_HDR_LEN = 127;
const IGB_MAX_NETWORK_HDR_LEN = 511;

/** Finds a port's parameters, makes its net_device, and leaves the port reset and powered down. */
function igb_probe(pdev: pci_dev, _id: pci_device_id): number {
  const enabled = pci_enable_device_mem(pdev);
  if (enabled < 0) return enabled;
  pci_set_master(pdev);
  const netdev = alloc_etherdev_mqs('eth%d', IGB_MAX_TX_QUEUES, IGB_MAX_RX_QUEUES);
  const adapter = new igb_adapter(netdev, pdev);
  netdev.priv = adapter;
  netdev.parent = pdev.dev;
  pci_set_drvdata(pdev, netdev);
  netdev.netdev_ops = igb_netdev_ops;
  netdev.ethtool_ops = igb_ethtool_ops;
  netdev.watchdog_timeo = TX_WATCHDOG_SECONDS * kernel().HZ;
  const result = probeAdapter(adapter);
  if (result < 0) {
    igb_clear_interrupt_scheme(adapter);
    free_netdev(netdev);
    pci_disable_device(pdev);
  }
  return result;
}

function probeAdapter(adapter: igb_adapter): number {
  const { hw, netdev, pdev } = adapter;
  const invariants = igb_get_invariants_82575(hw);
  if (invariants < 0) return -EIO;
  const sw = igb_sw_init(adapter);
  if (sw < 0) return sw;
  igb_get_bus_info_pcie(hw);
  if (igb_check_reset_block(hw) !== 0) dev_info(pdev.dev, 'PHY reset is blocked due to SOL/IDER session.');
  setFeatures(netdev);
  // Management firmware, if any, would keep the port powered.
  igb_enable_mng_pass_thru(hw);
  // Before the EEPROM is read the controller is brought to a known state.
  igb_reset_hw_82575(hw);
  const identity = readIdentity(adapter);
  if (identity < 0) {
    if (igb_check_reset_block(hw) === 0) igb_reset_phy(hw);
    return identity;
  }
  setupDeferredWork(adapter);
  adapter.fc_autoneg = true;
  hw.mac.autoneg = true;
  hw.phy.autoneg_advertised = D.AUTONEG_ADVERTISE_SPEED_DEFAULT;
  hw.fc.requested_mode = e1000_fc_default;
  hw.fc.current_mode = e1000_fc_default;
  igb_reset(adapter);
  igb_get_hw_control(adapter);
  const registered = register_netdev(netdev);
  if (registered < 0) {
    igb_release_hw_control(adapter);
    return registered;
  }
  // ethtool and ip link show the carrier even before the port is opened.
  netif_carrier_off(netdev);
  igb_ptp_init(adapter);
  announce(adapter);
  return 0;
}

/** Checksum, address and version of the EEPROM. */
function readIdentity(adapter: igb_adapter): number {
  const { hw, netdev, pdev } = adapter;
  if (igb_validate_nvm_checksum(hw) < 0) {
    dev_err(pdev.dev, 'The NVM Checksum Is Not Valid');
    return -EIO;
  }
  if (igb_read_mac_addr_82575(hw) < 0) dev_err(pdev.dev, 'NVM Read Error');
  netdev.dev_addr = hw.mac.addr.slice();
  if ((hw.mac.addr[0]! & 1) !== 0 || hw.mac.addr.every((byte) => byte === 0)) {
    dev_err(pdev.dev, 'Invalid MAC Address');
    return -EIO;
  }
  igb_set_default_mac_filter(adapter);
  adapter.fw_version = igb_get_fw_version(hw);
  return 0;
}

function setFeatures(netdev: net_device): void {
  netdev.features |= N.NETIF_F_SG | N.NETIF_F_TSO | N.NETIF_F_TSO6 | N.NETIF_F_RXHASH | N.NETIF_F_RXCSUM | N.NETIF_F_HW_CSUM;
  netdev.features |= N.NETIF_F_SCTP_CRC | N.NETIF_F_GSO_UDP_L4 | N.NETIF_F_GSO_PARTIAL | N.gsoPartialTunnels;
  netdev.hw_features |= netdev.features | N.NETIF_F_HW_VLAN_CTAG_RX | N.NETIF_F_HW_VLAN_CTAG_TX | N.NETIF_F_RXALL;
  netdev.features |= N.NETIF_F_HIGHDMA;
  netdev.vlan_features |= netdev.features | N.NETIF_F_TSO_MANGLEID;
  netdev.hw_enc_features |= netdev.vlan_features;
  // Last, since a VLAN device can't have them in turn.
  netdev.features |= N.NETIF_F_HW_VLAN_CTAG_FILTER | N.NETIF_F_HW_VLAN_CTAG_RX | N.NETIF_F_HW_VLAN_CTAG_TX;
  netdev.min_mtu = ETH_MIN_MTU;
  netdev.max_mtu = D.MAX_STD_JUMBO_FRAME_SIZE;
}

/** Ring sizes, queues, vectors; the interrupt masks of whoever drove the port before are cleared. */
function igb_sw_init(adapter: igb_adapter): number {
  adapter.max_frame_size = adapter.netdev.mtu + IGB_ETH_PKT_HDR_PAD;
  adapter.min_frame_size = ETH_ZLEN + ETH_FCS_LEN;
  igb_init_queue_configuration(adapter);
  const result = igb_init_interrupt_scheme(adapter, true);
  if (result < 0) {
    dev_err(adapter.pdev.dev, 'Unable to allocate memory for queues');
    return result;
  }
  igb_irq_disable(adapter);
  adapter.state |= __IGB_DOWN;
  return 0;
}

function setupDeferredWork(adapter: igb_adapter): void {
  adapter.watchdog_timer = new timer_list(() => igb_watchdog(adapter), 'igb_watchdog');
  adapter.phy_info_timer = new timer_list(() => igb_update_phy_info(adapter), 'igb_update_phy_info');
  adapter.reset_task = new work_struct(() => igb_reset_task(adapter));
  adapter.watchdog_task = new work_struct(() => igb_watchdog_task(adapter));
}

/** What the kernel log says of a port that was found. */
function announce(adapter: igb_adapter): void {
  const { hw, netdev, pdev } = adapter;
  const mac = [...netdev.dev_addr].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
  dev_info(pdev.dev, 'Intel(R) Gigabit Ethernet Network Connection');
  dev_info(pdev.dev, `${netdev.name}: (PCIe:2.5Gb/s:Width x4) ${mac}`);
  const hasEeprom = (rd32(hw, R.E1000_EECD) & D.E1000_EECD_PRES) !== 0;
  dev_info(pdev.dev, `${netdev.name}: PBA No: ${(hasEeprom ? igb_read_part_string(hw) : null) ?? 'Unknown'}`);
  const kind = (adapter.flags & IGB_FLAG_HAS_MSIX) !== 0 ? 'MSI-X' : (adapter.flags & IGB_FLAG_HAS_MSI) !== 0 ? 'MSI' : 'legacy';
  dev_info(pdev.dev, `Using ${kind} interrupts. ${adapter.num_rx_queues} rx queue(s), ${adapter.num_tx_queues} tx queue(s)`);
}

function igb_remove(pdev: pci_dev): void {
  const netdev = pci_get_drvdata<net_device>(pdev);
  const adapter = netdev_priv<igb_adapter>(netdev);
  abandonLoopbackTest(adapter);
  igb_ptp_stop(adapter);
  adapter.state |= __IGB_DOWN;
  timer_delete_sync(adapter.watchdog_timer);
  timer_delete_sync(adapter.phy_info_timer);
  cancel_work_sync(adapter.reset_task);
  cancel_work_sync(adapter.watchdog_task);
  // Firmware may use the port again.
  igb_release_hw_control(adapter);
  unregister_netdev(netdev);
  igb_clear_interrupt_scheme(adapter);
  free_netdev(netdev);
  pci_disable_device(pdev);
}

/** Headers longer than a context descriptor can tell are left to the stack. */
function igb_features_check(skb: sk_buff, _netdev: net_device, features: number): number {
  const offloads = N.NETIF_F_HW_CSUM | N.NETIF_F_SCTP_CRC | N.NETIF_F_TSO | N.NETIF_F_TSO6;
  if (skb.network_header - skb.data > IGB_MAX_MAC_HDR_LEN) return features & ~(offloads | N.NETIF_F_HW_VLAN_CTAG_TX);
  return skb.csum_start - skb.network_header > IGB_MAX_NETWORK_HDR_LEN ? features & ~offloads : features;
}

const igb_netdev_ops: net_device_ops = {
  ndo_open: igb_open,
  ndo_stop: igb_close,
  ndo_start_xmit: igb_xmit_frame,
  ndo_get_stats64: igb_get_stats64,
  ndo_set_rx_mode: igb_set_rx_mode,
  ndo_set_mac_address: igb_set_mac,
  ndo_change_mtu: igb_change_mtu,
  ndo_tx_timeout: igb_tx_timeout,
  ndo_vlan_rx_add_vid: igb_vlan_rx_add_vid,
  ndo_vlan_rx_kill_vid: igb_vlan_rx_kill_vid,
  ndo_fix_features: igb_fix_features,
  ndo_set_features: igb_set_features,
  ndo_features_check: igb_features_check,
  ndo_hwtstamp_get: igb_ptp_hwtstamp_get,
  ndo_hwtstamp_set: igb_ptp_hwtstamp_set,
};

const igb_driver: pci_driver = {
  name: 'igb',
  id_table: [{ vendor: PCI_VENDOR_ID_INTEL, device: E1000_DEV_ID_82576 }],
  probe: igb_probe,
  remove: igb_remove,
};

/** Loads the driver: every 82576 in the machine becomes a network device. */
export function igb_init_module(): number {
  return pci_register_driver(igb_driver);
}

export function igb_exit_module(): void {
  pci_unregister_driver(igb_driver);
}
