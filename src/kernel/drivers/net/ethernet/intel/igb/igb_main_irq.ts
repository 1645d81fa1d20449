/**
 * drivers/net/ethernet/intel/igb/igb_main.c: interrupts: masks, MSI-X vectors and their handlers.
 * `igb_request_irq` → `igb_request_msix` → `igb_configure_msix` → `igb_assign_vector`; later `igb_msix_ring` and `igb_msix_other`.
 * Without MSI-X there is one interrupt for all causes, which are read from ICR: `igb_intr_msi`, or `igb_intr` on the wire.
 */
import * as D from '../../../../../../hw/igb/e1000_defines.ts';
import * as R from '../../../../../../hw/igb/e1000_regs.ts';
import { IRQ_HANDLED, IRQ_NONE } from '../../../../../include/linux/interrupt.ts';
import { free_irq, request_irq } from '../../../../../kernel/irq.ts';
import { jiffies, mod_timer } from '../../../../../kernel/time/timer.ts';
import { schedule_work } from '../../../../../kernel/workqueue.ts';
import { napi_schedule } from '../../../../../net/core/dev_napi.ts';
import { pciIntxIrq } from '../../../../pci/msi/api.ts';
import { modify32, rd32, wr32, wrfl } from './e1000_hw.ts';
import { __IGB_DOWN, IGB_FLAG_HAS_MSI, IGB_FLAG_HAS_MSIX, type igb_adapter, type igb_q_vector, stateHas } from './igb.ts';
import { igb_write_itr } from './igb_main_itr.ts';

/** Masks everything this driver has unmasked. */
export function igb_irq_disable(adapter: igb_adapter): void {
  const hw = adapter.hw;
  if (hasMsix(adapter)) {
    modify32(hw, R.E1000_EIAM, adapter.eims_enable_mask, 0);
    wr32(hw, R.E1000_EIMC, adapter.eims_enable_mask);
    modify32(hw, R.E1000_EIAC, adapter.eims_enable_mask, 0);
  }
  wr32(hw, R.E1000_IAM, 0);
  wr32(hw, R.E1000_IMC, 0xffffffff);
  wrfl(hw);
}

/** Vectors clear and mask themselves when their message is sent (EIAC, EIAM). Other causes: link, DMA out of sync, device reset. */
export function igb_irq_enable(adapter: igb_adapter): void {
  const hw = adapter.hw;
  if (!hasMsix(adapter)) {
    wr32(hw, R.E1000_IMS, (D.IMS_ENABLE_MASK | D.E1000_IMS_DRSTA) >>> 0);
    wr32(hw, R.E1000_IAM, (D.IMS_ENABLE_MASK | D.E1000_IMS_DRSTA) >>> 0);
    return;
  }
  modify32(hw, R.E1000_EIAC, 0, adapter.eims_enable_mask);
  modify32(hw, R.E1000_EIAM, 0, adapter.eims_enable_mask);
  wr32(hw, R.E1000_EIMS, adapter.eims_enable_mask);
  wr32(hw, R.E1000_IMS, (D.E1000_IMS_LSC | D.E1000_IMS_DOUTSYNC | D.E1000_IMS_DRSTA) >>> 0);
}

export const hasMsix = (adapter: igb_adapter): boolean => (adapter.flags & IGB_FLAG_HAS_MSIX) !== 0;

/** Simplified: requesting an irq never fails here, so there is no way back from MSI-X to MSI at this point. */
export function igb_request_irq(adapter: igb_adapter): number {
  if (hasMsix(adapter)) return igb_request_msix(adapter);
  igb_assign_vector(adapter.q_vector[0]!, 0);
  if ((adapter.flags & IGB_FLAG_HAS_MSI) !== 0) return request_irq(adapter.pdev.irq, igb_intr_msi, adapter.netdev.name, adapter);
  return request_irq(pciIntxIrq(adapter.pdev), igb_intr, adapter.netdev.name, adapter);
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
  if (!hasMsix(adapter)) {
    free_irq(adapter.pdev.irq);
    return;
  }
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

export function igb_assign_vector(q_vector: igb_q_vector, msix_vector: number): void {
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
  otherCauses(adapter, rd32(hw, R.E1000_ICR), D.E1000_ICR_LSC);
  wr32(hw, R.E1000_EIMS, adapter.eims_other);
  return IRQ_HANDLED;
}

/** Causes that are no queue's. `link` are the bits that tell of the link. */
function otherCauses(adapter: igb_adapter, icr: number, link: number): void {
  if ((icr & D.E1000_ICR_DRSTA) !== 0) schedule_work(adapter.reset_task);
  if ((icr & D.E1000_ICR_DOUTSYNC) !== 0) adapter.stats.doosync++;
  if ((icr & link) !== 0) {
    adapter.hw.mac.get_link_status = true;
    if (!stateHas(adapter, __IGB_DOWN)) mod_timer(adapter.watchdog_timer, jiffies() + 1);
  }
  if ((icr & D.E1000_ICR_TS) !== 0) rd32(adapter.hw, R.E1000_TSICR);
}

/** One message for all: reading ICR acknowledges. */
function igb_intr_msi(_irq: number, adapter: igb_adapter): number {
  const q_vector = adapter.q_vector[0]!;
  const icr = rd32(adapter.hw, R.E1000_ICR);
  igb_write_itr(q_vector);
  otherCauses(adapter, icr, D.E1000_ICR_RXSEQ | D.E1000_ICR_LSC);
  napi_schedule(q_vector.napi);
  return IRQ_HANDLED;
}

/** The wire may be another device's: ICR says whether this one has asserted it. */
function igb_intr(_irq: number, adapter: igb_adapter): number {
  const q_vector = adapter.q_vector[0]!;
  const icr = rd32(adapter.hw, R.E1000_ICR);
  if ((icr & D.E1000_ICR_INT_ASSERTED) === 0) return IRQ_NONE;
  igb_write_itr(q_vector);
  otherCauses(adapter, icr, D.E1000_ICR_RXSEQ | D.E1000_ICR_LSC);
  napi_schedule(q_vector.napi);
  return IRQ_HANDLED;
}
