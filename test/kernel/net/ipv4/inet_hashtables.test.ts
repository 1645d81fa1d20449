import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { tcp_sock } from '../../../../src/kernel/include/linux/tcp.ts';
import type { ehashSock } from '../../../../src/kernel/include/net/inet_hashtables.ts';
import { inet_csk_get_port } from '../../../../src/kernel/net/ipv4/inet_connection_sock.ts';
import {
  __inet_lookup_established,
  __inet_lookup_listener,
  ehashAll,
  inet_ehash_nolisten,
  inet_hash,
  inet_hash_connect,
  inet_put_port,
  inet_unhash,
} from '../../../../src/kernel/net/ipv4/inet_hashtables.ts';
import { inet_twsk_alloc, inet_twsk_hashdance_schedule } from '../../../../src/kernel/net/ipv4/inet_timewait_sock.ts';
import { EADDRNOTAVAIL } from '../../../../src/kernel/uapi/errno.ts';
import { LINUX_MIB_TIMEWAITED, LINUX_MIB_TIMEWAITKILLED, LINUX_MIB_TIMEWAITRECYCLED } from '../../../../src/kernel/uapi/snmp.ts';
import { TCP_ESTABLISHED, TCP_LISTEN, TCP_SYN_SENT, TCP_TIME_WAIT } from '../../../../src/kernel/uapi/tcp.ts';
import { BareKernel, ip } from './bare_kernel.ts';

interface Tuple {
  readonly laddr: number;
  readonly lport: number;
  readonly faddr: number;
  readonly fport: number;
}

const tuples = fc.record({
  laddr: fc.integer({ min: 1, max: 3 }),
  lport: fc.constantFrom(80, 81),
  faddr: fc.integer({ min: 1, max: 20 }),
  fport: fc.integer({ min: 1, max: 20 }),
});
const nameOf = (t: Tuple): string => `${t.laddr}:${t.lport} ${t.faddr}:${t.fport}`;
const lookup = (bare: BareKernel, t: Tuple): ehashSock | null =>
  __inet_lookup_established(bare.network, ip(t.faddr), t.fport, ip(t.laddr), t.lport, 1, 0);

function connected(bare: BareKernel, t: Tuple): tcp_sock {
  return bare.socket({
    skc_state: TCP_ESTABLISHED,
    skc_rcv_saddr: ip(t.laddr),
    skc_num: t.lport,
    skc_daddr: ip(t.faddr),
    skc_dport: t.fport,
  });
}

describe('the table of connections', () => {
  it('finds what was put in and not taken out, as a plain map does', () => {
    const operations = fc.array(fc.record({ tuple: tuples, remove: fc.boolean() }), { maxLength: 900 });
    fc.assert(
      fc.property(operations, (list) => {
        const bare = new BareKernel();
        const model = new Map<string, tcp_sock>();
        bare.run(() => {
          for (const { tuple, remove } of list) step(bare, model, tuple, remove);
          for (let faddr = 1; faddr <= 20; faddr++)
            for (let fport = 1; fport <= 20; fport++) {
              const tuple = { laddr: 1, lport: 80, faddr, fport };
              expect(lookup(bare, tuple)).toBe(model.get(nameOf(tuple)) ?? null);
            }
        });
        expect(bare.network.tcp_hashinfo.ehashCount).toBe(model.size);
        expect(ehashAll(bare.network.tcp_hashinfo)).toHaveLength(model.size);
      }),
      { numRuns: 20 },
    );
  });

  function step(bare: BareKernel, model: Map<string, tcp_sock>, tuple: Tuple, remove: boolean): void {
    const known = model.get(nameOf(tuple));
    if (remove) {
      if (known !== undefined) inet_unhash(known);
      model.delete(nameOf(tuple));
      return;
    }
    const sk = connected(bare, tuple);
    expect(inet_ehash_nolisten(sk, null, true)).toBe(known === undefined);
    if (known === undefined) model.set(nameOf(tuple), sk);
  }

  it('grows, and loses nothing by it', () => {
    const bare = new BareKernel();
    bare.run(() => {
      for (let i = 0; i < 3000; i++) inet_ehash_nolisten(connected(bare, { laddr: 1, lport: 80, faddr: 2, fport: i + 1 }), null, false);
      expect(bare.network.tcp_hashinfo.ehash.length).toBeGreaterThan(256);
      for (let i = 0; i < 3000; i++) expect(lookup(bare, { laddr: 1, lport: 80, faddr: 2, fport: i + 1 })).not.toBeNull();
    });
  });

  it('takes a reference for whoever looks up', () => {
    const bare = new BareKernel();
    bare.run(() => {
      const tuple = { laddr: 1, lport: 80, faddr: 2, fport: 9 };
      const sk = connected(bare, tuple);
      inet_ehash_nolisten(sk, null, false);
      lookup(bare, tuple);
      expect(sk.skc_refcnt).toBe(2);
    });
  });

  it('shows a socket that is bound to a device only what comes from there', () => {
    const bare = new BareKernel();
    bare.run(() => {
      const tuple = { laddr: 1, lport: 80, faddr: 2, fport: 9 };
      const sk = connected(bare, tuple);
      sk.skc_bound_dev_if = 7;
      inet_ehash_nolisten(sk, null, false);
      expect(lookup(bare, tuple)).toBeNull();
    });
  });
});

describe('listeners', () => {
  const listening = (bare: BareKernel, fields: Partial<tcp_sock>): tcp_sock => {
    const sk = bare.socket({ skc_state: TCP_LISTEN, skc_num: 80, ...fields });
    expect(inet_csk_get_port(sk, 80)).toBe(0);
    inet_hash(sk);
    return sk;
  };
  const find = (bare: BareKernel, daddr: number, sport = 1000): tcp_sock | null =>
    __inet_lookup_listener(bare.network, ip(9), sport, daddr, 80, 1, 0) as tcp_sock | null;

  it('bound to the address go before those bound to any', () => {
    const bare = new BareKernel();
    bare.run(() => {
      const any = listening(bare, { skc_reuseport: true });
      const one = listening(bare, { skc_reuseport: true, skc_rcv_saddr: ip(1) });
      expect(find(bare, ip(1))).toBe(one);
      expect(find(bare, ip(2))).toBe(any);
    });
  });

  it('bound to the device go before those that hear all', () => {
    const bare = new BareKernel();
    bare.run(() => {
      const there = listening(bare, { skc_bound_dev_if: 1 });
      const elsewhere = listening(bare, { skc_bound_dev_if: 2 });
      expect(find(bare, ip(1))).toBe(there);
      expect(elsewhere.skc_hashed).toBe(true);
    });
  });

  it('with SO_REUSEPORT share connections by a hash, each connection always the same way', () => {
    const bare = new BareKernel();
    bare.run(() => {
      const group = [0, 1, 2].map(() => listening(bare, { skc_reuseport: true }));
      const counts = new Map<tcp_sock, number>();
      for (let sport = 1; sport <= 300; sport++) {
        const chosen = find(bare, ip(1), sport)!;
        expect(find(bare, ip(1), sport)).toBe(chosen);
        counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
      }
      for (const sk of group) expect(counts.get(sk)).toBeGreaterThan(60);
      inet_unhash(group[0]!);
      for (let sport = 1; sport <= 100; sport++) expect(find(bare, ip(1), sport)).not.toBe(group[0]);
    });
  });
});

describe('the port of an outgoing connection', () => {
  const connect = (bare: BareKernel, faddr: number, fields: Partial<tcp_sock> = {}): tcp_sock =>
    bare.socket({ skc_state: TCP_SYN_SENT, skc_rcv_saddr: ip(1), skc_daddr: ip(faddr), skc_dport: 80, ...fields });

  it('is an even one of the range as long as there are any', () => {
    const bare = new BareKernel();
    bare.run(() => {
      bare.network.ipv4.sysctl_ip_local_port_range = [40000, 40009];
      const ports = Array.from({ length: 10 }, () => {
        const sk = connect(bare, 2);
        expect(inet_hash_connect(sk)).toBe(0);
        return sk.skc_num;
      });
      expect(ports.slice(0, 5).every((port) => port % 2 === 0)).toBe(true);
      expect([...ports].sort()).toEqual(Array.from({ length: 10 }, (_, i) => 40000 + i));
      expect(inet_hash_connect(connect(bare, 2))).toBe(-EADDRNOTAVAIL);
    });
  });

  it('may be the same towards another destination', () => {
    const bare = new BareKernel();
    bare.run(() => {
      bare.network.ipv4.sysctl_ip_local_port_range = [40000, 40000];
      expect(inet_hash_connect(connect(bare, 2))).toBe(0);
      expect(inet_hash_connect(connect(bare, 3))).toBe(0);
      expect(inet_hash_connect(connect(bare, 3))).toBe(-EADDRNOTAVAIL);
    });
  });

  it('follows from the seed, and differs between seeds and destinations', () => {
    const portsOf = (seed: number): number[] => {
      const bare = new BareKernel(seed);
      return bare.run(() =>
        [2, 2, 3].map((faddr) => {
          const sk = connect(bare, faddr);
          inet_hash_connect(sk);
          return sk.skc_num;
        }),
      );
    };
    expect(portsOf(1)).toEqual(portsOf(1));
    expect(portsOf(1)).not.toEqual(portsOf(2));
    const [first, second, other] = portsOf(1);
    expect(Math.abs(second! - first!)).toBeLessThanOrEqual(16);
    expect(Math.abs(other! - first!)).toBeGreaterThan(16);
  });

  it('is not one that somebody bound, nor a reserved one', () => {
    const bare = new BareKernel();
    bare.run(() => {
      bare.network.ipv4.sysctl_ip_local_port_range = [40000, 40002];
      bare.network.ipv4.sysctl_ip_local_reserved_ports = [40000, 40001];
      expect(inet_csk_get_port(bare.socket(), 40002)).toBe(0);
      const sk = connect(bare, 2);
      expect(inet_hash_connect(sk)).toBe(-EADDRNOTAVAIL);
      expect(sk.skc_num).toBe(0);
    });
  });

  it('is free for connections again once only they hold it', () => {
    const bare = new BareKernel();
    bare.run(() => {
      bare.network.ipv4.sysctl_ip_local_port_range = [40000, 40000];
      const connected = connect(bare, 2);
      inet_hash_connect(connected);
      const bound = bare.socket({ skc_rcv_saddr: ip(7) });
      expect(inet_csk_get_port(bound, 40000)).toBe(0);
      expect(inet_hash_connect(connect(bare, 3))).toBe(-EADDRNOTAVAIL);
      inet_put_port(bound);
      expect(inet_hash_connect(connect(bare, 3))).toBe(0);
    });
  });
});

describe('a connection in TIME_WAIT', () => {
  function closed(bare: BareKernel, faddr: number): tcp_sock {
    const sk = bare.socket({ skc_state: TCP_SYN_SENT, skc_rcv_saddr: faddr, skc_daddr: faddr, skc_dport: 80 });
    expect(inet_hash_connect(sk)).toBe(0);
    const tw = inet_twsk_alloc(sk, TCP_TIME_WAIT)!;
    tw.tw_snd_nxt = 1000;
    tw.tw_ts_recent = 77;
    tw.tw_ts_recent_stamp = 1;
    inet_twsk_hashdance_schedule(tw, sk, bare.network.tcp_hashinfo, 60 * 250);
    inet_put_port(sk);
    return sk;
  }
  const again = (bare: BareKernel, faddr: number): tcp_sock =>
    bare.socket({ skc_state: TCP_SYN_SENT, skc_rcv_saddr: faddr, skc_daddr: faddr, skc_dport: 80 });

  it('keeps its port for 2 MSL, then gives it back', () => {
    const bare = new BareKernel();
    bare.network.ipv4.sysctl_ip_local_port_range = [40000, 40000];
    bare.run(() => closed(bare, ip(1)));
    expect(bare.network.mib.net_statistics[LINUX_MIB_TIMEWAITED]).toBe(1);
    bare.until(59);
    expect(bare.run(() => inet_hash_connect(again(bare, ip(1))))).toBe(-EADDRNOTAVAIL);
    expect(bare.network.ipv4.tcp_death_row_count).toBe(1);
    bare.until(70);
    expect(bare.network.ipv4.tcp_death_row_count).toBe(0);
    expect(bare.network.tcp_hashinfo.ehashCount).toBe(0);
    expect(bare.network.tcp_hashinfo.bhash.size).toBe(0);
    expect(bare.run(() => inet_hash_connect(again(bare, ip(1))))).toBe(0);
  });

  it('makes way over loopback after a second, with sequence numbers beyond its own', () => {
    const bare = new BareKernel();
    const loopback = 0x7f00_0001;
    bare.network.ipv4.sysctl_ip_local_port_range = [40000, 40000];
    bare.run(() => closed(bare, loopback));
    bare.until(0.9);
    expect(bare.run(() => inet_hash_connect(again(bare, loopback)))).toBe(-EADDRNOTAVAIL);
    bare.until(1.1);
    const sk = again(bare, loopback);
    expect(bare.run(() => inet_hash_connect(sk))).toBe(0);
    expect(sk.write_seq).toBe(1000 + 65535 + 2);
    expect(sk.rx_opt.ts_recent).toBe(77);
    expect(bare.network.mib.net_statistics[LINUX_MIB_TIMEWAITRECYCLED]).toBe(1);
    expect(bare.network.tcp_hashinfo.ehashCount).toBe(1);
    expect(bare.network.ipv4.tcp_death_row_count).toBe(0);
  });

  it('does not come to be when there are too many', () => {
    const bare = new BareKernel();
    bare.network.ipv4.sysctl_tcp_max_tw_buckets = 1;
    bare.run(() => {
      closed(bare, ip(1));
      expect(inet_twsk_alloc(again(bare, ip(1)), TCP_TIME_WAIT)).toBeNull();
    });
    expect(bare.network.mib.net_statistics[LINUX_MIB_TIMEWAITKILLED]).toBe(0);
  });
});
