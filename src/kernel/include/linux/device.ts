/** include/linux/device.h: what every device has, as far as messages and DMA need it. */
import { kernel } from '../../current.ts';

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
