import { describe, expect, it } from 'vitest';
import type { tcp_sock } from '../../../../src/kernel/include/linux/tcp.ts';
import {
  inet_csk_get_port,
  inet_csk_reqsk_queue_hash_add,
  inet_reqsk_alloc,
} from '../../../../src/kernel/net/ipv4/inet_connection_sock.ts';
import { inet_bhash2_update_saddr, inet_put_port } from '../../../../src/kernel/net/ipv4/inet_hashtables.ts';
import { EADDRINUSE } from '../../../../src/kernel/uapi/errno.ts';
import { LINUX_MIB_TCPTIMEOUTS } from '../../../../src/kernel/uapi/snmp.ts';
import { TCP_CLOSE, TCP_LISTEN } from '../../../../src/kernel/uapi/tcp.ts';
import { BareKernel, ip } from './bare_kernel.ts';

type Owner = Partial<tcp_sock>;
const any = { skc_rcv_saddr: 0 };
const one = { skc_rcv_saddr: ip(1) };
const two = { skc_rcv_saddr: ip(2) };
const reuse = { skc_reuse: 1 };
const reuseport = { skc_reuseport: true };
const listens = { skc_state: TCP_LISTEN };

/** Owner, newcomer, and whether the newcomer may have the port, as Linux decides. */
const cases: readonly [string, Owner, Owner, boolean][] = [
  ['nothing set, same address', any, any, false],
  ['nothing set, any and one address', any, one, false],
  ['nothing set, one address and any', one, any, false],
  ['nothing set, different addresses', one, two, true],
  ['both reuse', { ...any, ...reuse }, { ...any, ...reuse }, true],
  ['only the owner reuses', { ...any, ...reuse }, any, false],
  ['only the newcomer reuses', any, { ...any, ...reuse }, false],
  ['both reuse, the owner listens', { ...any, ...reuse, ...listens }, { ...any, ...reuse }, false],
  ['both reuse, the owner listens elsewhere', { ...one, ...reuse, ...listens }, { ...two, ...reuse }, true],
  ['both reuse, the owner listens on one address', { ...one, ...reuse, ...listens }, { ...any, ...reuse }, false],
  ['both reuseport', { ...any, ...reuseport }, { ...any, ...reuseport }, true],
  ['both reuseport, different users', { ...any, ...reuseport, sk_uid: 1 }, { ...any, ...reuseport, sk_uid: 2 }, false],
  ['both reuseport and listening', { ...any, ...reuseport, ...listens }, { ...any, ...reuseport, ...listens }, true],
  ['only one reuseport', { ...any, ...reuseport }, any, false],
  ['reuseport, any and one address', { ...any, ...reuseport }, { ...one, ...reuseport }, true],
  ['reuse here, reuseport there', { ...any, ...reuse }, { ...any, ...reuseport }, false],
  ['different devices', { ...any, skc_bound_dev_if: 1 }, { ...any, skc_bound_dev_if: 2 }, true],
  ['one device, and none', { ...any, skc_bound_dev_if: 1 }, any, false],
];

describe('two sockets on one port', () => {
  it.each(cases)('%s', (_, owner, newcomer, allowed) => {
    const bare = new BareKernel();
    bare.run(() => {
      expect(inet_csk_get_port(bare.socket(owner), 80)).toBe(0);
      expect(inet_csk_get_port(bare.socket(newcomer), 80)).toBe(allowed ? 0 : -EADDRINUSE);
    });
  });

  it('are judged by all owners, not by the last one', () => {
    const bare = new BareKernel();
    bare.run(() => {
      inet_csk_get_port(bare.socket({ ...one, ...reuse }), 80);
      inet_csk_get_port(bare.socket(two), 80);
      expect(inet_csk_get_port(bare.socket({ ...one, ...reuse }), 80)).toBe(0);
      expect(inet_csk_get_port(bare.socket({ ...any, ...reuse }), 80)).toBe(-EADDRINUSE);
    });
  });

  it('are one once the first has left', () => {
    const bare = new BareKernel();
    bare.run(() => {
      const first = bare.socket();
      inet_csk_get_port(first, 80);
      inet_put_port(first);
      expect(bare.network.tcp_hashinfo.bhash.size).toBe(0);
      expect(inet_csk_get_port(bare.socket(), 80)).toBe(0);
    });
  });

  it('conflict by the address that connect() gave one of them', () => {
    const bare = new BareKernel();
    bare.run(() => {
      const first = bare.socket();
      inet_csk_get_port(first, 80);
      inet_bhash2_update_saddr(first, ip(1));
      expect(inet_csk_get_port(bare.socket(one), 80)).toBe(-EADDRINUSE);
      expect(inet_csk_get_port(bare.socket(two), 80)).toBe(0);
    });
  });
});

describe('a port that the kernel chooses', () => {
  const choose = (bare: BareKernel, fields: Owner = {}): number => {
    const sk = bare.socket(fields);
    return bare.run(() => inet_csk_get_port(sk, 0)) === 0 ? sk.skc_num : -1;
  };

  it('is of the parity that connect() leaves alone, then any, then none', () => {
    const bare = new BareKernel();
    bare.network.ipv4.sysctl_ip_local_port_range = [40000, 40007];
    const ports = Array.from({ length: 8 }, () => choose(bare));
    expect(ports.slice(0, 4).every((port) => port % 2 === 1)).toBe(true);
    expect([...ports].sort()).toEqual(Array.from({ length: 8 }, (_, i) => 40000 + i));
    expect(choose(bare)).toBe(-1);
  });

  it('is in the lower half of the range for sockets with SO_REUSEADDR', () => {
    const bare = new BareKernel();
    bare.network.ipv4.sysctl_ip_local_port_range = [40000, 40099];
    for (let i = 0; i < 40; i++) {
      const port = choose(bare, reuse);
      expect(port).toBeGreaterThanOrEqual(40000);
      expect(port).toBeLessThan(40050);
    }
  });

  it('may be shared by sockets with SO_REUSEADDR at last, if ip_autobind_reuse says so', () => {
    const bare = new BareKernel();
    bare.network.ipv4.sysctl_ip_local_port_range = [40000, 40000];
    expect(choose(bare, reuse)).toBe(40000);
    expect(choose(bare, reuse)).toBe(-1);
    bare.network.ipv4.sysctl_ip_autobind_reuse = 1;
    expect(choose(bare, reuse)).toBe(40000);
  });
});

describe('a half-open connection', () => {
  /** When its SYN-ACK was repeated, in whole seconds. */
  function repeats(bare: BareKernel, listener: tcp_sock, acked: boolean, horizon: number, result = 0): number[] {
    const times: number[] = [];
    listener.icsk_rto_max = 120 * bare.kernel.HZ;
    bare.run(() => {
      const ops = bare.request(listener, {
        rtx_syn_ack: () => {
          times.push(Math.floor(bare.simulation.now / 1e9));
          return result;
        },
      }).rsk_ops;
      const req = inet_reqsk_alloc(ops, listener, true);
      Object.assign(req, { skc_rcv_saddr: ip(1), skc_num: 80, skc_daddr: ip(2), skc_dport: 1000, acked });
      expect(inet_csk_reqsk_queue_hash_add(listener, req, req.timeout)).toBe(true);
      req.skc_refcnt--;
    });
    bare.until(horizon);
    return times;
  }
  const listenerOf = (bare: BareKernel): tcp_sock => bare.socket({ skc_state: TCP_LISTEN, skc_num: 80, sk_max_ack_backlog: 128 });

  it('repeats its SYN-ACK with doubling intervals, five times, and is forgotten', () => {
    const bare = new BareKernel();
    const listener = listenerOf(bare);
    expect(repeats(bare, listener, false, 80)).toEqual([1, 3, 7, 15, 31]);
    expect(listener.icsk_accept_queue.qlen).toBe(0);
    expect(listener.icsk_accept_queue.young).toBe(0);
    expect(bare.network.tcp_hashinfo.ehashCount).toBe(0);
    expect(listener.skc_refcnt).toBe(1);
    expect(bare.network.mib.net_statistics[LINUX_MIB_TCPTIMEOUTS]).toBe(6);
  });

  it('obeys TCP_SYNCNT', () => {
    const bare = new BareKernel();
    const listener = listenerOf(bare);
    listener.icsk_syn_retries = 2;
    expect(repeats(bare, listener, false, 80)).toHaveLength(2);
  });

  it('is young until its first timeout', () => {
    const bare = new BareKernel();
    const listener = listenerOf(bare);
    repeats(bare, listener, false, 0.5);
    expect([listener.icsk_accept_queue.qlen, listener.icsk_accept_queue.young]).toEqual([1, 1]);
    bare.until(2);
    expect([listener.icsk_accept_queue.qlen, listener.icsk_accept_queue.young]).toEqual([1, 0]);
  });

  it('stays silent while TCP_DEFER_ACCEPT waits for data, and repeats its SYN-ACK at the end', () => {
    const bare = new BareKernel();
    const listener = listenerOf(bare);
    listener.icsk_accept_queue.rskq_defer_accept = 3;
    expect(repeats(bare, listener, true, 80)).toEqual([7, 15, 31]);
  });

  it('is given up when its SYN-ACK cannot be sent', () => {
    const bare = new BareKernel();
    const listener = listenerOf(bare);
    expect(repeats(bare, listener, false, 10, -1)).toEqual([1]);
    expect(listener.icsk_accept_queue.qlen).toBe(0);
  });

  it('gets fewer repetitions in a crowded queue', () => {
    const bare = new BareKernel();
    const listener = listenerOf(bare);
    listener.sk_max_ack_backlog = 8;
    listener.icsk_accept_queue.qlen = 20;
    expect(repeats(bare, listener, false, 80).length).toBeLessThan(5);
  });

  it('goes when its listener does', () => {
    const bare = new BareKernel();
    const listener = listenerOf(bare);
    expect(repeats(bare, listener, false, 0.5)).toEqual([]);
    listener.skc_state = TCP_CLOSE;
    bare.until(3);
    expect(bare.network.tcp_hashinfo.ehashCount).toBe(0);
  });
});
