/** include/net/route.h: flags of routes, and what they are asked with. */
import type { flowi4 } from './inet_sock.ts';

export const RTCF_REDIRECTED = 0x0004_0000;
export const RTCF_DOREDIRECT = 0x0100_0000;
export const RTCF_BROADCAST = 0x1000_0000;
export const RTCF_MULTICAST = 0x2000_0000;
/** C's 0x80000000, as it appears in a number of 32 bits with sign. */
export const RTCF_LOCAL = 0x8000_0000 | 0;

export const LOOPBACK_IFINDEX = 1;

export function flowi4_init_output(
  fl4: flowi4,
  oif: number,
  mark: number,
  tos: number,
  scope: number,
  proto: number,
  flags: number,
  daddr: number,
  saddr: number,
  dport: number,
  sport: number,
): void {
  fl4.flowi4_oif = oif;
  fl4.flowi4_iif = LOOPBACK_IFINDEX;
  fl4.flowi4_mark = mark;
  fl4.flowi4_tos = tos;
  fl4.flowi4_scope = scope;
  fl4.flowi4_proto = proto;
  fl4.flowi4_flags = flags;
  fl4.daddr = daddr;
  fl4.saddr = saddr;
  fl4.fl4_dport = dport;
  fl4.fl4_sport = sport;
}

export function flowi4_update_output(fl4: flowi4, oif: number, daddr: number, saddr: number): void {
  fl4.flowi4_oif = oif;
  fl4.daddr = daddr;
  fl4.saddr = saddr;
}

/** Sets every field to zero, as an initialiser does in C. */
export function flowi4Clear(fl4: flowi4): void {
  flowi4_init_output(fl4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  fl4.flowi4_iif = 0;
  fl4.fl4_icmp_type = 0;
  fl4.fl4_icmp_code = 0;
}
