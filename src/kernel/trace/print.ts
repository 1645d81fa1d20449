/** How the kernel's printk formats look: pointers, addresses, symbols. */
import type { sock } from '../include/net/sock.ts';
import { tcp_state_names } from '../uapi/tcp.ts';

/** Whatever has an address in the kernel: it is given when the object is made, so that it never depends on who looks. */
export interface Addressed {
  readonly address: number;
}

const NULL_POINTER = '0000000000000000';

/** %p: sixteen hex digits. */
export const pointer = (object: Addressed | null): string =>
  object === null ? NULL_POINTER : `ffff8880${object.address.toString(16).padStart(8, '0')}`;
/** %pI4 */
export const pI4 = (address: number): string => `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
/** %pI6c of an IPv4-mapped address. */
export const pI6c = (address: number): string => `::ffff:${pI4(address)}`;
/** %pISpc */
export const pISpc = (address: number, port: number): string => `${pI4(address)}:${port}`;
/** %#x: 0 stays 0. */
export const alternateHex = (value: number): string => (value === 0 ? '0' : `0x${value.toString(16)}`);
export const hex4 = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`;
export const hex8 = (value: number): string => `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
export const bit = (value: boolean): string => (value ? '1' : '0');
export const stateName = (state: number): string => tcp_state_names[state] || String(state);
export const hexBytes = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

const protocolNames: Readonly<Record<number, string>> = { 6: 'IPPROTO_TCP', 132: 'IPPROTO_SCTP', 262: 'IPPROTO_MPTCP' };
/** __print_symbolic over the protocols that the sock events know; others are hex numbers. */
export const protocolName = (protocol: number): string => protocolNames[protocol] ?? `0x${protocol.toString(16)}`;

/** Ports and addresses of a socket, as most tcp and sock events have them in the middle. */
export const endpoints = (sk: { skc_num: number; skc_dport: number; skc_rcv_saddr: number; skc_daddr: number }): string =>
  `sport=${sk.skc_num} dport=${sk.skc_dport} saddr=${pI4(sk.skc_rcv_saddr)} daddr=${pI4(sk.skc_daddr)} saddrv6=${pI6c(sk.skc_rcv_saddr)} daddrv6=${pI6c(sk.skc_daddr)}`;

export const cookie = (sk: sock): string => sk.skc_cookie.toString(16);
