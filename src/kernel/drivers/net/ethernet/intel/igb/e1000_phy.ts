/**
 * drivers/net/ethernet/intel/igb/e1000_phy.c: the internal copper PHY behind MDIC: reset, auto-negotiation, link, what it knows of the cable.
 * Access to it is shared with firmware: every read and write takes the PHY's semaphore.
 */
import * as D from '../../../../../../hw/igb/e1000_defines.ts';
import { E1000_CTRL, E1000_MANC, E1000_MDIC } from '../../../../../../hw/igb/e1000_regs.ts';
import { msleep, udelay, usleep_range } from '../../../../../kernel/time/delay.ts';
import { igb_acquire_phy_82575, igb_get_cfg_done_82575, igb_release_phy_82575 } from './e1000_82575_sync.ts';
import {
  E1000_BLK_PHY_RESET,
  E1000_ERR_CONFIG,
  E1000_ERR_PARAM,
  E1000_ERR_PHY,
  e1000_1000t_rx_status_not_ok,
  e1000_1000t_rx_status_ok,
  e1000_fc_full,
  e1000_fc_none,
  e1000_fc_rx_pause,
  e1000_fc_tx_pause,
  type e1000_hw,
  rd32,
  wr32,
  wrfl,
} from './e1000_hw.ts';

/** Management firmware may forbid to reset the PHY. */
export function igb_check_reset_block(hw: e1000_hw): number {
  return (rd32(hw, E1000_MANC) & D.E1000_MANC_BLK_PHY_RST_ON_IDE) !== 0 ? E1000_BLK_PHY_RESET : 0;
}

function mdicTransfer(hw: e1000_hw, command: number): number {
  wr32(hw, E1000_MDIC, command >>> 0);
  for (let i = 0; i < D.E1000_GEN_POLL_TIMEOUT * 3; i++) {
    udelay(50);
    const mdic = rd32(hw, E1000_MDIC);
    if ((mdic & D.E1000_MDIC_READY) !== 0) return (mdic & D.E1000_MDIC_ERROR) !== 0 ? -E1000_ERR_PHY : mdic & D.E1000_MDIC_DATA_MASK;
  }
  return -E1000_ERR_PHY;
}

/** A register of the PHY, or a negative error. */
function igb_read_phy_reg_mdic(hw: e1000_hw, offset: number): number {
  if (offset > D.MAX_PHY_REG_ADDRESS) return -E1000_ERR_PARAM;
  return mdicTransfer(hw, (offset << D.E1000_MDIC_REG_SHIFT) | (hw.phy.addr << D.E1000_MDIC_PHY_SHIFT) | D.E1000_MDIC_OP_READ);
}

function igb_write_phy_reg_mdic(hw: e1000_hw, offset: number, data: number): number {
  if (offset > D.MAX_PHY_REG_ADDRESS) return -E1000_ERR_PARAM;
  const command = data | (offset << D.E1000_MDIC_REG_SHIFT) | (hw.phy.addr << D.E1000_MDIC_PHY_SHIFT) | D.E1000_MDIC_OP_WRITE;
  return mdicTransfer(hw, command) < 0 ? -E1000_ERR_PHY : 0;
}

/** Registers from 16 on lie on pages; the page is the register's own number. */
function selectPage(hw: e1000_hw, offset: number): number {
  return offset > D.MAX_PHY_MULTI_PAGE_REG ? igb_write_phy_reg_mdic(hw, D.IGP01E1000_PHY_PAGE_SELECT, offset) : 0;
}

export function igb_read_phy_reg(hw: e1000_hw, offset: number): number {
  const busy = igb_acquire_phy_82575(hw);
  if (busy < 0) return busy;
  const selected = selectPage(hw, offset);
  const value = selected < 0 ? selected : igb_read_phy_reg_mdic(hw, offset & D.MAX_PHY_REG_ADDRESS);
  igb_release_phy_82575(hw);
  return value;
}

export function igb_write_phy_reg(hw: e1000_hw, offset: number, data: number): number {
  const busy = igb_acquire_phy_82575(hw);
  if (busy < 0) return busy;
  const selected = selectPage(hw, offset);
  const result = selected < 0 ? selected : igb_write_phy_reg_mdic(hw, offset & D.MAX_PHY_REG_ADDRESS, data);
  igb_release_phy_82575(hw);
  return result;
}

export function igb_get_phy_id(hw: e1000_hw): number {
  const high = igb_read_phy_reg(hw, D.PHY_ID1);
  if (high < 0) return high;
  udelay(20);
  const low = igb_read_phy_reg(hw, D.PHY_ID2);
  if (low < 0) return low;
  hw.phy.id = ((high << 16) | (low & D.PHY_REVISION_MASK)) >>> 0;
  hw.phy.revision = low & ~D.PHY_REVISION_MASK;
  return 0;
}

/** Resets the PHY through its pin and waits until it has read its settings from the EEPROM. */
export function igb_phy_hw_reset(hw: e1000_hw): number {
  if (igb_check_reset_block(hw) !== 0) return 0;
  const busy = igb_acquire_phy_82575(hw);
  if (busy < 0) return busy;
  const ctrl = rd32(hw, E1000_CTRL);
  wr32(hw, E1000_CTRL, (ctrl | D.E1000_CTRL_PHY_RST) >>> 0);
  wrfl(hw);
  udelay(hw.phy.reset_delay_us);
  wr32(hw, E1000_CTRL, ctrl);
  wrfl(hw);
  udelay(150);
  igb_release_phy_82575(hw);
  return igb_get_cfg_done_82575(hw);
}

export const igb_reset_phy = igb_phy_hw_reset;

/** A reset by the PHY's own register. */
export function igb_phy_sw_reset(hw: e1000_hw): number {
  const control = igb_read_phy_reg(hw, D.PHY_CONTROL);
  if (control < 0) return control;
  const result = igb_write_phy_reg(hw, D.PHY_CONTROL, control | D.MII_CR_RESET);
  udelay(1);
  return result;
}

export function igb_power_up_phy_copper(hw: e1000_hw): void {
  igb_write_phy_reg(hw, D.PHY_CONTROL, igb_read_phy_reg(hw, D.PHY_CONTROL) & ~D.MII_CR_POWER_DOWN);
}

export function igb_power_down_phy_copper(hw: e1000_hw): void {
  igb_write_phy_reg(hw, D.PHY_CONTROL, igb_read_phy_reg(hw, D.PHY_CONTROL) | D.MII_CR_POWER_DOWN);
  usleep_range(1000, 2000);
}

/** Full power in D0 unless asked otherwise (low power link up). */
function igb_set_d0_lplu_state_82575(hw: e1000_hw, active: boolean): number {
  const data = igb_read_phy_reg(hw, D.IGP02E1000_PHY_POWER_MGMT);
  if (data < 0) return data;
  return igb_write_phy_reg(hw, D.IGP02E1000_PHY_POWER_MGMT, active ? data | D.IGP02E1000_PM_D0_LPLU : data & ~D.IGP02E1000_PM_D0_LPLU);
}

/** Crossover: automatic unless the user chose straight (1) or crossed (2). */
function mdixSetting(mdix: number, data: number): number {
  const manual = data & ~D.IGP01E1000_PSCR_AUTO_MDIX;
  if (mdix === 1) return manual & ~D.IGP01E1000_PSCR_FORCE_MDI_MDIX;
  if (mdix === 2) return manual | D.IGP01E1000_PSCR_FORCE_MDI_MDIX;
  return manual | D.IGP01E1000_PSCR_AUTO_MDIX;
}

/** Resets the PHY and sets power, crossover and master/slave resolution. */
export function igb_copper_link_setup_igp(hw: e1000_hw): number {
  const reset = igb_reset_phy(hw);
  if (reset < 0) return reset;
  msleep(100);
  const lplu = igb_set_d0_lplu_state_82575(hw, false);
  if (lplu < 0) return lplu;
  const control = igb_read_phy_reg(hw, D.IGP01E1000_PHY_PORT_CTRL);
  if (control < 0) return control;
  const written = igb_write_phy_reg(hw, D.IGP01E1000_PHY_PORT_CTRL, mdixSetting(hw.phy.mdix, control));
  if (written < 0 || !hw.mac.autoneg) return written;
  // Master or slave is left to the hardware: what it has is written back.
  const gigabit = igb_read_phy_reg(hw, D.PHY_1000T_CTRL);
  return gigabit < 0 ? gigabit : igb_write_phy_reg(hw, D.PHY_1000T_CTRL, gigabit);
}

/** Starts auto-negotiation (or forces a speed) and looks whether there is a link already. */
export function igb_setup_copper_link(hw: e1000_hw, linkIsUp: (hw: e1000_hw) => number): number {
  const started = hw.mac.autoneg ? igb_copper_link_autoneg(hw) : igb_phy_force_speed_duplex_igp(hw);
  if (started < 0) return started;
  const link = igb_phy_has_link(hw, D.COPPER_LINK_UP_LIMIT, 10);
  if (link < 0) return link;
  return link > 0 ? linkIsUp(hw) : 0;
}

function igb_copper_link_autoneg(hw: e1000_hw): number {
  const phy = hw.phy;
  phy.autoneg_advertised &= phy.autoneg_mask;
  if (phy.autoneg_advertised === 0) phy.autoneg_advertised = phy.autoneg_mask;
  const setup = igb_phy_setup_autoneg(hw);
  if (setup < 0) return setup;
  const control = igb_read_phy_reg(hw, D.PHY_CONTROL);
  if (control < 0) return control;
  const restarted = igb_write_phy_reg(hw, D.PHY_CONTROL, control | D.MII_CR_AUTO_NEG_EN | D.MII_CR_RESTART_AUTO_NEG);
  hw.mac.get_link_status = true;
  return restarted;
}

const SPEEDS = [
  [D.ADVERTISE_10_HALF, D.NWAY_AR_10T_HD_CAPS],
  [D.ADVERTISE_10_FULL, D.NWAY_AR_10T_FD_CAPS],
  [D.ADVERTISE_100_HALF, D.NWAY_AR_100TX_HD_CAPS],
  [D.ADVERTISE_100_FULL, D.NWAY_AR_100TX_FD_CAPS],
] as const;

/** Pause bits of the advertisement for a flow control mode (IEEE 802.3, table 28B-3); null for a mode that does not exist. */
function pauseAdvertisement(mode: number): number | null {
  if (mode === e1000_fc_none) return 0;
  if (mode === e1000_fc_rx_pause || mode === e1000_fc_full) return D.NWAY_AR_PAUSE | D.NWAY_AR_ASM_DIR;
  return mode === e1000_fc_tx_pause ? D.NWAY_AR_ASM_DIR : null;
}

/** Writes what is advertised: speeds in both registers, pause in the first. */
function igb_phy_setup_autoneg(hw: e1000_hw): number {
  const advertised = hw.phy.autoneg_advertised;
  let autoneg = igb_read_phy_reg(hw, D.PHY_AUTONEG_ADV);
  let gigabit = igb_read_phy_reg(hw, D.PHY_1000T_CTRL);
  if (autoneg < 0 || gigabit < 0) return -E1000_ERR_PHY;
  for (const [speed, bit] of SPEEDS) autoneg = (advertised & speed) !== 0 ? autoneg | bit : autoneg & ~bit;
  gigabit &= ~(D.CR_1000T_HD_CAPS | D.CR_1000T_FD_CAPS);
  if ((advertised & D.ADVERTISE_1000_FULL) !== 0) gigabit |= D.CR_1000T_FD_CAPS;
  const pause = pauseAdvertisement(hw.fc.current_mode);
  if (pause === null) return -E1000_ERR_CONFIG;
  autoneg = (autoneg & ~(D.NWAY_AR_PAUSE | D.NWAY_AR_ASM_DIR)) | pause;
  const written = igb_write_phy_reg(hw, D.PHY_AUTONEG_ADV, autoneg);
  return written < 0 ? written : igb_write_phy_reg(hw, D.PHY_1000T_CTRL, gigabit);
}

/** Without auto-negotiation: 10 or 100 Mbit/s as MAC and PHY are told; flow control can't be agreed on then. */
function igb_phy_force_speed_duplex_igp(hw: e1000_hw): number {
  const forced = hw.mac.forced_speed_duplex;
  const full = (forced & (D.ADVERTISE_10_FULL | D.ADVERTISE_100_FULL)) !== 0;
  const hundred = (forced & (D.ADVERTISE_100_HALF | D.ADVERTISE_100_FULL)) !== 0;
  const control = igb_read_phy_reg(hw, D.PHY_CONTROL);
  if (control < 0) return control;
  hw.fc.current_mode = e1000_fc_none;
  const ctrl = rd32(hw, E1000_CTRL) & ~(D.E1000_CTRL_SPD_SEL | D.E1000_CTRL_ASDE | D.E1000_CTRL_FD);
  const mac = ctrl | D.E1000_CTRL_FRCSPD | D.E1000_CTRL_FRCDPX | (full ? D.E1000_CTRL_FD : 0) | (hundred ? D.E1000_CTRL_SPD_100 : 0);
  const cleared = control & ~(D.MII_CR_AUTO_NEG_EN | D.MII_CR_FULL_DUPLEX | D.MII_CR_SPEED_1000 | D.MII_CR_SPEED_100);
  wr32(hw, E1000_CTRL, mac >>> 0);
  const written = igb_write_phy_reg(hw, D.PHY_CONTROL, cleared | (full ? D.MII_CR_FULL_DUPLEX : 0) | (hundred ? D.MII_CR_SPEED_100 : 0));
  if (written < 0) return written;
  const port = igb_read_phy_reg(hw, D.IGP01E1000_PHY_PORT_CTRL);
  if (port < 0) return port;
  return igb_write_phy_reg(hw, D.IGP01E1000_PHY_PORT_CTRL, port & ~(D.IGP01E1000_PSCR_AUTO_MDIX | D.IGP01E1000_PSCR_FORCE_MDI_MDIX));
}

/** 1 when the link is up, 0 when not, negative on error. A lost link shows once in the status, so that each attempt reads it twice. */
export function igb_phy_has_link(hw: e1000_hw, iterations: number, usecInterval: number): number {
  for (let i = 0; i < iterations; i++) {
    if (igb_read_phy_reg(hw, D.PHY_STATUS) < 0 && usecInterval > 0) udelay(usecInterval);
    const status = igb_read_phy_reg(hw, D.PHY_STATUS);
    if (status < 0) return status;
    if ((status & D.MII_SR_LINK_STATUS) !== 0) return 1;
    udelay(usecInterval);
  }
  return 0;
}

export function igb_check_downshift(hw: e1000_hw): number {
  const health = igb_read_phy_reg(hw, D.IGP01E1000_PHY_LINK_HEALTH);
  if (health < 0) return health;
  hw.phy.speed_downgraded = (health & D.IGP01E1000_PLHR_SS_DOWNGRADE) !== 0;
  return 0;
}

/** With 1000BASE-T the polarity of the pairs is in a register of its own. */
function igb_check_polarity_igp(hw: e1000_hw): number {
  const status = igb_read_phy_reg(hw, D.IGP01E1000_PHY_PORT_STATUS);
  if (status < 0) return status;
  const gigabit = (status & D.IGP01E1000_PSSR_SPEED_MASK) === D.IGP01E1000_PSSR_SPEED_1000MBPS;
  const data = gigabit ? igb_read_phy_reg(hw, D.IGP01E1000_PHY_PCS_INIT_REG) : status;
  if (data < 0) return data;
  hw.phy.cable_polarity_reversed = (data & (gigabit ? D.IGP01E1000_PHY_POLARITY_MASK : D.IGP01E1000_PSSR_POLARITY_REVERSED)) !== 0;
  return 0;
}

/**
 * What the PHY knows of a link that is up: polarity, crossover, the receivers' state.
 * Simplified: Linux also estimates the cable's length from the gain of each pair; nothing shows it.
 */
export function igb_get_phy_info(hw: e1000_hw): number {
  const link = igb_phy_has_link(hw, 1, 0);
  if (link < 0) return link;
  if (link === 0) return -E1000_ERR_CONFIG;
  const polarity = igb_check_polarity_igp(hw);
  if (polarity < 0) return polarity;
  const status = igb_read_phy_reg(hw, D.IGP01E1000_PHY_PORT_STATUS);
  if (status < 0) return status;
  hw.phy.is_mdix = (status & D.IGP01E1000_PSSR_MDIX) !== 0;
  if ((status & D.IGP01E1000_PSSR_SPEED_MASK) !== D.IGP01E1000_PSSR_SPEED_1000MBPS) return 0;
  const gigabit = igb_read_phy_reg(hw, D.PHY_1000T_STATUS);
  if (gigabit < 0) return gigabit;
  hw.phy.local_rx = (gigabit & D.SR_1000T_LOCAL_RX_STATUS) !== 0 ? e1000_1000t_rx_status_ok : e1000_1000t_rx_status_not_ok;
  hw.phy.remote_rx = (gigabit & D.SR_1000T_REMOTE_RX_STATUS) !== 0 ? e1000_1000t_rx_status_ok : e1000_1000t_rx_status_not_ok;
  return 0;
}
