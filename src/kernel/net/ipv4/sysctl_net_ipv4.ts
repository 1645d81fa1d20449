/**
 * net/ipv4/sysctl_net_ipv4.c, devinet.c, neighbour.c: net.ipv4.*, with the directories `conf` and `neigh` for each device. `sysctl_ipv4_init`.
 *
 * Simplified: parameters that the model takes no notice of are absent, so that setting them fails instead of doing nothing.
 */
import { ipv4_devconf } from '../../include/linux/inetdevice.ts';
import type { neigh_parms } from '../../include/net/neighbour.ts';
import type { net, netns_ipv4 } from '../../include/net/net_namespace.ts';
import {
  type ctl_dir,
  type ctl_table,
  type numberField,
  numberRow,
  proc_dointvec,
  proc_dointvec_jiffies,
  proc_dointvec_minmax,
  proc_dointvec_ms_jiffies,
  proc_dointvec_userhz_jiffies,
} from '../../kernel/sysctl.ts';
import { EINVAL } from '../../uapi/errno.ts';
import { inet_forward_change } from './devinet.ts';
import {
  tcp_get_allowed_congestion_control,
  tcp_get_available_congestion_control,
  tcp_get_default_congestion_control,
  tcp_set_allowed_congestion_control,
  tcp_set_default_congestion_control,
} from './tcp_cong.ts';
import { TCP_FASTOPEN_KEY_LENGTH, tcp_fastopen_reset_cipher } from './tcp_fastopen.ts';

const INT_MAX = 0x7fff_ffff;
const INT_MIN = -INT_MAX - 1;
const U32 = 0xffff_ffff;
type Field = numberField<netns_ipv4>;

/** Plain numbers: name (the field is `sysctl_` and it), smallest and largest value. A fourth column names the field where it is another. */
const NUMBERS: readonly (readonly [name: string, min: number, max: number, field?: Field])[] = [
  ['icmp_echo_ignore_all', 0, 1],
  ['icmp_echo_ignore_broadcasts', 0, 1],
  ['icmp_errors_use_inbound_ifaddr', 0, 1],
  ['icmp_ignore_bogus_error_responses', 0, 1],
  ['icmp_msgs_burst', 0, INT_MAX],
  ['icmp_msgs_per_sec', 0, INT_MAX],
  ['icmp_ratemask', INT_MIN, INT_MAX],
  ['ip_autobind_reuse', 0, 1],
  ['ip_default_ttl', 1, 255],
  ['ip_early_demux', 0, 255],
  ['ip_forward_use_pmtu', 0, 255, 'sysctl_ip_fwd_use_pmtu'],
  ['ip_no_pmtu_disc', 0, 255],
  ['ip_nonlocal_bind', 0, 255],
  ['ip_unprivileged_port_start', 0, 65535, 'sysctl_ip_prot_sock'],
  ['ipfrag_high_thresh', 0, Number.MAX_SAFE_INTEGER],
  ['ipfrag_low_thresh', 0, Number.MAX_SAFE_INTEGER],
  ['ipfrag_max_dist', 0, INT_MAX],
  ['route.min_adv_mss', INT_MIN, INT_MAX, 'ip_rt_min_advmss'],
  ['route.min_pmtu', 68, INT_MAX, 'ip_rt_min_pmtu'],
  ['tcp_abort_on_overflow', 0, 255],
  ['tcp_adv_win_scale', -31, 31],
  ['tcp_app_win', 0, 31],
  ['tcp_autocorking', 0, 1],
  ['tcp_backlog_ack_defer', 0, 1],
  ['tcp_base_mss', INT_MIN, INT_MAX],
  ['tcp_challenge_ack_limit', INT_MIN, INT_MAX],
  ['tcp_comp_sack_delay_ns', 0, Number.MAX_SAFE_INTEGER],
  ['tcp_comp_sack_nr', 0, 255],
  ['tcp_comp_sack_slack_ns', 0, Number.MAX_SAFE_INTEGER],
  ['tcp_dsack', 0, 255],
  ['tcp_early_demux', 0, 255],
  ['tcp_early_retrans', 0, 4],
  ['tcp_ecn', 0, 2],
  ['tcp_ecn_fallback', 0, 1],
  ['tcp_ecn_option', 0, 2],
  ['tcp_ecn_option_beacon', 0, 3],
  ['tcp_fack', 0, 255],
  ['tcp_fastopen', INT_MIN, INT_MAX],
  ['tcp_fastopen_blackhole_timeout_sec', 0, INT_MAX, 'sysctl_tcp_fastopen_blackhole_timeout'],
  ['tcp_frto', 0, 255],
  ['tcp_fwmark_accept', 0, 255],
  ['tcp_keepalive_probes', 0, 255],
  ['tcp_limit_output_bytes', INT_MIN, INT_MAX],
  ['tcp_max_orphans', INT_MIN, INT_MAX],
  ['tcp_max_reordering', INT_MIN, INT_MAX],
  ['tcp_max_syn_backlog', INT_MIN, INT_MAX, 'sysctl_max_syn_backlog'],
  ['tcp_max_tw_buckets', INT_MIN, INT_MAX],
  ['tcp_migrate_req', 0, 1],
  ['tcp_min_rtt_wlen', 0, 86400],
  ['tcp_min_snd_mss', 48, 65535],
  ['tcp_min_tso_segs', 1, 255],
  ['tcp_moderate_rcvbuf', 0, 255],
  ['tcp_mtu_probe_floor', 48, 65535],
  ['tcp_mtu_probing', 0, 255],
  ['tcp_no_metrics_save', 0, 255, 'sysctl_tcp_nometrics_save'],
  ['tcp_no_ssthresh_metrics_save', 0, 1],
  ['tcp_notsent_lowat', 0, U32],
  ['tcp_orphan_retries', 0, 255],
  ['tcp_pacing_ca_ratio', 0, 1000],
  ['tcp_pacing_ss_ratio', 0, 1000],
  ['tcp_pingpong_thresh', 1, 255],
  ['tcp_plb_enabled', 0, 1],
  ['tcp_probe_interval', 0, U32],
  ['tcp_probe_threshold', INT_MIN, INT_MAX],
  ['tcp_recovery', 0, 255],
  ['tcp_reflect_tos', 0, 1],
  ['tcp_reordering', INT_MIN, INT_MAX],
  ['tcp_retrans_collapse', 0, 255],
  ['tcp_retries1', 0, 255],
  ['tcp_retries2', 0, 255],
  ['tcp_rfc1337', 0, 255],
  ['tcp_rto_max_ms', 1000, 120_000],
  ['tcp_rto_min_us', 1, INT_MAX],
  ['tcp_sack', 0, 255],
  ['tcp_shrink_window', 0, 1],
  ['tcp_slow_start_after_idle', 0, 255],
  ['tcp_stdurg', 0, 255],
  ['tcp_syn_linear_timeouts', 0, 127],
  ['tcp_syn_retries', 1, 127],
  ['tcp_synack_retries', 0, 255],
  ['tcp_syncookies', 0, 255],
  ['tcp_thin_linear_timeouts', 0, 255],
  ['tcp_timestamps', 0, 255],
  ['tcp_tso_rtt_log', 0, 255],
  ['tcp_tso_win_divisor', 0, 255],
  ['tcp_tw_reuse', 0, 2],
  ['tcp_tw_reuse_delay', 1, 60_000],
  ['tcp_window_scaling', 0, 255],
  ['tcp_workaround_signed_windows', 0, 255],
  ['udp_early_demux', 0, 255],
  ['udp_rmem_min', 1, INT_MAX],
  ['udp_wmem_min', 1, INT_MAX],
];

export function sysctl_ipv4_init(network: net): void {
  const { ipv4, sysctls } = network;
  const add = (name: string, table: ctl_table): void => sysctls.register(`net.ipv4.${name}`, table);
  for (const [name, min, max, field] of NUMBERS) add(name, proc_dointvec_minmax(ipv4, field ?? (`sysctl_${name}` as Field), min, max));
  add('tcp_fin_timeout', proc_dointvec_jiffies(ipv4, 'sysctl_tcp_fin_timeout'));
  add('tcp_keepalive_intvl', proc_dointvec_jiffies(ipv4, 'sysctl_tcp_keepalive_intvl'));
  add('tcp_keepalive_time', proc_dointvec_jiffies(ipv4, 'sysctl_tcp_keepalive_time'));
  add('tcp_invalid_ratelimit', proc_dointvec_ms_jiffies(ipv4, 'sysctl_tcp_invalid_ratelimit'));
  add('icmp_ratelimit', proc_dointvec_ms_jiffies(ipv4, 'sysctl_icmp_ratelimit'));
  add('ipfrag_time', proc_dointvec_jiffies(ipv4, 'sysctl_ipfrag_time'));
  add('route.mtu_expires', proc_dointvec_jiffies(ipv4, 'ip_rt_mtu_expires'));
  addRows(network, add);
  addPorts(network, add);
  addCongestion(network, add);
  add('tcp_fastopen_key', fastopenKey(network));
  add('ip_forward', forwarding(network));
  sysctls.registerDir('net.ipv4.conf', confDir(network));
  sysctls.registerDir('net.ipv4.neigh', neighDir(network));
}

type Add = (name: string, table: ctl_table) => void;

/** Minimum, default (or pressure) and maximum. */
function addRows(network: net, add: Add): void {
  const { ipv4 } = network;
  for (const name of ['sysctl_tcp_rmem', 'sysctl_tcp_wmem', 'sysctl_tcp_mem', 'sysctl_udp_mem'] as const) {
    const table = numberRow(
      () => [...ipv4[name]],
      name.endsWith('_mem') ? 0 : 1,
      () => true,
      ([low, middle, high]) => {
        ipv4[name] = [low!, middle!, high!];
      },
    );
    add(name.slice('sysctl_'.length), table);
  }
  const group = numberRow(
    () => [...ipv4.ping_group_range],
    0,
    ([low, high]) => high! <= INT_MAX && low! <= INT_MAX,
    ([low, high]) => {
      // A range that ends before it begins is the empty one.
      ipv4.ping_group_range = low! > high! ? [1, 0] : [low!, high!];
    },
  );
  add('ping_group_range', group);
}

function addPorts(network: net, add: Add): void {
  const { ipv4 } = network;
  const range = numberRow(
    () => [...ipv4.sysctl_ip_local_port_range],
    1,
    ([low, high]) => low! <= high! && high! <= 65535 && low! >= ipv4.sysctl_ip_prot_sock,
    ([low, high]) => {
      ipv4.sysctl_ip_local_port_range = [low!, high!];
    },
  );
  add('ip_local_port_range', range);
  add('ip_local_reserved_ports', {
    get: () => formatPorts(ipv4.sysctl_ip_local_reserved_ports),
    set(text) {
      const ports = parsePorts(text);
      if (ports === null) return -EINVAL;
      ipv4.sysctl_ip_local_reserved_ports = ports;
      return 0;
    },
  });
}

/** `8080,9000-9002` */
function parsePorts(text: string): number[] | null {
  const ports = new Set<number>();
  for (const part of text.split(',').filter((piece) => piece !== '')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part.trim());
    if (match === null) return null;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (first > last || last > 65535) return null;
    for (let port = first; port <= last; port++) ports.add(port);
  }
  return [...ports].sort((a, b) => a - b);
}

function formatPorts(ports: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < ports.length; ) {
    let end = i;
    while (ports[end + 1] === ports[end]! + 1) end++;
    parts.push(end > i ? `${ports[i]}-${ports[end]}` : String(ports[i]));
    i = end + 1;
  }
  return parts.join(',');
}

function addCongestion(network: net, add: Add): void {
  add('tcp_congestion_control', {
    get: () => tcp_get_default_congestion_control(network),
    set: (text) => tcp_set_default_congestion_control(network, text),
  });
  add('tcp_allowed_congestion_control', {
    get: () => tcp_get_allowed_congestion_control(network),
    set: (text) => tcp_set_allowed_congestion_control(network, text),
  });
  add('tcp_available_congestion_control', { get: () => tcp_get_available_congestion_control(network), set: null });
}

/** One or two keys of 16 bytes, each as four little-endian words in hexadecimal. */
function fastopenKey(network: net): ctl_table {
  return {
    get: () => keysToText(network.ipv4.sysctl_tcp_fastopen_key),
    set(text) {
      const keys = text.split(',').map(keyFromText);
      const [primary, backup = null] = keys;
      if (keys.length > 2 || primary === undefined || primary === null || keys.includes(null)) return -EINVAL;
      return tcp_fastopen_reset_cipher(network, null, primary, backup);
    },
  };
}

function keysToText(keys: readonly Uint8Array[]): string {
  if (keys.length === 0) return '00000000-00000000-00000000-00000000';
  return keys
    .map((key) => Array.from(new Uint32Array(key.slice().buffer), (word) => word.toString(16).padStart(8, '0')).join('-'))
    .join(',');
}

function keyFromText(text: string): Uint8Array | null {
  const words = text.trim().split('-');
  if (words.length !== 4 || words.some((word) => !/^[0-9a-fA-F]{1,8}$/.test(word))) return null;
  const key = new Uint8Array(TCP_FASTOPEN_KEY_LENGTH);
  const view = new DataView(key.buffer);
  for (const [i, word] of words.entries()) view.setUint32(4 * i, Number.parseInt(word, 16), true);
  return key;
}

function forwarding(network: net): ctl_table {
  return {
    get: () => String(network.ipv4.sysctl_ip_forward),
    set(text) {
      if (!/^\d+$/.test(text)) return -EINVAL;
      const on = Number(text);
      if (on !== network.ipv4.sysctl_ip_forward) inet_forward_change(network, on);
      return 0;
    },
  };
}

/* net.ipv4.conf.DEV.* */

const confNames = Object.keys(new ipv4_devconf()) as numberField<ipv4_devconf>[];

/** `all` and `default` are not devices: `all` adds to each device's own, `default` is what devices to come begin with. */
function confOf(network: net, device: string): ipv4_devconf | null {
  if (device === 'all') return network.ipv4.devconf_all;
  if (device === 'default') return network.ipv4.devconf_dflt;
  return network.dev_by_name.get(device)?.ip_ptr?.cnf ?? null;
}

/** `eth0.5.rp_filter`: the last part is the parameter, a device's name may have dots. */
function splitLast(name: string): [string, string] {
  const dot = name.lastIndexOf('.');
  return [name.slice(0, dot), name.slice(dot + 1)];
}

function confDir(network: net): ctl_dir {
  return {
    find(name) {
      const [device, field] = splitLast(name);
      const conf = confOf(network, device);
      if (conf === null || !confNames.includes(field as numberField<ipv4_devconf>)) return null;
      if (field === 'forwarding' && device === 'all') return forwarding(network);
      return proc_dointvec(conf, field as numberField<ipv4_devconf>, () => {
        // Cached routes have decided by the old value.
        network.ipv4.rt_genid++;
      });
    },
    names() {
      const devices = network.dev_base.filter((dev) => dev.ip_ptr !== null).map((dev) => dev.name);
      return ['all', 'default', ...devices].flatMap((device) => confNames.map((field) => `${device}.${field}`));
    },
  };
}

/* net.ipv4.neigh.DEV.* */

const neighTables: Readonly<Record<string, (parms: neigh_parms) => ctl_table>> = {
  mcast_solicit: (p) => proc_dointvec_minmax(p, 'mcast_solicit', 0, INT_MAX),
  ucast_solicit: (p) => proc_dointvec_minmax(p, 'ucast_solicit', 0, INT_MAX),
  app_solicit: (p) => proc_dointvec_minmax(p, 'app_solicit', 0, INT_MAX),
  mcast_resolicit: (p) => proc_dointvec_minmax(p, 'mcast_reprobes', 0, INT_MAX),
  retrans_time: (p) => proc_dointvec_userhz_jiffies(p, 'retrans_time'),
  retrans_time_ms: (p) => proc_dointvec_ms_jiffies(p, 'retrans_time'),
  base_reachable_time: (p) => proc_dointvec_jiffies(p, 'base_reachable_time'),
  base_reachable_time_ms: (p) => proc_dointvec_ms_jiffies(p, 'base_reachable_time'),
  delay_first_probe_time: (p) => proc_dointvec_jiffies(p, 'delay_probe_time'),
  interval_probe_time_ms: (p) => proc_dointvec_minmax(p, 'interval_probe_time_ms', 1, INT_MAX),
  gc_stale_time: (p) => proc_dointvec_jiffies(p, 'gc_staletime'),
  unres_qlen_bytes: (p) => proc_dointvec_minmax(p, 'queue_len_bytes', 0, INT_MAX),
  proxy_qlen: (p) => proc_dointvec_minmax(p, 'proxy_qlen', 0, INT_MAX),
  anycast_delay: (p) => proc_dointvec_userhz_jiffies(p, 'anycast_delay'),
  proxy_delay: (p) => proc_dointvec_userhz_jiffies(p, 'proxy_delay'),
  locktime: (p) => proc_dointvec_userhz_jiffies(p, 'locktime'),
};

/** Of the table, not of a device: only under `default`. */
const GC_NAMES = ['gc_thresh1', 'gc_thresh2', 'gc_thresh3'] as const;

function parmsOf(network: net, device: string): neigh_parms | null {
  if (device === 'default') return network.arp_tbl.parms;
  return network.dev_by_name.get(device)?.ip_ptr?.arp_parms ?? null;
}

function neighDir(network: net): ctl_dir {
  return {
    find(name) {
      const [device, field] = splitLast(name);
      const gc = GC_NAMES.find((known) => known === field);
      if (gc !== undefined) return device === 'default' ? proc_dointvec_minmax(network.arp_tbl, gc, 0, INT_MAX) : null;
      const parms = parmsOf(network, device);
      const table = Object.hasOwn(neighTables, field) ? neighTables[field] : undefined;
      return parms === null || table === undefined ? null : table(parms);
    },
    names() {
      const devices = network.dev_base.filter((dev) => dev.ip_ptr !== null).map((dev) => dev.name);
      const own = ['default', ...devices].flatMap((device) => Object.keys(neighTables).map((field) => `${device}.${field}`));
      return [...own, ...GC_NAMES.map((field) => `default.${field}`)];
    },
  };
}
