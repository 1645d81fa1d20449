/** include/linux/ethtool.h: what `ethtool` asks a driver. Every operation is optional; without it the answer is -EOPNOTSUPP. */
import type { net_device } from './netdevice.ts';
import type { Sleeping } from './sched.ts';

export interface ethtool_ringparam { rx_pending: number; tx_pending: number; rx_max_pending: number; tx_max_pending: number } // biome-ignore format: short
export interface ethtool_coalesce { rx_coalesce_usecs: number; tx_coalesce_usecs: number; rx_max_coalesced_frames: number; tx_max_coalesced_frames: number } // biome-ignore format: short
export interface ethtool_channels { max_rx: number; max_tx: number; max_other: number; max_combined: number; rx_count: number; tx_count: number; other_count: number; combined_count: number } // biome-ignore format: short
export interface ethtool_drvinfo { driver: string; version: string; fw_version: string; bus_info: string } // biome-ignore format: short
/** `pause` and `asymPause`: what is advertised. `mdix`: crossed, not crossed, or unknown (null); `mdixCtrl` how that is chosen. */
export interface ethtool_link_ksettings { speed: number; duplex: number; autoneg: boolean; port: number; supported: string[]; advertising: string[]; pause: boolean; asymPause: boolean; phy_address: number; mdix: boolean | null; mdixCtrl: 'auto' | 'forced' } // biome-ignore format: short
export interface ethtool_pauseparam { autoneg: boolean; rx_pause: boolean; tx_pause: boolean } // biome-ignore format: short

export interface ethtool_rxfh_param { hfunc: string; indir: number[]; key: Uint8Array | null; rings: number } // biome-ignore format: short

/** What can be stamped: SO_TIMESTAMPING's flags, the clock's number (-1: none), and as bit sets tx_type and rx_filter of SIOCSHWTSTAMP. */
export interface kernel_ethtool_ts_info { so_timestamping: number; phc_index: number; tx_types: number; rx_filters: number } // biome-ignore format: short

export const ETH_TEST_FL_OFFLINE = 1 << 0;
export const ETH_TEST_FL_FAILED = 1 << 1;
export const ETH_TEST_FL_EXTERNAL_LB = 1 << 2;
export const ETH_TEST_FL_EXTERNAL_LB_DONE = 1 << 3;
export interface ethtool_test { flags: number } // biome-ignore format: short

export interface ethtool_ops {
  get_drvinfo?(dev: net_device): ethtool_drvinfo;
  get_link?(dev: net_device): boolean;
  get_link_ksettings?(dev: net_device): ethtool_link_ksettings;
  set_link_ksettings?(dev: net_device, settings: ethtool_link_ksettings): number;
  get_ringparam?(dev: net_device): ethtool_ringparam;
  set_ringparam?(dev: net_device, ring: ethtool_ringparam): number;
  get_coalesce?(dev: net_device): ethtool_coalesce;
  set_coalesce?(dev: net_device, coalesce: ethtool_coalesce): number;
  get_channels?(dev: net_device): ethtool_channels;
  set_channels?(dev: net_device, channels: ethtool_channels): number;
  get_pauseparam?(dev: net_device): ethtool_pauseparam;
  set_pauseparam?(dev: net_device, pause: ethtool_pauseparam): number;
  /** Names and values of `ethtool -S`, in the driver's order. */
  get_ethtool_stats?(dev: net_device): [name: string, value: number][];
  get_rxfh_indir_size?(dev: net_device): number;
  get_rxfh?(dev: net_device): ethtool_rxfh_param;
  set_rxfh?(dev: net_device, indir: readonly number[] | null, key: Uint8Array | null): number;
  get_ts_info?(dev: net_device): kernel_ethtool_ts_info;
  /** Names and results of `ethtool -t`, in the driver's order; sets ETH_TEST_FL_FAILED in `test.flags`. */
  self_test?(dev: net_device, test: ethtool_test): Sleeping<[name: string, result: number][]>;
}
