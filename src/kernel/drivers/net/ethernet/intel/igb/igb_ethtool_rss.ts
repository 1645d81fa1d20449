/**
 * drivers/net/ethernet/intel/igb/igb_ethtool.c: the redirection table of receive side scaling (`ethtool -x`, `-X`). The key cannot be read or set through
 * this driver; it is the host's (net.core.netdev_rss_key).
 */
import type { ethtool_rxfh_param } from '../../../../../include/linux/ethtool.ts';
import { type net_device, netdev_priv } from '../../../../../include/linux/netdevice.ts';
import { EINVAL, EOPNOTSUPP } from '../../../../../uapi/errno.ts';
import { IGB_RETA_SIZE, type igb_adapter } from './igb.ts';
import { igb_write_rss_indir_tbl } from './igb_main_config.ts';

export const igb_get_rxfh_indir_size = (_dev: net_device): number => IGB_RETA_SIZE;

export function igb_get_rxfh(dev: net_device): ethtool_rxfh_param {
  const { rss_indir_tbl, num_rx_queues } = netdev_priv<igb_adapter>(dev);
  return { hfunc: 'toeplitz', indir: [...rss_indir_tbl], key: null, rings: num_rx_queues };
}

/** The queues of all entries; every one of them must exist. */
export function igb_set_rxfh(dev: net_device, indir: readonly number[] | null, key: Uint8Array | null): number {
  const adapter = netdev_priv<igb_adapter>(dev);
  if (key !== null) return -EOPNOTSUPP;
  if (indir === null) return 0;
  if (indir.length !== IGB_RETA_SIZE || indir.some((queue) => queue < 0 || queue >= adapter.rss_queues)) return -EINVAL;
  adapter.rss_indir_tbl.set(indir);
  igb_write_rss_indir_tbl(adapter);
  return 0;
}
