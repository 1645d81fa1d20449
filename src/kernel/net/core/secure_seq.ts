/**
 * net/core/secure_seq.c: initial sequence numbers (RFC 6528), timestamp offsets and where the search for an ephemeral port starts
 * (RFC 6056, algorithm 4), all from a keyed hash of the addresses. The keys are drawn from the kernel's random stream when first needed.
 */
import { kernel } from '../../current.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { ktime_get_real } from '../../kernel/time/hrtimer.ts';
import { randomSiphashKey, siphash_2u32, siphash_3u32, type siphash_key_t } from '../../lib/siphash.ts';

function netSecret(network: net): siphash_key_t {
  network.ipv4.net_secret ??= randomSiphashKey(kernel().random);
  return network.ipv4.net_secret;
}

/** A clock of 64 ns: 32 bits overlap less than once per MSL even at 10 Gbit/s. */
const seq_scale = (hash: number): number => (hash + (Math.floor(ktime_get_real() / 64) % 0x1_0000_0000)) >>> 0;

export function secure_tcp_seq(saddr: number, daddr: number, sport: number, dport: number): number {
  const key = netSecret(kernel().init_net);
  return seq_scale(siphash_3u32(saddr, daddr, ((sport << 16) | dport) >>> 0, key));
}

/** 0 unless offsets are random (net.ipv4.tcp_timestamps = 1). */
export function secure_tcp_ts_off(network: net, saddr: number, daddr: number): number {
  if (network.ipv4.sysctl_tcp_timestamps !== 1) return 0;
  network.ipv4.ts_secret ??= randomSiphashKey(kernel().random);
  return siphash_2u32(saddr, daddr, network.ipv4.ts_secret);
}

/** Where the port search for a destination starts: the 64-bit hash, in the returned key's halves. */
export function secure_ipv4_port_ephemeral(saddr: number, daddr: number, dport: number): siphash_key_t {
  const key = netSecret(kernel().init_net);
  siphash_3u32(saddr, daddr, dport, key);
  return key;
}
