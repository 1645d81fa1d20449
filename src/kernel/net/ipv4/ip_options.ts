/**
 * net/ipv4/ip_options.c, ip_input.c: options of received IP headers (RFC 791 3.1). `ip_rcv_options` → `ip_options_compile`: checks them, and writes this
 * host's address and time where a record of the route or a timestamp has room. `ip_forward_options`: the header's checksum for what was written.
 *
 * Simplified: source routes are refused, as without net.ipv4.conf.*.accept_source_route, and a router alert is not handed to who waits for it.
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { SKB_DROP_REASON_IP_INHDR, SKB_DROP_REASON_NOT_SPECIFIED, SKB_NOT_DROPPED_YET } from '../../include/net/dropreason.ts';
import { icmp_send } from '../../include/net/icmp.ts';
import { IP_HLEN, ip_hdr, ip_send_check } from '../../include/net/ip.ts';
import { RTN_UNICAST } from '../../include/net/ip_fib.ts';
import { __IP_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import { ICMP_PARAMETERPROB } from '../../uapi/in.ts';
import {
  IPOPT_END,
  IPOPT_LSRR,
  IPOPT_NOOP,
  IPOPT_RA,
  IPOPT_RR,
  IPOPT_SSRR,
  IPOPT_TIMESTAMP,
  IPOPT_TS_PRESPEC,
  IPOPT_TS_TSANDADDR,
  IPOPT_TS_TSONLY,
} from '../../uapi/ip.ts';
import { IPSTATS_MIB_INDISCARDS, IPSTATS_MIB_INHDRERRORS } from '../../uapi/snmp.ts';
import { skb_cow } from '../core/skbuff_reshape.ts';
import { inet_current_timestamp } from './af_inet_time.ts';
import { fib_compute_spec_dst, inet_addr_type } from './fib_frontend.ts';

/** Where options of a header are (0: absent). The first octet that makes no sense is `pp`, in the option at `bad`. */
class ip_options {
  srr = 0;
  rr = 0;
  ts = 0;
  pp = 0;
  bad = 0;
}

/** A drop reason, or SKB_NOT_DROPPED_YET. */
export function ip_rcv_options(network: net, skb: sk_buff): number {
  // Addresses and times are written into the header, which others may look at, too.
  if (skb_cow(skb, 0) !== 0) {
    __IP_INC_STATS(network, IPSTATS_MIB_INDISCARDS);
    return SKB_DROP_REASON_NOT_SPECIFIED;
  }
  const iph = ip_hdr(skb);
  skb.ip_opt_len = (iph.version_ihl & 15) * 4 - IP_HLEN;
  const opt = ip_options_compile(network, skb);
  if (opt.pp !== 0) {
    // The error carries back what was right so far.
    skb.ip_opt_len = opt.bad - IP_HLEN;
    icmp_send(skb, ICMP_PARAMETERPROB, 0, (opt.pp << 24) >>> 0);
    __IP_INC_STATS(network, IPSTATS_MIB_INHDRERRORS);
    return SKB_DROP_REASON_IP_INHDR;
  }
  return opt.srr !== 0 ? SKB_DROP_REASON_NOT_SPECIFIED : SKB_NOT_DROPPED_YET;
}

function ip_options_compile(network: net, skb: sk_buff): ip_options {
  const { u8 } = skb.mem;
  const base = skb.network_header;
  const opt = new ip_options();
  const end = base + IP_HLEN + skb.ip_opt_len;
  let spec_dst = 0;
  for (let at = base + IP_HLEN; at < end && opt.pp === 0; ) {
    if (u8[at] === IPOPT_END) {
      u8.fill(IPOPT_END, at, end);
      break;
    }
    if (u8[at] === IPOPT_NOOP) {
      at++;
      continue;
    }
    const length = at + 1 < end ? u8[at + 1]! : 0;
    let bad = -1;
    if (length < 2 || at + length > end) bad = 0;
    else if (u8[at] === IPOPT_LSRR || u8[at] === IPOPT_SSRR) bad = sourceRoute(u8, at, length, opt, base);
    else if (u8[at] === IPOPT_RR || u8[at] === IPOPT_TIMESTAMP) {
      spec_dst ||= fib_compute_spec_dst(skb, ip_hdr(skb).saddr, ip_hdr(skb).daddr);
      bad = u8[at] === IPOPT_RR ? recordRoute(skb, at, length, opt, spec_dst) : timestamp(network, skb, at, length, opt, spec_dst);
    } else if (u8[at] === IPOPT_RA) bad = length < 4 ? 1 : -1;
    if (bad >= 0) {
      opt.pp = at + bad - base;
      opt.bad = at - base;
    }
    at += length;
  }
  return opt;
}

/* One option each: -1, or which of its octets is wrong. Octet 2 points (counted from 1) to the next place in it. */

function sourceRoute(u8: Uint8Array, at: number, length: number, opt: ip_options, base: number): number {
  if (length < 3) return 1;
  if (u8[at + 2]! < 4) return 2;
  if (opt.srr !== 0) return 0;
  opt.srr = at - base;
  return -1;
}

function recordRoute(skb: sk_buff, at: number, length: number, opt: ip_options, spec_dst: number): number {
  const { u8, view } = skb.mem;
  if (opt.rr !== 0) return 0;
  if (length < 3) return 1;
  const pointer = u8[at + 2]!;
  if (pointer < 4) return 2;
  if (pointer <= length) {
    if (pointer + 3 > length) return 2;
    view.setUint32(at + pointer - 1, spec_dst);
    u8[at + 2] = pointer + 4;
  }
  opt.rr = at - skb.network_header;
  return -1;
}

function timestamp(network: net, skb: sk_buff, at: number, length: number, opt: ip_options, spec_dst: number): number {
  const { u8 } = skb.mem;
  if (opt.ts !== 0) return 0;
  if (length < 4) return 1;
  if (u8[at + 2]! < 5) return 2;
  const bad = u8[at + 2]! <= length ? writeStamp(network, skb, at, length, spec_dst) : countOverflow(u8, at);
  if (bad < 0) opt.ts = at - skb.network_header;
  return bad;
}

function writeStamp(network: net, skb: sk_buff, at: number, length: number, spec_dst: number): number {
  const { u8, view } = skb.mem;
  const pointer = u8[at + 2]!;
  const flag = u8[at + 3]! & 15;
  if (pointer + 3 > length) return 2;
  let place = at + pointer - 1;
  if (flag !== IPOPT_TS_TSONLY) {
    if (flag !== IPOPT_TS_TSANDADDR && flag !== IPOPT_TS_PRESPEC) return -1;
    if (pointer + 7 > length) return 2;
    if (flag === IPOPT_TS_TSANDADDR) view.setUint32(place, spec_dst);
    // The stamp is asked of the host with that address only.
    else if (inet_addr_type(network, view.getUint32(place)) === RTN_UNICAST) return -1;
    place += 4;
  }
  view.setUint32(place, inet_current_timestamp());
  u8[at + 2] = place + 5 - at;
  return -1;
}

/** No room left: hosts that could not write count themselves in four bits. */
function countOverflow(u8: Uint8Array, at: number): number {
  const flags = u8[at + 3]!;
  if ((flags & 15) === IPOPT_TS_PRESPEC) return -1;
  if (flags >> 4 === 15) return 3;
  u8[at + 3] = flags + 16;
  return -1;
}

/** A packet that goes on: what was written counts in the header's checksum. */
export function ip_forward_options(skb: sk_buff): void {
  ip_send_check(ip_hdr(skb));
}
