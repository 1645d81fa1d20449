/**
 * The stages of a packet's way, by the event that ends each: what lies between the step before and this event. What happens beside the way (the completion of a
 * transmission, say) ends no stage.
 */

export interface Stage {
  readonly name: string;
  /** The kernel function that has the tracepoint in it; '' for hardware. */
  readonly place: string;
}

export const STAGES = {
  send: 'TCP and IP, sending',
  qdisc: 'queueing discipline',
  driver: 'driver',
  nic: 'descriptor ring, DMA and NIC',
  serialisation: 'serialisation',
  wire: 'wire',
  rxNic: 'NIC, DMA and descriptor ring',
  moderation: 'interrupt moderation',
  softirq: 'interrupt, softirq and driver',
  gro: 'GRO',
  receive: 'IP and TCP, receiving',
  reader: 'socket queue, until it is read',
  forward: 'routing and forwarding',
} as const;

/** In the order of the way. */
export const STAGE_NAMES: readonly string[] = Object.values(STAGES);

const BY_EVENT: Readonly<Record<string, Stage>> = {
  'net:net_dev_queue': { name: STAGES.send, place: '__dev_queue_xmit' },
  'qdisc:qdisc_enqueue': { name: STAGES.send, place: 'dev_qdisc_enqueue' },
  'qdisc:qdisc_dequeue': { name: STAGES.qdisc, place: 'dequeue_skb' },
  'net:net_dev_start_xmit': { name: STAGES.qdisc, place: 'xmit_one' },
  'net:net_dev_xmit': { name: STAGES.driver, place: 'xmit_one' },
  'nic:transmit': { name: STAGES.nic, place: '' },
  'wire:frame': { name: STAGES.wire, place: '' },
  'nic:receive': { name: STAGES.wire, place: '' },
  'nic:store': { name: STAGES.rxNic, place: '' },
  'net:napi_gro_receive_entry': { name: STAGES.softirq, place: 'napi_gro_receive' },
  'net:netif_rx_entry': { name: STAGES.softirq, place: 'netif_rx' },
  'net:netif_rx': { name: STAGES.softirq, place: 'netif_rx_internal' },
  'net:netif_receive_skb_entry': { name: STAGES.gro, place: 'netif_receive_skb' },
  'net:netif_receive_skb_list_entry': { name: STAGES.gro, place: 'netif_receive_skb_list' },
  'net:netif_receive_skb': { name: STAGES.gro, place: '__netif_receive_skb_core' },
  'tcp:tcp_probe': { name: STAGES.receive, place: 'tcp_rcv_established' },
  'skb:skb_copy_datagram_iovec': { name: STAGES.reader, place: 'skb_copy_datagram_iter' },
};

/** Null for what is beside the way. */
export const stageOf = (system: string, name: string): Stage | null => BY_EVENT[`${system}:${name}`] ?? null;
