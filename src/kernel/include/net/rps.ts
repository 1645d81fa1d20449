/**
 * include/net/rps.h, rps-types.h: receive flow steering: where the readers of flows run. `sock_rps_record_flow` notes it in a table by the flow's hash when
 * a program reads, writes or accepts; `get_rps_cpu` (net/core/dev_rps.ts) sends the flow's packets there.
 */
import { smp_processor_id } from '../../current.ts';
import { TCP_ESTABLISHED } from '../../uapi/tcp.ts';
import type { sk_buff } from '../linux/skbuff.ts';
import { type sock, sock_net } from './sock.ts';

export const RPS_NO_CPU = 0xffff;

/** Where a flow's packets go that come by one receive queue. */
export class rps_dev_flow {
  cpu = RPS_NO_CPU;
  /** The backlog's tail after the flow's last packet: once the head has passed it, none of the flow's packets waits there. */
  last_qtail = 0;
}

/** A receive queue's flows, by hash: rps_flow_cnt of them, a power of two. */
export class rps_dev_flow_table {
  readonly log: number;
  readonly flows: rps_dev_flow[] = [];

  constructor(log: number) {
    this.log = log;
    for (let i = 0; i < 2 ** log; i++) this.flows.push(new rps_dev_flow());
  }
}

/** The packet's hash is that of the socket's flow. */
export function sock_rps_save_rxhash(sk: sock, skb: sk_buff): void {
  sk.sk_rxhash = skb.hash;
}

/** This CPU is where the flow's reader runs. An entry is a CPU in its low bits and the hash in the others. */
function rps_record_sock_flow(sk: sock, table: Uint32Array): void {
  const hash = sk.sk_rxhash;
  if (hash === 0) return;
  const { rps_cpu_mask } = sock_net(sk).core;
  table[hash & (table.length - 1)] = (hash & ~rps_cpu_mask) | smp_processor_id();
}

/** Only of connections: that covers nearly all states in which it would be of use. */
export function sock_rps_record_flow(sk: sock): void {
  const table = sock_net(sk).core.rps_sock_flow_table;
  if (table !== null && sk.skc_state === TCP_ESTABLISHED) rps_record_sock_flow(sk, table);
}
