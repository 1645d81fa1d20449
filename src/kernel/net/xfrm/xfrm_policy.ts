/** net/xfrm/xfrm_policy.c: IPsec policies. There are none here, so every lookup gives back the route it was given. */
import type { dst_entry } from '../../include/net/dst.ts';

export function xfrm_lookup_route(dst_orig: dst_entry): dst_entry {
  return xfrm_lookup_with_ifid(dst_orig);
}

export function xfrm_lookup(dst_orig: dst_entry): dst_entry {
  return xfrm_lookup_with_ifid(dst_orig);
}

function xfrm_lookup_with_ifid(dst_orig: dst_entry): dst_entry {
  return dst_orig;
}
