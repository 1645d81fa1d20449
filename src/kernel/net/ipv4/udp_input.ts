/**
 * net/ipv4/udp.c: datagrams come in. `udp_rcv` → `__udp4_lib_rcv` → `udp_unicast_rcv_skb` → `udp_queue_rcv_skb` → `udp_queue_rcv_one_skb` →
 * `__udp_queue_rcv_skb` → `__udp_enqueue_schedule_skb`; and ICMP errors about datagrams sent: `udp_err` → `__udp4_lib_err`.
 */
import { this_cpu } from '../../../machine/cpu.ts';
import { trace } from '../../current.ts';
import { NETIF_F_SG } from '../../include/linux/netdevice.ts';
import {
  __skb_pull,
  __skb_push,
  __skb_queue_tail,
  CHECKSUM_NONE,
  SKB_GSO_UDP_L4,
  type sk_buff,
  skb_csum_unnecessary,
  skb_dst,
  skb_mac_header,
  skb_network_header,
  skb_orphan,
} from '../../include/linux/skbuff.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { udp_hdr, udp_sk } from '../../include/linux/udp.ts';
import {
  SKB_DROP_REASON_NO_SOCKET,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_PKT_TOO_SMALL,
  SKB_DROP_REASON_PROTO_MEM,
  SKB_DROP_REASON_SOCKET_RCVBUFF,
  SKB_DROP_REASON_UDP_CSUM,
} from '../../include/net/dropreason.ts';
import { skb_dst_drop } from '../../include/net/dst.ts';
import { icmp_err_convert, icmp_send } from '../../include/net/icmp.ts';
import { inet_sk } from '../../include/net/inet_sock.ts';
import { ICMP_INC_STATS, type net, UDP_INC_STATS } from '../../include/net/net_namespace.ts';
import { RTCF_BROADCAST, RTCF_MULTICAST } from '../../include/net/route.ts';
import { sock_rps_save_rxhash } from '../../include/net/rps.ts';
import { SK_MEM_RECV, SOCK_DEAD, type sock, sock_flag, sock_net } from '../../include/net/sock.ts';
import { csum_partial, csum_tcpudp_nofold } from '../../lib/checksum.ts';
import { EHOSTUNREACH, EMSGSIZE, ENOBUFS, ENOENT, ENOMEM, EPROTO } from '../../uapi/errno.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_PORT_UNREACH,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  IP_PMTUDISC_DONT,
  IPPROTO_UDP,
  iphdr,
  udphdr,
} from '../../uapi/in.ts';
import {
  ICMP_MIB_INERRORS,
  UDP_MIB_CSUMERRORS,
  UDP_MIB_IGNOREDMULTI,
  UDP_MIB_INERRORS,
  UDP_MIB_MEMERRORS,
  UDP_MIB_NOPORTS,
  UDP_MIB_RCVBUFERRORS,
} from '../../uapi/snmp.ts';
import { TCP_ESTABLISHED } from '../../uapi/tcp.ts';
import { __skb_gso_segment } from '../core/gso.ts';
import { skb_clone } from '../core/skbuff_clone.ts';
import { __skb_checksum_complete, pskb_trim_rcsum, skb_checksum_init_zero_check, skb_pull_rcsum } from '../core/skbuff_csum.ts';
import { consume_skb, kfree_skb, sk_skb_reason_drop } from '../core/skbuff_free.ts';
import { pskb_may_pull, skb_condense } from '../core/skbuff_reshape.ts';
import { sk_error_report } from '../core/sock_callbacks.ts';
import { __sk_mem_schedule } from '../core/sock_mem.ts';
import { sk_incoming_cpu_update } from '../core/sock_owner.ts';
import { sock_skb_set_dropcount } from '../core/sock_queue.ts';
import { ipv4_pktinfo_prepare } from './ip_sockglue.ts';
import { ip_icmp_error } from './ip_sockglue_error.ts';
import { ipv4_sk_redirect, ipv4_sk_update_pmtu } from './route.ts';
import { __udp_is_mcast_sock, __udp4_lib_lookup, udpSocketsOfPort } from './udp_table.ts';

const UDP_HLEN = 8;
const NR_ICMP_UNREACH = 15;
/** Answers of a reading that did not end in a socket's queue. */
const BAD_LENGTH = -1;
const BAD_CHECKSUM = -2;
const NO_HEADER = -3;

export const udp_rcv = (skb: sk_buff): number => __udp4_lib_rcv(skb, IPPROTO_UDP);

export function __udp4_lib_rcv(skb: sk_buff, proto: number): number {
  const network = skb.dev!.nd_net;
  const bad = pskb_may_pull(skb, UDP_HLEN) ? checkHeader(skb, proto) : NO_HEADER;
  if (bad !== 0) return dropBad(network, skb, null, bad);
  const iph = new iphdr(skb.mem.view, skb_network_header(skb));
  const uh = udp_hdr(skb);
  const dst = skb_dst(skb);
  if (dst !== null && (dst.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) !== 0)
    return __udp4_lib_mcast_deliver(network, skb, iph.saddr, uh.source, iph.daddr, uh.dest);
  const sk = __udp4_lib_lookup(network, iph.saddr, uh.source, iph.daddr, uh.dest, inet_iif(skb));
  if (sk !== null) return udp_unicast_rcv_skb(sk, skb);
  return noSocket(network, skb);
}

/** The interface that the packet came in by; for what this host sent to itself the loopback's. */
const inet_iif = (skb: sk_buff): number => skb_dst(skb)?.rt_iif || skb.skb_iif;

function checkHeader(skb: sk_buff, proto: number): number {
  const uh = udp_hdr(skb);
  const ulen = uh.len;
  if (ulen > skb.len || ulen < UDP_HLEN || pskb_trim_rcsum(skb, ulen) !== 0) return BAD_LENGTH;
  return udp4_csum_init(skb, proto) !== 0 ? BAD_CHECKSUM : 0;
}

const pseudoHeader = (skb: sk_buff, proto: number): number => {
  const iph = new iphdr(skb.mem.view, skb_network_header(skb));
  return csum_tcpudp_nofold(iph.saddr, iph.daddr, skb.len, proto, 0);
};

function udp4_csum_init(skb: sk_buff, proto: number): number {
  return skb_checksum_init_zero_check(skb, proto, udp_hdr(skb).check, pseudoHeader);
}

export const udp_lib_checksum_complete = (skb: sk_buff): number => (skb_csum_unnecessary(skb) ? 0 : __skb_checksum_complete(skb));

/** Nobody listens: the sender is told, if the datagram is sound. */
function noSocket(network: net, skb: sk_buff): number {
  if (udp_lib_checksum_complete(skb) !== 0) return dropBad(network, skb, null, BAD_CHECKSUM);
  UDP_INC_STATS(network, UDP_MIB_NOPORTS);
  icmp_send(skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
  sk_skb_reason_drop(null, skb, SKB_DROP_REASON_NO_SOCKET, '__udp4_lib_rcv');
  return 0;
}

function dropBad(network: net, skb: sk_buff, sk: sock | null, bad: number): number {
  if (bad === BAD_CHECKSUM) UDP_INC_STATS(network, UDP_MIB_CSUMERRORS);
  UDP_INC_STATS(network, UDP_MIB_INERRORS);
  const short = bad === NO_HEADER ? SKB_DROP_REASON_NOT_SPECIFIED : SKB_DROP_REASON_PKT_TOO_SMALL;
  const reason = bad === BAD_CHECKSUM ? SKB_DROP_REASON_UDP_CSUM : short;
  sk_skb_reason_drop(sk, skb, reason, '__udp4_lib_rcv');
  return 0;
}

/** A broadcast: every socket that hears it gets a copy, the last one the packet itself. */
function __udp4_lib_mcast_deliver(network: net, skb: sk_buff, saddr: number, sport: number, daddr: number, dport: number): number {
  const dif = inet_iif(skb);
  const receivers = udpSocketsOfPort(network, dport).filter((sk) => __udp_is_mcast_sock(sk, saddr, sport, daddr, dif));
  for (const sk of receivers.slice(1)) {
    const copy = skb_clone(skb, GFP_ATOMIC);
    if (copy === null) {
      sk.sk_drops++;
      UDP_INC_STATS(network, UDP_MIB_RCVBUFERRORS);
      UDP_INC_STATS(network, UDP_MIB_INERRORS);
    } else udp_queue_rcv_skb(sk, copy);
  }
  if (receivers[0] !== undefined) {
    udp_queue_rcv_skb(receivers[0], skb);
    return 0;
  }
  UDP_INC_STATS(network, UDP_MIB_IGNOREDMULTI);
  kfree_skb(skb, '__udp4_lib_rcv');
  return 0;
}

/** A positive result asks IP to deliver to that protocol again; a socket's answer is only "done" or "dropped". */
function udp_unicast_rcv_skb(sk: sock, skb: sk_buff): number {
  const ret = udp_queue_rcv_skb(sk, skb);
  return ret > 0 ? -ret : 0;
}

export function udp_queue_rcv_skb(sk: sock, skb: sk_buff): number {
  if ((skb.shinfo.gso_type & SKB_GSO_UDP_L4) === 0 || udp_sk(sk).gro_enabled) return udp_queue_rcv_one_skb(sk, skb);
  return udp_rcv_segment(sk, skb);
}

/** Datagrams that GRO merged reach a socket that does not want them so: each is queued for itself. */
function udp_rcv_segment(sk: sock, skb: sk_buff): number {
  __skb_push(skb, skb.data - skb_mac_header(skb));
  const segs = __skb_gso_segment(skb, NETIF_F_SG, false);
  if (segs === null || typeof segs === 'number') {
    kfree_skb(skb, 'udp_rcv_segment');
    return 0;
  }
  consume_skb(skb, 'udp_rcv_segment');
  for (let seg: sk_buff | null = segs; seg !== null; ) {
    const next: sk_buff | null = seg.next;
    seg.next = null;
    __skb_pull(seg, seg.transport_header - seg.data);
    udp_queue_rcv_one_skb(sk, seg);
    seg = next;
  }
  return 0;
}

/** Simplified: no encapsulation sockets (UDP_ENCAP). */
function udp_queue_rcv_one_skb(sk: sock, skb: sk_buff): number {
  udp_csum_pull_header(skb);
  ipv4_pktinfo_prepare(sk, skb);
  return __udp_queue_rcv_skb(sk, skb);
}

/** From here on the packet is its payload; what is left of the checksum's work remembers the header. */
function udp_csum_pull_header(skb: sk_buff): void {
  if (!skb.csum_valid && skb.ip_summed === CHECKSUM_NONE) skb.csum = csum_partial(skb.mem.u8, skb.data, UDP_HLEN, skb.csum);
  skb_pull_rcsum(skb, UDP_HLEN);
}

function __udp_queue_rcv_skb(sk: sock, skb: sk_buff): number {
  if (inet_sk(sk).skc_daddr !== 0) {
    sock_rps_save_rxhash(sk, skb);
    sk.sk_napi_id = skb.napi_id;
    sk_incoming_cpu_update(sk);
  } else if (sk.sk_napi_id === 0) sk.sk_napi_id = skb.napi_id;
  const rc = __udp_enqueue_schedule_skb(sk, skb);
  if (rc >= 0) return 0;
  const network = sock_net(sk);
  const full = rc === -ENOMEM;
  UDP_INC_STATS(network, full ? UDP_MIB_RCVBUFERRORS : UDP_MIB_MEMERRORS);
  UDP_INC_STATS(network, UDP_MIB_INERRORS);
  trace().udp_fail_queue_rcv_skb?.(rc, sk, skb);
  sk_skb_reason_drop(sk, skb, full ? SKB_DROP_REASON_SOCKET_RCVBUFF : SKB_DROP_REASON_PROTO_MEM, '__udp_queue_rcv_skb');
  return -1;
}

/** Queues for the reader: -ENOMEM when the buffer is full, -ENOBUFS when the protocol has no memory. */
export function __udp_enqueue_schedule_skb(sk: sock, skb: sk_buff): number {
  let size = skb.truesize;
  // A packet larger than the whole buffer is taken if nothing else is there.
  if (sk.sk_rmem_alloc + size > sk.sk_rcvbuf && sk.sk_rmem_alloc > 0) return dropped(sk, -ENOMEM);
  if (sk.sk_rmem_alloc > sk.sk_rcvbuf >> 1) {
    skb_condense(skb);
    size = skb.truesize;
  }
  const delta = size - sk.sk_forward_alloc;
  if (delta > 0 && sk.protoMemory !== null && !__sk_mem_schedule(sk, delta, SK_MEM_RECV)) return dropped(sk, -ENOBUFS);
  sk.sk_rmem_alloc += size;
  sk.sk_forward_alloc -= size;
  skb_orphan(skb);
  skb_dst_drop(skb);
  skb.dev = null;
  sock_skb_set_dropcount(sk, skb);
  skb.queuedTime = this_cpu.clock;
  __skb_queue_tail(sk.sk_receive_queue, skb);
  if (!sock_flag(sk, SOCK_DEAD)) sk.sk_data_ready(sk);
  return 0;
}

function dropped(sk: sock, err: number): number {
  sk.sk_drops++;
  return err;
}

export const udp_err = (skb: sk_buff, info: number): number => __udp4_lib_err(skb, info);

/** An ICMP error; `skb.data` is at the IP header of the datagram that caused it. */
export function __udp4_lib_err(skb: sk_buff, info: number): number {
  const network = skb.dev!.nd_net;
  const iph = new iphdr(skb.mem.view, skb.data);
  const uh = new udphdr(skb.mem.view, skb.data + ((iph.version_ihl & 15) << 2));
  const sk = __udp4_lib_lookup(network, iph.daddr, uh.dest, iph.saddr, uh.source, inet_iif(skb));
  if (sk === null) {
    ICMP_INC_STATS(network, ICMP_MIB_INERRORS);
    return -ENOENT;
  }
  const type = skb.mem.u8[skb.transport_header]!;
  const code = skb.mem.u8[skb.transport_header + 1]!;
  const err = errorOf(sk, skb, type, code, info);
  if (err !== 0) report(sk, skb, Math.abs(err), err < 0, uh, info);
  return 0;
}

/** The errno of an error, negative if it is a hard one; 0 when the socket need not know. */
function errorOf(sk: sock, skb: sk_buff, type: number, code: number, info: number): number {
  switch (type) {
    case ICMP_SOURCE_QUENCH:
      return 0;
    case ICMP_PARAMETERPROB:
      return -EPROTO;
    case ICMP_DEST_UNREACH:
      return code === ICMP_FRAG_NEEDED ? pathTooNarrow(sk, skb, info) : unreachable(code);
    case ICMP_REDIRECT:
      ipv4_sk_redirect(skb, sk);
      return 0;
    default:
      return EHOSTUNREACH;
  }
}

function unreachable(code: number): number {
  const converted = code <= NR_ICMP_UNREACH ? icmp_err_convert[code]! : null;
  if (converted === null) return EHOSTUNREACH;
  return converted.fatal ? -converted.errno : converted.errno;
}

function pathTooNarrow(sk: sock, skb: sk_buff, info: number): number {
  ipv4_sk_update_pmtu(skb, sk, info);
  return inet_sk(sk).pmtudisc !== IP_PMTUDISC_DONT ? -EMSGSIZE : 0;
}

/** Only connected sockets hear of hard errors, and of others who asked (IP_RECVERR): RFC 1122 4.1.3.3. */
function report(sk: sock, skb: sk_buff, err: number, hard: boolean, uh: udphdr, info: number): void {
  if (inet_sk(sk).recverr) ip_icmp_error(sk, skb, err, uh.dest, info, uh.base + UDP_HLEN);
  else if (!hard || sk.skc_state !== TCP_ESTABLISHED) return;
  sk.sk_err = err;
  sk_error_report(sk);
}
