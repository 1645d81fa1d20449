/**
 * drivers/net/ethernet/intel/igb/e1000_mac.c: what all controllers of the family have in common: receive addresses, multicast and VLAN tables,
 * link and flow control, counters.
 */
import * as D from '../../../../../../hw/igb/e1000_defines.ts';
import * as R from '../../../../../../hw/igb/e1000_regs.ts';
import { usleep_range } from '../../../../../kernel/time/delay.ts';
import {
  array_wr32,
  E1000_ERR_CONFIG,
  E1000_ERR_MASTER_REQUESTS_PENDING,
  E1000_ERR_NVM,
  E1000_ERR_RESET,
  e1000_fc_default,
  e1000_fc_full,
  e1000_fc_none,
  e1000_fc_rx_pause,
  e1000_fc_tx_pause,
  type e1000_hw,
  modify32,
  rd32,
  wr32,
  wrfl,
} from './e1000_hw.ts';
import { igb_read_nvm_eerd } from './e1000_nvm.ts';
import { igb_check_downshift, igb_check_reset_block, igb_phy_has_link, igb_read_phy_reg } from './e1000_phy.ts';

/** Where the port stands among the functions of its controller. */
export function igb_get_bus_info_pcie(hw: e1000_hw): void {
  hw.bus_func = (rd32(hw, R.E1000_STATUS) & D.E1000_STATUS_FUNC_MASK) >>> D.E1000_STATUS_FUNC_SHIFT;
}

/** Clears the VLAN filter table, from its end on. `shadow` is what the driver remembers of it. */
export function igb_clear_vfta(hw: e1000_hw, shadow: Uint32Array): void {
  for (let offset = D.E1000_VLAN_FILTER_TBL_SIZE - 1; offset >= 0; offset--) igb_write_vfta(hw, shadow, offset, 0);
}

export function igb_write_vfta(hw: e1000_hw, shadow: Uint32Array, offset: number, value: number): void {
  array_wr32(hw, R.E1000_VFTA, offset, value >>> 0);
  wrfl(hw);
  shadow[offset] = value;
}

/** Own address first, nothing in the others. */
export function igb_init_rx_addrs(hw: e1000_hw, rar_count: number): void {
  const none = new Uint8Array(6);
  igb_rar_set(hw, hw.mac.addr, 0);
  for (let i = 1; i < rar_count; i++) igb_rar_set(hw, none, i);
}

/** An address as its two registers have it: four bytes little-endian, then two. */
export const rarLow = (addr: Uint8Array): number => (addr[0]! | (addr[1]! << 8) | (addr[2]! << 16) | (addr[3]! << 24)) >>> 0;
export const rarHigh = (addr: Uint8Array): number => addr[4]! | (addr[5]! << 8);

/** Puts an address into a slot; zeroes leave it invalid. */
function igb_rar_set(hw: e1000_hw, addr: Uint8Array, index: number): void {
  const low = rarLow(addr);
  const high = rarHigh(addr);
  writeRar(hw, index, low, low !== 0 || high !== 0 ? (high | D.E1000_RAH_AV) >>> 0 : high);
}

/** Each half is flushed: some bridges would merge the writes otherwise. */
export function writeRar(hw: e1000_hw, index: number, low: number, high: number): void {
  wr32(hw, R.E1000_RAL(index), low);
  wrfl(hw);
  wr32(hw, R.E1000_RAH(index), high);
  wrfl(hw);
}

/** An EEPROM may hold a second address for the port; none of the models' does. */
export function igb_check_alt_mac_addr(hw: e1000_hw): number {
  const pointer = igb_read_nvm_eerd(hw, D.NVM_ALT_MAC_ADDR_PTR);
  if (pointer < 0) return pointer;
  if (pointer === 0xffff || pointer === 0) return 0;
  const addr = new Uint8Array(6);
  for (let i = 0; i < 3; i++) {
    const word = igb_read_nvm_eerd(hw, pointer + 3 * hw.bus_func + i);
    if (word < 0) return word;
    addr[2 * i] = word & 0xff;
    addr[2 * i + 1] = word >>> 8;
  }
  if ((addr[0]! & 1) === 0) igb_rar_set(hw, addr, 0);
  return 0;
}

/** Which of 4,096 bits a multicast address falls on: 12 bits of its last two bytes (82576 datasheet 7.1.2.2.2, filter type 0). */
export const igb_hash_mc_addr = (addr: Uint8Array): number => ((addr[4]! >>> 4) | (addr[5]! << 4)) & 0xfff;

/** Rewrites the multicast table for a list of addresses. */
export function igb_update_mc_addr_list(hw: e1000_hw, list: readonly Uint8Array[]): void {
  const shadow = hw.mac.mta_shadow;
  shadow.fill(0);
  for (const addr of list) {
    const hash = igb_hash_mc_addr(addr);
    shadow[hash >>> 5]! |= 1 << (hash & 0x1f);
  }
  for (let i = hw.mac.mta_reg_count - 1; i >= 0; i--) array_wr32(hw, R.E1000_MTA, i, shadow[i]!);
  wrfl(hw);
}

const baseCounters: readonly number[] = [
  R.E1000_CRCERRS, R.E1000_SYMERRS, R.E1000_MPC, R.E1000_SCC, R.E1000_ECOL, R.E1000_MCC, R.E1000_LATECOL, R.E1000_COLC, R.E1000_DC, R.E1000_SEC,
  R.E1000_RLEC, R.E1000_XONRXC, R.E1000_XONTXC, R.E1000_XOFFRXC, R.E1000_XOFFTXC, R.E1000_FCRUC, R.E1000_GPRC, R.E1000_BPRC, R.E1000_MPRC,
  R.E1000_GPTC, R.E1000_GORCL, R.E1000_GORCH, R.E1000_GOTCL, R.E1000_GOTCH, R.E1000_RNBC, R.E1000_RUC, R.E1000_RFC, R.E1000_ROC, R.E1000_RJC,
  R.E1000_TORL, R.E1000_TORH, R.E1000_TOTL, R.E1000_TOTH, R.E1000_TPR, R.E1000_TPT, R.E1000_MPTC, R.E1000_BPTC,
]; // biome-ignore format: a table

/** Reading clears. */
export function igb_clear_hw_cntrs_base(hw: e1000_hw): void {
  for (const counter of baseCounters) rd32(hw, counter);
}

/** Brings the link to the state that was asked for: PHY set up, negotiation started, flow control thresholds written. */
export function igb_setup_link(hw: e1000_hw, setup_physical_interface: (hw: e1000_hw) => number): number {
  if (igb_check_reset_block(hw) !== 0) return 0;
  if (hw.fc.requested_mode === e1000_fc_default) {
    const result = igb_set_default_fc(hw);
    if (result < 0) return result;
  }
  hw.fc.current_mode = hw.fc.requested_mode;
  const result = setup_physical_interface(hw);
  if (result < 0) return result;
  wr32(hw, R.E1000_FCT, D.FLOW_CONTROL_TYPE);
  wr32(hw, R.E1000_FCAH, D.FLOW_CONTROL_ADDRESS_HIGH);
  wr32(hw, R.E1000_FCAL, D.FLOW_CONTROL_ADDRESS_LOW);
  wr32(hw, R.E1000_FCTTV, hw.fc.pause_time);
  igb_set_fc_watermarks(hw);
  return 0;
}

/** The EEPROM's default. */
function igb_set_default_fc(hw: e1000_hw): number {
  const word = igb_read_nvm_eerd(hw, D.NVM_INIT_CONTROL2_REG);
  if (word < 0) return -E1000_ERR_NVM;
  const pause = word & D.NVM_WORD0F_PAUSE_MASK;
  if (pause === 0) hw.fc.requested_mode = e1000_fc_none;
  else hw.fc.requested_mode = pause === D.NVM_WORD0F_ASM_DIR ? e1000_fc_tx_pause : e1000_fc_full;
  return 0;
}

/** When the receive FIFO makes the port send XOFF and XON; zero while it sends none. */
export function igb_set_fc_watermarks(hw: e1000_hw): void {
  const sends = (hw.fc.current_mode & e1000_fc_tx_pause) !== 0;
  wr32(hw, R.E1000_FCRTL, sends ? (hw.fc.low_water | (hw.fc.send_xon ? D.E1000_FCRTL_XONE : 0)) >>> 0 : 0);
  wr32(hw, R.E1000_FCRTH, sends ? hw.fc.high_water : 0);
}

export function igb_config_collision_dist(hw: e1000_hw): void {
  modify32(hw, R.E1000_TCTL, D.E1000_TCTL_COLD, D.E1000_COLLISION_DISTANCE << D.E1000_COLD_SHIFT);
  wrfl(hw);
}

/** Asks the PHY for the link if it may have changed; a link that came up is configured. `get_link_status` stays set while there is none. */
export function igb_check_for_copper_link(hw: e1000_hw): number {
  if (!hw.mac.get_link_status) return 0;
  const link = igb_phy_has_link(hw, 1, 0);
  if (link <= 0) return link;
  hw.mac.get_link_status = false;
  igb_check_downshift(hw);
  if (!hw.mac.autoneg) return -E1000_ERR_CONFIG;
  igb_config_collision_dist(hw);
  return igb_config_fc_after_link_up(hw);
}

/** Lets the MAC obey and send pause frames as the mode says. */
export function igb_force_mac_fc(hw: e1000_hw): number {
  const ctrl = rd32(hw, R.E1000_CTRL) & ~(D.E1000_CTRL_RFCE | D.E1000_CTRL_TFCE);
  const mode = hw.fc.current_mode;
  const receive = (mode & e1000_fc_rx_pause) !== 0 ? D.E1000_CTRL_RFCE : 0;
  const send = (mode & e1000_fc_tx_pause) !== 0 ? D.E1000_CTRL_TFCE : 0;
  wr32(hw, R.E1000_CTRL, (ctrl | receive | send) >>> 0);
  return 0;
}

/**
 * What both ends' advertisements make of flow control (IEEE 802.3, table 28B-3). `localAdvert` and `partner` are registers 4 and 5.
 * A port that wanted only to receive pause settles for that although it had to advertise both ways.
 */
function resolveFlowControl(requested: number, localAdvert: number, partner: number): number {
  const localPause = (localAdvert & D.NWAY_AR_PAUSE) !== 0;
  const localAsymmetric = (localAdvert & D.NWAY_AR_ASM_DIR) !== 0;
  const partnerPause = (partner & D.NWAY_LPAR_PAUSE) !== 0;
  const partnerAsymmetric = (partner & D.NWAY_LPAR_ASM_DIR) !== 0;
  if (localPause && partnerPause) return requested === e1000_fc_full ? e1000_fc_full : e1000_fc_rx_pause;
  if (!localPause && localAsymmetric && partnerPause && partnerAsymmetric) return e1000_fc_tx_pause;
  if (localPause && localAsymmetric && !partnerPause && partnerAsymmetric) return e1000_fc_rx_pause;
  // The partner can't say what it does. Listening to pause costs nothing, unless we want none.
  return requested === e1000_fc_none || requested === e1000_fc_tx_pause ? e1000_fc_none : e1000_fc_rx_pause;
}

export function igb_config_fc_after_link_up(hw: e1000_hw): number {
  const forced = hw.mac.autoneg_failed ? 0 : igb_force_mac_fc(hw);
  if (forced < 0 || !hw.mac.autoneg) return forced;
  igb_read_phy_reg(hw, D.PHY_STATUS);
  const status = igb_read_phy_reg(hw, D.PHY_STATUS);
  if (status < 0 || (status & D.MII_SR_AUTONEG_COMPLETE) === 0) return Math.min(status, 0);
  const advert = igb_read_phy_reg(hw, D.PHY_AUTONEG_ADV);
  const partner = igb_read_phy_reg(hw, D.PHY_LP_ABILITY);
  if (advert < 0 || partner < 0) return Math.min(advert, partner);
  hw.fc.current_mode = resolveFlowControl(hw.fc.requested_mode, advert, partner);
  if (igb_get_speed_and_duplex_copper(hw).duplex === D.HALF_DUPLEX) hw.fc.current_mode = e1000_fc_none;
  return igb_force_mac_fc(hw);
}

export function igb_get_speed_and_duplex_copper(hw: e1000_hw): { speed: number; duplex: number } {
  const status = rd32(hw, R.E1000_STATUS);
  const duplex = (status & D.E1000_STATUS_FD) !== 0 ? D.FULL_DUPLEX : D.HALF_DUPLEX;
  if ((status & D.E1000_STATUS_SPEED_1000) !== 0) return { speed: D.SPEED_1000, duplex };
  return { speed: (status & D.E1000_STATUS_SPEED_100) !== 0 ? D.SPEED_100 : D.SPEED_10, duplex };
}

/** Waits until the controller has read its EEPROM; the 82576 always has one, so that running out of time is no error here. */
export function igb_get_auto_rd_done(hw: e1000_hw): number {
  for (let i = 0; i < D.AUTO_READ_DONE_TIMEOUT; i++) {
    if ((rd32(hw, R.E1000_EECD) & D.E1000_EECD_AUTO_RD) !== 0) return 0;
    usleep_range(1000, 2000);
  }
  return -E1000_ERR_RESET;
}

/** Stops the device's own reads and writes of memory. */
export function igb_disable_pcie_master(hw: e1000_hw): number {
  wr32(hw, R.E1000_CTRL, (rd32(hw, R.E1000_CTRL) | D.E1000_CTRL_GIO_MASTER_DISABLE) >>> 0);
  for (let i = 0; i < D.MASTER_DISABLE_TIMEOUT; i++) {
    if ((rd32(hw, R.E1000_STATUS) & D.E1000_STATUS_GIO_MASTER_ENABLE) === 0) return 0;
    usleep_range(100, 200);
  }
  return -E1000_ERR_MASTER_REQUESTS_PENDING;
}

/** The EEPROM's LED modes, or the usual ones where it has none. */
export function igb_id_led_init(hw: e1000_hw): number {
  const word = igb_read_nvm_eerd(hw, D.NVM_ID_LED_SETTINGS);
  if (word < 0) return word;
  hw.mac.ledctl_default = rd32(hw, R.E1000_LEDCTL);
  return 0;
}

/** Whether management firmware passes packets: then the PHY stays powered. */
export function igb_enable_mng_pass_thru(hw: e1000_hw): boolean {
  if (!hw.mac.asf_firmware_present) return false;
  const manc = rd32(hw, R.E1000_MANC);
  return (manc & D.E1000_MANC_RCV_TCO_EN) !== 0 && (manc & D.E1000_MANC_SMBUS_EN) !== 0 && (manc & D.E1000_MANC_ASF_EN) === 0;
}
