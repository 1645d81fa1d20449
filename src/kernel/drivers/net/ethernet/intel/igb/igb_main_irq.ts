/**
 * drivers/net/ethernet/intel/igb/igb_main.c: interrupts: masks, MSI-X vectors and their handlers.
 * `igb_request_irq` → `igb_request_msix` → `igb_configure_msix` → `igb_assign_vector`; later `igb_msix_ring` and `igb_msix_other`.
 *
 * Simplified: MSI-X only; Linux falls back to MSI and to legacy interrupts.
 */
import * as D from '../../../../../../hw/igb/e1000_defines.ts';
import * as R from '../../../../../../hw/igb/e1000_regs.ts';
import { IRQ_HANDLED } from '../../../../../include/linux/interrupt.ts';
import { free_irq, request_irq } from '../../../../../kernel/irq.ts';
import { jiffies, mod_timer } from '../../../../../kernel/time/timer.ts';
import { schedule_work } from '../../../../../kernel/workqueue.ts';
import { napi_schedule } from '../../../../../net/core/dev_napi.ts';
import { modify32, rd32, wr32, wrfl } from './e1000_hw.ts';
import { __IGB_DOWN, type igb_adapter, type igb_q_vector, stateHas } from './igb.ts';
import { igb_write_itr } from './igb_main_itr.ts';

/** Masks everything this driver has unmasked. */
export function igb_irq_disable(adapter: igb_adapter): void {
  const hw = adapter.hw;
  modify32(hw, R.E1000_EIAM, adapter.eims_enable_mask, 0);
  wr32(hw, R.E1000_EIMC, adapter.eims_enable_mask);
  modify32(hw, R.E1000_EIAC, adapter.eims_enable_mask, 0);
  wr32(hw, R.E1000_IAM, 0);
  wr32(hw, R.E1000_IMC, 0xffffffff);
  wrfl(hw);
}

/** Vectors clear and mask themselves when their message is sent (EIAC, EIAM). Other causes: link, DMA out of sync, device reset. */
export function igb_irq_enable(adapter: igb_adapter): void {
  const hw = adapter.hw;
  modify32(hw, R.E1000_EIAC, 0, adapter.eims_enable_mask);
  modify32(hw, R.E1000_EIAM, 0, adapter.eims_enable_mask);
  wr32(hw, R.E1000_EIMS, adapter.eims_enable_mask);
  wr32(hw, R.E1000_IMS, (D.E1000_IMS_LSC | D.E1000_IMS_DOUTSYNC | D.E1000_IMS_DRSTA) >>> 0);
}

export function igb_request_irq(adapter: igb_adapter): number {
  return igb_request_msix(adapter);
}

/** Vector 0 is for everything that is no queue's. */
function igb_request_msix(adapter: igb_adapter): number {
  const name = adapter.netdev.name;
  const other = request_irq(adapter.msix_entries[0]!.vector, igb_msix_other, name, adapter);
  if (other < 0) return other;
  for (let i = 0; i < adapter.num_q_vectors; i++) {
    const q_vector = adapter.q_vector[i]!;
    q_vector.itr_register = R.E1000_EITR(i + 1);
    q_vector.name = vectorName(q_vector, name);
    const { vector } = adapter.msix_entries[i + 1]!;
    const result = request_irq(vector, igb_msix_ring, q_vector.name, q_vector);
    if (result < 0) return result;
    q_vector.napi.irq = vector;
  }
  igb_configure_msix(adapter);
  return 0;
}

function vectorName(q_vector: igb_q_vector, device: string): string {
  const { rx, tx } = q_vector;
  if (rx.ring !== null && tx.ring !== null) return `${device}-TxRx-${rx.ring.queue_index}`;
  if (tx.ring !== null) return `${device}-tx-${tx.ring.queue_index}`;
  return rx.ring !== null ? `${device}-rx-${rx.ring.queue_index}` : `${device}-unused`;
}

export function igb_free_irq(adapter: igb_adapter): void {
  for (let i = 0; i <= adapter.num_q_vectors; i++) free_irq(adapter.msix_entries[i]!.vector);
}

/** Tells the device which vector each cause has. */
export function igb_configure_msix(adapter: igb_adapter): void {
  const hw = adapter.hw;
  adapter.eims_enable_mask = 0;
  wr32(hw, R.E1000_GPIE, (D.E1000_GPIE_MSIX_MODE | D.E1000_GPIE_PBA | D.E1000_GPIE_EIAME | D.E1000_GPIE_NSICR) >>> 0);
  adapter.eims_other = 1 << 0;
  wr32(hw, R.E1000_IVAR_MISC, (0 | D.E1000_IVAR_VALID) << 8);
  adapter.eims_enable_mask |= adapter.eims_other;
  for (let i = 0; i < adapter.num_q_vectors; i++) igb_assign_vector(adapter.q_vector[i]!, i + 1);
  wrfl(hw);
}

function igb_assign_vector(q_vector: igb_q_vector, msix_vector: number): void {
  const adapter = q_vector.adapter;
  if (q_vector.rx.ring !== null) igb_write_ivar(adapter, msix_vector, q_vector.rx.ring.reg_idx, 0);
  if (q_vector.tx.ring !== null) igb_write_ivar(adapter, msix_vector, q_vector.tx.ring.reg_idx, 8);
  q_vector.eims_value = 1 << msix_vector;
  adapter.eims_enable_mask |= q_vector.eims_value;
  q_vector.set_itr = true;
}

/** A register holds RX i, TX i, RX i+8 and TX i+8, a byte each (82576 datasheet 8.8.15). */
function igb_write_ivar(adapter: igb_adapter, msix_vector: number, queue: number, direction: 0 | 8): void {
  const shift = ((queue & 0x8) << 1) + direction;
  modify32(adapter.hw, R.E1000_IVAR0 + 4 * (queue & 0x7), (0xff << shift) >>> 0, ((msix_vector | D.E1000_IVAR_VALID) << shift) >>> 0);
}

/** A queue's vector: the interval chosen after the last interrupt is written, NAPI does the rest. */
function igb_msix_ring(_irq: number, q_vector: igb_q_vector): number {
  igb_write_itr(q_vector);
  napi_schedule(q_vector.napi);
  return IRQ_HANDLED;
}

function igb_msix_other(_irq: number, adapter: igb_adapter): number {
  const hw = adapter.hw;
  const icr = rd32(hw, R.E1000_ICR);
  if ((icr & D.E1000_ICR_DRSTA) !== 0) schedule_work(adapter.reset_task);
  if ((icr & D.E1000_ICR_DOUTSYNC) !== 0) adapter.stats.doosync++;
  if ((icr & D.E1000_ICR_LSC) !== 0) {
    hw.mac.get_link_status = true;
    if (!stateHas(adapter, __IGB_DOWN)) mod_timer(adapter.watchdog_timer, jiffies() + 1);
  }
  if ((icr & D.E1000_ICR_TS) !== 0) rd32(hw, R.E1000_TSICR);
  wr32(hw, R.E1000_EIMS, adapter.eims_other);
  return IRQ_HANDLED;
}
