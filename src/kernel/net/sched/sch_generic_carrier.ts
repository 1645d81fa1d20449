/** net/sched/sch_generic.c: the driver says whether there is carrier: `netif_carrier_on`, `netif_carrier_off` → linkwatch. */
import { NETREG_UNINITIALIZED, type net_device, netif_running } from '../../include/linux/netdevice.ts';
import { linkwatch_fire_event } from '../core/link_watch.ts';
import { netdev_watchdog_up } from './sch_generic_watchdog.ts';

export function netif_carrier_on(dev: net_device): void {
  if (dev.carrier) return;
  dev.carrier = true;
  if (dev.reg_state === NETREG_UNINITIALIZED) return;
  dev.carrier_changes++;
  linkwatch_fire_event(dev);
  if (netif_running(dev)) netdev_watchdog_up(dev);
}

export function netif_carrier_off(dev: net_device): void {
  if (!dev.carrier) return;
  dev.carrier = false;
  if (dev.reg_state === NETREG_UNINITIALIZED) return;
  dev.carrier_changes++;
  linkwatch_fire_event(dev);
}
