/**
 * drivers/net/ethernet/intel/igb/igb_ptp.c: the port's clock for PTP and its time stamps.
 *
 * The clock: a counter of 64 bits that grows by 16 · 2^19 every 16 ns, so in units of 2^-19 ns (`igb_ptp_read_82576`); the time is computed from it
 * (`timecounter`), and its rate is changed by what is added each tick. /dev/ptpN: `igb_ptp_gettimex_82576`, `igb_ptp_settime_82576`, `igb_ptp_adjtime_82576`,
 * `igb_ptp_adjfine_82576`.
 *
 * Stamps (SIOCSHWTSTAMP: `igb_ptp_hwtstamp_set` → `igb_ptp_set_timestamp_mode`): the device keeps one transmit and one receive stamp, until they are read.
 * So one packet at a time is sent with a stamp (`igb_xmit_frame_ring`), and `igb_ptp_tx_work` looks for it → `igb_ptp_tx_hwtstamp`; a received frame's
 * descriptor tells that the stamp is its own (`igb_ptp_rx_rgtstamp`). What was never fetched is thrown away: `igb_ptp_tx_hang`, `igb_ptp_rx_hang`.
 */
import * as D from '../../../../../../hw/igb/e1000_defines.ts';
import * as R from '../../../../../../hw/igb/e1000_regs.ts';
import { kernel } from '../../../../../current.ts';
import { dev_info, dev_warn } from '../../../../../include/linux/device.ts';
import { SCM_TSTAMP_SND } from '../../../../../include/linux/errqueue.ts';
import type { kernel_ethtool_ts_info } from '../../../../../include/linux/ethtool.ts';
import { type net_device, netdev_priv } from '../../../../../include/linux/netdevice.ts';
import { adjust_by_scaled_ppm, ptp_clock_index, type ptp_clock_info } from '../../../../../include/linux/ptp_clock_kernel.ts';
import type { sk_buff } from '../../../../../include/linux/skbuff.ts';
import { ktime_get_real } from '../../../../../kernel/time/hrtimer.ts';
import {
  timecounter,
  timecounter_adjtime,
  timecounter_cyc2time,
  timecounter_init,
  timecounter_read,
} from '../../../../../kernel/time/timecounter.ts';
import { jiffies, time_after } from '../../../../../kernel/time/timer.ts';
import {
  cancel_delayed_work_sync,
  cancel_work_sync,
  delayed_work,
  schedule_delayed_work,
  schedule_work,
  work_struct,
} from '../../../../../kernel/workqueue.ts';
import { dev_kfree_skb_any } from '../../../../../net/core/dev_tx_queue.ts';
import { skb_tstamp_tx } from '../../../../../net/core/skbuff_errqueue.ts';
import { ERANGE } from '../../../../../uapi/errno.ts';
import * as T from '../../../../../uapi/net_tstamp.ts';
import { ptp_clock_register, ptp_clock_unregister } from '../../../../ptp/ptp_clock.ts';
import { modify32, rd32, wr32, wrfl } from './e1000_hw.ts';
import { __IGB_PTP_TX_IN_PROGRESS, IGB_PTP_ENABLED, IGB_PTP_OVERFLOW_CHECK, type igb_adapter, type igb_q_vector, stateHas } from './igb.ts';

const IGB_82576_TSYNC_SHIFT = 19;
/** The counter goes around after 9.77 hours; it is read in time. */
const OVERFLOW_PERIOD_SECONDS = 60 * 9;
const TX_TIMEOUT_SECONDS = 15;
const RX_HANG_SECONDS = 5;
/** A tick every 16 ns adds 16 ns, in units of 2^-19 ns. */
const INCPERIOD_82576 = 1 << D.E1000_TIMINCA_16NS_SHIFT;
const INCVALUE_82576 = 16 << IGB_82576_TSYNC_SHIFT;
/** The largest change that INCVALUE's 24 bits can hold. */
const MAX_ADJ_PPB = 999_999_881;
/** Filters for PTP over Ethernet and over UDP. */
const PTP_FILTER = 3;
const ETH_P_1588 = 0x88f7;
/** Event messages' UDP port, in the registers' byte order. */
const PTP_EV_PORT = 0x3f01;
const IPPROTO_UDP = 17;

/* Clock */

function igb_ptp_read_82576(adapter: igb_adapter): bigint {
  const low = rd32(adapter.hw, R.E1000_SYSTIML);
  return (BigInt(rd32(adapter.hw, R.E1000_SYSTIMH)) << 32n) | BigInt(low);
}

/** A register's stamp in ns: as the clock would have shown it then. */
function igb_ptp_systim_to_hwtstamp(adapter: igb_adapter, systim: bigint): bigint {
  return timecounter_cyc2time(adapter.tc, systim);
}

function igb_ptp_adjfine_82576(adapter: igb_adapter, scaled_ppm: number): number {
  const incvalue = adjust_by_scaled_ppm(INCVALUE_82576, scaled_ppm);
  wr32(adapter.hw, R.E1000_TIMINCA, INCPERIOD_82576 | (incvalue & D.E1000_TIMINCA_INCVALUE_MASK));
  return 0;
}

function igb_ptp_adjtime_82576(adapter: igb_adapter, delta: bigint): number {
  timecounter_adjtime(adapter.tc, delta);
  return 0;
}

const igb_ptp_gettimex_82576 = (adapter: igb_adapter): bigint => timecounter_read(adapter.tc);

function igb_ptp_settime_82576(adapter: igb_adapter, time: bigint): number {
  timecounter_init(adapter.tc, time);
  return 0;
}

const capabilities = (adapter: igb_adapter): ptp_clock_info => ({
  name: [...adapter.netdev.dev_addr].map((byte) => byte.toString(16).padStart(2, '0')).join(':'),
  max_adj: MAX_ADJ_PPB,
  n_alarm: 0,
  n_ext_ts: 0,
  n_per_out: 0,
  n_pins: 0,
  pps: 0,
  adjfine: (scaled_ppm) => igb_ptp_adjfine_82576(adapter, scaled_ppm),
  adjtime: (delta) => igb_ptp_adjtime_82576(adapter, delta),
  gettimex64: () => igb_ptp_gettimex_82576(adapter),
  settime64: (time) => igb_ptp_settime_82576(adapter, time),
});

/** Nine minutes without a look would still be no harm. */
function igb_ptp_overflow_check(adapter: igb_adapter): void {
  igb_ptp_gettimex_82576(adapter);
  schedule_delayed_work(adapter.ptp_overflow_work, OVERFLOW_PERIOD_SECONDS * kernel().HZ);
}

/* Stamps of what is sent */

/** Looks for the stamp until it is there. */
function igb_ptp_tx_work(adapter: igb_adapter): void {
  if (adapter.ptp_tx_skb === null) return;
  if (txTimedOut(adapter)) {
    dropTxStamp(adapter, 'igb_ptp_tx_work');
    // A stamp that comes yet must not be taken for the next packet's.
    rd32(adapter.hw, R.E1000_TXSTMPH);
    dev_warn(adapter.pdev.dev, 'clearing Tx timestamp hang');
    return;
  }
  if ((rd32(adapter.hw, R.E1000_TSYNCTXCTL) & D.E1000_TSYNCTXCTL_VALID) !== 0) igb_ptp_tx_hwtstamp(adapter);
  else schedule_work(adapter.ptp_tx_work);
}

const txTimedOut = (adapter: igb_adapter): boolean => time_after(jiffies(), adapter.ptp_tx_start + TX_TIMEOUT_SECONDS * kernel().HZ);

function dropTxStamp(adapter: igb_adapter, location: string): void {
  dev_kfree_skb_any(adapter.ptp_tx_skb!, location);
  adapter.ptp_tx_skb = null;
  adapter.state &= ~__IGB_PTP_TX_IN_PROGRESS;
  adapter.tx_hwtstamp_timeouts++;
}

/** The stamp goes to the sender's error queue. */
function igb_ptp_tx_hwtstamp(adapter: igb_adapter): void {
  const skb = adapter.ptp_tx_skb!;
  const low = BigInt(rd32(adapter.hw, R.E1000_TXSTMPL));
  const stamp = igb_ptp_systim_to_hwtstamp(adapter, low | (BigInt(rd32(adapter.hw, R.E1000_TXSTMPH)) << 32n));
  // Others may be stamped from here on.
  adapter.ptp_tx_skb = null;
  adapter.state &= ~__IGB_PTP_TX_IN_PROGRESS;
  skb_tstamp_tx(skb, stamp, SCM_TSTAMP_SND);
  dev_kfree_skb_any(skb, 'igb_ptp_tx_hwtstamp');
}

/** The watchdog: a packet whose stamp never came keeps all others from getting one. */
export function igb_ptp_tx_hang(adapter: igb_adapter): void {
  if (adapter.ptp_tx_skb === null || !stateHas(adapter, __IGB_PTP_TX_IN_PROGRESS) || !txTimedOut(adapter)) return;
  cancel_work_sync(adapter.ptp_tx_work);
  dropTxStamp(adapter, 'igb_ptp_tx_hang');
  rd32(adapter.hw, R.E1000_TXSTMPH);
  dev_warn(adapter.pdev.dev, 'clearing Tx timestamp hang');
}

/* Stamps of what is received */

/** The frame has a stamp, in the registers. Reading them lets the next one be taken. */
export function igb_ptp_rx_rgtstamp(q_vector: igb_q_vector, skb: sk_buff): void {
  const adapter = q_vector.adapter;
  const hw = adapter.hw;
  if ((rd32(hw, R.E1000_TSYNCRXCTL) & D.E1000_TSYNCRXCTL_VALID) === 0) return;
  const low = BigInt(rd32(hw, R.E1000_RXSTMPL));
  skb.shinfo.hwtstamps = igb_ptp_systim_to_hwtstamp(adapter, low | (BigInt(rd32(hw, R.E1000_RXSTMPH)) << 32n));
  adapter.last_rx_timestamp = jiffies();
}

/** The watchdog: a stamp whose frame was dropped for want of a descriptor would keep others from being taken. */
export function igb_ptp_rx_hang(adapter: igb_adapter): void {
  if ((rd32(adapter.hw, R.E1000_TSYNCRXCTL) & D.E1000_TSYNCRXCTL_VALID) === 0) {
    adapter.last_rx_ptp_check = jiffies();
    return;
  }
  const since = Math.max(adapter.last_rx_ptp_check, adapter.last_rx_timestamp);
  if (!time_after(jiffies(), since + RX_HANG_SECONDS * kernel().HZ)) return;
  rd32(adapter.hw, R.E1000_RXSTMPH);
  adapter.last_rx_ptp_check = jiffies();
  adapter.rx_hwtstamp_cleared++;
  dev_warn(adapter.pdev.dev, 'clearing Rx timestamp hang');
}

/* Settings */

export function igb_ptp_hwtstamp_get(dev: net_device, config: T.hwtstamp_config): number {
  Object.assign(config, netdev_priv<igb_adapter>(dev).tstamp_config);
  return 0;
}

export function igb_ptp_hwtstamp_set(dev: net_device, config: T.hwtstamp_config): number {
  const adapter = netdev_priv<igb_adapter>(dev);
  const err = igb_ptp_set_timestamp_mode(adapter, config);
  if (err === 0) Object.assign(adapter.tstamp_config, config);
  return err;
}

/** How received frames are chosen: type and configuration for the registers, the filter that this amounts to, and where PTP is looked for. */
interface rxChoice {
  readonly control: number;
  readonly messages: number;
  readonly filter: number;
  readonly l2: boolean;
  readonly l4: boolean;
}

const V1 = D.E1000_TSYNCRXCTL_ENABLED | D.E1000_TSYNCRXCTL_TYPE_L4_V1;
const V2 = D.E1000_TSYNCRXCTL_ENABLED | D.E1000_TSYNCRXCTL_TYPE_EVENT_V2;

/** Null: the 82576 can't. It stamps one message type of version 1, or all event messages of version 2. */
function chooseRx(rx_filter: number): rxChoice | null {
  switch (rx_filter) {
    case T.HWTSTAMP_FILTER_NONE:
      return { control: 0, messages: 0, filter: rx_filter, l2: false, l4: false };
    case T.HWTSTAMP_FILTER_PTP_V1_L4_SYNC:
      return { control: V1, messages: D.E1000_TSYNCRXCFG_PTP_V1_SYNC_MESSAGE, filter: rx_filter, l2: false, l4: true };
    case T.HWTSTAMP_FILTER_PTP_V1_L4_DELAY_REQ:
      return { control: V1, messages: D.E1000_TSYNCRXCFG_PTP_V1_DELAY_REQ_MESSAGE, filter: rx_filter, l2: false, l4: true };
    default:
      if (rx_filter < T.HWTSTAMP_FILTER_PTP_V2_L4_EVENT || rx_filter > T.HWTSTAMP_FILTER_PTP_V2_DELAY_REQ) return null;
      return { control: V2, messages: 0, filter: T.HWTSTAMP_FILTER_PTP_V2_EVENT, l2: true, l4: true };
  }
}

/** Writes the choice into the device; `config.rx_filter` becomes what is really stamped. What may be left in the stamp registers is read out. */
function igb_ptp_set_timestamp_mode(adapter: igb_adapter, config: T.hwtstamp_config): number {
  const hw = adapter.hw;
  if (config.tx_type !== T.HWTSTAMP_TX_OFF && config.tx_type !== T.HWTSTAMP_TX_ON) return -ERANGE;
  const rx = chooseRx(config.rx_filter);
  if (rx === null) {
    config.rx_filter = T.HWTSTAMP_FILTER_NONE;
    return -ERANGE;
  }
  config.rx_filter = rx.filter;
  modify32(hw, R.E1000_TSYNCTXCTL, D.E1000_TSYNCTXCTL_ENABLED, config.tx_type === T.HWTSTAMP_TX_ON ? D.E1000_TSYNCTXCTL_ENABLED : 0);
  modify32(hw, R.E1000_TSYNCRXCTL, D.E1000_TSYNCRXCTL_ENABLED | D.E1000_TSYNCRXCTL_TYPE_MASK, rx.control);
  wr32(hw, R.E1000_TSYNCRXCFG, rx.messages);
  wr32(hw, R.E1000_ETQF(PTP_FILTER), rx.l2 ? D.E1000_ETQF_FILTER_ENABLE | D.E1000_ETQF_1588 | ETH_P_1588 : 0);
  if (rx.l4) filterPtpOverUdp(adapter);
  else wr32(hw, R.E1000_FTQF(PTP_FILTER), D.E1000_FTQF_MASK);
  wrfl(hw);
  for (const stamp of [R.E1000_TXSTMPL, R.E1000_TXSTMPH, R.E1000_RXSTMPL, R.E1000_RXSTMPH]) rd32(hw, stamp);
  return 0;
}

/** The 82576 wants the source port checked, too. */
function filterPtpOverUdp(adapter: igb_adapter): void {
  const hw = adapter.hw;
  const compared = D.E1000_FTQF_MASK_PROTO_BP | D.E1000_FTQF_MASK_SOURCE_PORT_BP;
  wr32(hw, R.E1000_IMIR(PTP_FILTER), PTP_EV_PORT);
  wr32(hw, R.E1000_IMIREXT(PTP_FILTER), D.E1000_IMIREXT_SIZE_BP | D.E1000_IMIREXT_CTRL_BP);
  wr32(hw, R.E1000_SPQF(PTP_FILTER), PTP_EV_PORT);
  const ftqf = IPPROTO_UDP | D.E1000_FTQF_VF_BP | D.E1000_FTQF_1588_TIME_STAMP | (D.E1000_FTQF_MASK & ~compared);
  wr32(hw, R.E1000_FTQF(PTP_FILTER), ftqf >>> 0);
}

/** ethtool -T */
export function igb_get_ts_info(dev: net_device): kernel_ethtool_ts_info {
  const { ptp_clock } = netdev_priv<igb_adapter>(dev);
  const software = T.SOF_TIMESTAMPING_TX_SOFTWARE | T.SOF_TIMESTAMPING_RX_SOFTWARE | T.SOF_TIMESTAMPING_SOFTWARE;
  const filters = [
    T.HWTSTAMP_FILTER_NONE,
    T.HWTSTAMP_FILTER_PTP_V1_L4_SYNC,
    T.HWTSTAMP_FILTER_PTP_V1_L4_DELAY_REQ,
    T.HWTSTAMP_FILTER_PTP_V2_EVENT,
  ];
  return {
    so_timestamping: software | T.SOF_TIMESTAMPING_TX_HARDWARE | T.SOF_TIMESTAMPING_RX_HARDWARE | T.SOF_TIMESTAMPING_RAW_HARDWARE,
    phc_index: ptp_clock === null ? -1 : ptp_clock_index(ptp_clock),
    tx_types: (1 << T.HWTSTAMP_TX_OFF) | (1 << T.HWTSTAMP_TX_ON),
    rx_filters: filters.reduce((bits, filter) => bits | (1 << filter), 0),
  };
}

/* Beginning and end */

export function igb_ptp_init(adapter: igb_adapter): void {
  adapter.tc = new timecounter({
    read: () => igb_ptp_read_82576(adapter),
    mask: (1n << 64n) - 1n,
    mult: 1n,
    shift: BigInt(IGB_82576_TSYNC_SHIFT),
  });
  adapter.ptp_flags |= IGB_PTP_OVERFLOW_CHECK;
  adapter.ptp_tx_work = new work_struct(() => igb_ptp_tx_work(adapter));
  adapter.ptp_overflow_work = new delayed_work(() => igb_ptp_overflow_check(adapter));
  igb_ptp_reset(adapter);
  adapter.ptp_clock = ptp_clock_register(capabilities(adapter), adapter.pdev.dev);
  dev_info(adapter.pdev.dev, `added PHC on ${adapter.netdev.name}`);
  adapter.ptp_flags |= IGB_PTP_ENABLED;
}

/** Nothing that waits is left. */
function igb_ptp_suspend(adapter: igb_adapter): void {
  if ((adapter.ptp_flags & IGB_PTP_ENABLED) === 0) return;
  cancel_delayed_work_sync(adapter.ptp_overflow_work);
  cancel_work_sync(adapter.ptp_tx_work);
  if (adapter.ptp_tx_skb === null) return;
  dev_kfree_skb_any(adapter.ptp_tx_skb, 'igb_ptp_suspend');
  adapter.ptp_tx_skb = null;
  adapter.state &= ~__IGB_PTP_TX_IN_PROGRESS;
}

export function igb_ptp_stop(adapter: igb_adapter): void {
  igb_ptp_suspend(adapter);
  if (adapter.ptp_clock === null) return;
  ptp_clock_unregister(adapter.ptp_clock);
  dev_info(adapter.pdev.dev, `removed PHC on ${adapter.netdev.name}`);
  adapter.ptp_flags &= ~IGB_PTP_ENABLED;
}

/** After a reset of the device: settings are written again, and the clock starts from the system's time. */
export function igb_ptp_reset(adapter: igb_adapter): void {
  const hw = adapter.hw;
  igb_ptp_set_timestamp_mode(adapter, adapter.tstamp_config);
  wr32(hw, R.E1000_TIMINCA, INCPERIOD_82576 | INCVALUE_82576);
  timecounter_init(adapter.tc, BigInt(ktime_get_real()));
  wrfl(hw);
  if ((adapter.ptp_flags & IGB_PTP_OVERFLOW_CHECK) !== 0)
    schedule_delayed_work(adapter.ptp_overflow_work, OVERFLOW_PERIOD_SECONDS * kernel().HZ);
}
