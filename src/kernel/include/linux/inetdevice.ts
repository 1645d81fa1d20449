/** include/linux/inetdevice.h: the IPv4 side of a device. */

import type { neigh_parms } from '../net/neighbour.ts';
import type { net_device } from './netdevice.ts';

export class in_ifaddr {
  readonly ifa_dev: in_device;
  readonly ifa_local: number;
  readonly ifa_address: number;
  readonly ifa_mask: number;
  readonly ifa_prefixlen: number;
  readonly ifa_broadcast: number;
  readonly ifa_scope: number;
  readonly ifa_label: string;
  ifa_flags = 0x80;

  constructor(ifa_dev: in_device, local: number, prefixlen: number, broadcast: number, scope: number) {
    this.ifa_dev = ifa_dev;
    this.ifa_local = local;
    this.ifa_address = local;
    this.ifa_prefixlen = prefixlen;
    this.ifa_mask = prefixlen === 0 ? 0 : (0xffff_ffff << (32 - prefixlen)) >>> 0;
    this.ifa_broadcast = broadcast;
    this.ifa_scope = scope;
    this.ifa_label = ifa_dev.dev.name;
  }
}

/** net.ipv4.conf.DEV.* */
export class ipv4_devconf {
  forwarding = 0;
  rp_filter = 0;
  accept_redirects = 1;
  send_redirects = 1;
  accept_source_route = 0;
  log_martians = 0;
  arp_filter = 0;
  arp_announce = 0;
  arp_ignore = 0;
  arp_accept = 0;
  arp_notify = 0;
  proxy_arp = 0;
  route_localnet = 0;
  accept_local = 0;
  src_valid_mark = 0;
  shared_media = 1;
}

export class in_device {
  readonly dev: net_device;
  readonly ifa_list: in_ifaddr[] = [];
  readonly arp_parms: neigh_parms;
  readonly cnf: ipv4_devconf;

  constructor(dev: net_device, arp_parms: neigh_parms, cnf: ipv4_devconf) {
    this.dev = dev;
    this.arp_parms = arp_parms;
    this.cnf = cnf;
  }
}

export const __in_dev_get_rcu = (dev: net_device): in_device | null => dev.ip_ptr;
export const inet_ifa_match = (addr: number, ifa: in_ifaddr): boolean => ((addr ^ ifa.ifa_address) & ifa.ifa_mask) === 0;
