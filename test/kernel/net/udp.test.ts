/** UDP between programs of one host, through the whole stack over its loopback device. */
import { describe, expect, it } from 'vitest';
import { msghdr } from '../../../src/kernel/include/net/sock.ts';
import { ECONNREFUSED, EDESTADDRREQ, EINVAL, EMSGSIZE } from '../../../src/kernel/uapi/errno.ts';
import { UDP_MIB_INDATAGRAMS, UDP_MIB_NOPORTS, UDP_MIB_OUTDATAGRAMS, UDP_MIB_RCVBUFERRORS } from '../../../src/kernel/uapi/snmp.ts';
import {
  AF_INET,
  MSG_DONTWAIT,
  MSG_PEEK,
  MSG_TRUNC,
  SCM_TXTIME,
  SIOCINQ,
  SO_ERROR,
  SO_MEMINFO,
  SO_RCVBUF,
  SO_TXTIME,
  SOCK_DGRAM,
  SOL_SOCKET,
} from '../../../src/kernel/uapi/socket.ts';
import { sockaddr } from '../../../src/user/sys.ts';
import { LoopbackHost } from '../../support/programs.ts';

const LO = '127.0.0.1';
function message(control: msghdr['msg_control'][number]): msghdr {
  const msg = new msghdr(payload(1));
  msg.msg_control.push(control);
  return msg;
}
const payload = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => i % 251);

describe('SO_TXTIME', () => {
  it('takes the clocks and flags that Linux takes, and SCM_TXTIME only after it', () => {
    const host = new LoopbackHost(1);
    const results: unknown[] = [];
    host.runAll(function* program(sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
      yield* sys.bind(fd, sockaddr(LO, 9000));
      yield* sys.connect(fd, sockaddr(LO, 9000));
      const later = { cmsg_level: SOL_SOCKET, cmsg_type: SCM_TXTIME, data: 1e18 };
      const set = (clockid: number, flags: number) => sys.setsockopt(fd, SOL_SOCKET, SO_TXTIME, { clockid, flags });
      results.push(yield* sys.getsockopt(fd, SOL_SOCKET, SO_TXTIME), yield* sys.sendmsg(fd, message(later)));
      for (const clockid of [0, 1, 4, 7, 11, 12]) results.push(yield* set(clockid, 0));
      for (const flags of [1, 2, 3, 4]) results.push(yield* set(1, flags));
      results.push(yield* sys.getsockopt(fd, SOL_SOCKET, SO_TXTIME), yield* sys.sendmsg(fd, message(later)));
      return 0;
    });
    const none = { clockid: 0, flags: 0 };
    expect(results).toEqual([none, -EINVAL, 0, 0, -EINVAL, -EINVAL, 0, -EINVAL, 0, 0, 0, -EINVAL, { clockid: 1, flags: 3 }, 1]);
  });
});

describe('UDP over the loopback device', () => {
  it('echoes datagrams of all sizes, byte by byte', () => {
    const host = new LoopbackHost(2);
    const sizes = [0, 1, 100, 1472, 9000, 65507];
    const echoed: number[] = [];
    const codes = host.runAll(
      function* server(sys) {
        const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
        yield* sys.bind(fd, sockaddr(LO, 9000));
        const buffer = new Uint8Array(65536);
        for (const _size of sizes) {
          const from = sockaddr();
          const count = yield* sys.recvfrom(fd, buffer, 0, from);
          yield* sys.sendto(fd, buffer, 0, from, 0, count);
        }
        return 0;
      },
      function* client(sys) {
        yield* sys.nanosleep(1e6);
        const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
        yield* sys.connect(fd, sockaddr(LO, 9000));
        const buffer = new Uint8Array(65536);
        for (const size of sizes) {
          expect(yield* sys.send(fd, payload(size))).toBe(size);
          const count = yield* sys.recv(fd, buffer);
          expect(Buffer.compare(buffer.subarray(0, count), payload(size))).toBe(0);
          echoed.push(count);
        }
        yield* sys.close(fd);
        return 0;
      },
    );
    expect(codes).toEqual([0, 0]);
    expect(echoed).toEqual(sizes);
    const { udp_statistics } = host.kernel.init_net.mib;
    expect(udp_statistics[UDP_MIB_INDATAGRAMS]).toBe(2 * sizes.length);
    expect(udp_statistics[UDP_MIB_OUTDATAGRAMS]).toBe(2 * sizes.length);
    expect(host.kernel.liveSockets).toBe(controlSockets());
    expect(host.leftovers()).toEqual([]);
  });

  it('tells a connected socket that nobody listens, once, and counts it', () => {
    const host = new LoopbackHost();
    const results: unknown[] = [];
    host.run(function* client(sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
      yield* sys.connect(fd, sockaddr(LO, 9999));
      results.push(yield* sys.send(fd, payload(10)));
      results.push(yield* sys.getsockopt(fd, SOL_SOCKET, SO_ERROR));
      results.push(yield* sys.send(fd, payload(10)));
      results.push(yield* sys.recv(fd, new Uint8Array(10)));
      results.push(yield* sys.recv(fd, new Uint8Array(10), MSG_DONTWAIT));
      return 0;
    });
    expect(results).toEqual([10, ECONNREFUSED, 10, -ECONNREFUSED, -11]);
    expect(host.kernel.init_net.mib.udp_statistics[UDP_MIB_NOPORTS]).toBe(2);
    expect(host.leftovers()).toEqual([]);
  });

  it('drops what does not fit into the receive buffer and gives all memory back', () => {
    const host = new LoopbackHost();
    const seen = { received: 0, rmem: -1, forward: -1 };
    host.run(function* flood(sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
      yield* sys.bind(fd, sockaddr(LO, 9000));
      yield* sys.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, 8192);
      for (let i = 0; i < 50; i++) yield* sys.sendto(fd, payload(1000), 0, sockaddr(LO, 9000));
      while ((yield* sys.recv(fd, new Uint8Array(2000), MSG_DONTWAIT)) > 0) seen.received++;
      const info = (yield* sys.getsockopt(fd, SOL_SOCKET, SO_MEMINFO)) as Record<string, number>;
      seen.rmem = info['SK_MEMINFO_RMEM_ALLOC']!;
      seen.forward = info['SK_MEMINFO_FWD_ALLOC']!;
      return 0;
    });
    const dropped = host.kernel.init_net.mib.udp_statistics[UDP_MIB_RCVBUFERRORS]!;
    expect(seen.received + dropped).toBe(50);
    expect(dropped).toBeGreaterThan(30);
    expect(seen.rmem).toBe(0);
    expect(seen.forward).toBeLessThanOrEqual(4096);
    expect(host.leftovers()).toEqual([]);
  });

  it('peeks, truncates and refuses as Linux does', () => {
    const host = new LoopbackHost();
    const results: unknown[] = [];
    host.run(function* program(sys) {
      const unbound = yield* sys.socket(AF_INET, SOCK_DGRAM);
      results.push(yield* sys.send(unbound, payload(1)));
      results.push(yield* sys.sendto(unbound, payload(65508), 0, sockaddr(LO, 9000)));
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
      yield* sys.bind(fd, sockaddr(LO, 9000));
      yield* sys.sendto(fd, payload(100), 0, sockaddr(LO, 9000));
      const small = new Uint8Array(10);
      results.push(yield* sys.ioctl(fd, SIOCINQ));
      results.push(yield* sys.recv(fd, small, MSG_PEEK));
      results.push(yield* sys.recv(fd, small, MSG_TRUNC));
      results.push(yield* sys.recv(fd, small, MSG_DONTWAIT));
      return 0;
    });
    expect(results).toEqual([-EDESTADDRREQ, -EMSGSIZE, 100, 10, 100, -11]);
  });

  it('gives two sockets of one port to the one that is connected to the sender', () => {
    const host = new LoopbackHost();
    const results: number[] = [];
    host.run(function* program(sys) {
      const client = yield* sys.socket(AF_INET, SOCK_DGRAM);
      yield* sys.bind(client, sockaddr(LO, 7000));
      const any = yield* sys.socket(AF_INET, SOCK_DGRAM);
      const mine = yield* sys.socket(AF_INET, SOCK_DGRAM);
      for (const fd of [any, mine]) {
        yield* sys.setsockopt(fd, SOL_SOCKET, 2, 1);
        results.push(yield* sys.bind(fd, sockaddr(LO, 9000)));
      }
      yield* sys.connect(any, sockaddr(LO, 7001));
      yield* sys.connect(mine, sockaddr(LO, 7000));
      yield* sys.sendto(client, payload(5), 0, sockaddr(LO, 9000));
      results.push(yield* sys.recv(mine, new Uint8Array(10), MSG_DONTWAIT));
      results.push(yield* sys.recv(any, new Uint8Array(10), MSG_DONTWAIT));
      return 0;
    });
    expect(results).toEqual([0, 0, 5, -11]);
  });
});

/** Those of the kernel itself (RSTs, ICMP of each CPU): as many as a host has that nobody uses. */
function controlSockets(): number {
  return new LoopbackHost(2).kernel.liveSockets;
}
