/**
 * drivers/net/ethernet/intel/igb/igb_main.c: counters. The device's are cleared by reading, so they are summed up in the adapter
 * (`igb_update_stats`, by the watchdog and whenever somebody asks); packets and bytes are the rings' own.
 */
import { E1000_CTRL_EXT_LINK_MODE_MASK, E1000_MANC_EN_BMC2OS } from '../../../../../../hw/igb/e1000_defines.ts';
import * as R from '../../../../../../hw/igb/e1000_regs.ts';
import { type net_device, netdev_priv, type rtnl_link_stats64 } from '../../../../../include/linux/netdevice.ts';
import { type e1000_hw, type e1000_hw_stats, rd32 } from './e1000_hw.ts';
import type { igb_adapter } from './igb.ts';

type Counter = keyof e1000_hw_stats;

/** Which counter each register adds to, in the order they are read; null: read to clear its other half. */
const beforeExtControl: readonly (readonly [register: number, counter: Counter | null])[] = [
  [R.E1000_CRCERRS, 'crcerrs'],
  [R.E1000_GPRC, 'gprc'],
  [R.E1000_GORCL, 'gorc'],
  [R.E1000_GORCH, null],
  [R.E1000_BPRC, 'bprc'],
  [R.E1000_MPRC, 'mprc'],
  [R.E1000_ROC, 'roc'],
  [R.E1000_PRC64, 'prc64'],
  [R.E1000_PRC127, 'prc127'],
  [R.E1000_PRC255, 'prc255'],
  [R.E1000_PRC511, 'prc511'],
  [R.E1000_PRC1023, 'prc1023'],
  [R.E1000_PRC1522, 'prc1522'],
  [R.E1000_SYMERRS, 'symerrs'],
  [R.E1000_SEC, 'sec'],
  [R.E1000_MPC, 'mpc'],
  [R.E1000_SCC, 'scc'],
  [R.E1000_ECOL, 'ecol'],
  [R.E1000_MCC, 'mcc'],
  [R.E1000_LATECOL, 'latecol'],
  [R.E1000_DC, 'dc'],
  [R.E1000_RLEC, 'rlec'],
  [R.E1000_XONRXC, 'xonrxc'],
  [R.E1000_XONTXC, 'xontxc'],
  [R.E1000_XOFFRXC, 'xoffrxc'],
  [R.E1000_XOFFTXC, 'xofftxc'],
  [R.E1000_FCRUC, 'fcruc'],
  [R.E1000_GPTC, 'gptc'],
  [R.E1000_GOTCL, 'gotc'],
  [R.E1000_GOTCH, null],
  [R.E1000_RNBC, 'rnbc'],
  [R.E1000_RUC, 'ruc'],
  [R.E1000_RFC, 'rfc'],
  [R.E1000_RJC, 'rjc'],
  [R.E1000_TORH, 'tor'],
  [R.E1000_TOTH, 'tot'],
  [R.E1000_TPR, 'tpr'],
  [R.E1000_PTC64, 'ptc64'],
  [R.E1000_PTC127, 'ptc127'],
  [R.E1000_PTC255, 'ptc255'],
  [R.E1000_PTC511, 'ptc511'],
  [R.E1000_PTC1023, 'ptc1023'],
  [R.E1000_PTC1522, 'ptc1522'],
  [R.E1000_MPTC, 'mptc'],
  [R.E1000_BPTC, 'bptc'],
  [R.E1000_TPT, 'tpt'],
  [R.E1000_COLC, 'colc'],
  [R.E1000_ALGNERRC, 'algnerrc'],
];

const ofInternalPhy: readonly (readonly [register: number, counter: Counter])[] = [
  [R.E1000_RXERRC, 'rxerrc'],
  [R.E1000_TNCRS, 'tncrs'],
];

const afterExtControl: readonly (readonly [register: number, counter: Counter])[] = [
  [R.E1000_TSCTC, 'tsctc'],
  [R.E1000_TSCTFC, 'tsctfc'],
  [R.E1000_IAC, 'iac'],
  [R.E1000_ICRXOC, 'icrxoc'],
  [R.E1000_ICRXPTC, 'icrxptc'],
  [R.E1000_ICRXATC, 'icrxatc'],
  [R.E1000_ICTXPTC, 'ictxptc'],
  [R.E1000_ICTXATC, 'ictxatc'],
  [R.E1000_ICTXQEC, 'ictxqec'],
  [R.E1000_ICTXQMTC, 'ictxqmtc'],
  [R.E1000_ICRXDMTC, 'icrxdmtc'],
  [R.E1000_MGTPTC, 'mgptc'],
  [R.E1000_MGTPRC, 'mgprc'],
  [R.E1000_MGTPDC, 'mgpdc'],
];

const ofBmc: readonly (readonly [register: number, counter: Counter])[] = [
  [R.E1000_O2BGPTC, 'o2bgptc'],
  [R.E1000_O2BSPC, 'o2bspc'],
  [R.E1000_B2OSPC, 'b2ospc'],
  [R.E1000_B2OGPRC, 'b2ogprc'],
];

function readCounters(hw: e1000_hw, stats: e1000_hw_stats, list: readonly (readonly [number, Counter | null])[]): void {
  for (const [register, counter] of list) {
    const value = rd32(hw, register);
    if (counter !== null) stats[counter] += value;
  }
}

/** Without a link the controller may be in reset: nothing is read then. */
export function igb_update_stats(adapter: igb_adapter): void {
  if (adapter.link_speed === 0) return;
  const { hw, stats, stats64 } = adapter;
  sumRings(adapter, stats64);
  const missed = stats.mpc;
  readCounters(hw, stats, beforeExtControl);
  stats64.rx_fifo_errors += stats.mpc - missed;
  if ((rd32(hw, R.E1000_CTRL_EXT) & E1000_CTRL_EXT_LINK_MODE_MASK) === 0) readCounters(hw, stats, ofInternalPhy);
  readCounters(hw, stats, afterExtControl);
  if ((rd32(hw, R.E1000_MANC) & E1000_MANC_EN_BMC2OS) !== 0) readCounters(hw, stats, ofBmc);
  fillErrors(stats, stats64);
}

/** Packets and bytes as the rings saw them; frames dropped for want of a descriptor are counted by queue. */
function sumRings(adapter: igb_adapter, stats64: rtnl_link_stats64): void {
  stats64.rx_bytes = 0;
  stats64.rx_packets = 0;
  stats64.tx_bytes = 0;
  stats64.tx_packets = 0;
  for (const ring of adapter.rx_ring) {
    const dropped = rd32(adapter.hw, R.E1000_RQDPC(ring.queue_index));
    ring.rx_stats.drops += dropped;
    stats64.rx_fifo_errors += dropped;
    stats64.rx_bytes += ring.rx_stats.bytes;
    stats64.rx_packets += ring.rx_stats.packets;
  }
  for (const ring of adapter.tx_ring) {
    stats64.tx_bytes += ring.tx_stats.bytes;
    stats64.tx_packets += ring.tx_stats.packets;
  }
}

function fillErrors(stats: e1000_hw_stats, stats64: rtnl_link_stats64): void {
  stats64.multicast = stats.mprc;
  stats64.collisions = stats.colc;
  // The controller's own count of length errors can't be trusted: it is made up of short and long frames.
  stats64.rx_errors = stats.rxerrc + stats.crcerrs + stats.algnerrc + stats.ruc + stats.roc + stats.cexterr;
  stats64.rx_length_errors = stats.ruc + stats.roc;
  stats64.rx_crc_errors = stats.crcerrs;
  stats64.rx_frame_errors = stats.algnerrc;
  stats64.rx_missed_errors = stats.mpc;
  stats64.tx_errors = stats.ecol + stats.latecol;
  stats64.tx_aborted_errors = stats.ecol;
  stats64.tx_window_errors = stats.latecol;
  stats64.tx_carrier_errors = stats.tncrs;
}

export function igb_get_stats64(dev: net_device): rtnl_link_stats64 {
  const adapter = netdev_priv<igb_adapter>(dev);
  igb_update_stats(adapter);
  return adapter.stats64;
}
