/** include/trace/events/skb.h, napi.h, qdisc.h */
import { drop_reasons } from '../../include/net/dropreason.ts';
import { type Qdisc, qdisc_dev } from '../../include/net/sch_generic.ts';
import { named, number, type PrintArgument, symbolic } from '../print_argument.ts';
import type { EventSource, EventTable } from '../trace_event.ts';

/** The first two are no drops; the last is the number of reasons. */
const dropReasons = named(['', '', ...drop_reasons.slice(2), 'MAX']);

export const skb_events: EventTable = {
  kfree_skb: {
    fields: 'void * skbaddr; void * location; void * rx_sk; unsigned short protocol; enum skb_drop_reason reason',
    print: 'skbaddr=%p rx_sk=%p protocol=%u location=%pS reason: %s',
    arguments: ['skbaddr', 'rx_sk', 'protocol', 'location', symbolic('reason', dropReasons)],
    assign: (record, skb, location, reason, rx_sk) => {
      record.skb(skb);
      record.symbol(location);
      record.pointer(rx_sk);
      record.u16(skb.protocol);
      record.u32(reason);
    },
  },
  consume_skb: {
    fields: 'void * skbaddr; void * location',
    print: 'skbaddr=%p location=%pS',
    arguments: ['skbaddr', 'location'],
    assign: (record, skb, location) => {
      record.skb(skb);
      record.symbol(location);
    },
  },
  skb_copy_datagram_iovec: {
    fields: 'const void * skbaddr; int len',
    print: 'skbaddr=%p len=%d',
    arguments: ['skbaddr', 'len'],
    assign: (record, skb, len) => {
      record.skb(skb);
      record.u32(len);
    },
  },
};

export const napi_events: EventTable = {
  napi_poll: {
    fields: 'struct napi_struct * napi; __data_loc char[] dev_name; int work; int budget',
    print: 'napi poll on napi struct %p for device %s work %d budget %d',
    arguments: ['napi', 'dev_name', 'work', 'budget'],
    assign: (record, napi, work, budget) => {
      record.pointer(napi);
      record.text(napi.dev === null ? '(no_device)' : napi.dev.name);
      record.u32(work);
      record.u32(budget);
    },
  },
};

/** TC_H_MAJ and TC_H_MIN of a handle, as the formats spell them. */
const major = (field: string): PrintArgument =>
  number(`((REC->${field})&(0xFFFF0000U)) >> 16`, (record) => (record.number(field) >>> 16) & 0xffff);
const minor = (field: string): PrintArgument => number(`((REC->${field})&(0x0000FFFFU))`, (record) => record.number(field) & 0xffff);

const identity: EventSource<[q: Qdisc]> = {
  fields: '__data_loc char[] dev; __data_loc char[] kind; u32 parent; u32 handle',
  print: 'dev=%s kind=%s parent=%x:%x handle=%x:%x',
  arguments: ['dev', 'kind', major('parent'), minor('parent'), major('handle'), minor('handle')],
  assign: (record, q) => {
    record.text(qdisc_dev(q).name);
    record.text(q.ops.id);
    record.u32(q.parent);
    record.u32(q.handle);
  },
};

export const qdisc_events: EventTable = {
  qdisc_dequeue: {
    fields:
      'struct Qdisc * qdisc; const struct netdev_queue * txq; int packets; void * skbaddr; int ifindex; u32 handle; u32 parent; unsigned long txq_state',
    print: 'dequeue ifindex=%d qdisc handle=0x%X parent=0x%X txq_state=0x%lX packets=%d skbaddr=%p',
    arguments: ['ifindex', 'handle', 'parent', 'txq_state', 'packets', 'skbaddr'],
    assign: (record, q, txq, packets, skb) => {
      record.pointer(q);
      record.pointer(txq);
      record.u32(packets);
      record.skb(skb);
      record.u32(txq.dev.ifindex);
      record.u32(q.handle);
      record.u32(q.parent);
      record.u64(txq.state);
    },
  },
  qdisc_enqueue: {
    fields: 'struct Qdisc * qdisc; const struct netdev_queue * txq; void * skbaddr; int ifindex; u32 handle; u32 parent',
    print: 'enqueue ifindex=%d qdisc handle=0x%X parent=0x%X skbaddr=%p',
    arguments: ['ifindex', 'handle', 'parent', 'skbaddr'],
    assign: (record, q, txq, skb) => {
      record.pointer(q);
      record.pointer(txq);
      record.skb(skb);
      record.u32(txq.dev.ifindex);
      record.u32(q.handle);
      record.u32(q.parent);
    },
  },
  qdisc_reset: identity,
  qdisc_destroy: identity,
  qdisc_create: {
    fields: '__data_loc char[] dev; __data_loc char[] kind; u32 parent',
    print: 'dev=%s kind=%s parent=%x:%x',
    arguments: ['dev', 'kind', major('parent'), minor('parent')],
    assign: (record, id, dev, parent) => {
      record.text(dev.name);
      record.text(id);
      record.u32(parent);
    },
  },
};
