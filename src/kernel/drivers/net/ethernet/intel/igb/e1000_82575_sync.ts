/**
 * drivers/net/ethernet/intel/igb/e1000_82575.c, e1000_mac.c: what software and firmware share. SWSM guards SW_FW_SYNC, in which each resource has
 * a bit for software and one for firmware (82576 datasheet 4.7).
 */
import * as D from '../../../../../../hw/igb/e1000_defines.ts';
import { E1000_EECD, E1000_EEMNGCTL, E1000_SW_FW_SYNC, E1000_SWSM } from '../../../../../../hw/igb/e1000_regs.ts';
import { udelay, usleep_range } from '../../../../../kernel/time/delay.ts';
import { E1000_ERR_NVM, E1000_ERR_SWFW_SYNC, type e1000_hw, rd32, wr32 } from './e1000_hw.ts';

/** Attempts, as many as the EEPROM has words. */
const SEMAPHORE_ATTEMPTS = 1025;
const SYNC_ATTEMPTS = 200;

/** Reading SWSM as 0 takes SMBI for this driver; SWESMBI sticks when firmware does not hold it. */
function igb_get_hw_semaphore(hw: e1000_hw): number {
  let attempts = 0;
  while ((rd32(hw, E1000_SWSM) & D.E1000_SWSM_SMBI) !== 0) {
    if (++attempts === SEMAPHORE_ATTEMPTS) return -E1000_ERR_NVM;
    udelay(50);
  }
  for (let i = 0; i < SEMAPHORE_ATTEMPTS; i++) {
    wr32(hw, E1000_SWSM, rd32(hw, E1000_SWSM) | D.E1000_SWSM_SWESMBI);
    if ((rd32(hw, E1000_SWSM) & D.E1000_SWSM_SWESMBI) !== 0) return 0;
    udelay(50);
  }
  igb_put_hw_semaphore(hw);
  return -E1000_ERR_NVM;
}

function igb_put_hw_semaphore(hw: e1000_hw): void {
  wr32(hw, E1000_SWSM, (rd32(hw, E1000_SWSM) & ~(D.E1000_SWSM_SMBI | D.E1000_SWSM_SWESMBI)) >>> 0);
}

function igb_acquire_swfw_sync_82575(hw: e1000_hw, mask: number): number {
  const both = mask | (mask << 16);
  for (let i = 0; i < SYNC_ATTEMPTS; i++) {
    if (igb_get_hw_semaphore(hw) < 0) return -E1000_ERR_SWFW_SYNC;
    const owners = rd32(hw, E1000_SW_FW_SYNC);
    if ((owners & both) === 0) {
      wr32(hw, E1000_SW_FW_SYNC, (owners | mask) >>> 0);
      igb_put_hw_semaphore(hw);
      return 0;
    }
    igb_put_hw_semaphore(hw);
    udelay(5000);
  }
  return -E1000_ERR_SWFW_SYNC;
}

function igb_release_swfw_sync_82575(hw: e1000_hw, mask: number): void {
  if (igb_get_hw_semaphore(hw) < 0) return;
  wr32(hw, E1000_SW_FW_SYNC, (rd32(hw, E1000_SW_FW_SYNC) & ~mask) >>> 0);
  igb_put_hw_semaphore(hw);
}

const phyMasks = [D.E1000_SWFW_PHY0_SM, D.E1000_SWFW_PHY1_SM, D.E1000_SWFW_PHY2_SM, D.E1000_SWFW_PHY3_SM] as const;

export function igb_acquire_phy_82575(hw: e1000_hw): number {
  return igb_acquire_swfw_sync_82575(hw, phyMasks[hw.bus_func]!);
}

export function igb_release_phy_82575(hw: e1000_hw): void {
  igb_release_swfw_sync_82575(hw, phyMasks[hw.bus_func]!);
}

const configDoneMasks = [
  D.E1000_NVM_CFG_DONE_PORT_0,
  D.E1000_NVM_CFG_DONE_PORT_1,
  D.E1000_NVM_CFG_DONE_PORT_2,
  D.E1000_NVM_CFG_DONE_PORT_3,
] as const;

/** Waits until the PHY has been configured from the EEPROM; goes on without it, as some boards never say so. */
export function igb_get_cfg_done_82575(hw: e1000_hw): number {
  const mask = configDoneMasks[hw.bus_func]!;
  for (let i = 0; i < D.PHY_CFG_TIMEOUT; i++) {
    if ((rd32(hw, E1000_EEMNGCTL) & mask) !== 0) break;
    usleep_range(1000, 2000);
  }
  // Whether there is an EEPROM decides if the PHY needs a script; a board of this kind always has one.
  rd32(hw, E1000_EECD);
  return 0;
}
