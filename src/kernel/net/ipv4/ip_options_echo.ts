/** net/ipv4/ip_options.c: the options that go back to who sent some (RFC 791 3.1). A file of its own, because ip_options.ts sends ICMP and this does not. */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { IP_HLEN } from '../../include/net/ip.ts';
import { RTN_UNICAST } from '../../include/net/ip_fib.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { IPOPT_END, IPOPT_NOOP, IPOPT_RR, IPOPT_TIMESTAMP, IPOPT_TS_PRESPEC, IPOPT_TS_TSANDADDR, IPOPT_TS_TSONLY } from '../../uapi/ip.ts';
import { inet_addr_type } from './fib_frontend.ts';

/** A header has 60 octets at most. */
const MAX_OPTIONS = 40;

/**
 * The options that an answer to a received packet would have, as IP_RETOPTS shows them: record of the route, then timestamps, with the next free place empty; filled
 * up to whole words. Linux: `__ip_options_echo` and `ip_options_undo`. Null when a record goes on but has no room for another address or time.
 */
export function ip_options_echo(network: net, skb: sk_buff): Uint8Array | null {
  const echo = new Uint8Array(MAX_OPTIONS);
  let length = 0;
  for (const kind of [IPOPT_RR, IPOPT_TIMESTAMP]) {
    const option = optionOf(skb, kind);
    if (option === null) continue;
    if (!emptyNextPlace(network, option)) return null;
    echo.set(option, length);
    length += option.length;
  }
  return echo.subarray(0, (length + 3) & ~3);
}

/** A copy of the first option of a kind in a header that has passed `ip_options_compile`; null when there is none. */
function optionOf(skb: sk_buff, kind: number): Uint8Array | null {
  const { u8 } = skb.mem;
  const end = skb.network_header + IP_HLEN + skb.ip_opt_len;
  for (let at = skb.network_header + IP_HLEN; at < end && u8[at] !== IPOPT_END; at += u8[at] === IPOPT_NOOP ? 1 : u8[at + 1]!) {
    if (u8[at] === kind) return u8.slice(at, at + u8[at + 1]!);
  }
  return null;
}

/** Where the next host writes. False when there is room, but not enough. */
function emptyNextPlace(network: net, option: Uint8Array): boolean {
  const pointer = option[2]!;
  if (pointer > option.length) return true;
  const flag = option[0] === IPOPT_RR ? IPOPT_TS_TSONLY : option[3]! & 15;
  const bytes = flag === IPOPT_TS_TSANDADDR ? 8 : 4;
  if (pointer + bytes - 1 > option.length) return false;
  if (flag !== IPOPT_TS_PRESPEC) option.fill(0, pointer - 1, pointer - 1 + bytes);
  else if (pointer + 7 <= option.length && isOwn(network, option, pointer - 1)) option.fill(0, pointer + 3, pointer + 7);
  return true;
}

function isOwn(network: net, option: Uint8Array, at: number): boolean {
  return inet_addr_type(network, new DataView(option.buffer, option.byteOffset).getUint32(at)) !== RTN_UNICAST;
}
