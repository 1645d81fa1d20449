/** ethtool: -K (offloads), -G (rings), -C (coalescing), -L (channels); -t (self-test); -k -g -c -l -a -i -S -T show them (ethtool_show.ts). */
import { kernel } from '../../kernel/current.ts';
import type { ethtool_ops } from '../../kernel/include/linux/ethtool.ts';
import {
  NETIF_F_ALL_TSO,
  NETIF_F_CSUM_MASK,
  NETIF_F_GRO,
  NETIF_F_GRO_UDP_FWD,
  NETIF_F_GSO,
  NETIF_F_HW_VLAN_CTAG_RX,
  NETIF_F_HW_VLAN_CTAG_TX,
  NETIF_F_NTUPLE,
  NETIF_F_RXCSUM,
  NETIF_F_RXHASH,
  NETIF_F_SCTP_CRC,
  NETIF_F_SG,
  type net_device,
} from '../../kernel/include/linux/netdevice.ts';
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { netdev_update_features } from '../../kernel/net/core/dev.ts';
import { errnoName } from '../../kernel/uapi/errno.ts';
import { CommandError, type Output, refuse } from './command.ts';
import { setRss, showRss } from './ethtool_rss.ts';
import {
  showChannels,
  showCoalescing,
  showDriver,
  showFeatures,
  showPause,
  showRings,
  showSettings,
  showStatistics,
} from './ethtool_show.ts';
import { selfTest } from './ethtool_test.ts';
import { showTimestamping } from './ethtool_timestamping.ts';

/** Short names of -K, with the long ones of -k. */
const FEATURES: Readonly<Record<string, { bits: number; title: string }>> = {
  rx: { bits: NETIF_F_RXCSUM, title: 'rx-checksumming' },
  tx: { bits: NETIF_F_CSUM_MASK | NETIF_F_SCTP_CRC, title: 'tx-checksumming' },
  sg: { bits: NETIF_F_SG, title: 'scatter-gather' },
  tso: { bits: NETIF_F_ALL_TSO, title: 'tcp-segmentation-offload' },
  gso: { bits: NETIF_F_GSO, title: 'generic-segmentation-offload' },
  gro: { bits: NETIF_F_GRO, title: 'generic-receive-offload' },
  rxvlan: { bits: NETIF_F_HW_VLAN_CTAG_RX, title: 'rx-vlan-offload' },
  txvlan: { bits: NETIF_F_HW_VLAN_CTAG_TX, title: 'tx-vlan-offload' },
  ntuple: { bits: NETIF_F_NTUPLE, title: 'ntuple-filters' },
  'rx-udp-gro-forwarding': { bits: NETIF_F_GRO_UDP_FWD, title: 'rx-udp-gro-forwarding' },
  rxhash: { bits: NETIF_F_RXHASH, title: 'receive-hashing' },
};

function deviceNamed(name: string): net_device {
  const dev = kernel().init_net.dev_by_name.get(name);
  if (dev === undefined) refuse('ethtool', name, `one of the interfaces ${[...kernel().init_net.dev_by_name.keys()].join(', ')}`);
  return dev;
}

export function* ethtool(words: readonly string[], out: Output): Sleeping<number> {
  const [, option = '', name = '', ...rest] = words;
  if (words.length === 2 && !option.startsWith('-')) {
    showSettings(deviceNamed(option), out);
    return 0;
  }
  const action = ACTIONS[option];
  if (action === undefined) refuse('ethtool', option, `one of ${Object.keys(ACTIONS).join(' ')}`);
  const result = action(deviceNamed(name), rest, out);
  return typeof result === 'number' ? result : yield* result;
}

type Action = (dev: net_device, words: readonly string[], out: Output) => number | Sleeping<number>;

const ACTIONS: Readonly<Record<string, Action>> = {
  '-K': setFeatures,
  '--offload': setFeatures,
  '-k': view(showFeatures),
  '--show-offload': view(showFeatures),
  '--show-features': view(showFeatures),
  '-x': showRss,
  '-X': setRss,
  '-G': setter('get_ringparam', 'set_ringparam', { rx: 'rx_pending', tx: 'tx_pending' }),
  '-C': setter('get_coalesce', 'set_coalesce', { 'rx-usecs': 'rx_coalesce_usecs', 'tx-usecs': 'tx_coalesce_usecs' }),
  '-L': setter('get_channels', 'set_channels', { combined: 'combined_count', rx: 'rx_count', tx: 'tx_count' }),
  '-A': setter('get_pauseparam', 'set_pauseparam', { autoneg: 'autoneg', rx: 'rx_pause', tx: 'tx_pause' }),
  '-g': view(showRings),
  '--show-ring': view(showRings),
  '-c': view(showCoalescing),
  '--show-coalesce': view(showCoalescing),
  '-l': view(showChannels),
  '--show-channels': view(showChannels),
  '-T': view(showTimestamping),
  '--show-time-stamping': view(showTimestamping),
  '-t': selfTest,
  '--test': selfTest,
  '-a': view(showPause),
  '--show-pause': view(showPause),
  '-i': view(showDriver),
  '--driver': view(showDriver),
  '-S': view(showStatistics),
  '--statistics': view(showStatistics),
};

function view(show: (dev: net_device, out: Output) => void): Action {
  return (dev, _words, out) => {
    show(dev, out);
    return 0;
  };
}

function setFeatures(dev: net_device, words: readonly string[]): number {
  if (words.length === 0 || words.length % 2 !== 0)
    refuse('ethtool -K', words.join(' '), 'features with on or off, such as tso off gso off');
  for (let i = 0; i < words.length; i += 2) {
    const feature = FEATURES[words[i]!] ?? Object.values(FEATURES).find(({ title }) => title === words[i]);
    if (feature === undefined) refuse('ethtool -K', words[i]!, `one of the features ${Object.keys(FEATURES).join(', ')}`);
    const on = words[i + 1] === 'on';
    if (!on && words[i + 1] !== 'off') refuse('ethtool -K', words[i + 1]!, 'on or off');
    const bits = feature.bits & dev.hw_features;
    if (on && bits === 0)
      throw new CommandError(`ethtool -K: ${dev.name} cannot do ${feature.title}: Could not change any device features`);
    dev.wanted_features = on ? dev.wanted_features | bits : dev.wanted_features & ~bits;
  }
  netdev_update_features(dev);
  return 0;
}

type Getter = 'get_ringparam' | 'get_coalesce' | 'get_channels' | 'get_pauseparam';
type Setter = 'set_ringparam' | 'set_coalesce' | 'set_channels' | 'set_pauseparam';

function opsOf(dev: net_device): Record<string, ((dev: net_device, value?: unknown) => unknown) | undefined> {
  return (dev.ethtool_ops ?? {}) as ethtool_ops as Record<string, ((dev: net_device, value?: unknown) => unknown) | undefined>;
}

/** An action that reads a structure, changes the fields that the words name, and writes it back. */
function setter(get: Getter, set: Setter, fields: Readonly<Record<string, string>>): Action {
  return (dev, words) => {
    const ops = opsOf(dev);
    const current = ops[get]?.(dev) as Record<string, number | boolean> | undefined;
    if (current === undefined || ops[set] === undefined) throw new CommandError(`ethtool: ${dev.name}: Operation not supported`);
    for (let i = 0; i < words.length; i += 2) {
      const field = fields[words[i]!];
      if (field === undefined) refuse('ethtool', words[i]!, `one of ${Object.keys(fields).join(', ')}`);
      const value = words[i + 1] ?? '';
      if (!/^(\d+|on|off)$/.test(value)) refuse('ethtool', value, 'a number, on or off');
      current[field] = /^\d+$/.test(value) ? Number(value) : value === 'on';
    }
    const result = ops[set](dev, current) as number;
    if (result < 0) throw new CommandError(`ethtool: ${dev.name}: Cannot set device parameters: ${errnoName(result)}`);
    return 0;
  };
}
