/** net/ipv4/af_inet.c: the last act of an Internet socket: `inet_sock_destruct`. What is still queued is freed and the accounts must be even. */
import { InvariantError } from '../../../sim/invariant.ts';
import { dst_release } from '../../include/net/dst.ts';
import { SOCK_DEAD, type sock, sock_flag } from '../../include/net/sock.ts';
import { SOCK_STREAM } from '../../uapi/socket.ts';
import { TCP_CLOSE } from '../../uapi/tcp.ts';
import { skb_queue_purge } from '../core/skbuff_free.ts';
import { sk_mem_reclaim_final } from '../core/sock_mem.ts';

export function inet_sock_destruct(sk: sock): void {
  skb_queue_purge(sk.sk_receive_queue);
  skb_queue_purge(sk.sk_error_queue);
  sk_mem_reclaim_final(sk);
  checkAlive(sk);
  checkAccounts(sk);
  dst_release(sk.sk_dst_cache);
  dst_release(sk.sk_rx_dst);
  sk.sk_dst_cache = sk.sk_rx_dst = null;
}

function checkAlive(sk: sock): void {
  if (sk.sk_type === SOCK_STREAM && sk.skc_state !== TCP_CLOSE)
    throw new InvariantError(`${describe(sk)} destroyed in state ${sk.skc_state}`);
  if (!sock_flag(sk, SOCK_DEAD)) throw new InvariantError(`${describe(sk)} destroyed while it has a user`);
}

/** Where Linux warns, a bug is reported. */
function checkAccounts(sk: sock): void {
  if (sk.sk_rmem_alloc !== 0 || sk.sk_wmem_alloc !== 0 || sk.sk_wmem_queued !== 0 || sk.sk_forward_alloc !== 0)
    throw new InvariantError(
      `${describe(sk)} destroyed with rmem ${sk.sk_rmem_alloc}, wmem ${sk.sk_wmem_alloc}, wmem_queued ${sk.sk_wmem_queued}, ` +
        `forward_alloc ${sk.sk_forward_alloc}`,
    );
}

const describe = (sk: sock): string => `socket ${sk.skc_prot.name} :${sk.skc_num} of ${sk.skc_net.kernel.hostname}`;
