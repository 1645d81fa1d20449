/** include/trace/events/skb.h, napi.h, qdisc.h */
import { drop_reasons } from '../../include/net/dropreason.ts';
import { type Qdisc, qdisc_dev } from '../../include/net/sch_generic.ts';
import { pointer } from '../print.ts';
import type { EventFormats } from '../trace_event.ts';

export const skb_events: EventFormats = {
  kfree_skb: (skb, location, reason, rx_sk) =>
    `skbaddr=${pointer(skb)} rx_sk=${pointer(rx_sk)} protocol=${skb.protocol} location=${location} reason: ${drop_reasons[reason] ?? reason}`,
  consume_skb: (skb, location) => `skbaddr=${pointer(skb)} location=${location}`,
  skb_copy_datagram_iovec: (skb, len) => `skbaddr=${pointer(skb)} len=${len}`,
};

export const napi_events: EventFormats = {
  napi_poll: (napi, work, budget) => `napi poll on napi struct ${pointer(napi)} for device ${napi.dev?.name ?? '(no_device)'} work ${work} budget ${budget}`,
};

const HEX = (value: number): string => `0x${(value >>> 0).toString(16).toUpperCase()}`;
const major = (handle: number): string => (handle >>> 16).toString(16);
const minor = (handle: number): string => (handle & 0xffff).toString(16);
const identity = (q: Qdisc): string =>
  `dev=${qdisc_dev(q).name} kind=${q.ops.id} parent=${major(q.parent)}:${minor(q.parent)} handle=${major(q.handle)}:${minor(q.handle)}`;

export const qdisc_events: EventFormats = {
  qdisc_dequeue: (q, txq, packets, skb) =>
    `dequeue ifindex=${txq.dev.ifindex} qdisc handle=${HEX(q.handle)} parent=${HEX(q.parent)} txq_state=${HEX(txq.state)} packets=${packets} skbaddr=${pointer(skb)}`,
  qdisc_enqueue: (q, txq, skb) =>
    `enqueue ifindex=${txq.dev.ifindex} qdisc handle=${HEX(q.handle)} parent=${HEX(q.parent)} skbaddr=${pointer(skb)}`,
  qdisc_reset: identity,
  qdisc_destroy: identity,
  qdisc_create: (id, dev, parent) => `dev=${dev.name} kind=${id} parent=${major(parent)}:${minor(parent)}`,
};
