/** Datagram sockets on a host with two ways out: which one they take, and which address they take with it. What is expected, Linux 6.18 did. */
import { describe, expect, it } from 'vitest';
import { tun_set_iff, type tun_struct } from '../../../src/kernel/drivers/net/tun.ts';
import { EADDRNOTAVAIL } from '../../../src/kernel/uapi/errno.ts';
import { IP_MULTICAST_IF, IP_UNICAST_IF } from '../../../src/kernel/uapi/in.ts';
import { AF_INET, SO_BINDTODEVICE, SOCK_DGRAM, SOL_IP, SOL_SOCKET } from '../../../src/kernel/uapi/socket.ts';
import { COMMANDS } from '../../../src/user/commands/commands.ts';
import { inet_ntoa, sockaddr } from '../../../src/user/sys.ts';
import { LoopbackHost } from '../../support/programs.ts';

const SETUP = ['0', '1'].flatMap((i) => [
  `ip link set d${i} up`,
  `ip addr add 10.${i}.0.1/24 dev d${i}`,
  `ip route add default via 10.${i}.0.254 dev d${i} metric 1${i}`,
]);

type Option = [level: number, name: number, value: (ifindex: number) => unknown];

const networkOrder = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
const UNICAST_D1: Option = [SOL_IP, IP_UNICAST_IF, networkOrder];
const MULTICAST_D1: Option = [SOL_IP, IP_MULTICAST_IF, () => Uint8Array.of(10, 1, 0, 1)];
const ON_D0: Option = [SOL_SOCKET, SO_BINDTODEVICE, () => 'd0'];

/** The address that a socket with these options has after connect(), or the negative errno. */
function sourceTo(address: string, ...options: Option[]): string | number {
  const host = new LoopbackHost(1);
  const [, d1] = host.onCpu(() => ['d0', 'd1'].map(tun_set_iff));
  let source: string | number = '';
  host.run(function* program(sys) {
    for (const line of SETUP) expect(yield* COMMANDS['ip']!(line.split(' '), () => undefined, sys)).toBe(0);
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
    for (const [level, name, value] of options) {
      const error = yield* sys.setsockopt(fd, level, name, value(d1!.ifindex) as never);
      if (error !== 0) source = error;
    }
    if (source !== '') return 1;
    const own = sockaddr();
    const error = yield* sys.connect(fd, sockaddr(address, 53));
    yield* sys.getsockname(fd, own);
    source = error === 0 ? inet_ntoa(own.sin_addr) : error;
    return yield* sys.close(fd);
  });
  return source;
}

/** `interface source` of what a socket with these options sends to an address without connect(). */
function sent(address: string, ...options: Option[]): string[] {
  const host = new LoopbackHost(1);
  const devices = host.onCpu(() => ['d0', 'd1'].map(tun_set_iff));
  const packets: string[] = [];
  for (const dev of devices) {
    (dev.priv as tun_struct).reader = (skb) => {
      packets.push(`${dev.name} ${inet_ntoa(skb.mem.view.getUint32(skb.network_header + 12))}`);
    };
  }
  host.run(function* program(sys) {
    for (const line of SETUP) expect(yield* COMMANDS['ip']!(line.split(' '), () => undefined, sys)).toBe(0);
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
    for (const [level, name, value] of options) expect(yield* sys.setsockopt(fd, level, name, value(devices[1]!.ifindex) as never)).toBe(0);
    expect(yield* sys.sendto(fd, new Uint8Array(1), 0, sockaddr(address, 53))).toBe(1);
    return yield* sys.close(fd);
  });
  return packets;
}

describe('sendto() of a datagram socket', () => {
  it('goes the ways that connect() goes', () => {
    expect(sent('8.8.8.8')).toEqual(['d0 10.0.0.1']);
    expect(sent('8.8.8.8', UNICAST_D1)).toEqual(['d1 10.1.0.1']);
    expect(sent('8.8.8.8', UNICAST_D1, ON_D0)).toEqual(['d0 10.0.0.1']);
    expect(sent('224.1.1.1', MULTICAST_D1)).toEqual(['d1 10.1.0.1']);
    expect(sent('224.1.1.1', MULTICAST_D1, ON_D0)).toEqual(['d0 10.1.0.1']);
  });
});

describe('connect() of a datagram socket', () => {
  it('takes the best route and its address', () => {
    expect(sourceTo('8.8.8.8')).toBe('10.0.0.1');
    expect(sourceTo('224.1.1.1')).toBe('10.0.0.1');
  });

  it('takes the interface of IP_UNICAST_IF, for unicast only, and even where another one has the network', () => {
    expect(sourceTo('8.8.8.8', UNICAST_D1)).toBe('10.1.0.1');
    expect(sourceTo('10.0.0.9', UNICAST_D1)).toBe('10.1.0.1');
    expect(sourceTo('224.1.1.1', UNICAST_D1)).toBe('10.0.0.1');
  });

  it('takes interface and address of IP_MULTICAST_IF, for multicast only', () => {
    expect(sourceTo('224.1.1.1', MULTICAST_D1)).toBe('10.1.0.1');
    expect(sourceTo('8.8.8.8', MULTICAST_D1)).toBe('10.0.0.1');
  });

  it('prefers the interface that the socket is bound to, but keeps the address of IP_MULTICAST_IF', () => {
    expect(sourceTo('8.8.8.8', UNICAST_D1, ON_D0)).toBe('10.0.0.1');
    expect(sourceTo('224.1.1.1', MULTICAST_D1, ON_D0)).toBe('10.1.0.1');
  });

  it('refuses an interface that is not there', () => {
    expect(sourceTo('8.8.8.8', [SOL_IP, IP_UNICAST_IF, () => networkOrder(77)])).toBe(-EADDRNOTAVAIL);
  });
});
