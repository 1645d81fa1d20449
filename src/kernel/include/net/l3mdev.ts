/** include/net/l3mdev.h: devices that stand for a routing domain (VRF). There are none, so nothing belongs to one. */
import type { net_device } from '../linux/netdevice.ts';

/** The table of the domain that a device belongs to; 0: none. */
export function l3mdev_fib_table_rcu(_dev: net_device | null): number {
  return 0;
}

/** Index of the domain's device; 0: none. */
export function l3mdev_master_ifindex_rcu(_dev: net_device | null): number {
  return 0;
}
