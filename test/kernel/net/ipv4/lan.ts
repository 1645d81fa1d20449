/**
 * Hosts with an IPv4 layer each, joined by wires without hardware: a frame that a device is given arrives at the other end some time later through
 * netif_rx(). Tests send datagrams of an experimental protocol (253, RFC 3692) and see what comes out, including frames on the wire.
 */

import { loopback_net_init } from '../../../../src/kernel/drivers/net/loopback.ts';
import { IFF_UP, NETDEV_TX_OK, NETIF_F_HW_CSUM, NETIF_F_SG, type net_device } from '../../../../src/kernel/include/linux/netdevice.ts';
import {
  CHECKSUM_PARTIAL,
  type sk_buff,
  skb_dst_set,
  skb_put,
  skb_reserve,
  skb_reset_network_header,
} from '../../../../src/kernel/include/linux/skbuff.ts';
import { GFP_ATOMIC } from '../../../../src/kernel/include/linux/types.ts';
import { flowi4 } from '../../../../src/kernel/include/net/inet_sock.ts';
import { ip_hdr } from '../../../../src/kernel/include/net/ip.ts';
import { NUD_NONE, type neighbour } from '../../../../src/kernel/include/net/neighbour.ts';
import { net } from '../../../../src/kernel/include/net/net_namespace.ts';
import { workqueue_init } from '../../../../src/kernel/kernel/workqueue.ts';
import { Kernel } from '../../../../src/kernel/kernel.ts';
import { alloc_etherdev_mqs, dev_close, dev_open, net_dev_init, register_netdev } from '../../../../src/kernel/net/core/dev.ts';
import { netif_rx } from '../../../../src/kernel/net/core/dev_receive.ts';
import { neigh_lookup, neigh_release } from '../../../../src/kernel/net/core/neighbour.ts';
import { alloc_skb, skb_init } from '../../../../src/kernel/net/core/skbuff.ts';
import { skb_copy_bits } from '../../../../src/kernel/net/core/skbuff_bits.ts';
import { consume_skb } from '../../../../src/kernel/net/core/skbuff_free.ts';
import { eth_type_trans } from '../../../../src/kernel/net/ethernet/eth.ts';
import { inet_rtm_newaddr } from '../../../../src/kernel/net/ipv4/devinet.ts';
import { inet_rtm_newroute } from '../../../../src/kernel/net/ipv4/fib_frontend.ts';
import { ipv4_frags_exit_net } from '../../../../src/kernel/net/ipv4/ip_fragment.ts';
import { ipLayerInit } from '../../../../src/kernel/net/ipv4/ip_layer.ts';
import { ip_local_out } from '../../../../src/kernel/net/ipv4/ip_output.ts';
import { __ip_select_ident, ip_route_output_flow } from '../../../../src/kernel/net/ipv4/route.ts';
import { netif_carrier_on } from '../../../../src/kernel/net/sched/sch_generic_carrier.ts';
import { zeroSpeed } from '../../../../src/kernel/trace/cost_model.ts';
import { IP_DF } from '../../../../src/kernel/uapi/in.ts';
import { Machine } from '../../../../src/machine/machine.ts';
import { Simulation } from '../../../../src/sim/simulation.ts';

export const PROTO = 253;
const WIRE_NS = 50_000;

/** `10.0.0.1` → its number. */
export const addr = (text: string): number => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

export interface Frame {
  readonly at: number;
  readonly from: string;
  readonly bytes: Uint8Array;
}

/** One line for a frame: what it is, who it is for. */
export function describeFrame({ bytes }: Frame): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const dotted = (at: number): string => [...bytes.subarray(at, at + 4)].join('.');
  const broadcast = bytes.subarray(0, 6).every((byte) => byte === 0xff);
  if (view.getUint16(12) === 0x0806) {
    const kind = view.getUint16(20) === 1 ? 'who-has' : 'is-at';
    return `arp ${kind} ${dotted(kind === 'is-at' ? 28 : 38)}${broadcast ? ' broadcast' : ''} (${bytes.length})`;
  }
  const fragment = view.getUint16(20);
  const flags = `${fragment & 0x4000 ? ' DF' : ''}${fragment & 0x2000 ? ' MF' : ''}${fragment & 0x1fff ? ` +${(fragment & 0x1fff) * 8}` : ''}`;
  const what = bytes[23] === 1 ? `icmp ${bytes[34]}/${bytes[35]}` : `proto ${bytes[23]}`;
  return `${what} ${dotted(26)} > ${dotted(30)} len ${view.getUint16(16)}${flags}`;
}

export class Host {
  readonly name: string;
  readonly kernel: Kernel;
  readonly network: net;
  /** Payloads of PROTO that arrived. */
  readonly received: Uint8Array[] = [];
  /** Errors about PROTO: ICMP type, code, and the second word's meaning. */
  readonly errors: string[] = [];
  readonly errorTimes: number[] = [];
  readonly drops: string[] = [];
  #mac: number;
  readonly #lan: Lan;

  constructor(lan: Lan, name: string, index: number, HZ: number) {
    this.#lan = lan;
    this.#mac = index << 8;
    this.name = name;
    const machine = new Machine(name, lan.simulation);
    this.kernel = new Kernel(machine, name, { HZ, cpus: 1, firstPid: 300, ...zeroSpeed() });
    this.network = new net(this.kernel);
    this.kernel.init_net = this.network;
    this.on(() => {
      workqueue_init();
      skb_init(this.kernel);
      net_dev_init(this.network);
      loopback_net_init(this.network);
      ipLayerInit(this.network);
      dev_open(this.network.loopback_dev);
    });
    this.network.inet_protos[PROTO] = { handler: (skb) => this.#receive(skb), err_handler: (skb, info) => this.#error(skb, info) };
    this.kernel.trace.kfree_skb = (_skb, _location, reason): void => void this.drops.push(String(reason));
  }

  on<T>(work: () => T): T {
    return this.kernel.machine.cpus[0]!.runOn(work);
  }

  dev(name: string): net_device {
    return this.network.dev_by_name.get(name)!;
  }

  address(dev: string, text: string): void {
    const [ip, plen] = text.split('/');
    this.on(() => inet_rtm_newaddr({ dev: this.dev(dev), ifa_local: addr(ip!), ifa_prefixlen: Number(plen) }));
  }

  route(prefix: string, via: string, more: object = {}): number {
    const [ip, plen] = prefix === 'default' ? ['0.0.0.0', '0'] : prefix.split('/');
    return this.on(() =>
      inet_rtm_newroute(this.network, { fc_dst: addr(ip!), fc_dst_len: Number(plen), fc_gw4: via === '' ? 0 : addr(via), ...more }),
    );
  }

  /** Sends a datagram of PROTO; 0 or -errno. */
  send(to: string, payload: Uint8Array, df = false, tos = 0): number {
    return this.on(() => this.#transmit(addr(to), payload, df, tos));
  }

  neighbour(dev: string, text: string): { state: number; n: neighbour | null } {
    return this.on(() => {
      const n = neigh_lookup(this.network.arp_tbl, addr(text), this.dev(dev));
      if (n !== null) neigh_release(n);
      return { state: n?.nud_state ?? NUD_NONE, n };
    });
  }

  nextMac(): Uint8Array {
    const mac = ++this.#mac;
    return Uint8Array.of(2, 0, 0, 0, mac >> 8, mac & 0xff);
  }

  /** Takes the host down; everything it held must be gone. */
  close(): number {
    return this.on(() => {
      ipv4_frags_exit_net(this.network);
      for (const dev of this.network.dev_base) if ((dev.flags & IFF_UP) !== 0) dev_close(dev);
      return this.kernel.skb.live;
    });
  }

  #transmit(daddr: number, payload: Uint8Array, df: boolean, tos: number): number {
    const fl4 = new flowi4();
    fl4.daddr = daddr;
    fl4.flowi4_proto = PROTO;
    const rt = ip_route_output_flow(this.network, fl4, null);
    if (typeof rt === 'number') return rt;
    const skb = alloc_skb(64 + 20 + payload.length, GFP_ATOMIC)!;
    skb_reserve(skb, 64);
    skb_put(skb, 20);
    skb_reset_network_header(skb);
    skb.transport_header = skb.network_header + 20;
    skb.mem.u8.set(payload, skb_put(skb, payload.length));
    skb_dst_set(skb, rt);
    const iph = ip_hdr(skb);
    iph.version_ihl = 0x45;
    iph.tos = tos;
    iph.frag_off = df ? IP_DF : 0;
    iph.ttl = 64;
    iph.protocol = PROTO;
    iph.saddr = fl4.saddr;
    iph.daddr = fl4.daddr;
    __ip_select_ident(this.network, iph, 1);
    return ip_local_out(this.network, null, skb);
  }

  #receive(skb: sk_buff): number {
    const payload = new Uint8Array(skb.len);
    skb_copy_bits(skb, 0, payload, 0, skb.len);
    this.received.push(payload);
    consume_skb(skb);
    return 0;
  }

  #error(skb: sk_buff, info: number): number {
    const at = skb.transport_header;
    this.errors.push(`${skb.mem.u8[at]}/${skb.mem.u8[at + 1]} ${info}`);
    this.errorTimes.push(this.#lan.simulation.now);
    return 0;
  }
}

export class Lan {
  readonly simulation: Simulation;
  readonly frames: Frame[] = [];
  readonly hosts: Host[] = [];
  readonly #HZ: number;
  /** False: the frame is lost. */
  deliver: (frame: Frame) => boolean = () => true;

  constructor(options: { seed?: number; HZ?: number } = {}) {
    this.simulation = new Simulation(options.seed ?? 1);
    this.#HZ = options.HZ ?? 250;
  }

  host(name: string): Host {
    const host = new Host(this, name, this.hosts.length + 1, this.#HZ);
    this.hosts.push(host);
    return host;
  }

  /** Wires a new device of one host to a new device of another. */
  join(a: Host, nameA: string, b: Host, nameB: string, mtu = 1500): void {
    const ends: (net_device | null)[] = [null, null];
    ends[0] = this.#device(a, nameA, mtu, (frame) => this.#arrive(b, ends[1]!, frame));
    ends[1] = this.#device(b, nameB, mtu, (frame) => this.#arrive(a, ends[0]!, frame));
  }

  elapse(seconds: number): void {
    this.simulation.run(this.simulation.now + Math.round(seconds * 1e9));
  }

  /** Frames so far as lines; forgets them. */
  lines(): string[] {
    return this.frames.splice(0).map(describeFrame);
  }

  /** A frame arrives at a host as if a wire had brought it. */
  inject(host: Host, dev: string, frame: Uint8Array): void {
    this.#arrive(host, host.dev(dev), { at: this.simulation.now, from: '', bytes: frame });
  }

  #device(host: Host, name: string, mtu: number, send: (frame: Frame) => void): net_device {
    return host.on(() => {
      const dev = alloc_etherdev_mqs(name, 1, 1);
      dev.dev_addr = host.nextMac();
      dev.features = dev.hw_features = NETIF_F_SG | NETIF_F_HW_CSUM;
      dev.mtu = mtu;
      dev.max_mtu = 9000;
      dev.netdev_ops = {
        ndo_open: () => 0,
        ndo_stop: () => 0,
        ndo_start_xmit: (skb) => {
          if (skb.ip_summed === CHECKSUM_PARTIAL) throw new Error('the wire computes no checksums');
          const bytes = new Uint8Array(skb.len);
          skb_copy_bits(skb, 0, bytes, 0, skb.len);
          const frame = { at: this.simulation.now, from: host.name, bytes };
          this.frames.push(frame);
          consume_skb(skb);
          if (this.deliver(frame)) send(frame);
          return NETDEV_TX_OK;
        },
      };
      register_netdev(dev);
      dev_open(dev);
      netif_carrier_on(dev);
      return dev;
    });
  }

  #arrive(host: Host, dev: net_device, frame: Frame): void {
    this.simulation.once(this.simulation.now + WIRE_NS, 'wire', () => {
      host.on(() => {
        const skb = alloc_skb(64 + frame.bytes.length, GFP_ATOMIC)!;
        skb_reserve(skb, 64);
        skb.mem.u8.set(frame.bytes, skb_put(skb, frame.bytes.length));
        skb.dev = dev;
        skb.protocol = eth_type_trans(skb, dev);
        netif_rx(skb);
      });
    });
  }
}

/** Two hosts on one link: a is 10.0.0.1, b is 10.0.0.2. */
export function pair(options: { seed?: number; HZ?: number; mtu?: number } = {}): { lan: Lan; a: Host; b: Host } {
  const lan = new Lan(options);
  const a = lan.host('a');
  const b = lan.host('b');
  lan.join(a, 'eth0', b, 'eth0', options.mtu);
  a.address('eth0', '10.0.0.1/24');
  b.address('eth0', '10.0.0.2/24');
  return { lan, a, b };
}

/** a (10.0.1.1) – r (10.0.1.254, 10.0.2.254) – b (10.0.2.1); the second link's MTU can be smaller. */
export function routed(options: { mtu?: number } = {}): { lan: Lan; a: Host; r: Host; b: Host } {
  const lan = new Lan();
  const [a, r, b] = [lan.host('a'), lan.host('r'), lan.host('b')];
  lan.join(a, 'eth0', r, 'eth0');
  lan.join(r, 'eth1', b, 'eth0', options.mtu);
  a.address('eth0', '10.0.1.1/24');
  r.address('eth0', '10.0.1.254/24');
  r.address('eth1', '10.0.2.254/24');
  b.address('eth0', '10.0.2.1/24');
  a.route('default', '10.0.1.254');
  b.route('default', '10.0.2.254');
  return { lan, a, r, b };
}

export const bytes = (length: number, start = 0): Uint8Array => Uint8Array.from({ length }, (_, i) => (i + start) % 251);
