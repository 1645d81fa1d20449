/** include/linux/inetdevice.h: the IPv4 side of a device. */

import type { neigh_parms } from '../net/neighbour.ts';
import type { net_device } from './netdevice.ts';

export class in_ifaddr {
  readonly ifa_dev: in_device;
  readonly ifa_local: number;
  /** The peer's address on a point-to-point link; else the local one. */
  readonly ifa_address: number;
  readonly ifa_mask: number;
  readonly ifa_prefixlen: number;
  readonly ifa_broadcast: number;
  readonly ifa_scope: number;
  readonly ifa_label: string;
  ifa_flags = 0x80;

  constructor(ifa_dev: in_device, local: number, prefixlen: number, broadcast: number, scope: number, peer = local) {
    this.ifa_dev = ifa_dev;
    this.ifa_local = local;
    this.ifa_address = peer;
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
  secure_redirects = 1;
  bc_forwarding = 0;
  drop_unicast_in_l2_multicast = 0;
  drop_gratuitous_arp = 0;
  ignore_routes_with_linkdown = 0;
  promote_secondaries = 0;
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

/** ifa_flags */
export const IFA_F_SECONDARY = 0x01;
export const IFA_F_PERMANENT = 0x80;
export const IFA_F_NOPREFIXROUTE = 0x200;

const conf_all = (in_dev: in_device): ipv4_devconf => in_dev.dev.nd_net.ipv4.devconf_all;

/** Sysctls of a device combine with those of `all`: by and, by or, or by taking the greater. */
export const IN_DEV_FORWARD = (in_dev: in_device): boolean => in_dev.cnf.forwarding !== 0;
export const IN_DEV_RPFILTER = (in_dev: in_device): number => Math.max(conf_all(in_dev).rp_filter, in_dev.cnf.rp_filter);
export const IN_DEV_ARP_ANNOUNCE = (in_dev: in_device): number => Math.max(conf_all(in_dev).arp_announce, in_dev.cnf.arp_announce);
export const IN_DEV_ARP_IGNORE = (in_dev: in_device): number => Math.max(conf_all(in_dev).arp_ignore, in_dev.cnf.arp_ignore);
export const IN_DEV_ARP_ACCEPT = (in_dev: in_device): number => Math.max(conf_all(in_dev).arp_accept, in_dev.cnf.arp_accept);
export const IN_DEV_ARPFILTER = (in_dev: in_device): boolean => conf_all(in_dev).arp_filter !== 0 || in_dev.cnf.arp_filter !== 0;
export const IN_DEV_ARP_NOTIFY = (in_dev: in_device): boolean => conf_all(in_dev).arp_notify !== 0 || in_dev.cnf.arp_notify !== 0;
export const IN_DEV_PROXY_ARP = (in_dev: in_device): boolean => conf_all(in_dev).proxy_arp !== 0 || in_dev.cnf.proxy_arp !== 0;
export const IN_DEV_ACCEPT_LOCAL = (in_dev: in_device): boolean => conf_all(in_dev).accept_local !== 0 || in_dev.cnf.accept_local !== 0;
export const IN_DEV_SRC_VMARK = (in_dev: in_device): boolean => conf_all(in_dev).src_valid_mark !== 0 || in_dev.cnf.src_valid_mark !== 0;
export const IN_DEV_NET_ROUTE_LOCALNET = (in_dev: in_device): boolean =>
  conf_all(in_dev).route_localnet !== 0 || in_dev.cnf.route_localnet !== 0;
export const IN_DEV_LOG_MARTIANS = (in_dev: in_device): boolean => conf_all(in_dev).log_martians !== 0 || in_dev.cnf.log_martians !== 0;
export const IN_DEV_TX_REDIRECTS = (in_dev: in_device): boolean => conf_all(in_dev).send_redirects !== 0 || in_dev.cnf.send_redirects !== 0;
export const IN_DEV_SHARED_MEDIA = (in_dev: in_device): boolean => conf_all(in_dev).shared_media !== 0 || in_dev.cnf.shared_media !== 0;
export const IN_DEV_BFORWARD = (in_dev: in_device): boolean => conf_all(in_dev).bc_forwarding !== 0 && in_dev.cnf.bc_forwarding !== 0;
/** A router needs both to agree to redirects, a host either. */
export const IN_DEV_RX_REDIRECTS = (in_dev: in_device): boolean => {
  const all = conf_all(in_dev).accept_redirects !== 0;
  const own = in_dev.cnf.accept_redirects !== 0;
  return IN_DEV_FORWARD(in_dev) ? all && own : all || own;
};
export const inet_make_mask = (logmask: number): number => (logmask === 0 ? 0 : (0xffff_ffff << (32 - logmask)) >>> 0);
