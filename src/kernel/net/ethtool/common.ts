/** net/ethtool/common.c: the key of receive side scaling. */
import { kernel } from '../../current.ts';

export const NETDEV_RSS_KEY_LEN = 52;

/** The host's one key (sysctl net.core.netdev_rss_key): random, made when it is first asked for. */
export function netdev_rss_key(): Uint8Array {
  let key = kernel().netdev_rss_key;
  if (key === null) {
    key = new Uint8Array(NETDEV_RSS_KEY_LEN);
    kernel().random.fill(key);
    kernel().netdev_rss_key = key;
  }
  return key;
}

/** Fills a device's key from its beginning. */
export function netdev_rss_key_fill(buffer: Uint8Array): void {
  buffer.set(netdev_rss_key().subarray(0, buffer.length));
}
