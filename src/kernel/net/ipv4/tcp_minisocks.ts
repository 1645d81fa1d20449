/**
 * net/ipv4/tcp_minisocks.c: the small stand-ins of connections that have no full socket. Cut by time of life:
 *
 * - tcp_minisocks_req: before they are established (tcp_openreq_init_rwin, tcp_check_req, tcp_create_openreq_child), above tcp_timer and tcp_output;
 * - tcp_minisocks_tw: after they are closed (tcp_time_wait, tcp_timewait_state_process), below tcp_timer;
 * - tcp_minisocks_child (not re-exported, it needs tcp_input): tcp_child_process.
 */
export * from './tcp_minisocks_req.ts';
export * from './tcp_minisocks_tw.ts';
