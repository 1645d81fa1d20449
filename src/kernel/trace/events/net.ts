/** include/trace/events/net.h */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { alternateHex, bit, hex4, hex8, pointer } from '../print.ts';
import type { EventFormats } from '../trace_event.ts';

const template = (skb: sk_buff): string => `dev=${skb.dev?.name ?? ''} skbaddr=${pointer(skb)} len=${skb.len}`;

const vlan = (skb: sk_buff): string =>
  `vlan_tagged=${bit(skb.vlan_present)} vlan_proto=${hex4(skb.vlan_proto)} vlan_tci=${hex4(skb.vlan_tci)} protocol=${hex4(skb.protocol)}`;

const verbose = (skb: sk_buff): string => {
  const { nr_frags, gso_size, gso_type } = skb.shinfo;
  const mac = skb.mac_header < 0 ? 0 : skb.mac_header - skb.data;
  return (
    `dev=${skb.dev?.name ?? ''} napi_id=${alternateHex(skb.napi_id)} queue_mapping=${skb.queue_mapping} skbaddr=${pointer(skb)} ${vlan(skb)} ` +
    `ip_summed=${skb.ip_summed} hash=${hex8(skb.hash)} l4_hash=${bit(skb.l4_hash)} len=${skb.len} data_len=${skb.data_len} truesize=${skb.truesize} ` +
    `mac_header_valid=${bit(skb.mac_header >= 0)} mac_header=${mac} nr_frags=${nr_frags} gso_size=${gso_size} gso_type=${alternateHex(gso_type)}`
  );
};

const exit = (ret: number): string => `ret=${ret}`;

export const net_events: EventFormats = {
  net_dev_queue: template,
  netif_receive_skb: template,
  netif_rx: template,
  net_dev_xmit: (skb, rc, dev, skb_len) => `dev=${dev.name} skbaddr=${pointer(skb)} len=${skb_len} rc=${rc}`,
  net_dev_xmit_timeout: (dev, queue) => `dev=${dev.name} driver=igb queue=${queue}`,
  net_dev_start_xmit: (skb, dev) => {
    const { tx_flags, gso_size, gso_segs, gso_type } = skb.shinfo;
    const transport = skb.transport_header < 0 ? 0 : skb.transport_header - skb.data;
    return (
      `dev=${dev.name} queue_mapping=${skb.queue_mapping} skbaddr=${pointer(skb)} ${vlan(skb)} ip_summed=${skb.ip_summed} len=${skb.len} ` +
      `data_len=${skb.data_len} network_offset=${skb.network_header - skb.data} transport_offset_valid=${bit(skb.transport_header >= 0)} ` +
      `transport_offset=${transport} tx_flags=${tx_flags} gso_size=${gso_size} gso_segs=${gso_segs} gso_type=${alternateHex(gso_type)}`
    );
  },
  napi_gro_receive_entry: verbose,
  netif_receive_skb_entry: verbose,
  netif_receive_skb_list_entry: verbose,
  netif_rx_entry: verbose,
  napi_gro_receive_exit: exit,
  netif_receive_skb_exit: exit,
  netif_receive_skb_list_exit: exit,
  netif_rx_exit: exit,
};
