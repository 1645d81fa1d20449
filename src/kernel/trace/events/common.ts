/** Fields and arguments that events of several systems share. */
import type { sock } from '../../include/net/sock.ts';
import { tcp_state_names } from '../../uapi/tcp.ts';
import { named, rows, symbolic } from '../print_argument.ts';
import type { TraceRecord } from '../trace_record.ts';

export const AF_INET = 2;
const families = rows({ 2: 'AF_INET', 10: 'AF_INET6' });
export const family = symbolic('family', families);
export const protocol = symbolic('protocol', rows({ 6: 'IPPROTO_TCP', 132: 'IPPROTO_SCTP', 262: 'IPPROTO_MPTCP' }));

/** The states that the tracepoints know: the last one is newer than they are. */
const states = tcp_state_names.slice(0, 13);
/** Events of tcp name the states by their constants, those of sock by their numbers. */
export const namedStates = named(states, (_value, name) => name);
export const numberedStates = named(states);

/** Ports and addresses, as most tcp and sock events have them in the middle. */
export const ENDPOINT_PORTS = '__u16 sport; __u16 dport; __u16 family';
export const ENDPOINT_ADDRESSES = '__u8 saddr[4]; __u8 daddr[4]; __u8 saddr_v6[16]; __u8 daddr_v6[16]';
export const ENDPOINT_PRINT = 'sport=%hu dport=%hu saddr=%pI4 daddr=%pI4 saddrv6=%pI6c daddrv6=%pI6c';
export const ENDPOINT_ARGUMENTS = ['sport', 'dport', 'saddr', 'daddr', 'saddr_v6', 'daddr_v6'] as const;

/** What both sockets and requests for one have. */
export type Endpoints = Pick<sock, 'skc_num' | 'skc_dport' | 'skc_rcv_saddr' | 'skc_daddr'>;

export function putPorts(record: TraceRecord, sk: Endpoints): void {
  record.u16(sk.skc_num);
  record.u16(sk.skc_dport);
  record.u16(AF_INET);
}

export function putAddresses(record: TraceRecord, sk: Endpoints): void {
  record.ip4(sk.skc_rcv_saddr);
  record.ip4(sk.skc_daddr);
  record.ip6Mapped(sk.skc_rcv_saddr);
  record.ip6Mapped(sk.skc_daddr);
}

/** A pair of sockaddrs, of the socket and of its peer. */
export function putSocketAddresses(record: TraceRecord, sk: Endpoints): void {
  record.socketAddress(sk.skc_rcv_saddr, sk.skc_num);
  record.socketAddress(sk.skc_daddr, sk.skc_dport);
}
