/** net/core/net-procfs.c: /proc/net/dev and /proc/net/softnet_stat. */
import type { net_device } from '../../include/linux/netdevice.ts';
import type { net } from '../../include/net/net_namespace.ts';
import type { Kernel } from '../../kernel.ts';
import { dev_get_stats } from './dev.ts';

const DEV_HEAD = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`;

export function dev_seq_show(network: net): string {
  return DEV_HEAD + network.dev_base.map(dev_seq_printf_stats).join('');
}

function dev_seq_printf_stats(dev: net_device): string {
  const s = dev_get_stats(dev);
  const frame = s.rx_length_errors + s.rx_over_errors + s.rx_crc_errors + s.rx_frame_errors;
  const carrier = s.tx_carrier_errors + s.tx_aborted_errors + s.tx_window_errors + s.tx_heartbeat_errors;
  const received = [s.rx_bytes, s.rx_packets, s.rx_errors, s.rx_dropped + s.rx_missed_errors, s.rx_fifo_errors, frame, 0, s.multicast];
  const sent = [s.tx_bytes, s.tx_packets, s.tx_errors, s.tx_dropped, s.tx_fifo_errors, s.collisions, carrier, 0];
  return `${dev.name.padStart(6)}: ${columns(received, [7, 7, 4, 4, 4, 5, 10, 9])} ${columns(sent, [8, 7, 4, 4, 4, 5, 7, 10])}\n`;
}

const columns = (values: readonly number[], widths: readonly number[]): string =>
  values.map((value, i) => String(value).padStart(widths[i]!)).join(' ');

/** One line a CPU, in hexadecimal: processed, dropped, time_squeeze, six that are no longer used, RPS, flow limit, backlog, CPU, both parts of the backlog. */
export function softnet_seq_show(owner: Kernel): string {
  return owner.percpu
    .map(({ softnet_data: sd, cpu }) => {
      const [waiting, taken] = [sd.input_pkt_queue.qlen, sd.process_queue.qlen];
      const unused = [0, 0, 0, 0, 0, 0];
      const values = [sd.processed, sd.dropped, sd.time_squeeze, ...unused, sd.received_rps, sd.flow_limit?.count ?? 0, waiting + taken];
      return `${[...values, cpu.id, waiting, taken].map((value) => (value >>> 0).toString(16).padStart(8, '0')).join(' ')}\n`;
    })
    .join('');
}
