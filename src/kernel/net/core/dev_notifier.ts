/** net/core/dev.c: who wants to know what happens to devices. `register_netdevice_notifier` … `call_netdevice_notifiers`. */
import { NETDEV_REGISTER, NETDEV_UP, type net_device, type netdevice_notifier, netif_running } from '../../include/linux/netdevice.ts';
import type { net } from '../../include/net/net_namespace.ts';

/** Tells `notifier` of everything from now on, and of the devices that there are. */
export function register_netdevice_notifier(network: net, notifier: netdevice_notifier): void {
  network.netdev_chain.push(notifier);
  for (const dev of network.dev_base) {
    notifier(NETDEV_REGISTER, dev);
    if (netif_running(dev)) notifier(NETDEV_UP, dev);
  }
}

export function unregister_netdevice_notifier(network: net, notifier: netdevice_notifier): void {
  const index = network.netdev_chain.indexOf(notifier);
  if (index >= 0) network.netdev_chain.splice(index, 1);
}

export function call_netdevice_notifiers(event: number, dev: net_device): void {
  const chain = dev.nd_net.netdev_chain;
  for (let i = 0; i < chain.length; i++) chain[i]!(event, dev);
}
