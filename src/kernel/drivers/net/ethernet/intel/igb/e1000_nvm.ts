/** drivers/net/ethernet/intel/igb/e1000_nvm.c: the EEPROM behind EERD: its words, its checksum, the version and part number in it. */
import {
  E1000_NVM_RW_ADDR_SHIFT,
  E1000_NVM_RW_REG_DATA,
  E1000_NVM_RW_REG_DONE,
  E1000_NVM_RW_REG_START,
  NVM_CHECKSUM_REG,
  NVM_ETRACK_HIWORD,
  NVM_ETRACK_SHIFT,
  NVM_ETRACK_VALID,
  NVM_ETRACK_WORD,
  NVM_IMAGE_ID_MASK,
  NVM_MAJOR_MASK,
  NVM_MAJOR_SHIFT,
  NVM_MINOR_MASK,
  NVM_MINOR_SHIFT,
  NVM_PBA_OFFSET_0,
  NVM_PBA_OFFSET_1,
  NVM_PBA_PTR_GUARD,
  NVM_SUM,
  NVM_VERSION,
} from '../../../../../../hw/igb/e1000_defines.ts';
import { E1000_EERD, E1000_RAH, E1000_RAL } from '../../../../../../hw/igb/e1000_regs.ts';
import { udelay } from '../../../../../kernel/time/delay.ts';
import { E1000_ERR_NVM, type e1000_hw, rd32, wr32 } from './e1000_hw.ts';

const EERD_POLLS = 100_000;

/** One word of the EEPROM, or a negative error. */
export function igb_read_nvm_eerd(hw: e1000_hw, offset: number): number {
  wr32(hw, E1000_EERD, (offset << E1000_NVM_RW_ADDR_SHIFT) | E1000_NVM_RW_REG_START);
  if (!igb_poll_eerd_eewr_done(hw)) return -E1000_ERR_NVM;
  return rd32(hw, E1000_EERD) >>> E1000_NVM_RW_REG_DATA;
}

function igb_poll_eerd_eewr_done(hw: e1000_hw): boolean {
  for (let i = 0; i < EERD_POLLS; i++) {
    if ((rd32(hw, E1000_EERD) & E1000_NVM_RW_REG_DONE) !== 0) return true;
    udelay(5);
  }
  return false;
}

/** The words up to the checksum add up to a fixed number. */
export function igb_validate_nvm_checksum(hw: e1000_hw): number {
  let sum = 0;
  for (let i = 0; i <= NVM_CHECKSUM_REG; i++) {
    const word = igb_read_nvm_eerd(hw, i);
    if (word < 0) return word;
    sum = (sum + word) & 0xffff;
  }
  return sum === NVM_SUM ? 0 : -E1000_ERR_NVM;
}

/** The station address, where the device has put it after its reset. */
export function igb_read_mac_addr(hw: e1000_hw): number {
  const high = rd32(hw, E1000_RAH(0));
  const low = rd32(hw, E1000_RAL(0));
  for (let i = 0; i < 4; i++) hw.mac.perm_addr[i] = (low >>> (8 * i)) & 0xff;
  for (let i = 0; i < 2; i++) hw.mac.perm_addr[i + 4] = (high >>> (8 * i)) & 0xff;
  hw.mac.addr.set(hw.mac.perm_addr);
  return 0;
}

/** `2.1.0`: what ethtool -i calls the firmware version. */
export function igb_get_fw_version(hw: e1000_hw): string {
  const etrack = igb_read_nvm_eerd(hw, NVM_ETRACK_HIWORD);
  const version = igb_read_nvm_eerd(hw, NVM_VERSION);
  const major = (version & NVM_MAJOR_MASK) >>> NVM_MAJOR_SHIFT;
  const minor = (version & NVM_MINOR_MASK) >>> NVM_MINOR_SHIFT;
  if ((etrack & NVM_MAJOR_MASK) !== NVM_ETRACK_VALID) return `${major}.${minor}.${version & NVM_IMAGE_ID_MASK}`;
  const id = ((etrack << NVM_ETRACK_SHIFT) | igb_read_nvm_eerd(hw, NVM_ETRACK_WORD)) >>> 0;
  return `${major}.${minor}, 0x${id.toString(16).padStart(8, '0')}`;
}

/** The printed board assembly number; only the old form, in which the two words are its digits. */
export function igb_read_part_string(hw: e1000_hw): string | null {
  const first = igb_read_nvm_eerd(hw, NVM_PBA_OFFSET_0);
  const second = igb_read_nvm_eerd(hw, NVM_PBA_OFFSET_1);
  if (first < 0 || second < 0 || first === NVM_PBA_PTR_GUARD) return null;
  const digits = (first.toString(16).padStart(4, '0') + second.toString(16).padStart(4, '0')).toUpperCase();
  return `${digits.slice(0, 6)}-0${digits.slice(6)}`;
}
