/**
 * drivers/net/ethernet/intel/igb/igb_main.c: NAPI. `igb_poll` cleans the vector's rings; when all is done the vector's interrupt is enabled again
 * (`igb_ring_irq_enable`), for which the device had masked it on its own (EIAM).
 */
import { E1000_EIMS } from '../../../../../../hw/igb/e1000_regs.ts';
import type { napi_struct } from '../../../../../include/linux/netdevice.ts';
import { napi_complete_done } from '../../../../../net/core/dev_napi.ts';
import { wr32 } from './e1000_hw.ts';
import { __IGB_DOWN, type igb_q_vector, stateHas } from './igb.ts';
import { hasMsix, igb_irq_enable } from './igb_main_irq.ts';
import { igb_set_itr, igb_update_ring_itr, itrIsAdaptive } from './igb_main_itr.ts';
import { igb_clean_rx_irq } from './igb_main_rx.ts';
import { igb_clean_tx_irq } from './igb_main_tx_clean.ts';

export function igb_poll(napi: napi_struct, budget: number): number {
  const q_vector = napi.owner as igb_q_vector;
  let complete = q_vector.tx.ring === null || igb_clean_tx_irq(q_vector, budget);
  let work = 0;
  if (q_vector.rx.ring !== null) {
    work = igb_clean_rx_irq(q_vector, budget);
    if (work >= budget) complete = false;
  }
  if (!complete) return budget;
  if (napi_complete_done(napi, work)) igb_ring_irq_enable(q_vector);
  return work;
}

function igb_ring_irq_enable(q_vector: igb_q_vector): void {
  const adapter = q_vector.adapter;
  if (itrIsAdaptive(q_vector)) {
    if (adapter.num_q_vectors === 1) igb_set_itr(q_vector);
    else igb_update_ring_itr(q_vector);
  }
  if (stateHas(adapter, __IGB_DOWN)) return;
  if (hasMsix(adapter)) wr32(adapter.hw, E1000_EIMS, q_vector.eims_value);
  else igb_irq_enable(adapter);
}
