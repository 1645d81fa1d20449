/**
 * net/ipv4/icmp.c: how many messages may be sent: `icmpv4_global_allow` for the host, then, when it is known where to, `icmpv4_xrlim_allow` for the destination.
 */
import { kernel } from '../../current.ts';
import { IFF_LOOPBACK } from '../../include/linux/netdevice.ts';
import type { rtable } from '../../include/net/dst.ts';
import type { flowi4 } from '../../include/net/inet_sock.ts';
import { l3mdev_master_ifindex_rcu } from '../../include/net/l3mdev.ts';
import { ICMP_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import { HZ, jiffies } from '../../kernel/time/timer.ts';
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, NR_ICMP_TYPES } from '../../uapi/in.ts';
import { ICMP_MIB_RATELIMITGLOBAL, ICMP_MIB_RATELIMITHOST } from '../../uapi/snmp.ts';
import { inet_getpeer_v4, inet_peer_xrlim_allow } from './inetpeer.ts';

/** What net.ipv4.icmp_ratemask does not name is not limited, nor is path MTU discovery. */
export function icmpv4_mask_allow(network: net, type: number, code: number): boolean {
  if (type > NR_ICMP_TYPES) return true;
  if (type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED) return true;
  return ((1 << type) & network.ipv4.sysctl_icmp_ratemask) === 0;
}

/** The host's limit: icmp_msgs_per_sec, with icmp_msgs_burst saved up. */
export function icmp_global_allow(network: net): boolean {
  const { ipv4 } = network;
  if (ipv4.icmp_global_credit > 0) return true;
  const now = jiffies();
  const delta = Math.min(now - ipv4.icmp_global_stamp, HZ());
  if (delta < HZ() / 50) return false;
  const incr = Math.floor((ipv4.sysctl_icmp_msgs_per_sec * delta) / HZ());
  if (incr === 0) return false;
  ipv4.icmp_global_stamp = now;
  ipv4.icmp_global_credit = Math.min(ipv4.icmp_global_credit + incr, ipv4.sysctl_icmp_msgs_burst);
  return true;
}

/** One token on average; how many exactly must not be known, or the limit could be used to probe us (SAD DNS). */
export function icmp_global_consume(network: net): void {
  network.ipv4.icmp_global_credit -= kernel().random.below(3);
}

export function icmpv4_global_allow(network: net, type: number, code: number): boolean {
  if (icmpv4_mask_allow(network, type, code)) return true;
  if (icmp_global_allow(network)) return true;
  ICMP_INC_STATS(network, ICMP_MIB_RATELIMITGLOBAL);
  return false;
}

/** The limit for one destination; `fl4.daddr` is who gets the message. */
export function icmpv4_xrlim_allow(network: net, rt: rtable, fl4: flowi4, type: number, code: number, apply_ratelimit: boolean): boolean {
  if (icmpv4_mask_allow(network, type, code)) return true;
  if ((rt.dev.flags & IFF_LOOPBACK) !== 0) return true;
  l3mdev_master_ifindex_rcu(rt.dev);
  const allowed = inet_peer_xrlim_allow(inet_getpeer_v4(network, fl4.daddr), network.ipv4.sysctl_icmp_ratelimit);
  if (!allowed) ICMP_INC_STATS(network, ICMP_MIB_RATELIMITHOST);
  else if (apply_ratelimit) icmp_global_consume(network);
  return allowed;
}
