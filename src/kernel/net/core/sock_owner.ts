/**
 * net/core/sock.c, include/net/sock.h: who pays for an skb, and what happens when it is freed.
 * Sending: `skb_set_owner_w` → `sock_wfree`. Receiving: `skb_set_owner_r` → `sock_rfree`. Lookups done early: `sock_efree`.
 */
import { smp_processor_id } from '../../current.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { skb_orphan } from '../../include/linux/skbuff.ts';
import { SOCK_USE_WRITE_QUEUE, skb_set_hash_from_sk, type sock, sock_flag, sock_hold } from '../../include/net/sock.ts';
import { __sk_free, sock_put } from './sock_life.ts';
import { sk_mem_charge, sk_mem_uncharge } from './sock_mem.ts';

/** The skb counts against its sender's buffer until it is freed. */
export function skb_set_owner_w(skb: sk_buff, sk: sock): void {
  skb_orphan(skb);
  skb.sk = sk;
  skb.destructor = sock_wfree;
  skb_set_hash_from_sk(skb, sk);
  // This keeps the socket alive: its last user may leave while packets are on their way.
  sk.sk_wmem_alloc += skb.truesize;
}

/** Frees the room of a packet that has left. */
export function sock_wfree(skb: sk_buff): void {
  const sk = skb.sk as sock;
  let len = skb.truesize;
  if (!sock_flag(sk, SOCK_USE_WRITE_QUEUE)) {
    // One byte stays, so that the socket cannot vanish while its writer is woken.
    sk.sk_wmem_alloc -= len - 1;
    sk.sk_write_space(sk);
    len = 1;
  }
  sk.sk_wmem_alloc -= len;
  if (sk.sk_wmem_alloc === 0) __sk_free(sk);
}

/** As sock_wfree() for who wakes its writers itself (TCP's). */
export function __sock_wfree(skb: sk_buff): void {
  const sk = skb.sk as sock;
  sk.sk_wmem_alloc -= skb.truesize;
  if (sk.sk_wmem_alloc === 0) __sk_free(sk);
}

/** The skb counts against its receiver's buffer until it is read. */
export function skb_set_owner_r(skb: sk_buff, sk: sock): void {
  skb_orphan(skb);
  skb.sk = sk;
  skb.destructor = sock_rfree;
  sk.sk_rmem_alloc += skb.truesize;
  sk_mem_charge(sk, skb.truesize);
}

export function sock_rfree(skb: sk_buff): void {
  const sk = skb.sk as sock;
  const len = skb.truesize;
  sk.sk_rmem_alloc -= len;
  sk_mem_uncharge(sk, len);
}

/** An skb that merely holds its socket. */
export function sock_efree(skb: sk_buff): void {
  sock_put(skb.sk as sock);
}

/** False when the socket is about to go. */
export function skb_set_owner_sk_safe(skb: sk_buff, sk: sock | null): boolean {
  if (sk === null || sk.skc_refcnt === 0) return false;
  skb_orphan(skb);
  sock_hold(sk);
  skb.destructor = sock_efree;
  skb.sk = sk;
  return true;
}

/** Remembers on which CPU the socket's data arrive, for those who place flows. */
export function sk_incoming_cpu_update(sk: sock): void {
  sk.skc_incoming_cpu = smp_processor_id();
}
