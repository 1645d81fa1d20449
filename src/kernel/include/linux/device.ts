/** include/linux/device.h: what every device has, as far as messages and DMA need it. */
import { kernel } from '../../current.ts';

/** What messages need to know of a network device; its driver may have told which device it is on (SET_NETDEV_DEV). */
interface namedDevice {
  readonly name: string;
  readonly parent: device | null;
}

export class device {
  /** `0000:01:00.0`: what traces and messages call it. */
  readonly name: string;
  /** Name of the bound driver, for messages. */
  driverName = '';

  constructor(name: string) {
    this.name = name;
  }
}

export const dev_name = (dev: device): string => dev.name;

export function dev_info(dev: device, text: string): void {
  kernel().printk(`${dev.driverName} ${dev.name}: ${text}`);
}

export const dev_err = dev_info;
export const dev_warn = dev_info;

/** Names driver, bus address and interface, as far as there are any. */
export function netdev_info(dev: namedDevice, text: string): void {
  const parent = dev.parent === null ? '' : `${dev.parent.driverName} ${dev.parent.name} `;
  kernel().printk(`${parent}${dev.name}: ${text}`);
}

export const netdev_err = netdev_info;
export const netdev_warn = netdev_info;
export const netdev_crit = netdev_info;
