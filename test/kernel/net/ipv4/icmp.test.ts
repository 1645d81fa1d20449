import { describe, expect, it } from 'vitest';
import { dst_mtu, dst_release, type rtable } from '../../../../src/kernel/include/net/dst.ts';
import { flowi4 } from '../../../../src/kernel/include/net/inet_sock.ts';
import { inet_forward_change } from '../../../../src/kernel/net/ipv4/devinet.ts';
import { ip_route_output_flow, ipv4_update_pmtu } from '../../../../src/kernel/net/ipv4/route.ts';
import { ICMP_MIB_CSUMERRORS, ICMP_MIB_INERRORS, ICMP_MIB_OUTMSGS, ICMP_MIB_RATELIMITHOST } from '../../../../src/kernel/uapi/snmp.ts';
import { addr, bytes, type Host, PROTO, pair, routed } from './lan.ts';

/** An echo request as Ethernet frame, from a stranger that both ends take for a neighbour. */
function echoRequest(to: Uint8Array, from: Uint8Array, saddr: string, daddr: string, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(14 + 20 + 8 + payload.length);
  const view = new DataView(frame.buffer);
  frame.set(to, 0);
  frame.set(from, 6);
  view.setUint16(12, 0x0800);
  view.setUint16(14, 0x4500);
  view.setUint16(16, 28 + payload.length);
  frame[22] = 64;
  frame[23] = 1;
  view.setUint32(26, addr(saddr));
  view.setUint32(30, addr(daddr));
  view.setUint16(24, checksum(view, 14, 20));
  frame[34] = 8;
  view.setUint16(38, 77);
  view.setUint16(40, 1);
  frame.set(payload, 42);
  view.setUint16(36, checksum(view, 34, 8 + payload.length));
  return frame;
}

function checksum(view: DataView, at: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i += 2) sum += i + 1 < length ? view.getUint16(at + i) : view.getUint8(at + i) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

const forwarding = (r: Host): void => r.on(() => inet_forward_change(r.network, 1));
const mtuTo = (host: Host, to: string): number =>
  host.on(() => {
    const fl4 = new flowi4();
    fl4.daddr = addr(to);
    const rt = ip_route_output_flow(host.network, fl4, null) as rtable;
    const mtu = dst_mtu(rt);
    dst_release(rt);
    return mtu;
  });

describe('icmp', () => {
  it('answers an echo request with its own data, of any length', () => {
    const { lan, a, b } = pair();
    a.send('10.0.0.2', bytes(1));
    lan.elapse(0.01);
    lan.lines();
    for (const length of [0, 1, 56, 1472]) {
      lan.inject(b, 'eth0', echoRequest(b.dev('eth0').dev_addr, a.dev('eth0').dev_addr, '10.0.0.1', '10.0.0.2', bytes(length)));
      lan.elapse(0.01);
      const reply = lan.frames.splice(0).at(-1)!.bytes;
      const view = new DataView(reply.buffer);
      expect([reply[34], view.getUint16(38), view.getUint16(40)]).toEqual([0, 77, 1]);
      expect(reply.slice(42, 42 + length)).toEqual(bytes(length));
      expect([checksum(view, 14, 20), checksum(view, 34, 8 + length)]).toEqual([0, 0]);
    }
    expect([a.close(), b.close()]).toEqual([0, 0]);
  });

  it('drops what has a wrong checksum, and counts it', () => {
    const { lan, a, b } = pair();
    const request = echoRequest(b.dev('eth0').dev_addr, a.dev('eth0').dev_addr, '10.0.0.1', '10.0.0.2', bytes(8));
    request[44] = request[44]! ^ 1;
    lan.inject(b, 'eth0', request);
    lan.elapse(0.01);
    expect([b.network.mib.icmp_statistics[ICMP_MIB_CSUMERRORS], b.network.mib.icmp_statistics[ICMP_MIB_INERRORS]]).toEqual([1, 1]);
    // SKB_DROP_REASON_ICMP_CSUM
    expect(b.drops).toEqual(['85']);
    expect(lan.lines()).toEqual([]);
  });

  it('does not answer echo requests to the broadcast address unless told to', () => {
    const { lan, a, b } = pair();
    const all = new Uint8Array(6).fill(0xff);
    const request = echoRequest(all, a.dev('eth0').dev_addr, '10.0.0.1', '10.0.0.255', bytes(8));
    lan.inject(b, 'eth0', request.slice());
    lan.elapse(0.01);
    expect(lan.lines()).toEqual([]);
    b.network.ipv4.sysctl_icmp_echo_ignore_broadcasts = 0;
    lan.inject(b, 'eth0', request.slice());
    lan.elapse(0.01);
    expect(lan.lines().at(-1)).toBe('icmp 0/0 10.0.0.2 > 10.0.0.1 len 36');
  });

  it('reports an unknown protocol to the sender, quoting the packet', () => {
    const { lan, a, b } = pair();
    b.network.inet_protos[PROTO] = undefined;
    a.send('10.0.0.2', bytes(100));
    lan.elapse(0.01);
    expect(lan.lines().at(-1)).toBe('icmp 3/2 10.0.0.2 > 10.0.0.1 len 148');
    expect(a.errors).toEqual(['3/2 0']);
    expect(b.drops).toContain('19');
    expect([a.close(), b.close()]).toEqual([0, 0]);
  });

  it('quotes no more than makes 576 bytes', () => {
    const { lan, a, b } = pair();
    b.network.inet_protos[PROTO] = undefined;
    a.send('10.0.0.2', bytes(1200));
    lan.elapse(0.01);
    expect(lan.lines().at(-1)).toBe('icmp 3/2 10.0.0.2 > 10.0.0.1 len 576');
  });

  it('limits errors to one host: 6 at once, then one a second', () => {
    const { lan, a, b } = pair();
    b.network.inet_protos[PROTO] = undefined;
    for (let i = 0; i < 20; i++) a.send('10.0.0.2', bytes(8));
    lan.elapse(0.01);
    expect(a.errors).toHaveLength(6);
    expect(b.network.mib.icmp_statistics[ICMP_MIB_RATELIMITHOST]).toBe(14);
    lan.elapse(2.1);
    for (let i = 0; i < 20; i++) a.send('10.0.0.2', bytes(8));
    lan.elapse(0.01);
    expect(a.errors).toHaveLength(8);
    expect(b.network.mib.icmp_statistics[ICMP_MIB_OUTMSGS]).toBe(8);
  });

  it('is sent by a router for the last hop, and forwards the rest with one hop less', () => {
    const { lan, a, r, b } = routed();
    forwarding(r);
    a.send('10.0.2.1', bytes(10));
    lan.elapse(0.01);
    expect(b.received).toHaveLength(1);
    const forwarded = lan.frames
      .filter(({ from, bytes: frame }) => from === 'r' && frame[23] === PROTO)
      .map(({ bytes: frame }) => frame[22]);
    expect(forwarded).toEqual([63]);
    a.network.ipv4.sysctl_ip_default_ttl = 64;
    const last = lan.frames.find(({ from, bytes: frame }) => from === 'a' && frame[23] === PROTO)!.bytes.slice();
    last[22] = 1;
    const view = new DataView(last.buffer);
    view.setUint16(24, 0);
    view.setUint16(24, checksum(view, 14, 20));
    lan.lines();
    lan.inject(r, 'eth0', last);
    lan.elapse(0.01);
    expect(lan.lines()).toEqual(['icmp 11/0 10.0.1.254 > 10.0.1.1 len 58']);
    expect(a.errors).toEqual(['11/0 0']);
  });

  it('is silent when a host that does not forward gets what is not its own', () => {
    const { lan, a, r } = routed();
    a.send('10.0.2.1', bytes(10));
    lan.elapse(0.01);
    expect(lan.lines().filter((line) => line.startsWith('icmp'))).toEqual([]);
    // SKB_DROP_REASON_IP_INADDRERRORS
    expect(r.drops).toEqual(['87']);
  });

  it('teaches the path MTU: too large with DF → frag needed → exception at the route, for 10 minutes', () => {
    const { lan, a, r, b } = routed({ mtu: 1000 });
    forwarding(r);
    a.network.inet_protos[PROTO] = {
      handler: () => 0,
      err_handler: (skb, info) => {
        ipv4_update_pmtu(skb, a.network, info, 0, PROTO);
        return 0;
      },
    };
    expect(mtuTo(a, '10.0.2.1')).toBe(1500);
    a.send('10.0.2.1', bytes(1400), true);
    lan.elapse(0.01);
    expect(lan.lines().at(-1)).toBe('icmp 3/4 10.0.1.254 > 10.0.1.1 len 576');
    expect([mtuTo(a, '10.0.2.1'), mtuTo(a, '10.0.2.2')]).toEqual([1000, 1500]);
    // Without DF it is fragmented by the sender now.
    a.send('10.0.2.1', bytes(1400));
    lan.elapse(0.01);
    expect(b.received.map((payload) => payload.length)).toEqual([1400]);
    expect(lan.lines().filter((line) => line.includes('10.0.1.1 >') && line.includes('253'))[0]).toContain('len 996 MF');
    lan.elapse(601);
    expect(mtuTo(a, '10.0.2.1')).toBe(1500);
  });

  it('has fragments without DF made by the router', () => {
    const { lan, a, r, b } = routed({ mtu: 1000 });
    forwarding(r);
    a.send('10.0.2.1', bytes(1400));
    lan.elapse(0.01);
    expect(b.received).toEqual([bytes(1400)]);
    expect([a.close(), r.close(), b.close()]).toEqual([0, 0, 0]);
  });
});
