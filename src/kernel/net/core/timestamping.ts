/**
 * net/core/timestamping.c: stamps that a PHY of its own would give to PTP packets. Drivers and the receive path ask for each packet.
 * Simplified: the modelled ports stamp in the controller, so that there is never such a PHY, and both functions find nothing to do.
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';

/** A packet on its way to the device: the PHY would want a clone of it. */
export function skb_clone_tx_timestamp(_skb: sk_buff): void {
  return;
}

/** A packet that arrived: true when the PHY keeps it until its stamp is there. */
export function skb_defer_rx_timestamp(_skb: sk_buff): boolean {
  return false;
}
