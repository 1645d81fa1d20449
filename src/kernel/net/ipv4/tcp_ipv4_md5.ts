/**
 * net/ipv4/tcp_ipv4.c: TCP-MD5 (RFC 2385). Keys come by setsockopt (`tcp_v4_parse_md5_keys` → `tcp_md5_do_add`, `tcp_md5_do_del`), are copied to
 * accepted connections (`tcp_md5_key_copy`) and sign what goes out (`tcp_v4_md5_hash_skb`, `tcp_v4_md5_hash_hdr`); tcp_ipv4_auth.ts checks what comes in.
 *
 * The digest covers pseudo header, header without options and with checksum 0, data, key.
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  sizeOfMd5Key,
  TCP_MD5SIG_FLAG_IFINDEX,
  TCP_MD5SIG_FLAG_PREFIX,
  TCP_MD5SIG_MAXKEYLEN,
  type tcp_md5sig,
  tcp_md5sig_info,
  tcp_md5sig_key,
} from '../../include/net/tcp_md5sig.ts';
import { md5_ctx, md5_final, md5_update } from '../../lib/crypto/md5.ts';
import { EINVAL, ENOENT, ENOMEM } from '../../uapi/errno.ts';
import { IPPROTO_TCP, tcphdr } from '../../uapi/in.ts';
import { AF_INET } from '../../uapi/socket.ts';
import { TCP_MD5SIG_EXT } from '../../uapi/tcp.ts';
import { skb_copy_bits } from '../core/skbuff_bits.ts';
import { sk_gso_disable } from '../core/sock_dst.ts';

const WHOLE_ADDRESS = 32;
const PSEUDO_HEADER = 12;
/** struct tcp_md5sig of the x86-64 ABI, and where its fields are. */
const STRUCT_BYTES = 216;
const KEYLEN_AT = 130;
const KEY_AT = 136;

/* Keys */

/** struct tcp_md5sig as a program passes it: sockaddr_storage, flags, prefix length, key length, device, key. Null when it is shorter. */
export function md5sigOf(value: Uint8Array): tcp_md5sig | null {
  if (value.length < STRUCT_BYTES) return null;
  const view = new DataView(value.buffer, value.byteOffset, STRUCT_BYTES);
  const keylen = view.getUint16(KEYLEN_AT, true);
  return {
    tcpm_family: view.getUint16(0, true),
    tcpm_addr: view.getUint32(4),
    tcpm_flags: view.getUint8(128),
    tcpm_prefixlen: view.getUint8(129),
    tcpm_ifindex: view.getInt32(132, true),
    // A key length beyond the structure is found out by its being too long.
    tcpm_key: keylen > TCP_MD5SIG_MAXKEYLEN ? new Uint8Array(keylen) : value.slice(KEY_AT, KEY_AT + keylen),
  };
}

/** TCP_MD5SIG, TCP_MD5SIG_EXT: 0, -EINVAL, -ENOENT (no such key to delete), -ENOMEM (net.core.optmem_max). */
export function tcp_v4_parse_md5_keys(sk: sock, optname: number, cmd: tcp_md5sig): number {
  if (cmd.tcpm_family !== AF_INET) return -EINVAL;
  const flags = optname === TCP_MD5SIG_EXT ? cmd.tcpm_flags : 0;
  const prefixlen = (flags & TCP_MD5SIG_FLAG_PREFIX) !== 0 ? cmd.tcpm_prefixlen : WHOLE_ADDRESS;
  if (prefixlen > WHOLE_ADDRESS) return -EINVAL;
  // A device must be the master of an L3 domain (VRF), and there is none.
  if ((flags & TCP_MD5SIG_FLAG_IFINDEX) !== 0 && cmd.tcpm_ifindex !== 0) return -EINVAL;
  if (cmd.tcpm_key.length === 0) return tcp_md5_do_del(sk, cmd.tcpm_addr, prefixlen);
  if (cmd.tcpm_key.length > TCP_MD5SIG_MAXKEYLEN) return -EINVAL;
  return tcp_md5_do_add(sk, cmd.tcpm_addr, prefixlen, cmd.tcpm_key);
}

const tcp_md5_do_lookup_exact = (sk: sock, addr: number, prefixlen: number): tcp_md5sig_key | undefined =>
  tcp_sk(sk).md5sig_info?.head.find((key: tcp_md5sig_key) => key.addr === addr && key.prefixlen === prefixlen);

export function tcp_md5_do_add(sk: sock, addr: number, prefixlen: number, newkey: Uint8Array): number {
  const old = tcp_md5_do_lookup_exact(sk, addr, prefixlen);
  if (old !== undefined) {
    old.key = newkey;
    return 0;
  }
  if (sk.sk_omem_alloc + sizeOfMd5Key >= sock_net(sk).core.sysctl_optmem_max) return -ENOMEM;
  sk.sk_omem_alloc += sizeOfMd5Key;
  sock_net(sk).ipv4.tcp_md5_needed = true;
  const tp = tcp_sk(sk);
  if (tp.md5sig_info === null) {
    // Each segment is signed by itself, so the device can't make several of one.
    sk_gso_disable(sk);
    tp.md5sig_info = new tcp_md5sig_info();
  }
  tp.md5sig_info.head.unshift(new tcp_md5sig_key(addr, prefixlen, newkey));
  return 0;
}

export function tcp_md5_do_del(sk: sock, addr: number, prefixlen: number): number {
  const key = tcp_md5_do_lookup_exact(sk, addr, prefixlen);
  if (key === undefined) return -ENOENT;
  const head = tcp_sk(sk).md5sig_info!.head;
  head.splice(head.indexOf(key), 1);
  sk.sk_omem_alloc -= sizeOfMd5Key;
  return 0;
}

/** An accepted connection has the listener's key, for its peer alone. */
export function tcp_md5_key_copy(sk: sock, addr: number, key: tcp_md5sig_key): void {
  tcp_md5_do_add(sk, addr, WHOLE_ADDRESS, key.key);
}

/** The socket is gone, and its keys. */
export function tcp_md5_destruct_sock(sk: sock): void {
  const tp = tcp_sk(sk);
  if (tp.md5sig_info === null) return;
  sk.sk_omem_alloc -= tp.md5sig_info.head.length * sizeOfMd5Key;
  tp.md5sig_info = null;
}

/* Digests */

function tcp_v4_md5_hash_headers(ctx: md5_ctx, saddr: number, daddr: number, header: Uint8Array, at: number, nbytes: number): void {
  const front = new Uint8Array(PSEUDO_HEADER + tcphdr.size);
  const view = new DataView(front.buffer);
  view.setUint32(0, saddr);
  view.setUint32(4, daddr);
  view.setUint16(8, IPPROTO_TCP);
  view.setUint16(10, nbytes);
  front.set(header.subarray(at, at + tcphdr.size), PSEUDO_HEADER);
  view.setUint16(PSEUDO_HEADER + tcphdr.offset.check, 0);
  md5_update(ctx, front, 0, front.length);
}

const tcp_md5_hash_key = (ctx: md5_ctx, { key }: tcp_md5sig_key): void => md5_update(ctx, key, 0, key.length);

/** Signs a segment without data, `header` being all of it: the digest is written at `at`. */
export function tcp_v4_md5_hash_hdr(header: Uint8Array, at: number, key: tcp_md5sig_key, saddr: number, daddr: number): void {
  const ctx = new md5_ctx();
  tcp_v4_md5_hash_headers(ctx, saddr, daddr, header, 0, header.length);
  tcp_md5_hash_key(ctx, key);
  md5_final(ctx, header, at);
}

/** The digest of a segment from `saddr` to `daddr`, written to `out` at `at`. */
export function tcp_v4_md5_hash_skb(out: Uint8Array, at: number, key: tcp_md5sig_key, saddr: number, daddr: number, skb: sk_buff): void {
  const ctx = new md5_ctx();
  const start = skb.transport_header;
  const length = skb.len - (start - skb.data);
  tcp_v4_md5_hash_headers(ctx, saddr, daddr, skb.mem.u8, start, length);
  const doff = (skb.mem.u8[start + 12]! >> 4) << 2;
  const data = new Uint8Array(length - doff);
  skb_copy_bits(skb, start - skb.data + doff, data, 0, data.length);
  md5_update(ctx, data, 0, data.length);
  tcp_md5_hash_key(ctx, key);
  md5_final(ctx, out, at);
}
