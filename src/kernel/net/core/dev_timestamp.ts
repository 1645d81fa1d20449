/** net/core/dev.c: whether packets get a software stamp when they arrive: as long as any socket wants to know. */
import type { net } from '../../include/net/net_namespace.ts';

export function net_enable_timestamp(network: net): void {
  network.netstamp_needed++;
}

export function net_disable_timestamp(network: net): void {
  network.netstamp_needed--;
}
