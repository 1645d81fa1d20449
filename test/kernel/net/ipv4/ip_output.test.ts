import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  NF_ACCEPT,
  NF_DROP,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
  NF_STOLEN,
  NFPROTO_IPV4,
} from '../../../../src/kernel/include/linux/netfilter.ts';
import { SKB_DROP_REASON_NETFILTER_DROP } from '../../../../src/kernel/include/net/dropreason.ts';
import { flowi4, inet_sock } from '../../../../src/kernel/include/net/inet_sock.ts';
import { ip_reply_arg, ipcm_cookie } from '../../../../src/kernel/include/net/ip.ts';
import { msghdr, type proto } from '../../../../src/kernel/include/net/sock.ts';
import { consume_skb } from '../../../../src/kernel/net/core/skbuff_free.ts';
import { sock_init_data } from '../../../../src/kernel/net/core/sock_life.ts';
import {
  ip_append_data,
  ip_flush_pending_frames,
  ip_generic_getfrag,
  ip_push_pending_frames,
  ip_send_unicast_reply,
} from '../../../../src/kernel/net/ipv4/ip_output.ts';
import { ip_route_output_flow } from '../../../../src/kernel/net/ipv4/route.ts';
import { nf_register_net_hook, nf_unregister_net_hook } from '../../../../src/kernel/net/netfilter/core.ts';
import { IP_PMTUDISC_DO, IP_PMTUDISC_DONT } from '../../../../src/kernel/uapi/in.ts';
import { MSG_MORE } from '../../../../src/kernel/uapi/socket.ts';
import { addr, bytes, type Host, PROTO, pair } from './lan.ts';

function rawSocket(host: Host, pmtudisc = IP_PMTUDISC_DONT): inet_sock {
  return host.on(() => {
    const sk = new inet_sock(host.network, 2, { name: 'TEST' } as unknown as proto);
    sock_init_data(null, sk);
    sk.sk_protocol = PROTO;
    sk.pmtudisc = pmtudisc;
    sk.sk_write_space = () => {};
    return sk;
  });
}

/** Sends pieces as one datagram; 0 or the first error. */
function append(host: Host, sk: inet_sock, pieces: Uint8Array[]): number {
  return host.on(() => {
    const fl4 = new flowi4();
    fl4.daddr = addr('10.0.0.2');
    fl4.flowi4_proto = PROTO;
    const ipc = new ipcm_cookie();
    for (const piece of pieces) {
      const rt = ip_route_output_flow(host.network, fl4, sk);
      if (typeof rt === 'number') return rt;
      const msg = new msghdr(piece);
      const err = ip_append_data(sk, fl4, ip_generic_getfrag, msg, piece.length, 0, ipc, rt, MSG_MORE);
      if (err !== 0) {
        ip_flush_pending_frames(sk);
        return err;
      }
    }
    return ip_push_pending_frames(sk, fl4);
  });
}

const joined = (pieces: Uint8Array[]): Uint8Array => Uint8Array.from(pieces.flatMap((piece) => [...piece]));

describe('ip_append_data', () => {
  it('makes one datagram of any pieces; what does not fit into one packet leaves as fragments', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 100, max: 1500 }),
        (lengths, mtu) => {
          const { lan, a, b } = pair({ mtu });
          const sk = rawSocket(a);
          const pieces = lengths.map((length, i) => bytes(length, i));
          expect(append(a, sk, pieces)).toBe(0);
          lan.elapse(0.05);
          expect(b.received.map(String)).toEqual([String(joined(pieces))]);
          const sizes = lan.frames.filter(({ bytes: frame }) => frame[23] === PROTO).map(({ bytes: frame }) => frame.length - 14);
          expect(Math.max(...sizes)).toBeLessThanOrEqual(mtu);
          expect(sizes).toHaveLength(Math.max(1, expectedFragments(joined(pieces).length, mtu)));
          expect([sk.sk_wmem_alloc, a.close(), b.close()]).toEqual([1, 0, 0]);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('refuses what path MTU discovery forbids to fragment, and keeps nothing', () => {
    const { a } = pair();
    const sk = rawSocket(a, IP_PMTUDISC_DO);
    expect(append(a, sk, [bytes(1481)])).toBe(-90);
    expect(append(a, sk, [bytes(1000), bytes(481)])).toBe(-90);
    expect([sk.sk_wmem_alloc, a.kernel.skb.live]).toEqual([1, 0]);
  });

  it('says that there is no room when the send buffer is full', () => {
    const { a } = pair();
    const sk = rawSocket(a);
    sk.sk_sndbuf = 0;
    const fl4 = new flowi4();
    fl4.daddr = addr('10.0.0.2');
    const err = a.on(() => {
      const rt = ip_route_output_flow(a.network, fl4, sk);
      return ip_append_data(
        sk,
        fl4,
        ip_generic_getfrag,
        new msghdr(bytes(18)),
        18,
        8,
        new ipcm_cookie(),
        rt as Exclude<typeof rt, number>,
        0,
      );
    });
    expect(err).toBe(-11);
  });
});

/** Fragments of a datagram by RFC 791: multiples of 8 but for the last. */
function expectedFragments(length: number, mtu: number): number {
  if (length + 20 <= mtu) return 1;
  const each = (mtu - 20) & ~7;
  let left = length;
  let count = 0;
  while (left > mtu - 20) {
    left -= each;
    count++;
  }
  return count + (left > 0 ? 1 : 0);
}

describe('ip_send_unicast_reply', () => {
  it('answers a packet with what it is given, checksummed', () => {
    const { lan, a, b } = pair();
    const sk = rawSocket(b, IP_PMTUDISC_DO);
    b.network.inet_protos[PROTO] = {
      handler: (skb) => {
        const arg = new ip_reply_arg();
        arg.data = bytes(20);
        arg.data[16] = arg.data[17] = 0;
        arg.csumoffset = 8;
        ip_send_unicast_reply(sk, null, skb, addr('10.0.0.1'), addr('10.0.0.2'), arg, 20, 0, 0);
        consume_skb(skb);
        return 0;
      },
    };
    a.send('10.0.0.2', bytes(40));
    lan.elapse(0.01);
    const reply = a.received[0]!;
    let sum = 0;
    for (let i = 0; i < 20; i += 2) sum += reply[i]! * 256 + reply[i + 1]!;
    expect((sum & 0xffff) + (sum >>> 16)).toBe(0xffff);
    expect(lan.lines().at(-1)).toBe('proto 253 10.0.0.2 > 10.0.0.1 len 40 DF');
  });
});

describe('netfilter hooks', () => {
  it('see packets in order of priority, and decide', () => {
    const { lan, a, b } = pair();
    const seen: string[] = [];
    const hook = (name: string, hooknum: number, priority: number, verdict: number) => ({
      pf: NFPROTO_IPV4,
      hooknum,
      priority,
      priv: name,
      hook: (priv: unknown): number => {
        seen.push(String(priv));
        return verdict;
      },
    });
    a.on(() => {
      nf_register_net_hook(a.network, hook('late', NF_INET_LOCAL_OUT, 100, NF_ACCEPT));
      nf_register_net_hook(a.network, hook('early', NF_INET_LOCAL_OUT, -100, NF_ACCEPT));
      nf_register_net_hook(a.network, hook('post', NF_INET_POST_ROUTING, 0, NF_ACCEPT));
    });
    const drop = hook('drop', NF_INET_PRE_ROUTING, 0, NF_DROP);
    b.on(() => nf_register_net_hook(b.network, drop));
    a.send('10.0.0.2', bytes(1));
    lan.elapse(0.01);
    expect(seen).toEqual(['early', 'late', 'post', 'drop']);
    expect(b.received).toEqual([]);
    expect(b.drops).toEqual([String(SKB_DROP_REASON_NETFILTER_DROP)]);
    b.on(() => nf_unregister_net_hook(b.network, drop));
    a.send('10.0.0.2', bytes(1));
    lan.elapse(0.01);
    expect(b.received).toHaveLength(1);
  });

  it('return EPERM to the sender whose packet is dropped on its way out, and may keep packets', () => {
    const { lan, a } = pair();
    let verdict = NF_DROP;
    a.on(() =>
      nf_register_net_hook(a.network, {
        pf: NFPROTO_IPV4,
        hooknum: NF_INET_LOCAL_OUT,
        priority: 0,
        priv: null,
        hook: (_priv, skb) => {
          if (verdict === NF_STOLEN) consume_skb(skb);
          return verdict;
        },
      }),
    );
    expect(a.send('10.0.0.2', bytes(1))).toBe(-1);
    verdict = NF_STOLEN;
    expect(a.send('10.0.0.2', bytes(1))).toBe(0);
    lan.elapse(0.01);
    expect([lan.lines(), a.close()]).toEqual([[], 0]);
  });
});
