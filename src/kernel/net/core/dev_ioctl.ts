/**
 * net/core/dev_ioctl.c: ioctls of network devices: SIOCSHWTSTAMP and SIOCGHWTSTAMP (`dev_set_hwtstamp`, `dev_get_hwtstamp`), by which a program switches the
 * device's time stamping on.
 */
import type { net } from '../../include/net/net_namespace.ts';
import { EINVAL, ENODEV, ENOIOCTLCMD, EOPNOTSUPP, ERANGE } from '../../uapi/errno.ts';
import { __HWTSTAMP_FILTER_CNT, __HWTSTAMP_TX_CNT, type hwtstamp_config } from '../../uapi/net_tstamp.ts';
import { SIOCGHWTSTAMP, SIOCSHWTSTAMP } from '../../uapi/socket.ts';

/** struct ifreq, as far as it is used: `ifr_data` points to the request's own structure. */
export interface ifreq {
  ifr_name: string;
  ifr_data: hwtstamp_config;
}

export function dev_ioctl(network: net, cmd: number, ifr: ifreq | undefined): number {
  if (cmd !== SIOCSHWTSTAMP && cmd !== SIOCGHWTSTAMP) return -ENOIOCTLCMD;
  if (ifr === undefined) return -EINVAL;
  const dev = network.dev_by_name.get(ifr.ifr_name);
  if (dev === undefined) return -ENODEV;
  const { ndo_hwtstamp_get, ndo_hwtstamp_set } = dev.netdev_ops;
  if (ndo_hwtstamp_get === undefined || ndo_hwtstamp_set === undefined) return -EOPNOTSUPP;
  if (cmd === SIOCGHWTSTAMP) return ndo_hwtstamp_get(dev, ifr.ifr_data);
  const bad = net_hwtstamp_validate(ifr.ifr_data);
  return bad !== 0 ? bad : ndo_hwtstamp_set(dev, ifr.ifr_data);
}

function net_hwtstamp_validate({ flags, tx_type, rx_filter }: hwtstamp_config): number {
  if (flags !== 0) return -EINVAL;
  const known = tx_type >= 0 && tx_type < __HWTSTAMP_TX_CNT && rx_filter >= 0 && rx_filter < __HWTSTAMP_FILTER_CNT;
  return known ? 0 : -ERANGE;
}
