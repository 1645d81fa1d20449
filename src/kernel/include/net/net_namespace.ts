/**
 * include/net/net_namespace.h, netns/ipv4.h: all of a host's network state. A host has one namespace, `init_net`.
 * Tables that belong to one file of net/ hang here and are made by that file's init function.
 */
import { InvariantError } from '../../../sim/invariant.ts';
import { WIDE } from '../../../sim/wide.ts';
import { sysctl_registry } from '../../kernel/sysctl.ts';
import type { Kernel } from '../../kernel.ts';
import type { siphash_key_t } from '../../lib/siphash.ts';
import { snmp4_icmp_list, snmp4_ipstats_list, snmp4_net_list, snmp4_tcp_list, snmp4_udp_list } from '../../uapi/snmp.ts';
import { type in_ifaddr, ipv4_devconf } from '../linux/inetdevice.ts';
import type { linkwatchState } from '../linux/linkwatch.ts';
import type { napi_struct, net_device, netdevice_notifier, packet_type } from '../linux/netdevice.ts';
import type { nf_hook_ops } from '../linux/netfilter.ts';
import type { sk_buff, sk_buff_head } from '../linux/skbuff.ts';
import type { dst_entry } from './dst.ts';
import type { flow_keys } from './flow_dissector.ts';
import type { net_offload, packet_offload } from './gro.ts';
import type { fqdir } from './inet_frag.ts';
import type { inet_hashinfo } from './inet_hashtables.ts';
import type { inet_peer } from './inetpeer.ts';
import type { fibState } from './ip_fib.ts';
import type { neigh_table } from './neighbour.ts';
import type { rps_dev_flow } from './rps.ts';
import type { Qdisc_ops } from './sch_generic.ts';
import type { sock } from './sock.ts';
import type { tcp_congestion_ops } from './tcp_congestion_ops.ts';
import { tcpInputState } from './tcp_input_state.ts';
import { tcp_out_options } from './tcp_out_options.ts';
import { udpSendState } from './udp.ts';

/** MIB counters, indexed by the constants of uapi/snmp.ts. */
export class netns_mib {
  readonly ip_statistics = new Float64Array(snmp4_ipstats_list.length);
  readonly icmp_statistics = new Float64Array(snmp4_icmp_list.length);
  /** By ICMP type; outgoing ones at type + 256. */
  readonly icmpmsg_statistics = new Float64Array(512);
  readonly tcp_statistics = new Float64Array(snmp4_tcp_list.length);
  readonly udp_statistics = new Float64Array(snmp4_udp_list.length);
  readonly net_statistics = new Float64Array(snmp4_net_list.length);
}

/**
 * Functions of net/ipv4 by name, set when their files initialise. Routes point to them, and files call them that are themselves called by
 * these: in C the linker closes that circle, here this table does.
 */
export class ipv4Entries {
  ip_output: (network: net, sk: sock | null, skb: sk_buff) => number = unset;
  ip_mc_output: (network: net, sk: sock | null, skb: sk_buff) => number = unset;
  ip_local_deliver: (skb: sk_buff) => number = unset;
  ip_forward: (skb: sk_buff) => number = unset;
  __ip_local_out: (network: net, sk: sock | null, skb: sk_buff) => number = unset;
  __icmp_send: (skb_in: sk_buff, type: number, code: number, info: number) => void = unset;
  /** Raw sockets, ping sockets: null while they are not there. */
  raw_local_deliver: ((skb: sk_buff, protocol: number) => boolean) | null = null;
  raw_icmp_error: ((skb: sk_buff, protocol: number, info: number) => void) | null = null;
  ping_rcv: ((skb: sk_buff) => number) | null = null;
  ping_err: ((skb: sk_buff, info: number) => void) | null = null;
}

function unset(): never {
  throw new InvariantError('the IPv4 layer is not initialised');
}

/** net.ipv4.*: the sysctls, with the defaults of a 6.18 host with 4 GiB. Times in the units Linux keeps them in (jiffies are set at init). */
export class netns_ipv4 {
  sysctl_ip_default_ttl = 64;
  sysctl_ip_forward = 0;
  sysctl_ip_no_pmtu_disc = 0;
  sysctl_ip_fwd_use_pmtu = 0;
  sysctl_ip_nonlocal_bind = 0;
  sysctl_ip_early_demux = 1;
  sysctl_ip_local_port_range: [number, number] = [32768, 60999];
  sysctl_ip_local_reserved_ports: number[] = [];
  sysctl_ip_autobind_reuse = 0;
  sysctl_ip_prot_sock = 1024;
  sysctl_icmp_echo_ignore_all = 0;
  sysctl_icmp_echo_ignore_broadcasts = 1;
  sysctl_icmp_ratelimit = 1000;
  sysctl_icmp_ratemask = 6168;
  sysctl_icmp_msgs_per_sec = 1000;
  sysctl_icmp_msgs_burst = 50;
  /** Groups that may open ping sockets; the default names none. */
  ping_group_range: [number, number] = [1, 0];
  /** Pages: low, pressure, high. */
  sysctl_udp_mem: [number, number, number] = [88_000, 117_000, 176_000];
  sysctl_udp_rmem_min = 4096;
  sysctl_udp_wmem_min = 4096;
  sysctl_udp_early_demux = 1;
  readonly udpSend = new udpSendState();
  sysctl_ipfrag_time = 30;
  sysctl_ipfrag_high_thresh = 4194304;
  sysctl_ipfrag_low_thresh = 3145728;
  sysctl_ipfrag_max_dist = 64;
  sysctl_icmp_ignore_bogus_error_responses = 1;
  sysctl_icmp_errors_use_inbound_ifaddr = 0;
  ip_rt_min_pmtu = 552;
  ip_rt_mtu_expires = 600;
  ip_rt_min_advmss = 256;

  sysctl_tcp_abort_on_overflow = 0;
  sysctl_tcp_adv_win_scale = 1;
  sysctl_tcp_app_win = 31;
  sysctl_tcp_autocorking = 1;
  sysctl_tcp_backlog_ack_defer = 1;
  sysctl_tcp_base_mss = 1024;
  sysctl_tcp_challenge_ack_limit = 0x7fffffff;
  sysctl_tcp_comp_sack_delay_ns = 1_000_000;
  sysctl_tcp_comp_sack_nr = 44;
  sysctl_tcp_comp_sack_slack_ns = 100_000;
  tcp_congestion_control: tcp_congestion_ops = null as unknown as tcp_congestion_ops;
  sysctl_tcp_dsack = 1;
  sysctl_tcp_early_demux = 1;
  sysctl_tcp_early_retrans = 3;
  sysctl_tcp_ecn = 2;
  sysctl_tcp_ecn_fallback = 1;
  sysctl_tcp_ecn_option = 2;
  sysctl_tcp_ecn_option_beacon = 3;
  sysctl_tcp_fack = 0;
  sysctl_tcp_fastopen = 1;
  sysctl_tcp_fastopen_blackhole_timeout = 0;
  sysctl_tcp_fastopen_key: Uint8Array[] = [];
  /** Seconds on the outside; kept in jiffies (set at init). */
  sysctl_tcp_fin_timeout = 0;
  sysctl_tcp_frto = 2;
  sysctl_tcp_fwmark_accept = 0;
  sysctl_tcp_invalid_ratelimit = 0;
  sysctl_tcp_keepalive_intvl = 0;
  sysctl_tcp_keepalive_probes = 9;
  sysctl_tcp_keepalive_time = 0;
  sysctl_tcp_limit_output_bytes = 4_194_304;
  sysctl_tcp_max_orphans = 16384;
  sysctl_max_syn_backlog = 128;
  sysctl_tcp_max_tw_buckets = 8192;
  sysctl_tcp_max_reordering = 300;
  /** Pages: low, pressure, high. */
  sysctl_tcp_mem: [number, number, number] = [44_000, 58_000, 88_000];
  sysctl_tcp_migrate_req = 0;
  sysctl_tcp_min_rtt_wlen = 300;
  sysctl_tcp_min_snd_mss = 48;
  sysctl_tcp_min_tso_segs = 2;
  sysctl_tcp_moderate_rcvbuf = 1;
  sysctl_tcp_mtu_probe_floor = 48;
  sysctl_tcp_mtu_probing = 0;
  sysctl_tcp_nometrics_save = 0;
  sysctl_tcp_no_ssthresh_metrics_save = 1;
  sysctl_tcp_notsent_lowat = 0xffff_ffff;
  sysctl_tcp_orphan_retries = 0;
  sysctl_tcp_pacing_ca_ratio = 120;
  sysctl_tcp_pacing_ss_ratio = 200;
  sysctl_tcp_pingpong_thresh = 1;
  sysctl_tcp_probe_interval = 600;
  sysctl_tcp_probe_threshold = 8;
  sysctl_tcp_recovery = 1;
  sysctl_tcp_reflect_tos = 0;
  sysctl_tcp_reordering = 3;
  sysctl_tcp_retrans_collapse = 1;
  sysctl_tcp_retries1 = 3;
  sysctl_tcp_retries2 = 15;
  sysctl_tcp_rfc1337 = 0;
  sysctl_tcp_rmem: [number, number, number] = [4096, 131072, 15_411_648];
  sysctl_tcp_rto_min_us = 200_000;
  sysctl_tcp_rto_max_ms = 120_000;
  sysctl_tcp_sack = 1;
  sysctl_tcp_shrink_window = 0;
  sysctl_tcp_slow_start_after_idle = 1;
  sysctl_tcp_stdurg = 0;
  sysctl_tcp_syn_linear_timeouts = 4;
  sysctl_tcp_syn_retries = 6;
  sysctl_tcp_synack_retries = 5;
  sysctl_tcp_syncookies = 1;
  sysctl_tcp_thin_linear_timeouts = 0;
  sysctl_tcp_timestamps = 1;
  sysctl_tcp_tso_rtt_log = 9;
  sysctl_tcp_tso_win_divisor = 3;
  sysctl_tcp_tw_reuse = 2;
  sysctl_tcp_tw_reuse_delay = 1000;
  sysctl_tcp_window_scaling = 1;
  sysctl_tcp_wmem: [number, number, number] = [4096, 16384, 4_194_304];
  sysctl_tcp_workaround_signed_windows = 0;
  sysctl_tcp_plb_enabled = 0;

  readonly devconf_all = new ipv4_devconf();
  readonly devconf_dflt = new ipv4_devconf();
  /** Bumped when routes or addresses change: cached destinations are checked against it. */
  rt_genid = 1;
  /** Exceptions of an older generation are void (fnhe_genid). */
  fnhe_genid = 0;
  /** Routing tables and what lookups work on: net/ipv4/fib_trie_lookup.ts. */
  fib: fibState = null as unknown as fibState;
  /** Reassembly queues: net/ipv4/ip_fragment.ts. */
  fqdir: fqdir = null as unknown as fqdir;
  /** Long-term knowledge about hosts: net/ipv4/inetpeer.ts. */
  readonly peers = new Map<number, inet_peer>();
  /** Addresses of this host, by hash: net/ipv4/devinet.ts. */
  readonly inet_addr_lst: in_ifaddr[][] = [];
  /** The device of a local route to an address that no device has: set by net/ipv4/fib_frontend.ts. */
  localRouteDevice: ((network: net, addr: number) => net_device | null) | null = null;
  /** Who is told about addresses that come and go (NETDEV_UP, NETDEV_DOWN). */
  readonly inetaddr_chain: ((event: number, ifa: in_ifaddr) => void)[] = [];
  /** Heads of packet lists that are on the stack in C, while nobody uses them. */
  readonly listPool: sk_buff_head[] = [];
  /** The stack's functions that routes point to and that files below them call. */
  readonly entries = new ipv4Entries();
  /** tcp_metrics, fastopen context, syncookie secrets: owned by their files. */
  tcp_metrics: unknown = null;
  tcp_fastopen: unknown = null;
  tcp_death_row_count = 0;
  tcp_orphan_count = 0;
  /** Options of the segment that is being built; on the stack in C. */
  readonly tcpOutOptions = new tcp_out_options();
  /** Some socket has, or had, a key for TCP-MD5: else nobody looks for one. */
  tcp_md5_needed = false;
  tcp_challenge_timestamp = 0;
  tcp_challenge_count = 0;
  tfo_active_disable_times = 0;
  tfo_active_disable_stamp = 0;
  icmp_global_credit = 50;
  icmp_global_stamp = 0;
  /** Secrets of secure_tcp_seq & co, drawn at boot. */
  ts_secret: siphash_key_t | null = null;
  net_secret: siphash_key_t | null = null;
  syncookie_secret: siphash_key_t[] = [];
  /** The socket that sends RSTs, ICMP errors and ACKs of TIME_WAIT. */
  tcp_sk: sock = null as unknown as sock;
  icmp_sk: sock = null as unknown as sock;
  /** icmp_xmit_lock(): an error about an ICMP message must not send another. */
  icmpSkLocked = false;
  /** Counters and last use of the IP identification generator, and its key: net/ipv4/route.ts. */
  ip_idents: Uint32Array = null as unknown as Uint32Array;
  ip_tstamps: Float64Array = null as unknown as Float64Array;
  ip_id_key = WIDE;
}

/** net.core.* */
export class netns_core {
  sysctl_somaxconn = 4096;
  sysctl_optmem_max = 131072;
  sysctl_txrehash = 1;
  sysctl_wmem_max = 4_194_304;
  sysctl_rmem_max = 4_194_304;
  sysctl_wmem_default = 212992;
  sysctl_rmem_default = 212992;
  netdev_max_backlog = 1000;
  netdev_budget = 300;
  netdev_budget_usecs = 8000;
  dev_weight = 64;
  dev_tx_weight = 64;
  dev_rx_weight = 64;
  netdev_tstamp_prequeue = 1;
  busy_poll = 0;
  busy_read = 0;
  sysctl_max_skb_frags = 17;
  /** Name of the qdisc that fresh devices get (under mq on multi-queue devices). */
  default_qdisc = 'pfifo_fast';
  gro_normal_batch = 8;
  high_order_alloc_disable = 0;
  warnings = 0;
  /** Some receive queue has CPUs set for RPS, or readers are noted for RFS: a static key in Linux. */
  rpsNeeded = false;
  /** RFS: readers' CPUs by their flows' hash; which of an entry's bits are the CPU's; and the entry of the queue's flow that get_rps_cpu() used. */
  rps_sock_flow_table: Uint32Array | null = null;
  rps_cpu_mask = 0;
  rflow: rps_dev_flow | null = null;
  flow_limit_table_len = 4096;
}

/** What a protocol number above IP is handed to. */
export interface net_protocol {
  handler(skb: import('../linux/skbuff.ts').sk_buff): number;
  err_handler?(skb: import('../linux/skbuff.ts').sk_buff, info: number): number;
  early_demux?(skb: import('../linux/skbuff.ts').sk_buff): number;
  readonly no_policy?: boolean;
}

/** Socket buffer memory of one protocol, in pages: tcp_memory_allocated, tcp_memory_pressure, tcp_sockets_allocated and the like. */
export class proto_memory {
  memory_allocated = 0;
  /** Jiffies of when pressure began; 0 while there is none. */
  memory_pressure = 0;
  sockets_allocated = 0;
}

/** Inodes below are those of what a boot makes. */
const LAST_BOOT_INODE = 16384;

export class net {
  readonly kernel: Kernel;
  readonly mib = new netns_mib();
  readonly ipv4 = new netns_ipv4();
  readonly core = new netns_core();
  readonly dev_base: net_device[] = [];
  readonly dev_by_name = new Map<string, net_device>();
  loopback_dev: net_device = null as unknown as net_device;
  readonly ptype_all: packet_type[] = [];
  /** Who is told of what happens to devices: call_netdevice_notifiers(). */
  readonly netdev_chain: netdevice_notifier[] = [];
  /** Changes of carriers that wait to be acted on: net/core/link_watch.ts. */
  linkwatch: linkwatchState = null as unknown as linkwatchState;
  /** How many sockets want receive timestamps (netstamp_needed_key). */
  netstamp_needed = 0;
  /** Secret of skb_get_hash(): drawn when it is first used. */
  hashrnd = WIDE;
  readonly ptype_base = new Map<number, packet_type[]>();
  /** Segmentation and receive offload, by Ethernet protocol and by IP protocol. */
  readonly offload_base: packet_offload[] = [];
  readonly inet_offloads: (net_offload | undefined)[] = new Array<net_offload | undefined>(256).fill(undefined);
  /** Where the flow dissector leaves what it found. */
  flow_keys: flow_keys = null as unknown as flow_keys;
  readonly inet_protos: (net_protocol | undefined)[] = new Array<net_protocol | undefined>(256).fill(undefined);
  readonly raw_sockets: sock[] = [];
  /** Ping sockets by identifier: net/ipv4/ping.ts. */
  readonly ping_table = new Map<number, sock>();
  readonly udp_table = new Map<number, sock[]>();
  readonly qdisc_base = new Map<string, Qdisc_ops>();
  readonly tcp_cong_list: tcp_congestion_ops[] = [];
  /** Congestion controls that exist as modules, loaded on demand, and those that anybody may choose. */
  readonly tcpCongModules: tcp_congestion_ops[] = [];
  readonly tcpCongAllowed = new Set<tcp_congestion_ops>();
  readonly tcpInput = new tcpInputState();
  /** Hooks by number (NF_INET_*): net/netfilter/core.ts. */
  readonly nf_hooks_ipv4: nf_hook_ops[][] = [[], [], [], [], []];
  tcp_hashinfo: inet_hashinfo = null as unknown as inet_hashinfo;
  arp_tbl: neigh_table = null as unknown as neigh_table;
  /** A destination that discards, for sockets without route. */
  blackhole_dst: dst_entry | null = null;
  /** Kernel parameters by name. */
  readonly sysctls = new sysctl_registry();
  /** By name of the protocol; made by proto_register(). */
  readonly proto_memory = new Map<string, proto_memory>();
  /** What socket() finds by family: net/socket.ts. */
  readonly net_families = new Map<number, import('./sock.ts').net_proto_family>();
  /** AF_INET's protocols by type: net/ipv4/af_inet.ts. */
  readonly inetsw: import('./sock.ts').inet_protosw[] = [];
  /** Sockets alive, by protocol name: /proc/net/sockstat. */
  readonly prot_inuse = new Map<string, number>();
  nextCookie = 1;
  /** Of the youngest socket. */
  lastInode = LAST_BOOT_INODE;
  nextNapiId = 8193;
  /** Sockets with UDP_GRO: without any, GRO looks for no socket (udp_encap_needed_key). */
  udp_encap_needed = 0;
  /** NAPI instances by id: napi_by_id(). */
  readonly napi_hash = new Map<number, napi_struct>();
  nextIfindex = 1;

  constructor(owner: Kernel) {
    this.kernel = owner;
  }
}

export function NET_INC_STATS(network: net, field: number): void {
  network.mib.net_statistics[field]!++;
}
export const __NET_INC_STATS = NET_INC_STATS;
export function NET_ADD_STATS(network: net, field: number, value: number): void {
  network.mib.net_statistics[field]! += value;
}
export function TCP_INC_STATS(network: net, field: number): void {
  network.mib.tcp_statistics[field]!++;
}
export const __TCP_INC_STATS = TCP_INC_STATS;
export function TCP_DEC_STATS(network: net, field: number): void {
  network.mib.tcp_statistics[field]!--;
}
export function TCP_ADD_STATS(network: net, field: number, value: number): void {
  network.mib.tcp_statistics[field]! += value;
}
export function IP_INC_STATS(network: net, field: number): void {
  network.mib.ip_statistics[field]!++;
}
export const __IP_INC_STATS = IP_INC_STATS;
/** Counts a packet (`field`) and its octets (the IpExt counter `octets`). */
export function IP_UPD_PO_STATS(network: net, field: number, octets: number, bytes: number): void {
  network.mib.ip_statistics[field]!++;
  network.mib.ip_statistics[octets]! += bytes;
}
export function ICMP_INC_STATS(network: net, field: number): void {
  network.mib.icmp_statistics[field]!++;
}
export function ICMPMSG_INC_STATS(network: net, field: number): void {
  network.mib.icmpmsg_statistics[field]!++;
}
export function UDP_INC_STATS(network: net, field: number): void {
  network.mib.udp_statistics[field]!++;
}
