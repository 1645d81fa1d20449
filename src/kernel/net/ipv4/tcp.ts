/**
 * net/ipv4/tcp.c: TCP's system calls, all of them under one name. It is cut into
 *
 *  - tcp_init: the protocol's start and a fresh socket (tcp_init, tcp_init_sock);
 *  - tcp_sendmsg: sending (tcp_sendmsg, tcp_push, tcp_splice_eof);
 *  - tcp_recvmsg: receiving (tcp_recvmsg, tcp_read_sock, tcp_splice_read, tcp_cleanup_rbuf, tcp_set_rcvlowat);
 *  - tcp_poll: tcp_poll, tcp_ioctl, tcp_stream_memory_free;
 *  - tcp_close: shutdown, close, disconnect, abort, orphans;
 *  - tcp_sockopt: socket options;
 *  - tcp_info: struct tcp_info;
 * and, below tcp_output and tcp_input, tcp_state (states, queues, timers) and tcp_mem (memory of the sending side).
 */
export * from './tcp_close.ts';
export * from './tcp_info.ts';
export * from './tcp_init.ts';
export * from './tcp_mem.ts';
export * from './tcp_poll.ts';
export * from './tcp_recvmsg.ts';
export * from './tcp_sendmsg.ts';
export * from './tcp_sockopt.ts';
export * from './tcp_sockopt_get.ts';
export * from './tcp_state.ts';
