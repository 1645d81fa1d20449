/**
 * drivers/net/ethernet/intel/igb/igb_ptp.c: the port's clock and time stamps, as far as bringing the port up needs them.
 * Simplified: stamping stays off (no SIOCSHWTSTAMP) and the clock is started but not offered as /dev/ptpN.
 */
import * as D from '../../../../../../hw/igb/e1000_defines.ts';
import * as R from '../../../../../../hw/igb/e1000_regs.ts';
import { modify32, rd32, wr32, wrfl } from './e1000_hw.ts';
import { IGB_PTP_ENABLED, type igb_adapter } from './igb.ts';

/** A tick every 16 ns adds 16 ns, in units of 2^-19 ns. */
const INCPERIOD_82576 = 1 << D.E1000_TIMINCA_16NS_SHIFT;
const INCVALUE_82576 = 16 << 19;
/** Filters for PTP over Ethernet and over UDP. */
const PTP_FILTER = 3;

export function igb_ptp_init(adapter: igb_adapter): void {
  igb_ptp_reset(adapter);
  adapter.ptp_flags |= IGB_PTP_ENABLED;
}

export function igb_ptp_stop(adapter: igb_adapter): void {
  adapter.ptp_flags &= ~IGB_PTP_ENABLED;
}

export function igb_ptp_reset(adapter: igb_adapter): void {
  const hw = adapter.hw;
  igb_ptp_set_timestamp_mode(adapter);
  wr32(hw, R.E1000_TIMINCA, INCPERIOD_82576 | INCVALUE_82576);
  // The counter's value from which time is counted.
  rd32(hw, R.E1000_SYSTIML);
  rd32(hw, R.E1000_SYSTIMH);
  wrfl(hw);
}

/** All stamping off, and what may be left in the stamp registers read out. */
function igb_ptp_set_timestamp_mode(adapter: igb_adapter): void {
  const hw = adapter.hw;
  modify32(hw, R.E1000_TSYNCTXCTL, D.E1000_TSYNCTXCTL_ENABLED, 0);
  modify32(hw, R.E1000_TSYNCRXCTL, D.E1000_TSYNCRXCTL_ENABLED | D.E1000_TSYNCRXCTL_TYPE_MASK, 0);
  wr32(hw, R.E1000_TSYNCRXCFG, 0);
  wr32(hw, R.E1000_ETQF(PTP_FILTER), 0);
  wr32(hw, R.E1000_FTQF(PTP_FILTER), D.E1000_FTQF_MASK);
  wrfl(hw);
  for (const stamp of [R.E1000_TXSTMPL, R.E1000_TXSTMPH, R.E1000_RXSTMPL, R.E1000_RXSTMPH]) rd32(hw, stamp);
}

/** A stamp that nobody fetched would keep others from being taken. */
export function igb_ptp_rx_hang(adapter: igb_adapter): void {
  if ((rd32(adapter.hw, R.E1000_TSYNCRXCTL) & D.E1000_TSYNCRXCTL_VALID) === 0) return;
  rd32(adapter.hw, R.E1000_RXSTMPH);
  adapter.rx_hwtstamp_cleared++;
}
