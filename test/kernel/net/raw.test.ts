/** Raw ICMP sockets and ping sockets over the loopback device. */
import { describe, expect, it } from 'vitest';
import type { msghdr } from '../../../src/kernel/include/net/sock.ts';
import { msghdr as Message } from '../../../src/kernel/include/net/sock.ts';
import { EACCES, EAGAIN, EINVAL, ENOTTY } from '../../../src/kernel/uapi/errno.ts';
import { ICMP_FILTER, IP_RECVERR, IPPROTO_ICMP, IPPROTO_RAW } from '../../../src/kernel/uapi/in.ts';
import {
  AF_INET,
  AF_UNSPEC,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  SIOCINQ,
  SOCK_DGRAM,
  SOCK_RAW,
  SOL_IP,
  SOL_RAW,
} from '../../../src/kernel/uapi/socket.ts';
import { sockaddr } from '../../../src/user/sys.ts';
import { LoopbackHost } from '../../support/programs.ts';

const LO = '127.0.0.1';

/** An echo request with id 7, sequence 1 and its checksum. */
function echoRequest(size: number): Uint8Array {
  const packet = new Uint8Array(size);
  packet.set([8, 0, 0, 0, 0, 7, 0, 1]);
  for (let i = 8; i < size; i++) packet[i] = i & 255;
  let sum = 0;
  for (let i = 0; i < size; i += 2) sum += packet[i]! * 256 + (packet[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  new DataView(packet.buffer).setUint16(2, ~sum & 0xffff);
  return packet;
}

describe('raw sockets', () => {
  it('see the request and its reply, header included, and may filter types', () => {
    const host = new LoopbackHost();
    host.run(function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
      expect(yield* sys.sendto(fd, echoRequest(64), 0, sockaddr(LO))).toBe(64);
      const buffer = new Uint8Array(200);
      const from = sockaddr();
      expect(yield* sys.recvfrom(fd, buffer, 0, from)).toBe(84);
      expect([buffer[0], buffer[9], buffer[20], from.sin_addr]).toEqual([0x45, 1, 8, 0x7f000001]);
      expect(yield* sys.recv(fd, buffer)).toBe(84);
      expect(buffer[20]).toBe(0);
      yield* sys.setsockopt(fd, SOL_RAW, ICMP_FILTER, 1 << 8);
      yield* sys.sendto(fd, echoRequest(64), 0, sockaddr(LO));
      expect(yield* sys.recv(fd, buffer)).toBe(84);
      expect(buffer[20]).toBe(0);
      expect(yield* sys.recv(fd, buffer, MSG_DONTWAIT)).toBe(-EAGAIN);
      return 0;
    });
    expect(host.leftovers()).toEqual([]);
  });

  it('send whole packets with IPPROTO_RAW', () => {
    const host = new LoopbackHost();
    host.run(function* (sys) {
      const listener = yield* sys.socket(AF_INET, SOCK_DGRAM);
      yield* sys.bind(listener, sockaddr(LO, 9000));
      const fd = yield* sys.socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
      const packet = new Uint8Array(31);
      packet.set([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 127, 0, 0, 1, 0x1b, 0x58, 0x23, 0x28, 0, 11, 0, 0, 1, 2, 3]);
      expect(yield* sys.sendto(fd, packet, 0, sockaddr(LO))).toBe(31);
      const buffer = new Uint8Array(10);
      const from = sockaddr();
      expect(yield* sys.recvfrom(listener, buffer, 0, from)).toBe(3);
      expect([buffer[0], buffer[2], from.sin_port]).toEqual([1, 3, 7000]);
      return 0;
    });
    expect(host.leftovers()).toEqual([]);
  });
});

describe('ping sockets', () => {
  it('need the right group', () => {
    const host = new LoopbackHost();
    host.run(function* (sys) {
      expect(yield* sys.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)).toBe(-EACCES);
      return 0;
    });
    expect(host.leftovers()).toEqual([]);
  });

  it('send echo requests under their own identifier and get the replies', () => {
    const host = new LoopbackHost();
    host.onCpu(() => host.kernel.init_net.sysctls.set('net.ipv4.ping_group_range', '0 1000'));
    host.run(function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
      expect(yield* sys.sendto(fd, new Uint8Array(8), 0, sockaddr(LO))).toBe(-EINVAL);
      for (const size of [8, 64, 1001, 65507]) {
        expect(yield* sys.sendto(fd, echoRequest(size), 0, sockaddr(LO))).toBe(size);
        const buffer = new Uint8Array(66_000);
        expect(yield* sys.recv(fd, buffer)).toBe(size);
        expect([buffer[0], buffer[7], buffer[size - 1]]).toEqual([0, 1, size === 8 ? 1 : (size - 1) & 255]);
      }
      return 0;
    });
    expect(host.leftovers()).toEqual([]);
  });
});

describe('IP_RECVERR', () => {
  it('keeps the ICMP error with the payload that caused it', () => {
    const host = new LoopbackHost();
    const message: msghdr = new Message(new Uint8Array(100));
    host.run(function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
      yield* sys.setsockopt(fd, SOL_IP, IP_RECVERR, 1);
      yield* sys.sendto(fd, Uint8Array.of(9, 8, 7), 0, sockaddr(LO, 9999));
      message.msg_name = sockaddr();
      expect(yield* sys.recvmsg(fd, message, MSG_ERRQUEUE)).toBe(3);
      return 0;
    });
    expect([...message.data.subarray(0, 3)]).toEqual([9, 8, 7]);
    expect(message.msg_name).toEqual(sockaddr(LO, 9999));
    expect(message.msg_control[0]).toMatchObject({ cmsg_type: IP_RECVERR, data: { ee_errno: 111, ee_origin: 2, ee_type: 3, ee_code: 3 } });
    expect(host.leftovers()).toEqual([]);
  });

  it('are as on Linux 6.18 when they are disconnected, and know no ioctl of their own', () => {
    const host = new LoopbackHost();
    host.onCpu(() => host.kernel.init_net.sysctls.set('net.ipv4.ping_group_range', '0 1000'));
    host.run(function* (sys) {
      const unspecified = sockaddr();
      unspecified.sin_family = AF_UNSPEC;
      const nameOf = function* (fd: number) {
        const name = sockaddr();
        yield* sys.getsockname(fd, name);
        return [name.sin_addr, name.sin_port];
      };
      const ping = yield* sys.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
      expect(yield* sys.ioctl(ping, SIOCINQ)).toBe(-ENOTTY);
      for (const type of [SOCK_DGRAM, SOCK_RAW]) {
        const fd = yield* sys.socket(AF_INET, type, IPPROTO_ICMP);
        yield* sys.connect(fd, sockaddr(LO, 9));
        expect((yield* nameOf(fd))[0]).toBe(0x7f000001);
        expect(yield* sys.connect(fd, unspecified)).toBe(0);
        expect(yield* nameOf(fd)).toEqual([0, 0]);
      }
      // A ping socket keeps the address that it was bound to, but not a port that it was given.
      yield* sys.bind(ping, sockaddr(LO));
      yield* sys.connect(ping, sockaddr(LO, 9));
      yield* sys.connect(ping, unspecified);
      expect(yield* nameOf(ping)).toEqual([0x7f000001, 0]);
      return 0;
    });
    expect(host.leftovers()).toEqual([]);
  });
});
