/** drivers/net/ethernet/intel/igb/igb_ethtool.c: the counters of `ethtool -S`, in the driver's order. */
import { type net_device, netdev_priv, type rtnl_link_stats64 } from '../../../../../include/linux/netdevice.ts';
import type { e1000_hw_stats } from './e1000_hw.ts';
import type { igb_adapter, igb_ring } from './igb.ts';
import { igb_update_stats } from './igb_main_stats.ts';

/** Counters that the adapter keeps itself. */
type AdapterCounter = 'tx_timeout_count' | 'tx_hwtstamp_timeouts' | 'tx_hwtstamp_skipped' | 'rx_hwtstamp_cleared';

const igb_gstrings_stats: readonly (readonly [name: string, counter: keyof e1000_hw_stats | AdapterCounter])[] = [
  ['rx_packets', 'gprc'],
  ['tx_packets', 'gptc'],
  ['rx_bytes', 'gorc'],
  ['tx_bytes', 'gotc'],
  ['rx_broadcast', 'bprc'],
  ['tx_broadcast', 'bptc'],
  ['rx_multicast', 'mprc'],
  ['tx_multicast', 'mptc'],
  ['multicast', 'mprc'],
  ['collisions', 'colc'],
  ['rx_crc_errors', 'crcerrs'],
  ['rx_no_buffer_count', 'rnbc'],
  ['rx_missed_errors', 'mpc'],
  ['tx_aborted_errors', 'ecol'],
  ['tx_carrier_errors', 'tncrs'],
  ['tx_window_errors', 'latecol'],
  ['tx_abort_late_coll', 'latecol'],
  ['tx_deferred_ok', 'dc'],
  ['tx_single_coll_ok', 'scc'],
  ['tx_multi_coll_ok', 'mcc'],
  ['tx_timeout_count', 'tx_timeout_count'],
  ['rx_long_length_errors', 'roc'],
  ['rx_short_length_errors', 'ruc'],
  ['rx_align_errors', 'algnerrc'],
  ['tx_tcp_seg_good', 'tsctc'],
  ['tx_tcp_seg_failed', 'tsctfc'],
  ['rx_flow_control_xon', 'xonrxc'],
  ['rx_flow_control_xoff', 'xoffrxc'],
  ['tx_flow_control_xon', 'xontxc'],
  ['tx_flow_control_xoff', 'xofftxc'],
  ['rx_long_byte_count', 'gorc'],
  ['tx_dma_out_of_sync', 'doosync'],
  ['tx_smbus', 'mgptc'],
  ['rx_smbus', 'mgprc'],
  ['dropped_smbus', 'mgpdc'],
  ['os2bmc_rx_by_bmc', 'o2bgptc'],
  ['os2bmc_tx_by_bmc', 'b2ospc'],
  ['os2bmc_tx_by_host', 'o2bspc'],
  ['os2bmc_rx_by_host', 'b2ogprc'],
  ['tx_hwtstamp_timeouts', 'tx_hwtstamp_timeouts'],
  ['tx_hwtstamp_skipped', 'tx_hwtstamp_skipped'],
  ['rx_hwtstamp_cleared', 'rx_hwtstamp_cleared'],
];

const igb_gstrings_net_stats: readonly (keyof rtnl_link_stats64)[] = [
  'rx_errors', 'tx_errors', 'tx_dropped', 'rx_length_errors', 'rx_over_errors', 'rx_frame_errors', 'rx_fifo_errors', 'tx_fifo_errors', 'tx_heartbeat_errors',
]; // biome-ignore format: a table

export function igb_get_ethtool_stats(dev: net_device): [name: string, value: number][] {
  const adapter = netdev_priv<igb_adapter>(dev);
  igb_update_stats(adapter);
  const counters = { ...adapter.stats, ...adapterCounters(adapter) };
  const stats: [string, number][] = igb_gstrings_stats.map(([name, counter]) => [name, counters[counter]]);
  for (const name of igb_gstrings_net_stats) stats.push([name, adapter.stats64[name]]);
  adapter.tx_ring.forEach((ring, i) => {
    stats.push(...txQueueStats(ring, i));
  });
  adapter.rx_ring.forEach((ring, i) => {
    stats.push(...rxQueueStats(ring, i));
  });
  return stats;
}

function adapterCounters(adapter: igb_adapter): Record<AdapterCounter, number> {
  const { tx_timeout_count, tx_hwtstamp_timeouts, tx_hwtstamp_skipped, rx_hwtstamp_cleared } = adapter;
  return { tx_timeout_count, tx_hwtstamp_timeouts, tx_hwtstamp_skipped, rx_hwtstamp_cleared };
}

function txQueueStats(ring: igb_ring, i: number): [string, number][] {
  const { packets, bytes, restart_queue, restart_queue2 } = ring.tx_stats;
  return [
    [`tx_queue_${i}_packets`, packets],
    [`tx_queue_${i}_bytes`, bytes],
    [`tx_queue_${i}_restart`, restart_queue + restart_queue2],
  ];
}

function rxQueueStats(ring: igb_ring, i: number): [string, number][] {
  const { packets, bytes, drops, csum_err, alloc_failed } = ring.rx_stats;
  return [
    [`rx_queue_${i}_packets`, packets],
    [`rx_queue_${i}_bytes`, bytes],
    [`rx_queue_${i}_drops`, drops],
    [`rx_queue_${i}_csum_err`, csum_err],
    [`rx_queue_${i}_alloc_failed`, alloc_failed],
  ];
}
