/** net/core/sysctl_net_core.c: net.core.*. `sysctl_core_init`. */
import type { net } from '../../include/net/net_namespace.ts';
import { type fixed, proc_dointvec, proc_dointvec_minmax, proc_dou8vec_minmax, type sysctl_registry } from '../../kernel/sysctl.ts';
import { cpumaskText, parseCpumask } from '../../lib/bitmap_str.ts';
import { EINVAL, ENOENT } from '../../uapi/errno.ts';
import { NETDEV_RSS_KEY_LEN } from '../ethtool/common.ts';
import { sd_flow_limit } from './dev_flow_limit.ts';
import { rps_sock_flow_sysctl } from './dev_rps.ts';
import { SOCK_MIN_RCVBUF, SOCK_MIN_SNDBUF } from './sock_mem.ts';

const INT_MAX = 0x7fff_ffff;
/** A history entry has 16 bits. */
const MAX_FLOW_LIMIT_TABLE = 1 << 16;

export function sysctl_core_init(network: net): void {
  const { core, sysctls } = network;
  const add = (name: string, table: ReturnType<typeof fixed>): void => sysctls.register(`net.core.${name}`, table);
  add('wmem_max', proc_dointvec_minmax(core, 'sysctl_wmem_max', SOCK_MIN_SNDBUF, INT_MAX));
  add('rmem_max', proc_dointvec_minmax(core, 'sysctl_rmem_max', SOCK_MIN_RCVBUF, INT_MAX));
  add('wmem_default', proc_dointvec_minmax(core, 'sysctl_wmem_default', SOCK_MIN_SNDBUF, INT_MAX));
  add('rmem_default', proc_dointvec_minmax(core, 'sysctl_rmem_default', SOCK_MIN_RCVBUF, INT_MAX));
  add('optmem_max', proc_dointvec_minmax(core, 'sysctl_optmem_max', 0, INT_MAX));
  add('somaxconn', proc_dointvec_minmax(core, 'sysctl_somaxconn', 0, INT_MAX));
  add('txrehash', proc_dou8vec_minmax(core, 'sysctl_txrehash', 0, 1));
  add('netdev_max_backlog', proc_dointvec(core, 'netdev_max_backlog'));
  add('netdev_budget', proc_dointvec(core, 'netdev_budget'));
  add('netdev_budget_usecs', proc_dointvec_minmax(core, 'netdev_budget_usecs', 0, INT_MAX));
  add('netdev_tstamp_prequeue', proc_dointvec(core, 'netdev_tstamp_prequeue'));
  add('busy_poll', proc_dointvec_minmax(core, 'busy_poll', 0, INT_MAX));
  add('busy_read', proc_dointvec_minmax(core, 'busy_read', 0, INT_MAX));
  add('max_skb_frags', proc_dointvec_minmax(core, 'sysctl_max_skb_frags', 1, 17));
  add('gro_normal_batch', proc_dointvec_minmax(core, 'gro_normal_batch', 1, INT_MAX));
  add('high_order_alloc_disable', proc_dointvec_minmax(core, 'high_order_alloc_disable', 0, 1));
  add('netdev_rss_key', { get: () => rssKeyText(network), set: null });
  add('warnings', proc_dointvec(core, 'warnings'));
  addWeights(network, sysctls);
  add('default_qdisc', defaultQdisc(network));
  add('rps_sock_flow_entries', rpsSockFlowEntries(network));
  add('flow_limit_cpu_bitmap', flowLimitCpus(network));
  add('flow_limit_table_len', flowLimitTableLength(network));
}

/** All zero until a driver has asked for it. */
function rssKeyText({ kernel }: net): string {
  const key = kernel.netdev_rss_key ?? new Uint8Array(NETDEV_RSS_KEY_LEN);
  return [...key].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** net.core.dev_weight is how much work a softirq may do for the stack itself; the biases scale it for each direction. */
function addWeights(network: net, sysctls: sysctl_registry): void {
  const { core } = network;
  const biases = { rx: 1, tx: 1 };
  const update = (): void => {
    core.dev_rx_weight = core.dev_weight * biases.rx;
    core.dev_tx_weight = core.dev_weight * biases.tx;
  };
  sysctls.register('net.core.dev_weight', proc_dointvec_minmax(core, 'dev_weight', 1, INT_MAX, update));
  sysctls.register('net.core.dev_weight_rx_bias', proc_dointvec_minmax(biases, 'rx', 1, INT_MAX, update));
  sysctls.register('net.core.dev_weight_tx_bias', proc_dointvec_minmax(biases, 'tx', 1, INT_MAX, update));
}

function rpsSockFlowEntries(network: net): ReturnType<typeof fixed> {
  return {
    get: () => String(network.core.rps_sock_flow_table?.length ?? 0),
    set: (text) => (/^\d+$/.test(text) ? rps_sock_flow_sysctl(network, Number(text)) : -EINVAL),
  };
}

/** CPUs whose backlogs limit flows, as a mask. */
function flowLimitCpus(network: net): ReturnType<typeof fixed> {
  const { percpu } = network.kernel;
  return {
    get: () =>
      cpumaskText(
        percpu.flatMap(({ softnet_data }, cpu) => (softnet_data.flow_limit === null ? [] : [cpu])),
        percpu.length,
      ),
    set(text) {
      const cpus = parseCpumask(text, percpu.length);
      if (cpus === null) return -EINVAL;
      for (const [cpu, { softnet_data }] of percpu.entries()) {
        if (!cpus.includes(cpu)) softnet_data.flow_limit = null;
        else softnet_data.flow_limit ??= new sd_flow_limit(network.core.flow_limit_table_len);
      }
      return 0;
    },
  };
}

/** A power of two; for CPUs that are added to the bitmap later. */
function flowLimitTableLength(network: net): ReturnType<typeof fixed> {
  return {
    get: () => String(network.core.flow_limit_table_len),
    set(text) {
      const length = Number(text);
      if (!/^\d+$/.test(text) || length < 1 || (length & (length - 1)) !== 0 || length > MAX_FLOW_LIMIT_TABLE) return -EINVAL;
      network.core.flow_limit_table_len = length;
      return 0;
    },
  };
}

/** Only qdiscs that exist. Devices that are up keep theirs. */
function defaultQdisc(network: net): ReturnType<typeof fixed> {
  return {
    get: () => network.core.default_qdisc,
    set(text) {
      if (!network.qdisc_base.has(text)) return -ENOENT;
      network.core.default_qdisc = text;
      return 0;
    },
  };
}
