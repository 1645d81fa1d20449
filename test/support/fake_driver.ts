/**
 * A network device without hardware: a ring of a given size for each queue that takes packets until it is full. The test completes them
 * when it likes (`complete`), as an interrupt would, and feeds received frames to its NAPI instance.
 */
import {
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
  NETIF_F_HW_CSUM,
  NETIF_F_RXCSUM,
  NETIF_F_SG,
  type napi_struct,
  type net_device,
  netdev_xmit_more,
  netif_tx_stop_queue,
} from '../../src/kernel/include/linux/netdevice.ts';
import { CHECKSUM_UNNECESSARY, type sk_buff, skb_put, skb_reserve } from '../../src/kernel/include/linux/skbuff.ts';
import { GFP_KERNEL } from '../../src/kernel/include/linux/types.ts';
import { alloc_pages } from '../../src/kernel/mm/page_alloc.ts';
import { alloc_etherdev_mqs, dev_open, register_netdev } from '../../src/kernel/net/core/dev.ts';
import { napi_complete_done, napi_enable, netif_napi_add } from '../../src/kernel/net/core/dev_napi.ts';
import { netdev_tx_completed_queue, netdev_tx_sent_queue, netif_tx_wake_queue } from '../../src/kernel/net/core/dev_tx_queue.ts';
import { napi_gro_receive } from '../../src/kernel/net/core/gro.ts';
import { napi_build_skb } from '../../src/kernel/net/core/skbuff.ts';
import { skb_copy_bits } from '../../src/kernel/net/core/skbuff_bits.ts';
import { napi_consume_skb } from '../../src/kernel/net/core/skbuff_free.ts';
import { eth_type_trans } from '../../src/kernel/net/ethernet/eth.ts';

export interface FakeOptions {
  readonly queues?: number;
  /** Packets that each queue's ring takes. */
  readonly ring?: number;
  /** Report bytes to BQL. */
  readonly bql?: boolean;
  /** Answer NETDEV_TX_BUSY when the ring is full instead of stopping the queue before. */
  readonly busy?: boolean;
  readonly features?: number;
  readonly queueLength?: number;
  /** ndo_tx_timeout. */
  readonly txTimeout?: (queue: number) => void;
}

export const frameOf = (skb: sk_buff): Uint8Array => {
  const frame = new Uint8Array(skb.len);
  skb_copy_bits(skb, 0, frame, 0, skb.len);
  return frame;
};

export class FakeDriver {
  readonly dev: net_device;
  readonly napi: napi_struct;
  readonly rings: sk_buff[][];
  /** For each packet taken: did the stack say that more follow? */
  readonly more: boolean[] = [];
  /** Frames as they were given to the driver, in order. */
  readonly sent: Uint8Array[] = [];
  /** Frames that wait to be polled. */
  readonly received: Uint8Array[] = [];
  polls = 0;
  readonly #size: number;
  readonly #options: FakeOptions;

  constructor(name: string, options: FakeOptions = {}) {
    this.#options = options;
    this.#size = options.ring ?? 256;
    const queues = options.queues ?? 1;
    this.rings = Array.from({ length: queues }, () => []);
    this.dev = alloc_etherdev_mqs(name, queues, queues);
    this.dev.dev_addr = Uint8Array.of(2, 0, 0, 0, 0, 1);
    this.dev.features = this.dev.hw_features = options.features ?? NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_RXCSUM;
    this.dev.netdev_ops = {
      ndo_open: () => {
        napi_enable(this.napi);
        return 0;
      },
      ndo_stop: () => 0,
      ndo_start_xmit: (skb) => this.#xmit(skb),
      ...(options.txTimeout === undefined ? {} : { ndo_tx_timeout: (_dev, queue) => options.txTimeout!(queue) }),
    };
    if (options.queueLength !== undefined) this.dev.tx_queue_len = options.queueLength;
    this.napi = netif_napi_add(this.dev, (_napi, budget) => this.#poll(budget));
    register_netdev(this.dev);
    dev_open(this.dev);
  }

  /** The hardware has sent `count` packets of a queue. */
  complete(queue: number, count = this.rings[queue]!.length): void {
    const txq = this.dev._tx[queue]!;
    const done = this.rings[queue]!.splice(0, count);
    let bytes = 0;
    for (const skb of done) {
      bytes += skb.len;
      napi_consume_skb(skb, 1, 'fake_poll');
    }
    if (this.#options.bql) netdev_tx_completed_queue(txq, done.length, bytes);
    netif_tx_wake_queue(txq);
  }

  #xmit(skb: sk_buff): number {
    const ring = this.rings[skb.queue_mapping]!;
    const txq = this.dev._tx[skb.queue_mapping]!;
    if (ring.length === this.#size) return NETDEV_TX_BUSY;
    ring.push(skb);
    this.sent.push(frameOf(skb));
    this.more.push(netdev_xmit_more());
    if (this.#options.bql) netdev_tx_sent_queue(txq, skb.len);
    if (ring.length === this.#size && !this.#options.busy) netif_tx_stop_queue(txq);
    return NETDEV_TX_OK;
  }

  #poll(budget: number): number {
    this.polls++;
    let work = 0;
    for (; work < budget && this.received.length > 0; work++) this.receive(this.received.shift()!);
    if (work < budget) napi_complete_done(this.napi, work);
    return work;
  }

  /** One frame to GRO, in a buffer as igb's. */
  receive(frame: Uint8Array): number {
    const page = alloc_pages(GFP_KERNEL, 0)!;
    const skb = napi_build_skb(page, page.offset, 2048)!;
    skb_reserve(skb, 64);
    skb.mem.u8.set(frame, skb_put(skb, frame.length));
    skb.ip_summed = CHECKSUM_UNNECESSARY;
    skb.protocol = eth_type_trans(skb, this.dev);
    return napi_gro_receive(this.napi, skb);
  }
}
