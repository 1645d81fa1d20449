/** net/ipv4/ip_options.c: options of packets that go out (RFC 791 3.1): those that go back to who sent some, and those of fragments. */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { IP_HLEN, ip_hdr } from '../../include/net/ip.ts';
import { RTN_UNICAST } from '../../include/net/ip_fib.ts';
import type { net } from '../../include/net/net_namespace.ts';
import {
  IPOPT_COPY,
  IPOPT_END,
  IPOPT_NOOP,
  IPOPT_RR,
  IPOPT_TIMESTAMP,
  IPOPT_TS_PRESPEC,
  IPOPT_TS_TSANDADDR,
  IPOPT_TS_TSONLY,
} from '../../uapi/ip.ts';
import { inet_current_timestamp } from './af_inet_time.ts';
import { inet_addr_type } from './fib_frontend.ts';

/** A header has 60 octets at most. */
export const MAX_OPTIONS = 40;

/** Most packets have none. */
const NO_OPTIONS = new Uint8Array(0);

/**
 * The options that an answer to a received packet has: its record of the route, then its timestamps, with the next free place empty; filled up to whole words.
 * Null, and no answer, when one of them goes on but has no room for another address or time. Linux: `__ip_options_echo`, less what `ip_options_undo` takes back.
 */
export function ip_options_echo(network: net, skb: sk_buff): Uint8Array | null {
  if (skb.ip_opt_len === 0) return NO_OPTIONS;
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

/** The IP options of a SYN, as all packets of the connection will carry them back; null when there are none, or none that can be. */
export function tcp_v4_save_options(network: net, skb: sk_buff): Uint8Array | null {
  const opt = ip_options_echo(network, skb);
  return opt === null || opt.length === 0 ? null : opt;
}

/** Puts options of `ip_options_echo` or `ip_options_get` behind the IP header, with this host's address and time in their free places. */
export function ip_options_build(network: net, skb: sk_buff, opt: Uint8Array): void {
  const { u8, view } = skb.mem;
  const base = skb.network_header + IP_HLEN;
  u8.set(opt, base);
  for (let at = base; at < base + opt.length && u8[at] !== IPOPT_END; at += u8[at] === IPOPT_NOOP ? 1 : u8[at + 1]!)
    if (u8[at] === IPOPT_RR || u8[at] === IPOPT_TIMESTAMP) fillNextPlace(network, view, at, ip_hdr(skb).saddr);
}

function fillNextPlace(network: net, view: DataView, at: number, saddr: number): void {
  const bytes = nextPlace(network, view, at);
  const pointer = view.getUint8(at + 2);
  if (bytes === 0 || pointer > view.getUint8(at + 1)) return;
  const place = at + pointer - 1;
  if (view.getUint8(at) === IPOPT_RR) view.setUint32(place, saddr);
  else {
    if (bytes === 8) view.setUint32(place, saddr);
    view.setUint32(place + bytes - 4, inet_current_timestamp());
  }
  view.setUint8(at + 2, pointer + bytes);
}

/** How many octets the next host writes into an option: an address, a time, or both, of which it may find its address there. 0: nothing that is for this host. */
function nextPlace(network: net, view: DataView, at: number): number {
  if (view.getUint8(at) === IPOPT_RR) return 4;
  switch (view.getUint8(at + 3) & 15) {
    case IPOPT_TS_TSONLY:
      return 4;
    case IPOPT_TS_TSANDADDR:
      return 8;
    case IPOPT_TS_PRESPEC: {
      const pointer = view.getUint8(at + 2);
      const isOwn = pointer + 7 <= view.getUint8(at + 1) && inet_addr_type(network, view.getUint32(at + pointer - 1)) !== RTN_UNICAST;
      return isOwn ? 8 : 0;
    }
    default:
      return 0;
  }
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

/** Where the next host writes, in an option that stands alone. False when there is room, but not enough. */
export function emptyNextPlace(network: net, option: Uint8Array): boolean {
  const bytes = nextPlace(network, new DataView(option.buffer, option.byteOffset), 0);
  const place = option[2]! - 1;
  const asked = option[0] === IPOPT_TIMESTAMP && (option[3]! & 15) === IPOPT_TS_PRESPEC;
  if (place >= option.length || (bytes === 0 && !asked)) return true;
  if (place + Math.max(bytes, 4) > option.length) return false;
  // An address that is asked for its time stays.
  option.fill(0, asked ? Math.min(place + 4, place + bytes) : place, place + bytes);
  return true;
}

/** Fragments but the first have only the options that say so in their first bit; no-operations stand in the others' places. */
export function ip_options_fragment(skb: sk_buff): void {
  const { u8 } = skb.mem;
  const end = skb.network_header + (ip_hdr(skb).version_ihl & 15) * 4;
  for (let at = skb.network_header + IP_HLEN; at < end && u8[at] !== IPOPT_END; ) {
    const length = u8[at] === IPOPT_NOOP ? 1 : u8[at + 1]!;
    if (length === 0 || at + length > end) return;
    if ((u8[at]! & IPOPT_COPY) === 0) u8.fill(IPOPT_NOOP, at, at + length);
    at += length;
  }
}
