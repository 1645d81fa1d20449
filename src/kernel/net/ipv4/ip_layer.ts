/**
 * The parts of net/ipv4/af_inet.c's inet_init() and of the notifiers that concern the network layer. Not a file of Linux: there each part is called
 * from its own place.
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
  type packet_type,
} from '../../include/linux/netdevice.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { ETH_P_IP } from '../../uapi/if_ether.ts';
import { dev_add_pack } from '../core/dev.ts';
import { register_netdevice_notifier } from '../core/dev_notifier.ts';
import { neigh_carrier_down } from '../core/neighbour.ts';
import { arp_ifdown, arp_init, arpChangeAddress } from './arp.ts';
import { devinet_init, inetdev_destroy, inetdev_init, inetdev_up } from './devinet.ts';
import { fib_disable_ip, fib_enable_ip, fibCarrierChange, ip_fib_init } from './fib_frontend.ts';
import { icmp_init } from './icmp.ts';
import { ip_forward } from './ip_forward.ts';
import { ipfrag_init } from './ip_fragment.ts';
import { ip_list_rcv, ip_local_deliver, ip_rcv } from './ip_input.ts';
import { ip_init } from './ip_output.ts';
import { rt_cache_flush } from './route.ts';

const ip_packet_type: packet_type = { type: ETH_P_IP, dev: null, func: ip_rcv, list_func: ip_list_rcv };

/** ARP, routing, IP, ICMP, reassembly: everything below sockets and transports. Before devices are registered, or after: both work. */
export function ipLayerInit(network: net): void {
  devinet_init(network);
  arp_init(network);
  ip_fib_init(network);
  ip_init(network);
  network.ipv4.entries.ip_local_deliver = ip_local_deliver;
  network.ipv4.entries.ip_forward = ip_forward;
  ipfrag_init(network);
  icmp_init(network);
  register_netdevice_notifier(network, ipLayerEvent);
  dev_add_pack(ip_packet_type);
}

/** inetdev_event(), fib_netdev_event(), arp_netdev_event(), in the order in which Linux calls them. */
function ipLayerEvent(event: number, dev: net_device): void {
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
