/**
 * drivers/net/ethernet/intel/igb/igb_ethtool.c: what `ethtool` shows and changes: driver, link, rings, coalescing, channels, pause.
 * Simplified: no register dump, EEPROM access, wake-up, LED, or receive flow rules.
 */
import * as D from '../../../../../../hw/igb/e1000_defines.ts';
import { E1000_STATUS } from '../../../../../../hw/igb/e1000_regs.ts';
import type {
  ethtool_channels,
  ethtool_coalesce,
  ethtool_drvinfo,
  ethtool_link_ksettings,
  ethtool_ops,
  ethtool_pauseparam,
  ethtool_ringparam,
} from '../../../../../include/linux/ethtool.ts';
import { type net_device, netdev_priv, netif_carrier_ok, netif_running } from '../../../../../include/linux/netdevice.ts';
import { ALIGN, clamp } from '../../../../../include/linux/types.ts';
import { EINVAL, ENOMEM } from '../../../../../uapi/errno.ts';
import { e1000_fc_default, e1000_fc_full, e1000_fc_none, e1000_fc_rx_pause, e1000_fc_tx_pause, rd32 } from './e1000_hw.ts';
import { igb_force_mac_fc } from './e1000_mac.ts';
import {
  __IGB_RESETTING,
  IGB_FLAG_HAS_MSIX,
  IGB_FLAG_QUEUE_PAIRS,
  IGB_MAX_ITR_USECS,
  IGB_MAX_RX_QUEUES,
  IGB_MAX_RXD,
  IGB_MAX_TXD,
  IGB_MIN_ITR_USECS,
  IGB_MIN_RXD,
  IGB_MIN_TXD,
  IGB_START_ITR,
  type igb_adapter,
  type igb_ring,
  NON_Q_VECTORS,
} from './igb.ts';
import { igb_get_rxfh, igb_get_rxfh_indir_size, igb_set_rxfh } from './igb_ethtool_rss.ts';
import { igb_get_ethtool_stats } from './igb_ethtool_stats.ts';
import { igb_diag_test } from './igb_ethtool_test.ts';
import { igb_setup_srrctl } from './igb_main_config.ts';
import { igb_reinit_queues } from './igb_main_open.ts';
import { igb_down, igb_reset, igb_up } from './igb_main_reset.ts';
import { igb_free_rx_resources, igb_free_tx_resources, igb_setup_rx_resources, igb_setup_tx_resources } from './igb_main_resources.ts';
import { igb_has_link } from './igb_main_watchdog.ts';
import { igb_get_ts_info } from './igb_ptp.ts';

const KERNEL_RELEASE = '6.18.0';
const SPEED_UNKNOWN = -1;
const DUPLEX_HALF = 0;
const DUPLEX_FULL = 1;
const DUPLEX_UNKNOWN = 0xff;
const PORT_TP = 0;
const AUTO_ALL_MODES = 0;

/** Link modes by the bit they have in the driver. */
const linkModes: readonly (readonly [name: string, bit: number])[] = [
  ['10baseT/Half', D.ADVERTISE_10_HALF],
  ['10baseT/Full', D.ADVERTISE_10_FULL],
  ['100baseT/Half', D.ADVERTISE_100_HALF],
  ['100baseT/Full', D.ADVERTISE_100_FULL],
  ['1000baseT/Full', D.ADVERTISE_1000_FULL],
];

const modeNames = (bits: number): string[] => linkModes.filter(([, bit]) => (bits & bit) !== 0).map(([name]) => name);

function igb_get_drvinfo(dev: net_device): ethtool_drvinfo {
  const adapter = netdev_priv<igb_adapter>(dev);
  return { driver: 'igb', version: KERNEL_RELEASE, fw_version: adapter.fw_version, bus_info: adapter.pdev.dev.name };
}

/** Without a carrier the PHY is asked: the watchdog may not have looked yet. */
function igb_get_link(dev: net_device): boolean {
  const adapter = netdev_priv<igb_adapter>(dev);
  if (!netif_carrier_ok(dev)) adapter.hw.mac.get_link_status = true;
  return igb_has_link(adapter);
}

function igb_get_link_ksettings(dev: net_device): ethtool_link_ksettings {
  const { hw } = netdev_priv<igb_adapter>(dev);
  const status = rd32(hw, E1000_STATUS);
  const up = (status & D.E1000_STATUS_LU) !== 0;
  const speed =
    (status & D.E1000_STATUS_SPEED_1000) !== 0 ? D.SPEED_1000 : (status & D.E1000_STATUS_SPEED_100) !== 0 ? D.SPEED_100 : D.SPEED_10;
  const duplex = (status & D.E1000_STATUS_FD) !== 0 ? DUPLEX_FULL : DUPLEX_HALF;
  const advertises = (direction: number): boolean => hw.fc.requested_mode <= e1000_fc_full && (hw.fc.requested_mode & direction) !== 0;
  const advertising = hw.mac.autoneg ? modeNames(hw.phy.autoneg_advertised) : [];
  return {
    speed: up ? speed : SPEED_UNKNOWN,
    duplex: up ? duplex : DUPLEX_UNKNOWN,
    autoneg: hw.mac.autoneg,
    port: PORT_TP,
    supported: modeNames(D.E1000_ALL_SPEED_DUPLEX),
    advertising,
    pause: advertises(e1000_fc_rx_pause),
    // Only one of the two directions.
    asymPause: advertises(e1000_fc_rx_pause) !== advertises(e1000_fc_tx_pause),
    phy_address: hw.phy.addr,
    mdix: up ? hw.phy.is_mdix : null,
    mdixCtrl: hw.phy.mdix === AUTO_ALL_MODES ? 'auto' : 'forced',
  };
}

/** Gigabit can't be forced: 1000BASE-T needs negotiation to choose a master. */
function igb_set_spd_dplx(adapter: igb_adapter, speed: number, duplex: number): number {
  const mac = adapter.hw.mac;
  mac.autoneg = false;
  if (speed === D.SPEED_1000 && duplex === DUPLEX_FULL) {
    mac.autoneg = true;
    adapter.hw.phy.autoneg_advertised = D.ADVERTISE_1000_FULL;
    return 0;
  }
  if (speed === D.SPEED_100) mac.forced_speed_duplex = duplex === DUPLEX_FULL ? D.ADVERTISE_100_FULL : D.ADVERTISE_100_HALF;
  else if (speed === D.SPEED_10) mac.forced_speed_duplex = duplex === DUPLEX_FULL ? D.ADVERTISE_10_FULL : D.ADVERTISE_10_HALF;
  else return -EINVAL;
  return 0;
}

function igb_set_link_ksettings(dev: net_device, settings: ethtool_link_ksettings): number {
  const adapter = netdev_priv<igb_adapter>(dev);
  const hw = adapter.hw;
  if (settings.autoneg) {
    hw.mac.autoneg = true;
    hw.phy.autoneg_advertised = linkModes.reduce((bits, [name, bit]) => (settings.advertising.includes(name) ? bits | bit : bits), 0);
    if (adapter.fc_autoneg) hw.fc.requested_mode = e1000_fc_default;
  } else {
    const result = igb_set_spd_dplx(adapter, settings.speed, settings.duplex);
    if (result < 0) return result;
  }
  restart(adapter);
  return 0;
}

/** Settings that the reset path writes take effect. */
function restart(adapter: igb_adapter): void {
  adapter.state |= __IGB_RESETTING;
  if (netif_running(adapter.netdev)) {
    igb_down(adapter);
    igb_up(adapter);
  } else igb_reset(adapter);
  adapter.state &= ~__IGB_RESETTING;
}

function igb_get_ringparam(dev: net_device): ethtool_ringparam {
  const adapter = netdev_priv<igb_adapter>(dev);
  return { rx_pending: adapter.rx_ring_count, tx_pending: adapter.tx_ring_count, rx_max_pending: IGB_MAX_RXD, tx_max_pending: IGB_MAX_TXD };
}

function igb_set_ringparam(dev: net_device, param: ethtool_ringparam): number {
  const adapter = netdev_priv<igb_adapter>(dev);
  const rx = ALIGN(clamp(param.rx_pending, IGB_MIN_RXD, IGB_MAX_RXD), D.REQ_RX_DESCRIPTOR_MULTIPLE);
  const tx = ALIGN(clamp(param.tx_pending, IGB_MIN_TXD, IGB_MAX_TXD), D.REQ_TX_DESCRIPTOR_MULTIPLE);
  if (rx === adapter.rx_ring_count && tx === adapter.tx_ring_count) return 0;
  adapter.state |= __IGB_RESETTING;
  const running = netif_running(dev);
  if (running) igb_down(adapter);
  const enough = resizeRings(adapter.tx_ring, tx, running, igb_free_tx_resources, igb_setup_tx_resources);
  if (enough) adapter.tx_ring_count = tx;
  const enoughRx = enough && resizeRings(adapter.rx_ring, rx, running, igb_free_rx_resources, igb_setup_rx_resources);
  if (enoughRx) adapter.rx_ring_count = rx;
  if (running) igb_up(adapter);
  adapter.state &= ~__IGB_RESETTING;
  return enoughRx ? 0 : -ENOMEM;
}

/** All rings get the new size, or keep the old one when memory does not suffice. */
function resizeRings(
  rings: igb_ring[],
  count: number,
  running: boolean,
  free: (ring: igb_ring) => void,
  setup: (ring: igb_ring) => number,
): boolean {
  const before = rings.map((ring) => ring.count);
  const resize = (counts: readonly number[]): boolean => {
    if (running) for (const ring of rings) free(ring);
    rings.forEach((ring, i) => {
      ring.count = counts[i]!;
    });
    return !running || rings.every((ring) => setup(ring) === 0);
  };
  if (resize(rings.map(() => count))) return true;
  resize(before);
  return false;
}

/** 1 and 3 mean adaptive; other values are fixed intervals, kept in units of 1/4 µs. */
const usecsOf = (setting: number): number => (setting <= 3 ? setting : setting >> 2);
const settingOf = (usecs: number): number => (usecs >= 1 && usecs <= 3 ? usecs : usecs << 2);

function igb_get_coalesce(dev: net_device): ethtool_coalesce {
  const adapter = netdev_priv<igb_adapter>(dev);
  const paired = (adapter.flags & IGB_FLAG_QUEUE_PAIRS) !== 0;
  return {
    rx_coalesce_usecs: usecsOf(adapter.rx_itr_setting),
    tx_coalesce_usecs: paired ? 0 : usecsOf(adapter.tx_itr_setting),
    rx_max_coalesced_frames: 0,
    tx_max_coalesced_frames: 0,
  };
}

const badInterval = (usecs: number): boolean =>
  usecs > IGB_MAX_ITR_USECS || (usecs > 3 && usecs < IGB_MIN_ITR_USECS) || usecs === 2 || usecs < 0;

function igb_set_coalesce(dev: net_device, coalesce: ethtool_coalesce): number {
  const adapter = netdev_priv<igb_adapter>(dev);
  const paired = (adapter.flags & IGB_FLAG_QUEUE_PAIRS) !== 0;
  if (coalesce.rx_max_coalesced_frames !== 0 || coalesce.tx_max_coalesced_frames !== 0) return -EINVAL;
  if (badInterval(coalesce.rx_coalesce_usecs) || badInterval(coalesce.tx_coalesce_usecs)) return -EINVAL;
  if (paired && coalesce.tx_coalesce_usecs !== 0) return -EINVAL;
  adapter.rx_itr_setting = settingOf(coalesce.rx_coalesce_usecs);
  adapter.tx_itr_setting = paired ? adapter.rx_itr_setting : settingOf(coalesce.tx_coalesce_usecs);
  for (const q_vector of adapter.q_vector) {
    const setting = q_vector.rx.ring !== null ? adapter.rx_itr_setting : adapter.tx_itr_setting;
    q_vector.itr_val = setting >= 1 && setting <= 3 ? IGB_START_ITR : setting;
    q_vector.set_itr = true;
  }
  return 0;
}

const otherVectors = (adapter: igb_adapter): number => ((adapter.flags & IGB_FLAG_HAS_MSIX) !== 0 ? NON_Q_VECTORS : 0);

function igb_get_channels(dev: net_device): ethtool_channels {
  const adapter = netdev_priv<igb_adapter>(dev);
  return {
    max_rx: 0,
    max_tx: 0,
    max_other: otherVectors(adapter),
    max_combined: IGB_MAX_RX_QUEUES,
    rx_count: 0,
    tx_count: 0,
    other_count: otherVectors(adapter),
    combined_count: adapter.rss_queues,
  };
}

function igb_set_channels(dev: net_device, channels: ethtool_channels): number {
  const adapter = netdev_priv<igb_adapter>(dev);
  const count = channels.combined_count;
  if (count < 1 || count > IGB_MAX_RX_QUEUES || channels.rx_count !== 0 || channels.tx_count !== 0) return -EINVAL;
  if (channels.other_count !== otherVectors(adapter)) return -EINVAL;
  return count === adapter.rss_queues ? 0 : igb_reinit_queues(adapter, count);
}

function igb_get_pauseparam(dev: net_device): ethtool_pauseparam {
  const adapter = netdev_priv<igb_adapter>(dev);
  const mode = adapter.hw.fc.current_mode;
  const known = mode <= e1000_fc_full;
  return {
    autoneg: adapter.fc_autoneg,
    rx_pause: known && (mode & e1000_fc_rx_pause) !== 0,
    tx_pause: known && (mode & e1000_fc_tx_pause) !== 0,
  };
}

function igb_set_pauseparam(dev: net_device, pause: ethtool_pauseparam): number {
  const adapter = netdev_priv<igb_adapter>(dev);
  const fc = adapter.hw.fc;
  adapter.fc_autoneg = pause.autoneg;
  if (pause.autoneg) {
    fc.requested_mode = e1000_fc_default;
    restart(adapter);
    return 0;
  }
  fc.requested_mode = (pause.rx_pause ? e1000_fc_rx_pause : e1000_fc_none) | (pause.tx_pause ? e1000_fc_tx_pause : e1000_fc_none);
  fc.current_mode = fc.requested_mode;
  const result = igb_force_mac_fc(adapter.hw);
  // Queues drop on their own when the sender can't be paused.
  for (const ring of adapter.rx_ring) igb_setup_srrctl(adapter, ring);
  return result;
}

export const igb_ethtool_ops: ethtool_ops = {
  get_drvinfo: igb_get_drvinfo,
  get_link: igb_get_link,
  get_link_ksettings: igb_get_link_ksettings,
  set_link_ksettings: igb_set_link_ksettings,
  get_ringparam: igb_get_ringparam,
  set_ringparam: igb_set_ringparam,
  get_coalesce: igb_get_coalesce,
  set_coalesce: igb_set_coalesce,
  get_channels: igb_get_channels,
  set_channels: igb_set_channels,
  get_pauseparam: igb_get_pauseparam,
  set_pauseparam: igb_set_pauseparam,
  get_ethtool_stats: igb_get_ethtool_stats,
  get_rxfh_indir_size: igb_get_rxfh_indir_size,
  get_rxfh: igb_get_rxfh,
  set_rxfh: igb_set_rxfh,
  get_ts_info: igb_get_ts_info,
  self_test: igb_diag_test,
};
