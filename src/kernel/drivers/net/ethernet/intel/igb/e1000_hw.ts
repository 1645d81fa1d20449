/**
 * drivers/net/ethernet/intel/igb/e1000_hw.h: what the driver knows of its controller, and how it reaches the registers.
 * Only the 82576 with its internal copper PHY is driven; where the C driver asks which part it has, nothing is asked here.
 */

import { E1000_CTRL, E1000_STATUS } from '../../../../../../hw/igb/e1000_regs.ts';
import type { PciSlot } from '../../../../../../machine/machine.ts';
import { WIDE } from '../../../../../../sim/wide.ts';
import { readl, writel } from '../../../../../include/linux/io.ts';

export const E1000_DEV_ID_82576 = 0x10c9;

export const E1000_ERR_NVM = 1;
export const E1000_ERR_PHY = 2;
export const E1000_ERR_CONFIG = 3;
export const E1000_ERR_PARAM = 4;
export const E1000_ERR_RESET = 9;
export const E1000_ERR_MASTER_REQUESTS_PENDING = 10;
export const E1000_BLK_PHY_RESET = 12;
export const E1000_ERR_SWFW_SYNC = 13;

export const e1000_fc_none = 0;
export const e1000_fc_rx_pause = 1;
export const e1000_fc_tx_pause = 2;
export const e1000_fc_full = 3;
export const e1000_fc_default = 0xff;

export const e1000_1000t_rx_status_not_ok = 0;
export const e1000_1000t_rx_status_ok = 1;

export class e1000_mac_info {
  readonly addr = new Uint8Array(6);
  readonly perm_addr = new Uint8Array(6);
  readonly mta_shadow = new Uint32Array(128);
  readonly mta_reg_count = 128;
  readonly uta_reg_count = 128;
  readonly rar_entry_count = 24;
  readonly mc_filter_type = 0;
  asf_firmware_present = false;
  arc_subsystem_valid = false;
  autoneg = true;
  autoneg_failed = false;
  forced_speed_duplex = 0;
  /** The link may have changed: ask the PHY. */
  get_link_status = false;
  ledctl_default = 0;
}

export class e1000_phy_info {
  id = 0;
  revision = 0;
  readonly addr = 1;
  readonly reset_delay_us = 100;
  readonly autoneg_mask = 0x2f;
  autoneg_advertised = 0;
  mdix = 0;
  is_mdix = false;
  cable_polarity_reversed = false;
  local_rx = e1000_1000t_rx_status_not_ok;
  remote_rx = e1000_1000t_rx_status_not_ok;
  speed_downgraded = false;
}

export class e1000_fc_info {
  high_water = 0;
  low_water = 0;
  pause_time = 0;
  send_xon = false;
  current_mode = e1000_fc_none;
  requested_mode = e1000_fc_none;
}

/** The controller's counters, summed up: reading a register clears it. */
export class e1000_hw_stats {
  crcerrs = 0;
  algnerrc = 0;
  symerrs = 0;
  rxerrc = 0;
  mpc = 0;
  scc = 0;
  ecol = 0;
  mcc = 0;
  latecol = 0;
  colc = 0;
  dc = 0;
  tncrs = 0;
  sec = 0;
  cexterr = 0;
  rlec = 0;
  xonrxc = 0;
  xontxc = 0;
  xoffrxc = 0;
  xofftxc = 0;
  fcruc = 0;
  prc64 = 0;
  prc127 = 0;
  prc255 = 0;
  prc511 = 0;
  prc1023 = 0;
  prc1522 = 0;
  gprc = 0;
  bprc = 0;
  mprc = 0;
  gptc = 0;
  gorc = WIDE;
  gotc = WIDE;
  rnbc = 0;
  ruc = 0;
  rfc = 0;
  roc = 0;
  rjc = 0;
  mgprc = 0;
  mgpdc = 0;
  mgptc = 0;
  tor = 0;
  tot = 0;
  tpr = 0;
  tpt = 0;
  ptc64 = 0;
  ptc127 = 0;
  ptc255 = 0;
  ptc511 = 0;
  ptc1023 = 0;
  ptc1522 = 0;
  mptc = 0;
  bptc = 0;
  tsctc = 0;
  tsctfc = 0;
  iac = 0;
  icrxptc = 0;
  icrxatc = 0;
  ictxptc = 0;
  ictxatc = 0;
  ictxqec = 0;
  ictxqmtc = 0;
  icrxdmtc = 0;
  icrxoc = 0;
  doosync = 0;
  o2bgptc = 0;
  o2bspc = 0;
  b2ospc = 0;
  b2ogprc = 0;
}

export class e1000_hw {
  readonly hw_addr: PciSlot;
  readonly mac = new e1000_mac_info();
  readonly phy = new e1000_phy_info();
  readonly fc = new e1000_fc_info();
  /** Which function of the controller this port is. */
  bus_func = 0;
  readonly device_id: number;
  readonly vendor_id: number;
  readonly subsystem_vendor_id: number;
  readonly subsystem_device_id: number;
  readonly revision_id: number;

  constructor(hw_addr: PciSlot) {
    const { device } = hw_addr;
    this.hw_addr = hw_addr;
    this.device_id = device.deviceId;
    this.vendor_id = device.vendorId;
    this.subsystem_vendor_id = device.subsystemVendorId;
    this.subsystem_device_id = device.subsystemId;
    this.revision_id = device.revision;
  }
}

const ALL_ONES = 0xffffffff;

/** All ones may mean that the device is gone: then CTRL would read as all ones, too. */
export function rd32(hw: e1000_hw, reg: number): number {
  const value = readl(hw.hw_addr, reg);
  if (value === ALL_ONES && reg !== E1000_CTRL) readl(hw.hw_addr, E1000_CTRL);
  return value;
}

export function wr32(hw: e1000_hw, reg: number, value: number): void {
  writel(value, hw.hw_addr, reg);
}

export function array_wr32(hw: e1000_hw, reg: number, index: number, value: number): void {
  writel(value, hw.hw_addr, reg + 4 * index);
}

/** Waits until the device has seen all writes: a read goes behind them. */
export function wrfl(hw: e1000_hw): void {
  readl(hw.hw_addr, E1000_STATUS);
}

/** Sets and clears bits of a register: a read, then a write. */
export function modify32(hw: e1000_hw, reg: number, clear: number, set: number): void {
  wr32(hw, reg, ((rd32(hw, reg) & ~clear) | set) >>> 0);
}
