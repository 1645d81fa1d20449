/**
 * net/core/sock.c: what all sockets have in common. Cut by subject; this file is the name under which others know them all.
 *
 * - sock_life: `sk_alloc`, `sock_init_data`, references, `sk_free`, `sk_clone_lock`
 * - sock_lock: `lock_sock`, `release_sock`, backlog
 * - sock_queue: receive queue, waiting for data, buffers to send
 * - sock_owner: `skb_set_owner_w`/`_r` and what happens when such an skb is freed
 * - sock_mem: memory accounting; sock_frag: page fragments; sock_dst: the route
 * - sock_callbacks: `sk_data_ready` and friends, timers
 * - sock_getsockopt, sock_setsockopt: SOL_SOCKET (not here, since only net/socket.ts needs them); sock_edemux likewise
 */
export * from './sock_callbacks.ts';
export * from './sock_dst.ts';
export * from './sock_frag.ts';
export * from './sock_life.ts';
export * from './sock_lock.ts';
export * from './sock_mem.ts';
export * from './sock_owner.ts';
export * from './sock_queue.ts';
