/**
 * What happens to devices, as IPv4 sees it: net/ipv4/devinet.c's inetdev_event(), fib_frontend.c's fib_netdev_event() and arp.c's arp_netdev_event() in
 * one place, since they must be called in this order. Not a file of Linux: there each registers with a priority.
 */
import {
  NETDEV_CHANGE,
  NETDEV_CHANGEADDR,
  NETDEV_CHANGEMTU,
  NETDEV_DOWN,
  NETDEV_REGISTER,
  NETDEV_UNREGISTER,
  NETDEV_UP,
  type net_device,
} from '../../include/linux/netdevice.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { register_netdevice_notifier } from '../core/dev_notifier.ts';
import { neigh_carrier_down } from '../core/neighbour.ts';
import { arp_ifdown, arpChangeAddress } from './arp.ts';
import { inetdev_destroy, inetdev_init, inetdev_up } from './devinet.ts';
import { fib_disable_ip, fib_enable_ip, fibCarrierChange } from './fib_frontend.ts';
import { rt_cache_flush } from './route.ts';

/** Devices that are there already are announced at once. */
export function ipv4NetdevInit(network: net): void {
  register_netdevice_notifier(network, ipv4NetdevEvent);
}

/** inetdev_event(), fib_netdev_event(), arp_netdev_event(), in the order in which Linux calls them. */
function ipv4NetdevEvent(event: number, dev: net_device): void {
  switch (event) {
    case NETDEV_REGISTER:
      if (dev.ip_ptr === null) inetdev_init(dev);
      break;
    case NETDEV_UP:
      inetdev_up(dev);
      fib_enable_ip(dev);
      break;
    case NETDEV_DOWN:
      fib_disable_ip(dev, false);
      arp_ifdown(dev);
      break;
    case NETDEV_CHANGE:
      fibCarrierChange(dev);
      if (!dev.carrier) neigh_carrier_down(dev.nd_net.arp_tbl, dev);
      break;
    case NETDEV_CHANGEMTU:
      rt_cache_flush(dev.nd_net);
      break;
    case NETDEV_CHANGEADDR:
      arpChangeAddress(dev);
      break;
    case NETDEV_UNREGISTER:
      if (dev.ip_ptr !== null) inetdev_destroy(dev.ip_ptr);
      fib_disable_ip(dev, true);
      arp_ifdown(dev);
      break;
  }
}
