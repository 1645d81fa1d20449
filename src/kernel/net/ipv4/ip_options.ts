/**
 * net/ipv4/ip_options.c, ip_input.c: options of received IP headers (RFC 791 3.1). `ip_rcv_options` → `ip_options_compile`: checks them, and writes this
 * host's address and time where a record of the route or a timestamp has room. `ip_forward_options`: the header's checksum for what was written.
 *
 * Simplified: source routes are refused, as without net.ipv4.conf.*.accept_source_route and from programs, too, and a router alert is not handed to who
 * waits for it.
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
import { emptyNextPlace, MAX_OPTIONS } from './ip_options_output.ts';

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
  const base = skb.network_header;
  let spec_dst = 0;
  return compile(skb.mem.u8, base, base + IP_HLEN + skb.ip_opt_len, (at) => {
    spec_dst ||= fib_compute_spec_dst(skb, ip_hdr(skb).saddr, ip_hdr(skb).daddr);
    if (skb.mem.u8[at] === IPOPT_RR) recordRoute(skb, at, spec_dst);
    else timestamp(network, skb, at, spec_dst);
  });
}

/** Options that a program wants in its packets' headers, filled up to whole words; null when they make no sense, or are source routes. */
export function ip_options_get(network: net, data: Uint8Array): Uint8Array | null {
  if (data.length > MAX_OPTIONS) return null;
  const header = new Uint8Array(IP_HLEN + ((data.length + 3) & ~3));
  header.set(data, IP_HLEN);
  const opt = compile(header, 0, header.length, (at) => emptyNextPlace(network, header.subarray(at, at + header[at + 1]!)));
  return opt.pp !== 0 || opt.srr !== 0 ? null : header.subarray(IP_HLEN);
}

/** Checks the options of a header that begins at `base`, and does with each record of a route and each timestamp (`at`) what is to be done. */
function compile(u8: Uint8Array, base: number, end: number, each: (at: number) => void): ip_options {
  const opt = new ip_options();
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
    const bad = length < 2 || at + length > end ? 0 : badOctet(u8, at, length, at - base, opt);
    if (bad >= 0) {
      opt.pp = at + bad - base;
      opt.bad = at - base;
    } else if (u8[at] === IPOPT_RR || u8[at] === IPOPT_TIMESTAMP) each(at);
    at += length;
  }
  return opt;
}

/* One option each: -1, or which of its octets is wrong. Octet 2 points (counted from 1) to the next place in it. */

function badOctet(u8: Uint8Array, at: number, length: number, place: number, opt: ip_options): number {
  switch (u8[at]) {
    case IPOPT_LSRR:
    case IPOPT_SSRR:
      return sourceRoute(u8, at, length, place, opt);
    case IPOPT_RR:
      if (opt.rr !== 0) return 0;
      opt.rr = place;
      return badRecordRoute(u8, at, length);
    case IPOPT_TIMESTAMP:
      if (opt.ts !== 0) return 0;
      opt.ts = place;
      return badTimestamp(u8, at, length);
    case IPOPT_RA:
      return length < 4 ? 1 : -1;
    default:
      return -1;
  }
}

function sourceRoute(u8: Uint8Array, at: number, length: number, place: number, opt: ip_options): number {
  if (length < 3) return 1;
  if (u8[at + 2]! < 4) return 2;
  if (opt.srr !== 0) return 0;
  opt.srr = place;
  return -1;
}

function badRecordRoute(u8: Uint8Array, at: number, length: number): number {
  if (length < 3) return 1;
  const pointer = u8[at + 2]!;
  return pointer < 4 || (pointer <= length && pointer + 3 > length) ? 2 : -1;
}

function badTimestamp(u8: Uint8Array, at: number, length: number): number {
  if (length < 4) return 1;
  const pointer = u8[at + 2]!;
  const flag = u8[at + 3]! & 15;
  if (pointer < 5) return 2;
  // Hosts that find no room count themselves in four bits.
  if (pointer > length) return flag !== IPOPT_TS_PRESPEC && u8[at + 3]! >> 4 === 15 ? 3 : -1;
  const needed = flag === IPOPT_TS_TSANDADDR || flag === IPOPT_TS_PRESPEC ? 8 : 4;
  return pointer + needed - 1 > length ? 2 : -1;
}

/* What a host that a packet comes to writes into it. */

function recordRoute(skb: sk_buff, at: number, spec_dst: number): void {
  const { u8, view } = skb.mem;
  const pointer = u8[at + 2]!;
  if (pointer > u8[at + 1]!) return;
  view.setUint32(at + pointer - 1, spec_dst);
  u8[at + 2] = pointer + 4;
}

function timestamp(network: net, skb: sk_buff, at: number, spec_dst: number): void {
  const { u8, view } = skb.mem;
  const flag = u8[at + 3]! & 15;
  if (u8[at + 2]! > u8[at + 1]!) {
    if (flag !== IPOPT_TS_PRESPEC) u8[at + 3]! += 16;
    return;
  }
  let place = at + u8[at + 2]! - 1;
  if (flag !== IPOPT_TS_TSONLY) {
    if (flag !== IPOPT_TS_TSANDADDR && flag !== IPOPT_TS_PRESPEC) return;
    if (flag === IPOPT_TS_TSANDADDR) view.setUint32(place, spec_dst);
    // The stamp is asked of the host with that address only.
    else if (inet_addr_type(network, view.getUint32(place)) === RTN_UNICAST) return;
    place += 4;
  }
  view.setUint32(place, inet_current_timestamp());
  u8[at + 2] = place + 5 - at;
}

/** A packet that goes on: what was written counts in the header's checksum. */
export function ip_forward_options(skb: sk_buff): void {
  ip_send_check(ip_hdr(skb));
}
