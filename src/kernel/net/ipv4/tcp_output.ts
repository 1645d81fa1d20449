/**
 * net/ipv4/tcp_output.c: the sending side of TCP, all of it under one name. It is cut into
 *
 *  - tcp_output_options: which options a segment carries, and their bytes;
 *  - tcp_output_window: the window that is offered;
 *  - tcp_output_mss: MTU to segment size and back, MTU probing's state;
 *  - tcp_output_fragment: splitting, trimming and counting segments;
 *  - tcp_output_cwnd: congestion window validation and restart;
 *  - tcp_output_tso: how large packets are made, Nagle, deferral;
 *  - tcp_output_transmit: one segment becomes a packet and goes to IP;
 *  - tcp_output_wfree: the destructor that feeds TCP Small Queues;
 *  - tcp_output_event: what follows from new data having been sent;
 *  - tcp_output_write: the loop that sends what windows allow, with its pacing, small queues, loss probe timer;
 *  - tcp_output_probe: MTU probes;
 *  - tcp_output_retransmit: retransmission, collapsing, loss probes;
 *  - tcp_output_send: ACKs, FIN, RST, window probes;
 *  - tcp_output_connect: SYN, and SYN with data;
 *  - tcp_output_synack: SYN-ACK;
 *  - tcp_output_tsq: continuing a throttled socket;
 *  - tcp_output_release (not re-exported, it needs tcp_timer): what release_sock() finds deferred.
 *
 * Those files import each other downwards in this order (wfree, probe and retransmit above write); others import this one.
 */
export * from './tcp_output_connect.ts';
export * from './tcp_output_cwnd.ts';
export * from './tcp_output_event.ts';
export * from './tcp_output_fragment.ts';
export * from './tcp_output_mss.ts';
export * from './tcp_output_options.ts';
export * from './tcp_output_probe.ts';
export * from './tcp_output_retransmit.ts';
export * from './tcp_output_send.ts';
export * from './tcp_output_synack.ts';
export * from './tcp_output_transmit.ts';
export * from './tcp_output_tso.ts';
export * from './tcp_output_tsq.ts';
export * from './tcp_output_wfree.ts';
export * from './tcp_output_window.ts';
export * from './tcp_output_write.ts';
