/** Two hosts with the driver and the real device model, joined by a cable; frames of a protocol of our own go from one to the other. */
import { IgbDevice } from '../../../../src/hw/igb/igb_device.ts';
import type { igb_adapter } from '../../../../src/kernel/drivers/net/ethernet/intel/igb/igb.ts';
import { type net_device, netdev_priv, type packet_type } from '../../../../src/kernel/include/linux/netdevice.ts';
import { type sk_buff, skb_fill_page_desc, skb_put, skb_reserve } from '../../../../src/kernel/include/linux/skbuff.ts';
import { GFP_ATOMIC } from '../../../../src/kernel/include/linux/types.ts';
import { alloc_pages } from '../../../../src/kernel/mm/page_alloc.ts';
import { dev_add_pack, dev_close, dev_open } from '../../../../src/kernel/net/core/dev.ts';
import { alloc_skb } from '../../../../src/kernel/net/core/skbuff.ts';
import { skb_copy_bits } from '../../../../src/kernel/net/core/skbuff_bits.ts';
import { consume_skb } from '../../../../src/kernel/net/core/skbuff_free.ts';
import { Simulation } from '../../../../src/sim/simulation.ts';
import { Cable } from '../../../../src/wire/cable.ts';
import { FramePool } from '../../../../src/wire/frame.ts';
import { TestHost } from './test_host.ts';

/** Local experimental Ethertype 1 (IEEE 802). */
export const ETH_P_TEST = 0x88b5;
const HEADER = 14;
const MS = 1_000_000;

/** A frame that reached the far host's stack. */
export interface Received {
  readonly bytes: Uint8Array;
  readonly packetId: number;
  readonly hash: number;
  readonly queue: number;
  readonly fragments: number;
  readonly vlan: number | null;
}

export class Side {
  readonly nic: IgbDevice;
  readonly host: TestHost;
  readonly received: Received[] = [];
  /** When set, skbs are kept here instead of being freed. */
  kept: sk_buff[] | null = null;

  constructor(simulation: Simulation, pool: FramePool, name: string, address: number, cpus: number) {
    this.nic = new IgbDevice(`${name} eth0`, simulation, pool, { mac: Uint8Array.of(2, 0, 0, 0, 0, address), autonegotiationNs: 1000 });
    this.host = new TestHost(simulation, this.nic, cpus, name);
    this.host.boot();
    const handler: packet_type = { type: ETH_P_TEST, dev: null, func: (skb) => this.#take(skb) };
    this.host.onCpu(() => dev_add_pack(handler));
  }

  get dev(): net_device {
    return this.host.device;
  }

  get adapter(): igb_adapter {
    return netdev_priv<igb_adapter>(this.dev);
  }

  open(): void {
    this.host.onCpu(() => dev_open(this.dev));
  }

  close(): void {
    this.host.onCpu(() => dev_close(this.dev));
  }

  #take(skb: sk_buff): number {
    const bytes = new Uint8Array(skb.len);
    skb_copy_bits(skb, 0, bytes, 0, skb.len);
    this.received.push({
      bytes,
      packetId: skb.packetId,
      hash: skb.hash,
      queue: skb.queue_mapping - 1,
      fragments: skb.shinfo.nr_frags,
      vlan: skb.vlan_present ? skb.vlan_tci : null,
    });
    if (this.kept === null) consume_skb(skb);
    else this.kept.push(skb);
    return 0;
  }

  /** A frame of our protocol to `to`; payload byte i is (i + seed) mod 251. Beyond `linear` bytes the payload lies in page fragments. */
  frame(to: Side, payload: number, seed = 0, linear = payload): sk_buff {
    const skb = alloc_skb(64 + HEADER + linear, GFP_ATOMIC)!;
    skb_reserve(skb, 64);
    const at = skb_put(skb, HEADER + linear);
    const u8 = skb.mem.u8;
    u8.set(to.dev.dev_addr, at);
    u8.set(this.dev.dev_addr, at + 6);
    skb.mem.view.setUint16(at + 12, ETH_P_TEST);
    for (let i = 0; i < linear; i++) u8[at + HEADER + i] = (i + seed) % 251;
    for (let done = linear; done < payload; ) {
      const size = Math.min(32768, payload - done);
      const page = alloc_pages(GFP_ATOMIC, 3)!;
      for (let i = 0; i < size; i++) page.mem.u8[page.offset + i] = (done + i + seed) % 251;
      skb_fill_page_desc(skb, skb.shinfo.nr_frags, page, page.offset, size);
      skb.len += size;
      skb.data_len += size;
      done += size;
    }
    skb.mac_header = at;
    skb.network_header = at + HEADER;
    skb.protocol = ETH_P_TEST;
    skb.dev = this.dev;
    skb.packetId = this.host.simulation.takePacketIds(1);
    return skb;
  }

  /** Hands frames to the driver, as the queue discipline would; what ndo_start_xmit said to the last. */
  xmit(make: () => sk_buff): number {
    return this.host.onCpu(() => {
      const skb = make();
      return this.dev.netdev_ops.ndo_start_xmit(skb, this.dev);
    });
  }

  /** Resources that must be back to where they were when nothing is under way. */
  get held(): { pages: number; skbs: number; mappings: number } {
    const { pages, skb } = this.host.kernel;
    return { pages: pages.inUse, skbs: skb.live, mappings: this.host.machine.dma.live };
  }
}

export class Pair {
  readonly simulation = new Simulation();
  readonly pool = new FramePool(this.simulation.bytes);
  readonly cable: Cable;
  readonly a: Side;
  readonly b: Side;

  constructor(cpus = 1) {
    this.a = new Side(this.simulation, this.pool, 'a', 0x0a, cpus);
    this.b = new Side(this.simulation, this.pool, 'b', 0x0b, cpus);
    this.cable = new Cable(this.simulation, this.pool, { name: 'cable', rateBps: 1e9, delayNs: 1000 }, ['a.eth0', 'b.eth0']);
    this.a.nic.connect(this.cable.ends[0]);
    this.b.nic.connect(this.cable.ends[1]);
    this.cable.plug(this.a.nic, this.b.nic);
  }

  /** Opens both ends and waits for the carriers. */
  up(): this {
    this.a.open();
    this.b.open();
    this.run(30 * MS);
    return this;
  }

  run(ns: number): void {
    this.simulation.run(this.simulation.now + ns);
  }
}

export const payloadOf = (length: number, seed = 0): Uint8Array => Uint8Array.from({ length }, (_, i) => (i + seed) % 251);
