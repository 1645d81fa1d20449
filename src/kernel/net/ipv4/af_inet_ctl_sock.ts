/** net/ipv4/af_inet.c: sockets that the kernel itself sends from (RSTs, ICMP): `inet_ctl_sock_create`. */
import { InvariantError } from '../../../sim/invariant.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import type { net } from '../../include/net/net_namespace.ts';
import type { sock } from '../../include/net/sock.ts';
import { sock_create_kern } from '../socket.ts';

/** The protocol must be in the family's switch already. Such a socket is never found by packets. */
export function inet_ctl_sock_create(network: net, family: number, type: number, protocol: number): sock {
  const sock = sock_create_kern(network, family, type, protocol);
  if (typeof sock === 'number') throw new InvariantError(`no control socket for protocol ${protocol}: error ${sock}`);
  const sk = sock.sk!;
  sk.sk_allocation = GFP_ATOMIC;
  sk.sk_use_task_frag = false;
  sk.skc_prot.unhash?.(sk);
  return sk;
}
