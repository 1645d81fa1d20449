/** include/trace/events/net.h */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import type { EventSource, EventTable } from '../trace_event.ts';
import type { TraceRecord } from '../trace_record.ts';

/** Writes VLAN_FIELDS. */
function putVlan(record: TraceRecord, skb: sk_buff): void {
  record.bool(skb.vlan_present);
  record.u16(skb.vlan_proto);
  record.u16(skb.vlan_tci);
  record.u16(skb.protocol);
  record.u8Field(skb.ip_summed);
}

const skbEvent: EventSource<[skb: sk_buff]> = {
  fields: 'void * skbaddr; unsigned int len; __data_loc char[] name',
  print: 'dev=%s skbaddr=%p len=%u',
  arguments: ['name', 'skbaddr', 'len'],
  assign: (record, skb) => {
    record.skb(skb);
    record.u32(skb.len);
    record.text(skb.dev === null ? '' : skb.dev.name);
  },
};

const VLAN_FIELDS = 'bool vlan_tagged; u16 vlan_proto; u16 vlan_tci; u16 protocol; u8 ip_summed';
const VLAN_PRINT = 'vlan_tagged=%d vlan_proto=0x%04x vlan_tci=0x%04x protocol=0x%04x ip_summed=%d';
const VLAN_ARGUMENTS = ['vlan_tagged', 'vlan_proto', 'vlan_tci', 'protocol', 'ip_summed'] as const;

const entry: EventSource<[skb: sk_buff]> = {
  fields:
    `__data_loc char[] name; unsigned int napi_id; u16 queue_mapping; const void * skbaddr; ${VLAN_FIELDS}; u32 hash; bool l4_hash; unsigned int len; ` +
    'unsigned int data_len; unsigned int truesize; bool mac_header_valid; int mac_header; unsigned char nr_frags; u16 gso_size; u16 gso_type',
  print:
    `dev=%s napi_id=%#x queue_mapping=%u skbaddr=%p ${VLAN_PRINT} hash=0x%08x l4_hash=%d len=%u data_len=%u truesize=%u mac_header_valid=%d ` +
    'mac_header=%d nr_frags=%d gso_size=%d gso_type=%#x',
  arguments: [
    'name', 'napi_id', 'queue_mapping', 'skbaddr', ...VLAN_ARGUMENTS, 'hash', 'l4_hash', 'len', 'data_len', 'truesize', 'mac_header_valid',
    'mac_header', 'nr_frags', 'gso_size', 'gso_type',
  ], // biome-ignore format: a row of fields
  assign: (record, skb) => {
    const { nr_frags, gso_size, gso_type } = skb.shinfo;
    record.text(skb.dev === null ? '' : skb.dev.name);
    record.u32(skb.napi_id);
    record.u16(skb.queue_mapping);
    record.skb(skb);
    putVlan(record, skb);
    record.u32(skb.hash);
    record.bool(skb.l4_hash);
    record.u32(skb.len);
    record.u32(skb.data_len);
    record.u32(skb.truesize);
    record.bool(skb.mac_header >= 0);
    record.u32(skb.mac_header < 0 ? 0 : skb.mac_header - skb.data);
    record.u8Field(nr_frags);
    record.u16(gso_size);
    record.u16(gso_type);
  },
};

const exit: EventSource<[ret: number]> = {
  fields: 'int ret',
  print: 'ret=%d',
  arguments: ['ret'],
  assign: (record, ret) => record.u32(ret),
};

export const net_events: EventTable = {
  net_dev_queue: skbEvent,
  netif_receive_skb: skbEvent,
  netif_rx: skbEvent,
  net_dev_xmit: {
    fields: 'void * skbaddr; unsigned int len; int rc; __data_loc char[] name',
    print: 'dev=%s skbaddr=%p len=%u rc=%d',
    arguments: ['name', 'skbaddr', 'len', 'rc'],
    assign: (record, skb, rc, dev, skb_len) => {
      // The driver may have let go of the skb: its address and its id outlive that, its shinfo only while somebody else holds it.
      record.skb(skb);
      record.u32(skb_len);
      record.u32(rc);
      record.text(dev.name);
    },
  },
  net_dev_xmit_timeout: {
    fields: '__data_loc char[] name; __data_loc char[] driver; int queue_index',
    print: 'dev=%s driver=%s queue=%d',
    arguments: ['name', 'driver', 'queue_index'],
    assign: (record, dev, queue_index) => {
      record.text(dev.name);
      record.text('igb');
      record.u32(queue_index);
    },
  },
  net_dev_start_xmit: {
    fields:
      `__data_loc char[] name; u16 queue_mapping; const void * skbaddr; ${VLAN_FIELDS}; unsigned int len; unsigned int data_len; int network_offset; ` +
      'bool transport_offset_valid; int transport_offset; u8 tx_flags; u16 gso_size; u16 gso_segs; u16 gso_type',
    print:
      `dev=%s queue_mapping=%u skbaddr=%p ${VLAN_PRINT} len=%u data_len=%u network_offset=%d transport_offset_valid=%d transport_offset=%d ` +
      'tx_flags=%d gso_size=%d gso_segs=%d gso_type=%#x',
    arguments: [
      'name', 'queue_mapping', 'skbaddr', ...VLAN_ARGUMENTS, 'len', 'data_len', 'network_offset', 'transport_offset_valid', 'transport_offset',
      'tx_flags', 'gso_size', 'gso_segs', 'gso_type',
    ], // biome-ignore format: a row of fields
    assign: (record, skb, dev) => {
      const { tx_flags, gso_size, gso_segs, gso_type } = skb.shinfo;
      record.text(dev.name);
      record.u16(skb.queue_mapping);
      record.skb(skb);
      putVlan(record, skb);
      record.u32(skb.len);
      record.u32(skb.data_len);
      record.u32(skb.network_header - skb.data);
      record.bool(skb.transport_header >= 0);
      record.u32(skb.transport_header < 0 ? 0 : skb.transport_header - skb.data);
      record.u8Field(tx_flags);
      record.u16(gso_size);
      record.u16(gso_segs);
      record.u16(gso_type);
    },
  },
  napi_gro_receive_entry: entry,
  netif_receive_skb_entry: entry,
  netif_receive_skb_list_entry: entry,
  netif_rx_entry: entry,
  napi_gro_receive_exit: exit,
  netif_receive_skb_exit: exit,
  netif_receive_skb_list_exit: exit,
  netif_rx_exit: exit,
};
