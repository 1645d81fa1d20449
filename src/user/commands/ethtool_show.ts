/**
 * What ethtool shows of a device, as version 6.1 prints it: settings, driver, features, rings, coalescing, channels, pause, statistics.
 * Simplified: of the features that the model does not know the names stand there as `off [fixed]`.
 */
import type { ethtool_ops } from '../../kernel/include/linux/ethtool.ts';
import * as N from '../../kernel/include/linux/netdevice.ts';
import { CommandError, type Output } from './command.ts';

type net_device = N.net_device;

/** What a getter of the driver returned; refuses as ethtool does when the driver has none. */
function need<T>(value: T | undefined): T {
  if (value === undefined) throw new CommandError('netlink error: Operation not supported');
  return value;
}

const ops = (dev: net_device): ethtool_ops => dev.ethtool_ops ?? {};

/* -k */

/** A name, the bit it stands for (0: the model has none), and under a heading its own lines. */
interface Feature {
  readonly name: string;
  readonly bits: number;
  readonly parts?: readonly Feature[];
}

const feature = (name: string, bits = 0, parts?: readonly Feature[]): Feature =>
  parts === undefined ? { name, bits } : { name, bits, parts };

const FEATURES: readonly Feature[] = [
  feature('rx-checksumming', N.NETIF_F_RXCSUM),
  feature('tx-checksumming', N.NETIF_F_CSUM_MASK | N.NETIF_F_SCTP_CRC, [
    feature('tx-checksum-ipv4', N.NETIF_F_IP_CSUM),
    feature('tx-checksum-ip-generic', N.NETIF_F_HW_CSUM),
    feature('tx-checksum-ipv6', N.NETIF_F_IPV6_CSUM),
    feature('tx-checksum-fcoe-crc'),
    feature('tx-checksum-sctp', N.NETIF_F_SCTP_CRC),
  ]),
  feature('scatter-gather', N.NETIF_F_SG | N.NETIF_F_FRAGLIST, [
    feature('tx-scatter-gather', N.NETIF_F_SG),
    feature('tx-scatter-gather-fraglist', N.NETIF_F_FRAGLIST),
  ]),
  feature('tcp-segmentation-offload', N.NETIF_F_ALL_TSO, [
    feature('tx-tcp-segmentation', N.NETIF_F_TSO),
    feature('tx-tcp-ecn-segmentation', N.NETIF_F_TSO_ECN),
    feature('tx-tcp-mangleid-segmentation', N.NETIF_F_TSO_MANGLEID),
    feature('tx-tcp6-segmentation', N.NETIF_F_TSO6),
    feature('tx-tcp-accecn-segmentation'),
  ]),
  feature('generic-segmentation-offload', N.NETIF_F_GSO),
  feature('generic-receive-offload', N.NETIF_F_GRO),
  feature('large-receive-offload'),
  feature('rx-vlan-offload', N.NETIF_F_HW_VLAN_CTAG_RX),
  feature('tx-vlan-offload', N.NETIF_F_HW_VLAN_CTAG_TX),
  feature('ntuple-filters', N.NETIF_F_NTUPLE),
  feature('receive-hashing', N.NETIF_F_RXHASH),
  feature('highdma', N.NETIF_F_HIGHDMA),
  feature('rx-vlan-filter', N.NETIF_F_HW_VLAN_CTAG_FILTER),
  ...['vlan-challenged', 'tx-gso-robust', 'tx-fcoe-segmentation'].map((name) => feature(name)),
  ...['tx-gre-segmentation', 'tx-gre-csum-segmentation', 'tx-ipxip4-segmentation', 'tx-ipxip6-segmentation', 'tx-udp_tnl-segmentation', 'tx-udp_tnl-csum-segmentation'].map((name) => feature(name, N.gsoPartialTunnels)), // biome-ignore format: a list
  feature('tx-gso-partial', N.NETIF_F_GSO_PARTIAL),
  ...['tx-tunnel-remcsum-segmentation', 'tx-sctp-segmentation', 'tx-esp-segmentation'].map((name) => feature(name)),
  feature('tx-udp-segmentation', N.NETIF_F_GSO_UDP_L4),
  feature('tx-gso-list'),
  feature('tx-nocache-copy', N.NETIF_F_NOCACHE_COPY),
  feature('loopback', N.NETIF_F_LOOPBACK),
  feature('rx-fcs', N.NETIF_F_RXFCS),
  feature('rx-all', N.NETIF_F_RXALL),
  ...['tx-vlan-stag-hw-insert', 'rx-vlan-stag-hw-parse', 'rx-vlan-stag-filter', 'l2-fwd-offload', 'hw-tc-offload', 'esp-hw-offload', 'esp-tx-csum-hw-offload', 'rx-udp_tunnel-port-offload', 'tls-hw-tx-offload', 'tls-hw-rx-offload'].map((name) => feature(name)), // biome-ignore format: a list
  feature('rx-gro-hw', N.NETIF_F_GRO_HW),
  ...['tls-hw-record', 'rx-gro-list', 'macsec-hw-offload'].map((name) => feature(name)), // biome-ignore format: a list
  feature('rx-udp-gro-forwarding', N.NETIF_F_GRO_UDP_FWD),
  ...['hsr-tag-ins-offload', 'hsr-tag-rm-offload', 'hsr-fwd-offload', 'hsr-dup-offload'].map((name) => feature(name)), // biome-ignore format: a list
];

export function showFeatures(dev: net_device, out: Output): void {
  out(`Features for ${dev.name}:`);
  for (const { name, bits, parts } of FEATURES) {
    if (parts === undefined) out(featureLine(dev, name, bits));
    else {
      out(`${name}: ${(dev.features & bits) !== 0 ? 'on' : 'off'}`);
      for (const part of parts) out(`\t${featureLine(dev, part.name, part.bits)}`);
    }
  }
}

/** What cannot be changed is fixed; what is wanted but cannot be had at present is said to be requested. */
function featureLine(dev: net_device, name: string, bit: number): string {
  const on = (dev.features & bit) !== 0;
  const wanted = (dev.wanted_features & bit) !== 0;
  const changeable = (dev.hw_features & bit) !== 0;
  const remark = !changeable ? ' [fixed]' : on !== wanted ? ` [requested ${wanted ? 'on' : 'off'}]` : '';
  return `${name}: ${on ? 'on' : 'off'}${remark}`;
}

/* -g -c -l -a -i -S, and without an option */

export function showRings(dev: net_device, out: Output): void {
  const ring = need(ops(dev).get_ringparam?.(dev));
  const sizes = (rx: number, tx: number): string[] => [`RX:\t\t${rx}`, 'RX Mini:\tn/a', 'RX Jumbo:\tn/a', `TX:\t\t${tx}`];
  const lines = ['Pre-set maximums:', ...sizes(ring.rx_max_pending, ring.tx_max_pending), 'Current hardware settings:'];
  lines.push(...sizes(ring.rx_pending, ring.tx_pending), 'RX Buf Len:\t\tn/a', 'CQE Size:\t\tn/a', 'TX Push:\toff', 'TCP data split:\tn/a');
  for (const line of [`Ring parameters for ${dev.name}:`, ...lines]) out(line);
}

/** igb knows two numbers; for the rest a driver without support has no answer. */
export function showCoalescing(dev: net_device, out: Output): void {
  const { rx_coalesce_usecs: rx, tx_coalesce_usecs: tx } = need(ops(dev).get_coalesce?.(dev));
  const lines = [
    'Adaptive RX: n/a  TX: n/a',
    'stats-block-usecs: n/a',
    'sample-interval: n/a',
    'pkt-rate-low: n/a',
    'pkt-rate-high: n/a',
    '',
  ];
  for (const [side, usecs] of [['rx', rx], ['tx', tx]] as const) lines.push(`${side}-usecs: ${usecs}`, `${side}-frames: n/a`, `${side}-usecs-irq: n/a`, `${side}-frames-irq: n/a`, ''); // biome-ignore format: one
  for (const level of ['low', 'high']) lines.push(`rx-usecs-${level}: n/a`, `rx-frame-${level}: n/a`, `tx-usecs-${level}: n/a`, `tx-frame-${level}: n/a`, ''); // biome-ignore format: one
  lines.push('CQE mode RX: n/a  TX: n/a', '');
  for (const line of [`Coalesce parameters for ${dev.name}:`, ...lines]) out(line);
}

export function showChannels(dev: net_device, out: Output): void {
  const c = need(ops(dev).get_channels?.(dev));
  const count = (value: number, most: number): string => (most === 0 ? 'n/a' : String(value));
  const block = (rx: number, tx: number, other: number, combined: number): string[] => [
    `RX:\t\t${count(rx, c.max_rx)}`,
    `TX:\t\t${count(tx, c.max_tx)}`,
    `Other:\t\t${count(other, c.max_other)}`,
    `Combined:\t${count(combined, c.max_combined)}`,
  ];
  const most = block(c.max_rx, c.max_tx, c.max_other, c.max_combined);
  const now = block(c.rx_count, c.tx_count, c.other_count, c.combined_count);
  for (const line of [`Channel parameters for ${dev.name}:`, 'Pre-set maximums:', ...most, 'Current hardware settings:', ...now]) out(line);
}

const onOff = (value: boolean): string => (value ? 'on' : 'off');

export function showPause(dev: net_device, out: Output): void {
  const { autoneg, rx_pause, tx_pause } = need(ops(dev).get_pauseparam?.(dev));
  for (const line of [`Pause parameters for ${dev.name}:`, `Autonegotiate:\t${onOff(autoneg)}`, `RX:\t\t${onOff(rx_pause)}`, `TX:\t\t${onOff(tx_pause)}`, '']) out(line); // biome-ignore format: one
}

export function showDriver(dev: net_device, out: Output): void {
  const { driver, version, fw_version, bus_info } = need(ops(dev).get_drvinfo?.(dev));
  const can = (what: boolean): string => (what ? 'yes' : 'no');
  out(`driver: ${driver}`);
  out(`version: ${version}`);
  out(`firmware-version: ${fw_version}`);
  out('expansion-rom-version: ');
  out(`bus-info: ${bus_info}`);
  out(`supports-statistics: ${can(ops(dev).get_ethtool_stats !== undefined)}`);
  out(`supports-test: ${can(ops(dev).self_test !== undefined)}`);
  for (const what of ['eeprom-access', 'register-dump', 'priv-flags']) out(`supports-${what}: no`);
}

export function showStatistics(dev: net_device, out: Output): void {
  const statistics = ops(dev).get_ethtool_stats?.(dev);
  if (statistics === undefined) throw new CommandError('no stats available');
  out('NIC statistics:');
  for (const [name, value] of statistics) out(`     ${name}: ${value}`);
}

/** `ethtool eth0` */
export function showSettings(dev: net_device, out: Output): void {
  const link = ops(dev).get_link_ksettings?.(dev);
  out(`Settings for ${dev.name}:`);
  if (link !== undefined) {
    out(`\tSupported ports: [ ${link.port === 0 ? 'TP' : ''} ]`);
    modes('Supported link modes:   ', link.supported, out);
    out('\tSupported pause frame use: Symmetric');
    out('\tSupports auto-negotiation: Yes');
    out('\tSupported FEC modes: Not reported');
    modes('Advertised link modes:  ', link.advertising, out);
    out(`\tAdvertised pause frame use: ${pauseName(link.pause, link.asymPause)}`);
    out(`\tAdvertised auto-negotiation: ${link.autoneg ? 'Yes' : 'No'}`);
    out('\tAdvertised FEC modes: Not reported');
    out(`\tSpeed: ${link.speed < 0 ? 'Unknown!' : `${link.speed}Mb/s`}`);
    out(`\tDuplex: ${link.duplex === 1 ? 'Full' : link.duplex === 0 ? 'Half' : 'Unknown! (255)'}`);
    out(`\tAuto-negotiation: ${onOff(link.autoneg)}`);
    out(`\tPort: ${link.port === 0 ? 'Twisted Pair' : 'Other'}`);
    out(`\tPHYAD: ${link.phy_address}`);
    out('\tTransceiver: internal');
    out(`\tMDI-X: ${link.mdix === null ? 'Unknown' : onOff(link.mdix)} (${link.mdixCtrl})`);
  }
  const up = ops(dev).get_link?.(dev) ?? dev.carrier;
  out(`\tLink detected: ${up ? 'yes' : 'no'}`);
}

/** As 802.3 names the two bits of the advertisement. */
function pauseName(pause: boolean, asym: boolean): string {
  if (pause) return asym ? 'Symmetric Receive-only' : 'Symmetric';
  return asym ? 'Transmit-only' : 'No';
}

/** Half and full duplex of a speed share a line. */
function modes(title: string, names: readonly string[], out: Output): void {
  const bySpeed = new Map<string, string[]>();
  for (const name of names) {
    const speed = name.split('/')[0]!;
    bySpeed.set(speed, [...(bySpeed.get(speed) ?? []), name]);
  }
  const lines = [...bySpeed.values()].map((list) => list.join(' '));
  if (lines.length === 0) lines.push('Not reported');
  lines.forEach((line, i) => {
    out(`\t${i === 0 ? title : ' '.repeat(title.length)}${line}`);
  });
}
