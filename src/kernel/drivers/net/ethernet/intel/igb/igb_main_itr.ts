/**
 * drivers/net/ethernet/intel/igb/igb_main.c: adaptive interrupt moderation. After each poll the interval for the next interrupt is chosen from what was
 * cleaned; the device learns it at the beginning of the next interrupt (`igb_write_itr`), since writing EITR restarts its counter.
 *
 * With one vector for everything the choice is by packets and bytes (`igb_set_itr`); with several it is by the size of packets alone (`igb_update_ring_itr`).
 */
import { E1000_EITR_CNT_IGNR, SPEED_1000 } from '../../../../../../hw/igb/e1000_defines.ts';
import { wr32 } from './e1000_hw.ts';
import {
  bulk_latency,
  IGB_4K_ITR,
  IGB_20K_ITR,
  IGB_70K_ITR,
  type igb_q_vector,
  type igb_ring_container,
  low_latency,
  lowest_latency,
} from './igb.ts';

const EITR_INTERVAL = 0x7ffc;
const EITR_SHORTEST = 0x4;
/** Preamble, FCS and gap: what a packet takes on the wire beside its bytes. */
const WIRE_OVERHEAD = 24;
const LONGEST_COUNTED = 3000;

export function igb_write_itr(q_vector: igb_q_vector): void {
  if (!q_vector.set_itr) return;
  const interval = q_vector.itr_val & EITR_INTERVAL;
  wr32(q_vector.adapter.hw, q_vector.itr_register, ((interval === 0 ? EITR_SHORTEST : interval) | E1000_EITR_CNT_IGNR) >>> 0);
  q_vector.set_itr = false;
}

/** The user's setting of the vector's direction; 1 and 3 are adaptive, 3 without the shortest interval. */
const itrSetting = (q_vector: igb_q_vector): number =>
  q_vector.rx.ring !== null ? q_vector.adapter.rx_itr_setting : q_vector.adapter.tx_itr_setting;

export const itrIsAdaptive = (q_vector: igb_q_vector): boolean => (itrSetting(q_vector) & 3) !== 0;

function averageBytes(container: igb_ring_container): number {
  return container.total_packets === 0 ? 0 : Math.floor(container.total_bytes / container.total_packets);
}

export function igb_update_ring_itr(q_vector: igb_q_vector): void {
  const { rx, tx, adapter } = q_vector;
  if (adapter.link_speed !== SPEED_1000) setItr(q_vector, IGB_4K_ITR);
  else {
    const average = Math.max(averageBytes(rx), averageBytes(tx));
    if (average > 0) setItr(q_vector, intervalFor(q_vector, Math.min(average + WIRE_OVERHEAD, LONGEST_COUNTED)));
  }
  rx.total_bytes = 0;
  rx.total_packets = 0;
  tx.total_bytes = 0;
  tx.total_packets = 0;
}

/** Half the size in units of 1/4 µs; a third for middle sizes. */
function intervalFor(q_vector: igb_q_vector, wireSize: number): number {
  const interval = Math.floor(wireSize > 300 && wireSize < 1200 ? wireSize / 3 : wireSize / 2);
  return interval < IGB_20K_ITR && itrSetting(q_vector) === 3 ? IGB_20K_ITR : interval;
}

function setItr(q_vector: igb_q_vector, value: number): void {
  if (value === q_vector.itr_val) return;
  q_vector.itr_val = value;
  q_vector.set_itr = true;
}

/** The latency class that suits what was done since the last interrupt, given the class so far. */
function nextLatency(current: number, packets: number, bytes: number): number {
  const mean = bytes / packets;
  if (current === lowest_latency) {
    if (mean > 8000) return bulk_latency;
    return packets < 5 && bytes > 512 ? low_latency : current;
  }
  if (current === bulk_latency) {
    if (bytes > 25000) return packets > 35 ? low_latency : current;
    return bytes < 1500 ? low_latency : current;
  }
  if (bytes > 10000) {
    if (mean > 1200 || packets < 10) return bulk_latency;
    return packets > 35 ? lowest_latency : current;
  }
  if (mean > 2000) return bulk_latency;
  return packets <= 2 && bytes < 512 ? lowest_latency : current;
}

function igb_update_itr(container: igb_ring_container): void {
  if (container.total_packets === 0) return;
  container.itr = nextLatency(container.itr, container.total_packets, container.total_bytes);
  container.total_bytes = 0;
  container.total_packets = 0;
}

function intervalOfLatency(latency: number): number {
  if (latency === lowest_latency) return IGB_70K_ITR;
  return latency === low_latency ? IGB_20K_ITR : IGB_4K_ITR;
}

export function igb_set_itr(q_vector: igb_q_vector): void {
  if (q_vector.adapter.link_speed !== SPEED_1000) {
    setItr(q_vector, IGB_4K_ITR);
    return;
  }
  igb_update_itr(q_vector.tx);
  igb_update_itr(q_vector.rx);
  const latency = Math.max(q_vector.rx.itr, q_vector.tx.itr);
  setItr(q_vector, intervalOfLatency(latency === lowest_latency && itrSetting(q_vector) === 3 ? low_latency : latency));
}
