/**
 * net/ipv4/devinet.c: the IPv4 side of devices, and addresses.
 * `inetdev_init` when a device appears; `inet_rtm_newaddr` → `inet_insert_ifa` → inetaddr_chain (routes: fib_inetaddr_event);
 * `__ip_dev_find`, `inet_select_addr`, `inet_confirm_addr` for those who ask.
 */
import {
  IFA_F_PERMANENT,
  IFA_F_SECONDARY,
  IN_DEV_ARP_NOTIFY,
  in_device,
  in_ifaddr,
  inet_ifa_match,
  ipv4_devconf,
} from '../../include/linux/inetdevice.ts';
import { IFF_LOOPBACK, NETDEV_DOWN, NETDEV_UP, type net_device } from '../../include/linux/netdevice.ts';
import { RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from '../../include/net/ip_fib.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { EADDRNOTAVAIL, EEXIST, EINVAL, ENODEV } from '../../uapi/errno.ts';
import { INADDR_LOOPBACK } from '../../uapi/in.ts';
import { neigh_parms_alloc, neigh_parms_release } from '../core/neighbour_table.ts';

const IN4_ADDR_HSIZE_SHIFT = 8;
const IN4_ADDR_HSIZE = 1 << IN4_ADDR_HSIZE_SHIFT;
const GOLDEN_RATIO_32 = 0x61c8_8647;

export function devinet_init(network: net): void {
  for (let i = 0; i < IN4_ADDR_HSIZE; i++) network.ipv4.inet_addr_lst.push([]);
}

function inet_addr_hash(_network: net, addr: number): number {
  return Math.imul(addr, GOLDEN_RATIO_32) >>> (32 - IN4_ADDR_HSIZE_SHIFT);
}

/** The local address `addr`, if this host has it. */
export function inet_lookup_ifaddr_rcu(network: net, addr: number): in_ifaddr | null {
  const chain = network.ipv4.inet_addr_lst[inet_addr_hash(network, addr)]!;
  for (let i = 0; i < chain.length; i++) if (chain[i]!.ifa_local === addr) return chain[i]!;
  return null;
}

/** The device that has the address. A route of type local counts, too (`ip route add local`); that is fib_frontend's to say. */
export function __ip_dev_find(network: net, addr: number, _devref: boolean): net_device | null {
  const ifa = inet_lookup_ifaddr_rcu(network, addr);
  if (ifa !== null) return ifa.ifa_dev.dev;
  return network.ipv4.localRouteDevice?.(network, addr) ?? null;
}

export const ip_dev_find = (network: net, addr: number): net_device | null => __ip_dev_find(network, addr, true);

/* Devices */

/** NETDEV_REGISTER: from here on the device can have addresses. */
export function inetdev_init(dev: net_device): in_device {
  const { nd_net } = dev;
  const cnf = Object.assign(new ipv4_devconf(), nd_net.ipv4.devconf_dflt);
  const in_dev = new in_device(dev, neigh_parms_alloc(dev, nd_net.arp_tbl), cnf);
  dev.ip_ptr = in_dev;
  return in_dev;
}

export function inetdev_destroy(in_dev: in_device): void {
  for (const ifa of in_dev.ifa_list.slice()) inet_del_ifa(in_dev, ifa);
  neigh_parms_release(in_dev.dev.nd_net.arp_tbl, in_dev.arp_parms);
  in_dev.dev.ip_ptr = null;
}

/** A device that comes up: loopback gets its address by itself; others may announce theirs (arp_notify). */
export function inetdev_up(dev: net_device): void {
  const in_dev = dev.ip_ptr;
  if (in_dev === null) return;
  if ((dev.flags & IFF_LOOPBACK) !== 0 && in_dev.ifa_list.length === 0)
    inet_insert_ifa(new in_ifaddr(in_dev, INADDR_LOOPBACK, 8, 0, RT_SCOPE_HOST));
}

export const inetdevAnnounces = (in_dev: in_device): boolean => IN_DEV_ARP_NOTIFY(in_dev);

/* Addresses */

/** `ip address add|del`: struct ifaddrmsg with its attributes. */
export interface ifaddrmsg {
  dev: net_device;
  ifa_local: number;
  ifa_prefixlen: number;
  /** The peer, on point-to-point links. */
  ifa_address?: number;
  ifa_broadcast?: number;
  ifa_scope?: number;
  ifa_flags?: number;
}

/** Adds an address. `ip address add` gives no broadcast address unless it is told one or `brd +`. */
export function inet_rtm_newaddr(msg: ifaddrmsg): number {
  const in_dev = msg.dev.ip_ptr;
  if (in_dev === null) return -ENODEV;
  if (msg.ifa_prefixlen < 0 || msg.ifa_prefixlen > 32) return -EINVAL;
  const scope = msg.ifa_scope ?? RT_SCOPE_UNIVERSE;
  const ifa = new in_ifaddr(in_dev, msg.ifa_local, msg.ifa_prefixlen, msg.ifa_broadcast ?? 0, scope, msg.ifa_address ?? msg.ifa_local);
  ifa.ifa_flags = (msg.ifa_flags ?? 0) | IFA_F_PERMANENT;
  return inet_insert_ifa(ifa);
}

export function inet_rtm_deladdr(msg: ifaddrmsg): number {
  const in_dev = msg.dev.ip_ptr;
  if (in_dev === null) return -ENODEV;
  const ifa = in_dev.ifa_list.find((at) => at.ifa_local === msg.ifa_local && at.ifa_prefixlen === msg.ifa_prefixlen);
  if (ifa === undefined) return -EADDRNOTAVAIL;
  inet_del_ifa(in_dev, ifa);
  return 0;
}

/** Puts an address on its device: behind the primary ones of its scope, secondary if its subnet has one already. */
export function inet_insert_ifa(ifa: in_ifaddr): number {
  const list = ifa.ifa_dev.ifa_list;
  if (ifa.ifa_local === 0) return 0;
  ifa.ifa_flags &= ~IFA_F_SECONDARY;
  for (const other of list) {
    if (other.ifa_mask !== ifa.ifa_mask || !inet_ifa_match(ifa.ifa_address, other)) continue;
    if (other.ifa_local === ifa.ifa_local) return -EEXIST;
    if (other.ifa_scope !== ifa.ifa_scope) return -EINVAL;
    ifa.ifa_flags |= IFA_F_SECONDARY;
  }
  list.splice(insertionPoint(list, ifa), 0, ifa);
  const network = ifa.ifa_dev.dev.nd_net;
  network.ipv4.inet_addr_lst[inet_addr_hash(network, ifa.ifa_local)]!.push(ifa);
  notify(network, NETDEV_UP, ifa);
  return 0;
}

function insertionPoint(list: readonly in_ifaddr[], ifa: in_ifaddr): number {
  if ((ifa.ifa_flags & IFA_F_SECONDARY) !== 0) return list.length;
  let at = 0;
  for (let i = 0; i < list.length; i++) {
    const other = list[i]!;
    if ((other.ifa_flags & IFA_F_SECONDARY) === 0 && ifa.ifa_scope <= other.ifa_scope) at = i + 1;
  }
  return at;
}

/** Without promote_secondaries, secondary addresses go with the primary one of their subnet. */
function inet_del_ifa(in_dev: in_device, ifa: in_ifaddr): void {
  const { nd_net } = in_dev.dev;
  const promote = in_dev.cnf.promote_secondaries !== 0 || nd_net.ipv4.devconf_all.promote_secondaries !== 0;
  const primary = (ifa.ifa_flags & IFA_F_SECONDARY) === 0;
  const dependent = in_dev.ifa_list.filter(
    (at) => primary && (at.ifa_flags & IFA_F_SECONDARY) !== 0 && at.ifa_mask === ifa.ifa_mask && inet_ifa_match(at.ifa_address, ifa),
  );
  if (!promote) for (const secondary of dependent) removeOne(nd_net, in_dev, secondary);
  removeOne(nd_net, in_dev, ifa);
  const heir = promote ? dependent[0] : undefined;
  if (heir === undefined) return;
  removeOne(nd_net, in_dev, heir);
  heir.ifa_flags &= ~IFA_F_SECONDARY;
  inet_insert_ifa(heir);
}

function removeOne(network: net, in_dev: in_device, ifa: in_ifaddr): void {
  drop(in_dev.ifa_list, ifa);
  drop(network.ipv4.inet_addr_lst[inet_addr_hash(network, ifa.ifa_local)]!, ifa);
  notify(network, NETDEV_DOWN, ifa);
}

function drop<T>(list: T[], item: T): void {
  const index = list.indexOf(item);
  if (index >= 0) list.splice(index, 1);
}

function notify(network: net, event: number, ifa: in_ifaddr): void {
  for (const listener of network.ipv4.inetaddr_chain) listener(event, ifa);
}

/* Questions */

/** An address of `dev` to send from to `dst`, of at most `scope`: one in the destination's subnet if there is, else the first; 0 if none fits. */
export function inet_select_addr(dev: net_device, dst: number, scope: number): number {
  const in_dev = dev.ip_ptr;
  const found = in_dev === null ? 0 : selectFrom(in_dev, dst, scope);
  if (found !== 0) return found;
  // An unnumbered device borrows another one's address.
  for (const other of dev.nd_net.dev_base) {
    if (other.ip_ptr === null) continue;
    const first = other.ip_ptr.ifa_list.find((ifa) => ifa.ifa_scope !== RT_SCOPE_LINK && ifa.ifa_scope <= scope);
    if (first !== undefined && (first.ifa_flags & IFA_F_SECONDARY) === 0) return first.ifa_local;
  }
  return 0;
}

function selectFrom(in_dev: in_device, dst: number, scope: number): number {
  const localnet_scope = in_dev.cnf.route_localnet !== 0 ? RT_SCOPE_LINK : RT_SCOPE_HOST;
  let addr = 0;
  for (const ifa of in_dev.ifa_list) {
    if ((ifa.ifa_flags & IFA_F_SECONDARY) !== 0) continue;
    if (Math.min(ifa.ifa_scope, localnet_scope) > scope) continue;
    if (dst === 0 || inet_ifa_match(dst, ifa)) return ifa.ifa_local;
    if (addr === 0) addr = ifa.ifa_local;
  }
  return addr;
}

/** Is `local` (0: any) an address here, of at most `scope`, in whose subnet `dst` (0: any) is? Returns it, or 0. `in_dev` null: on any device. */
export function inet_confirm_addr(network: net, in_dev: in_device | null, dst: number, local: number, scope: number): number {
  if (in_dev !== null) return confirm_addr_indev(in_dev, dst, local, scope);
  for (const dev of network.dev_base) {
    const found = dev.ip_ptr === null ? 0 : confirm_addr_indev(dev.ip_ptr, dst, local, scope);
    if (found !== 0) return found;
  }
  return 0;
}

function confirm_addr_indev(in_dev: in_device, dst: number, local: number, scope: number): number {
  const localnet_scope = in_dev.cnf.route_localnet !== 0 ? RT_SCOPE_LINK : RT_SCOPE_HOST;
  let addr = 0;
  let same = false;
  for (const ifa of in_dev.ifa_list) {
    const min_scope = Math.min(ifa.ifa_scope, localnet_scope);
    if (addr === 0 && (local === ifa.ifa_local || local === 0) && min_scope <= scope) {
      addr = ifa.ifa_local;
      if (same) break;
    }
    if (same) continue;
    same = (local === 0 || inet_ifa_match(local, ifa)) && (dst === 0 || inet_ifa_match(dst, ifa));
    if (!same || addr === 0) continue;
    if (local !== 0 || dst === 0 || inet_ifa_match(addr, ifa)) break;
    if (min_scope <= scope) {
      addr = ifa.ifa_local;
      break;
    }
    same = false;
  }
  return same ? addr : 0;
}

/** Are both in one subnet of the device? */
export function inet_addr_onlink(in_dev: in_device, a: number, b: number): boolean {
  return in_dev.ifa_list.some(
    (ifa) => (ifa.ifa_flags & IFA_F_SECONDARY) === 0 && inet_ifa_match(a, ifa) && (b === 0 || inet_ifa_match(b, ifa)),
  );
}

/** net.ipv4.ip_forward: sets the switch of every device, and what hosts and routers do differently. The caller flushes the route cache. */
export function inet_forward_change(network: net, on: number): void {
  network.ipv4.sysctl_ip_forward = on;
  network.ipv4.devconf_all.forwarding = on;
  network.ipv4.devconf_all.accept_redirects = on === 0 ? 1 : 0;
  network.ipv4.devconf_dflt.forwarding = on;
  for (const dev of network.dev_base) if (dev.ip_ptr !== null) dev.ip_ptr.cnf.forwarding = on;
  network.ipv4.rt_genid++;
}
