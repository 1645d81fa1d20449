/**
 * net/sched/sch_generic.c: the transmit watchdog. A queue that the driver stopped and that has sent nothing for `watchdog_timeo`
 * is reported to the driver (`ndo_tx_timeout`), which resets the device.
 */
import { smp_processor_id, trace } from '../../current.ts';
import { netdev_crit } from '../../include/linux/device.ts';
import {
  type net_device,
  netif_carrier_ok,
  netif_device_present,
  netif_running,
  netif_xmit_stopped,
} from '../../include/linux/netdevice.ts';
import { HZ, jiffies, jiffies_to_msecs, mod_timer, timer_delete, timer_list } from '../../kernel/time/timer.ts';

const WATCHDOG_SECONDS = 5;

export function netdev_watchdog_up(dev: net_device): void {
  if (dev.netdev_ops.ndo_tx_timeout === undefined) return;
  if (dev.watchdog_timeo <= 0) dev.watchdog_timeo = WATCHDOG_SECONDS * HZ();
  dev.watchdog_timer ??= new timer_list(() => dev_watchdog(dev), 'dev_watchdog');
  mod_timer(dev.watchdog_timer, round_jiffies(jiffies() + dev.watchdog_timeo));
}

export function dev_watchdog_down(dev: net_device): void {
  if (dev.watchdog_timer !== null) timer_delete(dev.watchdog_timer);
}

/** Looks at all queues; comes again when the one that has been stopped for longest would have timed out. */
function dev_watchdog(dev: net_device): void {
  if (!netif_device_present(dev) || !netif_running(dev) || !netif_carrier_ok(dev)) return;
  let oldest = jiffies();
  for (let i = 0; i < dev.num_tx_queues; i++) {
    const txq = dev._tx[i]!;
    if (!netif_xmit_stopped(txq)) continue;
    if (jiffies() > txq.trans_start + dev.watchdog_timeo) {
      timedOut(dev, i);
      break;
    }
    oldest = Math.min(oldest, txq.trans_start);
  }
  mod_timer(dev.watchdog_timer!, round_jiffies(oldest + dev.watchdog_timeo));
}

function timedOut(dev: net_device, index: number): void {
  const txq = dev._tx[index]!;
  const stopped = jiffies_to_msecs(jiffies() - txq.trans_start);
  txq.trans_timeout++;
  trace().net_dev_xmit_timeout?.(dev, index);
  netdev_crit(dev, `NETDEV WATCHDOG: CPU: ${smp_processor_id()}: transmit queue ${index} timed out ${stopped} ms`);
  dev.netdev_ops.ndo_tx_timeout!(dev, index);
}

/** Whole seconds, so that timers which need no precision expire together. */
function round_jiffies(j: number): number {
  const hz = HZ();
  const rest = j % hz;
  const rounded = rest < hz / 4 ? j - rest : j - rest + hz;
  return rounded <= jiffies() ? j : rounded;
}
