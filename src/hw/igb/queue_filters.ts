/**
 * Filters that choose a frame's queue before RSS does (datasheet 7.1.1.4 to 7.1.1.6): by Ethertype (ETQF), TCP SYN (SYNQF), and the five of a flow (FTQF with
 * SAQF, DAQF, SPQF; the destination's port is IMIR's). The first that matches wins, in this order; RFCTL.SYNQFP puts SYN before or behind the flows.
 */
import type { Frame } from '../../wire/frame.ts';
import * as D from './e1000_defines.ts';
import * as R from './e1000_regs.ts';
import type { RegisterValues } from './register_values.ts';

const FILTERS = 8;
export const NO_FILTER = -1;
const ETH_HEADER = 14;
const ADDRESSES = 12;
const VLAN_TAG = 4;
const ETH_P_IP = 0x0800;
const IPPROTO_TCP = 6;
const TCP_SYN_ACK = 0x12;
const TCP_SYN = 0x02;

export class QueueFilters {
  /** Some filter is on: frames have to be looked at. */
  active = false;
  /** Of the last frame: the Ethertype filter that matched, or NO_FILTER. */
  ethertype = NO_FILTER;
  readonly #values: RegisterValues;

  constructor(values: RegisterValues) {
    this.#values = values;
  }

  /** One of the filters' registers was written, or all were reset. */
  changed(): void {
    this.active = (this.#values.get(R.E1000_SYNQF(0)) & D.E1000_SYNQF_ENABLE) !== 0;
    for (let i = 0; i < FILTERS; i++) {
      if ((this.#values.get(R.E1000_ETQF(i)) & D.E1000_ETQF_FILTER_ENABLE) !== 0) this.active = true;
      if ((this.#values.get(R.E1000_FTQF(i)) & D.E1000_FTQF_QUEUE_ENABLE) !== 0) this.active = true;
    }
  }

  /** The queue of a frame whose tag (if `vlan` is not -1) stands in it; NO_FILTER when no filter names one. */
  queue(frame: Frame, vlan: number): number {
    const l3 = ETH_HEADER + (vlan >= 0 ? VLAN_TAG : 0);
    const type = frame.view.getUint16(frame.start + l3 - 2);
    this.ethertype = this.#byEthertype(type);
    if (this.ethertype !== NO_FILTER) {
      const filter = this.#values.get(R.E1000_ETQF(this.ethertype));
      const queue = (filter & D.E1000_ETQF_QUEUE_MASK) >>> D.E1000_ETQF_QUEUE_SHIFT;
      return (filter & D.E1000_ETQF_QUEUE_ENABLE) !== 0 ? queue : NO_FILTER;
    }
    if (type !== ETH_P_IP || frame.length < l3 + 40) return NO_FILTER;
    const ip = frame.start + l3;
    const isSynFirst = (this.#values.get(R.E1000_RFCTL) & D.E1000_RFCTL_SYNQFP) !== 0;
    const first = isSynFirst ? this.#bySyn(frame, ip) : this.#byFlow(frame, ip);
    if (first !== NO_FILTER) return first;
    return isSynFirst ? this.#byFlow(frame, ip) : this.#bySyn(frame, ip);
  }

  #byEthertype(type: number): number {
    for (let i = 0; i < FILTERS; i++) {
      const filter = this.#values.get(R.E1000_ETQF(i));
      if ((filter & D.E1000_ETQF_FILTER_ENABLE) !== 0 && (filter & D.E1000_ETQF_ETYPE_MASK) === type) return i;
    }
    return NO_FILTER;
  }

  #bySyn(frame: Frame, ip: number): number {
    const filter = this.#values.get(R.E1000_SYNQF(0));
    if ((filter & D.E1000_SYNQF_ENABLE) === 0 || frame.u8[ip + 9] !== IPPROTO_TCP) return NO_FILTER;
    const flags = frame.u8[ip + (frame.u8[ip]! & 15) * 4 + 13]!;
    return (flags & TCP_SYN_ACK) === TCP_SYN ? (filter & D.E1000_SYNQF_QUEUE_MASK) >>> D.E1000_SYNQF_QUEUE_SHIFT : NO_FILTER;
  }

  #byFlow(frame: Frame, ip: number): number {
    for (let i = 0; i < FILTERS; i++) {
      const filter = this.#values.get(R.E1000_FTQF(i));
      if ((filter & D.E1000_FTQF_QUEUE_ENABLE) === 0 || !this.#matches(i, filter, frame, ip)) continue;
      return (filter & D.E1000_FTQF_QUEUE_MASK) >>> D.E1000_FTQF_QUEUE_SHIFT;
    }
    return NO_FILTER;
  }

  /** Each of the five counts unless its mask bit bypasses it. Addresses and the source's port are in network order, as software writes them. */
  #matches(i: number, filter: number, frame: Frame, ip: number): boolean {
    const { view, u8 } = frame;
    const values = this.#values;
    const l4 = ip + (u8[ip]! & 15) * 4;
    const imir = values.get(R.E1000_IMIR(i));
    return (
      ((filter & D.E1000_FTQF_MASK_PROTO_BP) !== 0 || (filter & D.E1000_FTQF_PROTOCOL_MASK) === u8[ip + 9]) &&
      ((filter & D.E1000_FTQF_MASK_SOURCE_ADDR_BP) !== 0 || values.get(R.E1000_SAQF(i)) === view.getUint32(ip + ADDRESSES, true)) &&
      ((filter & D.E1000_FTQF_MASK_DEST_ADDR_BP) !== 0 || values.get(R.E1000_DAQF(i)) === view.getUint32(ip + ADDRESSES + 4, true)) &&
      ((filter & D.E1000_FTQF_MASK_SOURCE_PORT_BP) !== 0 || (values.get(R.E1000_SPQF(i)) & 0xffff) === view.getUint16(l4, true)) &&
      ((imir & D.E1000_IMIR_PORT_BP) !== 0 || (imir & 0xffff) === view.getUint16(l4 + 2, true))
    );
  }
}
