/** `ethtool -T`: what of a device's packets can be stamped, as version 6.1 prints it. */
import type { net_device } from '../../kernel/include/linux/netdevice.ts';
import { SOF_TIMESTAMPING_RX_SOFTWARE, SOF_TIMESTAMPING_SOFTWARE } from '../../kernel/uapi/net_tstamp.ts';
import type { Output } from './command.ts';

/** By bit of SO_TIMESTAMPING. */
const CAPABILITIES = ['hardware-transmit', 'software-transmit', 'hardware-receive', 'software-receive', 'software-system-clock', 'hardware-legacy-clock', 'hardware-raw-clock']; // biome-ignore format: a list
/** By hwtstamp_tx_types. */
const TX_TYPES = ['off', 'on', 'onestep-sync', 'onestep-p2p'];
/** By hwtstamp_rx_filters. */
const RX_FILTERS = ['none', 'all', 'some', 'ptpv1-l4-event', 'ptpv1-l4-sync', 'ptpv1-l4-delay-req', 'ptpv2-l4-event', 'ptpv2-l4-sync', 'ptpv2-l4-delay-req', 'ptpv2-l2-event', 'ptpv2-l2-sync', 'ptpv2-l2-delay-req', 'ptpv2-event', 'ptpv2-sync', 'ptpv2-delay-req', 'ntp-all']; // biome-ignore format: a list

export function showTimestamping(dev: net_device, out: Output): void {
  // The core stamps for drivers that don't.
  const software = { so_timestamping: SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE, phc_index: -1, tx_types: 0, rx_filters: 0 };
  const info = dev.ethtool_ops?.get_ts_info?.(dev) ?? software;
  out(`Time stamping parameters for ${dev.name}:`);
  out('Capabilities:');
  list(CAPABILITIES, info.so_timestamping, out);
  out(`PTP Hardware Clock: ${info.phc_index < 0 ? 'none' : info.phc_index}`);
  modes('Hardware Transmit Timestamp Modes', TX_TYPES, info.tx_types, out);
  modes('Hardware Receive Filter Modes', RX_FILTERS, info.rx_filters, out);
}

function modes(title: string, names: readonly string[], bits: number, out: Output): void {
  out(`${title}:${bits === 0 ? ' none' : ''}`);
  list(names, bits, out);
}

function list(names: readonly string[], bits: number, out: Output): void {
  names.forEach((name, bit) => {
    if ((bits & (1 << bit)) !== 0) out(`\t${name}`);
  });
}
