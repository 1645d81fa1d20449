/** Memory accounting, locking and waiting that all sockets share. */
import { describe, expect, it } from 'vitest';
import { tcp_sk, tcp_sock } from '../../../src/kernel/include/linux/tcp.ts';
import { udp_sock } from '../../../src/kernel/include/linux/udp.ts';
import { SK_MEM_RECV, SK_MEM_SEND, SOCK_DEAD, type sock, sock_set_flag } from '../../../src/kernel/include/net/sock.ts';
import { sk_alloc, sk_clone_lock, sk_free, sock_init_data } from '../../../src/kernel/net/core/sock.ts';
import {
  __sk_mem_schedule,
  sk_mem_charge,
  sk_mem_reclaim,
  sk_mem_uncharge,
  sk_wmem_schedule,
} from '../../../src/kernel/net/core/sock_mem.ts';
import { tcp_prot } from '../../../src/kernel/net/ipv4/tcp_ipv4.ts';
import { udp_prot } from '../../../src/kernel/net/ipv4/udp.ts';
import {
  AF_INET,
  MSG_DONTWAIT,
  SIOCOUTQ,
  SO_MEMINFO,
  SO_SNDBUF,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../../../src/kernel/uapi/socket.ts';
import { sockaddr } from '../../../src/user/sys.ts';
import { LoopbackHost } from '../../support/programs.ts';

const LO = '127.0.0.1';

function withSock(prot: typeof tcp_prot, kind: typeof tcp_sock | typeof udp_sock, use: (sk: sock, host: LoopbackHost) => void): void {
  const host = new LoopbackHost();
  host.onCpu(() => {
    const sk = sk_alloc(host.kernel.init_net, AF_INET, prot, kind);
    sock_init_data(null, sk);
    sock_set_flag(sk, SOCK_DEAD);
    use(sk, host);
    sk_free(sk);
  });
}

describe('memory accounting', () => {
  it('buys whole pages and gives them back', () => {
    withSock(tcp_prot, tcp_sock, (sk, host) => {
      const memory = host.kernel.init_net.proto_memory.get('TCP')!;
      expect(sk_wmem_schedule(sk, 5000)).toBe(true);
      expect([sk.sk_forward_alloc, memory.memory_allocated]).toEqual([8192, 2]);
      sk_mem_charge(sk, 5000);
      expect(sk_wmem_schedule(sk, 3000)).toBe(true);
      expect(memory.memory_allocated).toBe(2);
      sk_mem_uncharge(sk, 5000);
      expect([sk.sk_forward_alloc, memory.memory_allocated]).toEqual([0, 0]);
    });
  });

  it('refuses receive memory above the high limit but lets a socket have its minimum', () => {
    withSock(tcp_prot, tcp_sock, (sk, host) => {
      host.kernel.init_net.ipv4.sysctl_tcp_mem = [1, 2, 3];
      const memory = host.kernel.init_net.proto_memory.get('TCP')!;
      memory.sockets_allocated = 100;
      expect(__sk_mem_schedule(sk, 3 * 4096, SK_MEM_RECV)).toBe(true);
      expect(memory.memory_pressure).toBeGreaterThan(0);
      expect(__sk_mem_schedule(sk, 4096, SK_MEM_RECV)).toBe(false);
      sk_mem_reclaim(sk);
      expect(memory.memory_allocated).toBe(0);
      expect(memory.memory_pressure).toBe(0);
    });
  });

  it('shrinks the send buffer of a stream that meets the limit', () => {
    withSock(tcp_prot, tcp_sock, (sk, host) => {
      host.kernel.init_net.ipv4.sysctl_tcp_mem = [0, 0, 1];
      sk.sk_type = SOCK_STREAM;
      sk.sk_wmem_queued = 40_000;
      expect(__sk_mem_schedule(sk, 2 * 4096, SK_MEM_SEND)).toBe(true);
      expect(sk.sk_sndbuf).toBe(20_000);
      sk.sk_wmem_queued = 0;
      sk_mem_reclaim(sk);
    });
  });

  it('does not limit what has no limits', () => {
    withSock({ ...udp_prot, name: 'FREE' }, udp_sock, (sk) => {
      expect(sk_wmem_schedule(sk, 1e9)).toBe(true);
      expect(sk.sk_forward_alloc).toBe(0);
    });
  });
});

describe('a cloned socket', () => {
  it('has its parent’s settings in objects of its own, and none of its past', () => {
    withSock(tcp_prot, tcp_sock, (sk, host) => {
      sk.sk_sndbuf = 12345;
      sk.sk_drops = 7;
      tcp_sk(sk).rx_opt.mss_clamp = 999;
      tcp_sk(sk).selective_acks[2]!.start_seq = 5;
      const live = host.kernel.liveSockets;
      const child = sk_clone_lock(sk);
      expect([child.sk_sndbuf, child.sk_drops, child.skc_refcnt, child.sk_wq]).toEqual([12345, 0, 2, null]);
      expect(tcp_sk(child).rx_opt.mss_clamp).toBe(999);
      expect(tcp_sk(child).rx_opt).not.toBe(tcp_sk(sk).rx_opt);
      expect(tcp_sk(child).selective_acks[2]!.start_seq).toBe(5);
      tcp_sk(child).rx_opt.mss_clamp = 1;
      expect(tcp_sk(sk).rx_opt.mss_clamp).toBe(999);
      expect(child.address).not.toBe(sk.address);
      expect(host.kernel.liveSockets).toBe(live + 1);
      sk_free(child);
    });
  });
});

describe('waiting', () => {
  it('a writer sleeps while the send buffer is full and goes on when the reader makes room', () => {
    const host = new LoopbackHost(2);
    const times: Record<string, number> = {};
    host.runAll(
      function* reader(sys) {
        const listener = yield* sys.socket(AF_INET, SOCK_STREAM);
        yield* sys.bind(listener, sockaddr(LO, 5000));
        yield* sys.listen(listener, 1);
        const fd = yield* sys.accept(listener);
        yield* sys.nanosleep(500e6);
        times['reads'] = sys.clockGettime();
        const buffer = new Uint8Array(1 << 20);
        while ((yield* sys.recv(fd, buffer)) > 0);
        return 0;
      },
      function* writer(sys) {
        yield* sys.nanosleep(1e6);
        const fd = yield* sys.socket(AF_INET, SOCK_STREAM);
        yield* sys.connect(fd, sockaddr(LO, 5000));
        expect(yield* sys.send(fd, new Uint8Array(20_000_000))).toBe(20_000_000);
        times['written'] = sys.clockGettime();
        return 0;
      },
    );
    expect(times['written']).toBeGreaterThan(times['reads']!);
    expect(host.leftovers()).toEqual([]);
  });

  it('two tasks that send on one socket take turns', () => {
    const host = new LoopbackHost(2);
    const result: number[] = [];
    host.runAll(
      function* reader(sys) {
        const listener = yield* sys.socket(AF_INET, SOCK_STREAM);
        yield* sys.bind(listener, sockaddr(LO, 5000));
        yield* sys.listen(listener, 1);
        const fd = yield* sys.accept(listener);
        const counts = [0, 0, 0];
        const buffer = new Uint8Array(65536);
        for (let n = 1; n > 0; ) {
          n = yield* sys.recv(fd, buffer);
          for (let i = 0; i < n; i++) counts[buffer[i]!]!++;
        }
        result.push(...counts);
        return 0;
      },
      function* writers(sys) {
        yield* sys.nanosleep(1e6);
        const fd = yield* sys.socket(AF_INET, SOCK_STREAM);
        yield* sys.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, 20_000);
        yield* sys.connect(fd, sockaddr(LO, 5000));
        const other = sys.spawn(function* (own) {
          return yield* own.send(fd, new Uint8Array(400_000).fill(2));
        });
        const mine = yield* sys.send(fd, new Uint8Array(300_000).fill(1));
        const theirs = yield* sys.join(other);
        expect([mine, theirs]).toEqual([300_000, 400_000]);
        yield* sys.close(fd);
        return 0;
      },
    );
    expect(result).toEqual([0, 300_000, 400_000]);
    expect(host.leftovers()).toEqual([]);
  });

  it('SIOCOUTQ and SO_MEMINFO show what is queued', () => {
    const host = new LoopbackHost();
    host.run(function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
      yield* sys.bind(fd, sockaddr(LO, 9000));
      yield* sys.sendto(fd, new Uint8Array(100), 0, sockaddr(LO, 9000));
      const info = (yield* sys.getsockopt(fd, SOL_SOCKET, SO_MEMINFO)) as Record<string, number>;
      expect(info['SK_MEMINFO_RMEM_ALLOC']).toBeGreaterThanOrEqual(100 + 512);
      expect(yield* sys.ioctl(fd, SIOCOUTQ)).toBe(0);
      expect(yield* sys.recv(fd, new Uint8Array(200), MSG_DONTWAIT)).toBe(100);
      return 0;
    });
    expect(host.leftovers()).toEqual([]);
  });
});
