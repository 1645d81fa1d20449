import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dst_mtu, dst_release, RTAX_ADVMSS, RTAX_MTU, type rtable } from '../../../../src/kernel/include/net/dst.ts';
import { flowi4 } from '../../../../src/kernel/include/net/inet_sock.ts';
import {
  fib_result,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  RTN_BLACKHOLE,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_PROHIBIT,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from '../../../../src/kernel/include/net/ip_fib.ts';
import { dev_close, dev_open } from '../../../../src/kernel/net/core/dev.ts';
import { inet_rtm_deladdr } from '../../../../src/kernel/net/ipv4/devinet.ts';
import { inet_addr_type, inet_rtm_delroute } from '../../../../src/kernel/net/ipv4/fib_frontend.ts';
import { fib_table_dump } from '../../../../src/kernel/net/ipv4/fib_trie.ts';
import { fib_lookup } from '../../../../src/kernel/net/ipv4/fib_trie_lookup.ts';
import { ip_route_output_flow, ipv4_default_advmss, ipv4_dst_check } from '../../../../src/kernel/net/ipv4/route.ts';
import { addr, bytes, type Host, Lan, pair, routed } from './lan.ts';

/** The route to `to`: an rtable or -errno, and the source that was chosen. */
function lookUp(host: Host, to: string, from = '0.0.0.0', oif = 0): { rt: rtable | number; saddr: number; dev: string } {
  return host.on(() => {
    const fl4 = new flowi4();
    fl4.daddr = addr(to);
    fl4.saddr = addr(from);
    fl4.flowi4_oif = oif;
    const rt = ip_route_output_flow(host.network, fl4, null);
    if (typeof rt !== 'number') dst_release(rt);
    return { rt, saddr: fl4.saddr, dev: typeof rt === 'number' ? '' : rt.dev.name };
  });
}

const mask = (prefix: number, length: number): number => (length === 0 ? 0 : (prefix & (-1 << (32 - length))) >>> 0);

describe('routing tables', () => {
  it('find the longest prefix, for any set of routes', () => {
    const route = fc.record({
      // Few different bits, so that prefixes nest.
      base: fc.integer({ min: 0, max: 0xff }).map((bits) => ((0x0b000000 | ((bits & 0xf0) << 16) | ((bits & 0x0f) << 4)) >>> 0) as number),
      length: fc.integer({ min: 9, max: 32 }),
    });
    fc.assert(
      fc.property(fc.array(route, { minLength: 1, maxLength: 25 }), fc.array(route, { minLength: 1, maxLength: 25 }), (routes, probes) => {
        const { a } = pair();
        const known = new Map<string, { prefix: number; length: number; gw: number }>();
        routes.forEach(({ base, length }, i) => {
          const prefix = mask(base, length);
          const gw = addr('10.0.0.3') + i;
          a.route(
            `${[24, 16, 8, 0].map((shift) => (prefix >>> shift) & 255).join('.')}/${length}`,
            [24, 16, 8, 0].map((shift) => (gw >>> shift) & 255).join('.'),
            {
              fc_nlflags: NLM_F_CREATE | NLM_F_REPLACE,
            },
          );
          known.set(`${prefix}/${length}`, { prefix, length, gw });
        });
        for (const { base } of probes) {
          let best: { length: number; gw: number } | null = null;
          for (const each of known.values()) if (mask(base, each.length) === each.prefix && each.length > (best?.length ?? -1)) best = each;
          const res = new fib_result();
          const fl4 = new flowi4();
          fl4.daddr = base;
          const err = a.on(() => fib_lookup(a.network, fl4, res, 0));
          expect(err === 0 ? res.nhc!.nhc_gw : null).toBe(best?.gw ?? null);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('hold what an address brings: itself, its subnet, the broadcast address; and lose it with the address', () => {
    const { a } = pair();
    const list = (): string[] =>
      [...fib_table_dump(a.network.ipv4.fib.local), ...fib_table_dump(a.network.ipv4.fib.main)]
        .filter((fa) => fa.prefix >>> 24 === 10)
        .map((fa) => `${fa.fa_type} ${fa.prefix & 255}/${fa.plen} scope ${fa.fa_info.fib_scope}`);
    expect(list()).toEqual(['2 1/32 scope 254', '3 255/32 scope 253', '1 0/24 scope 253']);
    expect(a.on(() => inet_rtm_deladdr({ dev: a.dev('eth0'), ifa_local: addr('10.0.0.1'), ifa_prefixlen: 24 }))).toBe(0);
    expect(list()).toEqual([]);
  });

  it('know kinds of addresses', () => {
    const { a } = pair();
    const type = (text: string): number => a.on(() => inet_addr_type(a.network, addr(text)));
    expect(['10.0.0.1', '127.0.0.5', '10.0.0.255', '255.255.255.255', '10.0.0.2', '8.8.8.8'].map(type)).toEqual([
      RTN_LOCAL,
      RTN_LOCAL,
      RTN_BROADCAST,
      RTN_BROADCAST,
      RTN_UNICAST,
      RTN_UNICAST,
    ]);
  });

  it('refuse a second route of the same prefix, replace on demand, and prefer the lower metric', () => {
    const { a } = pair();
    expect(a.route('10.9.0.0/16', '10.0.0.2')).toBe(0);
    expect(a.route('10.9.0.0/16', '10.0.0.3')).toBe(-17);
    expect(a.route('10.9.0.0/16', '10.0.0.4', { fc_priority: 100 })).toBe(0);
    expect((lookUp(a, '10.9.1.1').rt as rtable).rt_gw4).toBe(addr('10.0.0.2'));
    expect(a.route('10.9.0.0/16', '10.0.0.5', { fc_nlflags: NLM_F_CREATE | NLM_F_REPLACE })).toBe(0);
    expect((lookUp(a, '10.9.1.1').rt as rtable).rt_gw4).toBe(addr('10.0.0.5'));
    expect(a.on(() => inet_rtm_delroute(a.network, { fc_dst: addr('10.9.0.0'), fc_dst_len: 16 }))).toBe(0);
    expect((lookUp(a, '10.9.1.1').rt as rtable).rt_gw4).toBe(addr('10.0.0.4'));
  });

  it('refuse gateways that are not on a link', () => {
    const { a } = pair();
    expect(a.route('10.9.0.0/16', '192.168.7.7')).toBe(-101);
  });

  it('answer with the error of the route type', () => {
    const { a } = pair();
    for (const [i, type] of [RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT].entries()) a.route(`10.${20 + i}.0.0/16`, '', { fc_type: type });
    expect(['10.20.0.1', '10.21.0.1', '10.22.0.1', '10.23.0.1'].map((to) => lookUp(a, to).rt)).toEqual([-22, -113, -13, -101]);
  });

  it('give metrics to the destination: MTU, advertised MSS', () => {
    const { a } = pair();
    const mx: number[] = [];
    mx[RTAX_MTU] = 1400;
    mx[RTAX_ADVMSS] = 1200;
    a.route('10.9.0.0/16', '10.0.0.2', { fc_mx: mx });
    const rt = lookUp(a, '10.9.0.1').rt as rtable;
    expect(a.on(() => [dst_mtu(rt), ipv4_default_advmss(rt), rt.metrics![RTAX_ADVMSS]])).toEqual([1400, 1360, 1200]);
  });

  it('go with the device and come back with it', () => {
    const { a } = pair();
    a.route('10.9.0.0/16', '10.0.0.2');
    a.on(() => dev_close(a.dev('eth0')));
    expect([lookUp(a, '10.0.0.2').rt, lookUp(a, '10.9.0.1').rt]).toEqual([-101, -101]);
    expect(lookUp(a, '10.0.0.1').dev).toBe('lo');
    a.on(() => dev_open(a.dev('eth0')));
    expect(lookUp(a, '10.0.0.2').dev).toBe('eth0');
    expect(lookUp(a, '10.9.0.1').rt).toBe(-101);
  });
});

describe('routes', () => {
  it('choose the source: in the subnet of the next hop, or what the route prefers', () => {
    const { a } = pair();
    a.address('eth0', '192.168.1.1/24');
    a.address('eth0', '10.0.0.7/24');
    a.route('10.9.0.0/16', '192.168.1.9');
    a.route('10.8.0.0/16', '10.0.0.2', { fc_prefsrc: addr('192.168.1.1') });
    expect(['10.0.0.2', '192.168.1.2', '10.9.0.1', '10.8.0.1', '127.0.0.1', '10.0.0.1'].map((to) => lookUp(a, to).saddr)).toEqual(
      ['10.0.0.1', '192.168.1.1', '192.168.1.1', '192.168.1.1', '127.0.0.1', '10.0.0.1'].map(addr),
    );
  });

  it('refuse a source that is not ours', () => {
    const { a } = pair();
    expect(lookUp(a, '10.0.0.2', '10.0.0.3').rt).toBe(-22);
    expect(typeof lookUp(a, '10.0.0.2', '10.0.0.1').rt).toBe('object');
  });

  it('are cached at the next hop until routes change', () => {
    const { a } = pair();
    const first = lookUp(a, '10.0.0.2').rt as rtable;
    expect(lookUp(a, '10.0.0.3').rt).toBe(first);
    expect(a.on(() => ipv4_dst_check(first, 0))).toBe(first);
    a.route('10.9.0.0/16', '10.0.0.2');
    expect(a.on(() => ipv4_dst_check(first, 0))).toBeNull();
    expect(lookUp(a, '10.0.0.2').rt).not.toBe(first);
  });

  it('share flows among several gateways by weight, each flow to one', () => {
    const { a } = pair();
    a.route('10.9.0.0/16', '', {
      fc_mp: [
        { gw: addr('10.0.0.2'), weight: 1 },
        { gw: addr('10.0.0.3'), weight: 3 },
      ],
    });
    let second = 0;
    for (let i = 0; i < 400; i++) {
      const to = `10.9.${i >> 8}.${i & 255}`;
      const gw = (lookUp(a, to, '10.0.0.1').rt as rtable).rt_gw4;
      expect((lookUp(a, to, '10.0.0.1').rt as rtable).rt_gw4).toBe(gw);
      if (gw === addr('10.0.0.3')) second++;
    }
    expect(second / 400).toBeGreaterThan(0.65);
    expect(second / 400).toBeLessThan(0.85);
  });

  it('of received packets: spoofed own addresses and, with rp_filter, wrong interfaces are dropped', () => {
    const { lan, a, r, b } = routed();
    r.network.ipv4.devconf_all.forwarding = 1;
    for (const dev of ['eth0', 'eth1']) r.dev(dev).ip_ptr!.cnf.forwarding = 1;
    a.send('10.0.2.1', bytes(5));
    lan.elapse(0.1);
    expect(b.received).toHaveLength(1);
    // a claims an address behind r's other interface.
    a.address('lo', '10.0.2.77/32');
    a.route('10.0.2.1/32', '10.0.1.254', { fc_prefsrc: addr('10.0.2.77') });
    a.send('10.0.2.1', bytes(6));
    lan.elapse(0.1);
    expect(b.received).toHaveLength(2);
    r.dev('eth0').ip_ptr!.cnf.rp_filter = 1;
    a.send('10.0.2.1', bytes(7));
    lan.elapse(0.1);
    expect(b.received).toHaveLength(2);
    // SKB_DROP_REASON_IP_RPFILTER
    expect(r.drops).toContain('16');
  });

  it('let a loopback datagram through without any wire', () => {
    const lan = new Lan();
    const a = lan.host('a');
    expect(a.send('127.0.0.1', bytes(100))).toBe(0);
    lan.elapse(0.01);
    expect(a.received.map((payload) => payload.length)).toEqual([100]);
  });
});
