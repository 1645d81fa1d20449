/** uapi/linux/{in,ip,icmp,udp,tcp}.h: Internet headers, protocol numbers and socket options of the IP level. */
import { be16, be32, bitfields16, struct, u8 } from '../../machine/struct.ts';

export const IPPROTO_IP = 0;
export const IPPROTO_ICMP = 1;
export const IPPROTO_IGMP = 2;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_RAW = 255;

export const INADDR_ANY = 0;
export const INADDR_BROADCAST = 0xffff_ffff;
export const INADDR_LOOPBACK = 0x7f00_0001;
/** Source of errors from who has no address (RFC 7600). */
export const INADDR_DUMMY = 0xc000_0008;
export const INADDR_ALLHOSTS_GROUP = 0xe000_0001;

export const ipv4_is_multicast = (addr: number): boolean => addr >>> 28 === 14;
export const ipv4_is_local_multicast = (addr: number): boolean => addr >>> 8 === 0xe00000;
export const ipv4_is_lbcast = (addr: number): boolean => addr === INADDR_BROADCAST;
export const ipv4_is_zeronet = (addr: number): boolean => addr === 0;
export const ipv4_is_loopback = (addr: number): boolean => addr >>> 24 === 127;
export const ipv4_is_linklocal_169 = (addr: number): boolean => addr >>> 16 === 0xa9fe;

export const IP_CE = 0x8000;
export const IP_DF = 0x4000;
export const IP_MF = 0x2000;
export const IP_OFFSET = 0x1fff;

/** `version_ihl` holds version (4 bits) and header length in words (4 bits). */
export const iphdr = struct('iphdr', {
  version_ihl: u8,
  tos: u8,
  tot_len: be16,
  id: be16,
  frag_off: be16,
  ttl: u8,
  protocol: u8,
  check: be16,
  saddr: be32,
  daddr: be32,
});
export type iphdr = InstanceType<typeof iphdr>;
/** Bytes of the IP header at hand. */
export const ip_hdrlen = (iph: iphdr): number => (iph.version_ihl & 15) << 2;

export const tcphdr = struct('tcphdr', {
  source: be16,
  dest: be16,
  seq: be32,
  ack_seq: be32,
  ...bitfields16('flagWord', { doff: 4, res1: 3, ae: 1, cwr: 1, ece: 1, urg: 1, ack: 1, psh: 1, rst: 1, syn: 1, fin: 1 }),
  window: be16,
  check: be16,
  urg_ptr: be16,
});
export type tcphdr = InstanceType<typeof tcphdr>;

export const udphdr = struct('udphdr', { source: be16, dest: be16, len: be16, check: be16 });
export type udphdr = InstanceType<typeof udphdr>;

/** `gateway`, `echo_id`/`echo_sequence` and `frag_mtu` are the union `un`, all starting at byte 4. */
export const icmphdr = struct('icmphdr', { type: u8, code: u8, checksum: be16, echo_id: be16, echo_sequence: be16 });
export type icmphdr = InstanceType<typeof icmphdr>;

export const ICMP_ECHOREPLY = 0;
export const ICMP_DEST_UNREACH = 3;
export const ICMP_SOURCE_QUENCH = 4;
export const ICMP_REDIRECT = 5;
export const ICMP_ECHO = 8;
export const ICMP_TIME_EXCEEDED = 11;
export const ICMP_PARAMETERPROB = 12;
export const ICMP_TIMESTAMP = 13;
export const ICMP_TIMESTAMPREPLY = 14;
export const ICMP_NET_UNREACH = 0;
export const ICMP_HOST_UNREACH = 1;
export const ICMP_PROT_UNREACH = 2;
export const ICMP_PORT_UNREACH = 3;
export const ICMP_FRAG_NEEDED = 4;
export const ICMP_SR_FAILED = 5;
export const ICMP_PKT_FILTERED = 13;
export const NR_ICMP_UNREACH = 15;
export const ICMP_REDIR_HOST = 1;
export const NR_ICMP_TYPES = 18;
export const ICMP_INFO_REQUEST = 15;
export const ICMP_ADDRESS = 17;
export const ICMP_ADDRESSREPLY = 18;
export const ICMP_EXT_ECHO = 42;
export const ICMP_EXT_ECHOREPLY = 43;
export const ICMP_EXC_TTL = 0;
export const ICMP_EXC_FRAGTIME = 1;

/** Option of raw ICMP sockets (level SOL_RAW): bit mask of the types not to be delivered. */
export const ICMP_FILTER = 1;

export const IP_TOS = 1;
export const IP_TTL = 2;
export const IP_HDRINCL = 3;
export const IP_OPTIONS = 4;
export const IP_RETOPTS = 7;
export const IP_RECVOPTS = 6;
export const IP_PKTINFO = 8;
export const IP_MTU_DISCOVER = 10;
export const IP_PASSSEC = 18;
export const IP_RECVORIGDSTADDR = 20;
export const IP_RECVFRAGSIZE = 25;
export const IP_RECVERR_RFC4884 = 26;
export const IP_MULTICAST_IF = 32;
export const IP_MULTICAST_ALL = 49;
export const IP_UNICAST_IF = 50;
export const IP_PROTOCOL = 52;
export const IP_RECVERR = 11;
export const IP_RECVTTL = 12;
export const IP_RECVTOS = 13;
export const IP_MTU = 14;
export const IP_FREEBIND = 15;
export const IP_MINTTL = 21;
export const IP_NODEFRAG = 22;
export const IP_CHECKSUM = 23;
export const IP_MULTICAST_TTL = 33;
export const IP_MULTICAST_LOOP = 34;
export const IP_TRANSPARENT = 19;
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const IP_LOCAL_PORT_RANGE = 51;
export const IP_PMTUDISC_DONT = 0;
export const IP_PMTUDISC_WANT = 1;
export const IP_PMTUDISC_DO = 2;
export const IP_PMTUDISC_PROBE = 3;
export const IP_PMTUDISC_INTERFACE = 4;
export const IP_PMTUDISC_OMIT = 5;

export interface sockaddr_in {
  sin_family: number;
  sin_port: number;
  sin_addr: number;
}

/** IP_PKTINFO */
export interface in_pktinfo {
  ipi_ifindex: number;
  ipi_spec_dst: number;
  ipi_addr: number;
}
