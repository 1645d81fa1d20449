/** include/net/tcp.h, include/uapi/linux/tcp.h: keys of signed connections (RFC 2385). */
import { AF_INET } from '../../uapi/socket.ts';
import { tcp_sk } from '../linux/tcp.ts';
import { type sock, sock_net } from './sock.ts';

export const TCP_MD5SIG_MAXKEYLEN = 80;
export const TCP_MD5SIG_FLAG_PREFIX = 1;
export const TCP_MD5SIG_FLAG_IFINDEX = 2;

/** What setsockopt(TCP_MD5SIG, TCP_MD5SIG_EXT) takes. Flags, prefix and device count with TCP_MD5SIG_EXT only. */
export interface tcp_md5sig {
  readonly tcpm_family: number;
  readonly tcpm_addr: number;
  readonly tcpm_flags: number;
  readonly tcpm_prefixlen: number;
  /** Empty: the key for this peer goes. */
  readonly tcpm_key: Uint8Array;
  readonly tcpm_ifindex: number;
}

/** What a key takes of the socket's option memory. */
export const sizeOfMd5Key = 136;

/** A key for the peers in `addr`/`prefixlen`. */
export class tcp_md5sig_key {
  key: Uint8Array;
  readonly family = AF_INET;
  readonly addr: number;
  readonly prefixlen: number;

  constructor(addr: number, prefixlen: number, key: Uint8Array) {
    this.addr = addr;
    this.prefixlen = prefixlen;
    this.key = key;
  }

  get keylen(): number {
    return this.key.length;
  }
}

/** The keys of a socket, the latest first. */
export class tcp_md5sig_info {
  readonly head: tcp_md5sig_key[] = [];
}

const inet_make_mask = (length: number): number => (length === 0 ? 0 : -1 << (32 - length));

/** The key for the peer with the longest prefix; null when segments of this socket with it aren't signed. */
export function tcp_md5_do_lookup(sk: sock, addr: number): tcp_md5sig_key | null {
  return sock_net(sk).ipv4.tcp_md5_needed ? __tcp_md5_do_lookup(sk, addr) : null;
}

function __tcp_md5_do_lookup(sk: sock, addr: number): tcp_md5sig_key | null {
  const md5sig = tcp_sk(sk).md5sig_info;
  if (md5sig === null) return null;
  let best: tcp_md5sig_key | null = null;
  for (const key of md5sig.head)
    if (((key.addr ^ addr) & inet_make_mask(key.prefixlen)) === 0 && (best === null || best.prefixlen < key.prefixlen)) best = key;
  return best;
}

/** The key for the peer of `addr_sk`, of which `sk` may be the listener. */
export const tcp_v4_md5_lookup = (sk: sock, addr_sk: sock): tcp_md5sig_key | null => tcp_md5_do_lookup(sk, addr_sk.skc_daddr);
