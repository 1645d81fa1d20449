/**
 * drivers/net/ethernet/intel/igb/e1000_82575.c: the 82575/82576 family: identification, reset, initialization, and what virtualization left in
 * the receive path.
 * `igb_get_invariants_82575` → `igb_reset_hw_82575` → `igb_init_hw_82575` → `igb_setup_copper_link_82575`.
 */
import * as D from '../../../../../../hw/igb/e1000_defines.ts';
import * as R from '../../../../../../hw/igb/e1000_regs.ts';
import { usleep_range } from '../../../../../kernel/time/delay.ts';
import { array_wr32, type e1000_hw, modify32, rd32, wr32, wrfl } from './e1000_hw.ts';
import {
  igb_check_alt_mac_addr,
  igb_clear_hw_cntrs_base,
  igb_clear_vfta,
  igb_config_collision_dist,
  igb_config_fc_after_link_up,
  igb_disable_pcie_master,
  igb_enable_mng_pass_thru,
  igb_get_auto_rd_done,
  igb_id_led_init,
  igb_init_rx_addrs,
  igb_setup_link,
} from './e1000_mac.ts';
import { igb_read_mac_addr } from './e1000_nvm.ts';
import {
  igb_check_reset_block,
  igb_copper_link_setup_igp,
  igb_get_phy_id,
  igb_power_down_phy_copper,
  igb_setup_copper_link,
} from './e1000_phy.ts';

/** Firmware mode bits of FWSM. */
const E1000_FWSM_MODE_MASK = 0x0000000e;

/** Finds out what can't change: medium, firmware, EEPROM, PHY. */
export function igb_get_invariants_82575(hw: e1000_hw): number {
  // Link mode: this driver knows copper (GMII) only.
  rd32(hw, R.E1000_CTRL_EXT);
  hw.mac.asf_firmware_present = true;
  hw.mac.arc_subsystem_valid = (rd32(hw, R.E1000_FWSM) & E1000_FWSM_MODE_MASK) !== 0;
  // Size of the EEPROM; words are read one by one, so nothing depends on it.
  rd32(hw, R.E1000_EECD);
  return igb_init_phy_params_82575(hw);
}

function igb_init_phy_params_82575(hw: e1000_hw): number {
  modify32(hw, R.E1000_CTRL_EXT, D.E1000_CTRL_I2C_ENA, 0);
  hw.bus_func = (rd32(hw, R.E1000_STATUS) & D.E1000_STATUS_FUNC_MASK) >>> D.E1000_STATUS_FUNC_SHIFT;
  return igb_get_phy_id(hw);
}

/** Puts the controller into its reset state, but for the PHY. */
export function igb_reset_hw_82575(hw: e1000_hw): number {
  igb_disable_pcie_master(hw);
  igb_set_pcie_completion_timeout(hw);
  wr32(hw, R.E1000_IMC, 0xffffffff);
  wr32(hw, R.E1000_RCTL, 0);
  wr32(hw, R.E1000_TCTL, D.E1000_TCTL_PSP);
  wrfl(hw);
  usleep_range(10000, 20000);
  wr32(hw, R.E1000_CTRL, (rd32(hw, R.E1000_CTRL) | D.E1000_CTRL_RST) >>> 0);
  igb_get_auto_rd_done(hw);
  // A board without EEPROM would be set up by a script now.
  rd32(hw, R.E1000_EECD);
  wr32(hw, R.E1000_IMC, 0xffffffff);
  rd32(hw, R.E1000_ICR);
  return igb_check_alt_mac_addr(hw);
}

/**
 * The time a PCIe completion may take. Parts with capability version 2 have it in PCIe configuration space.
 * Simplified: there is no configuration space here; Linux sets 16 ms in it.
 */
function igb_set_pcie_completion_timeout(hw: e1000_hw): void {
  let gcr = rd32(hw, R.E1000_GCR);
  if ((gcr & D.E1000_GCR_CMPL_TMOUT_MASK) === 0 && (gcr & D.E1000_GCR_CAP_VER2) === 0) gcr |= D.E1000_GCR_CMPL_TMOUT_10ms;
  wr32(hw, R.E1000_GCR, (gcr & ~D.E1000_GCR_CMPL_TMOUT_RESEND) >>> 0);
}

/** From the reset state to one that can be configured: tables cleared, link started, counters at zero. */
export function igb_init_hw_82575(hw: e1000_hw, shadow_vfta: Uint32Array): number {
  igb_id_led_init(hw);
  igb_clear_vfta(hw, shadow_vfta);
  igb_init_rx_addrs(hw, hw.mac.rar_entry_count);
  for (let i = 0; i < hw.mac.mta_reg_count; i++) array_wr32(hw, R.E1000_MTA, i, 0);
  for (let i = 0; i < hw.mac.uta_reg_count; i++) array_wr32(hw, R.E1000_UTA, i, 0);
  const result = igb_setup_link(hw, igb_setup_copper_link_82575);
  igb_clear_hw_cntrs_82575(hw);
  return result;
}

/** The MAC follows the PHY's speed and duplex. */
export function igb_setup_copper_link_82575(hw: e1000_hw): number {
  modify32(hw, R.E1000_CTRL, D.E1000_CTRL_FRCSPD | D.E1000_CTRL_FRCDPX, D.E1000_CTRL_SLU);
  const result = igb_copper_link_setup_igp(hw);
  return result < 0 ? result : igb_setup_copper_link(hw, linkFound);
}

function linkFound(hw: e1000_hw): number {
  igb_config_collision_dist(hw);
  return igb_config_fc_after_link_up(hw);
}

const counters: readonly number[] = [
  R.E1000_PRC64, R.E1000_PRC127, R.E1000_PRC255, R.E1000_PRC511, R.E1000_PRC1023, R.E1000_PRC1522, R.E1000_PTC64, R.E1000_PTC127, R.E1000_PTC255,
  R.E1000_PTC511, R.E1000_PTC1023, R.E1000_PTC1522, R.E1000_ALGNERRC, R.E1000_RXERRC, R.E1000_TNCRS, R.E1000_CEXTERR, R.E1000_TSCTC, R.E1000_TSCTFC,
  R.E1000_MGTPRC, R.E1000_MGTPDC, R.E1000_MGTPTC, R.E1000_IAC, R.E1000_ICRXOC, R.E1000_ICRXPTC, R.E1000_ICRXATC, R.E1000_ICTXPTC, R.E1000_ICTXATC,
  R.E1000_ICTXQEC, R.E1000_ICTXQMTC, R.E1000_ICRXDMTC, R.E1000_CBTMPC, R.E1000_HTDPMC, R.E1000_CBRMPC, R.E1000_RPTHC, R.E1000_HGPTC, R.E1000_HTCBDPC,
  R.E1000_HGORCL, R.E1000_HGORCH, R.E1000_HGOTCL, R.E1000_HGOTCH, R.E1000_LENERRS,
]; // biome-ignore format: a table

function igb_clear_hw_cntrs_82575(hw: e1000_hw): void {
  igb_clear_hw_cntrs_base(hw);
  for (const counter of counters) rd32(hw, counter);
}

export function igb_read_mac_addr_82575(hw: e1000_hw): number {
  const result = igb_check_alt_mac_addr(hw);
  return result < 0 ? result : igb_read_mac_addr(hw);
}

export function igb_power_down_phy_copper_82575(hw: e1000_hw): void {
  if (!igb_enable_mng_pass_thru(hw) && igb_check_reset_block(hw) === 0) igb_power_down_phy_copper(hw);
}

/** IPv6 extension headers are not looked into. What older parts need beyond that to empty their FIFO, the 82576 doesn't. */
export function igb_rx_fifo_flush_82575(hw: e1000_hw): void {
  modify32(hw, R.E1000_RFCTL, 0, D.E1000_RFCTL_IPV6_EX_DIS);
}

/** Frames between virtual machines: none here. */
export function igb_vmdq_set_loopback_pf(hw: e1000_hw, enable: boolean): void {
  modify32(hw, R.E1000_DTXSWC, D.E1000_DTXSWC_VMDQ_LOOPBACK_EN, enable ? D.E1000_DTXSWC_VMDQ_LOOPBACK_EN : 0);
}

export function igb_vmdq_set_replication_pf(hw: e1000_hw, enable: boolean): void {
  modify32(hw, R.E1000_VT_CTL, D.E1000_VT_CTL_VM_REPL_EN, enable ? D.E1000_VT_CTL_VM_REPL_EN : 0);
}
