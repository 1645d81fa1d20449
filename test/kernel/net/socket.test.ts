/** What system calls on sockets answer to right and wrong use, as a program sees it. */
import { describe, expect, it } from 'vitest';
import { errnoName } from '../../../src/kernel/uapi/errno.ts';
import { IP_TTL } from '../../../src/kernel/uapi/in.ts';
import {
  AF_INET,
  AF_UNIX,
  MSG_DONTWAIT,
  O_NONBLOCK,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SO_ACCEPTCONN,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_RCVBUF,
  SO_RCVTIMEO,
  SO_SNDBUF,
  SO_TYPE,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOCK_STREAM,
  SOL_IP,
  SOL_SOCKET,
} from '../../../src/kernel/uapi/socket.ts';
import { F_GETFL, F_SETFL, FIONREAD, type Program, ProgramError, type Sys, sockaddr } from '../../../src/user/sys.ts';
import { LoopbackHost } from '../../support/programs.ts';

const LO = '127.0.0.1';

/** Runs a program and returns what it noted, errnos by name. */
function results(program: (sys: Sys, note: (result: unknown) => void) => Generator<void, void, void>): unknown[] {
  const noted: unknown[] = [];
  const host = new LoopbackHost();
  host.run(function* (sys) {
    yield* program(sys, (result) => noted.push(typeof result === 'number' && result < 0 ? errnoName(result) : result));
    return 0;
  });
  expect(host.leftovers()).toEqual([]);
  return noted;
}

describe('socket()', () => {
  it('takes the lowest free descriptor and refuses what does not exist', () => {
    const got = results(function* (sys, note) {
      note(yield* sys.socket(AF_INET, SOCK_STREAM));
      note(yield* sys.socket(AF_INET, SOCK_DGRAM));
      yield* sys.close(3);
      note(yield* sys.socket(AF_INET, SOCK_RAW, 1));
      note(yield* sys.socket(AF_UNIX, SOCK_STREAM));
      note(yield* sys.socket(99, SOCK_STREAM));
      note(yield* sys.socket(AF_INET, 6));
      note(yield* sys.socket(AF_INET, 12));
      note(yield* sys.socket(AF_INET, SOCK_STREAM, 17));
      note(yield* sys.socket(AF_INET, SOCK_DGRAM, 1));
      note(yield* sys.socket(AF_INET, SOCK_STREAM | 0x100));
    });
    expect(got).toEqual([3, 4, 3, 'EAFNOSUPPORT', 'EAFNOSUPPORT', 'ESOCKTNOSUPPORT', 'EINVAL', 'EPROTONOSUPPORT', 'EACCES', 'EINVAL']);
  });
});

describe('errors', () => {
  it('tells bad descriptors from files that are no sockets', () => {
    const got = results(function* (sys, note) {
      note(yield* sys.bind(77, sockaddr(LO, 1)));
      note(yield* sys.listen(1, 5));
      note(yield* sys.recv(-1, new Uint8Array(1)));
      note(yield* sys.close(77));
      note(yield* sys.getsockopt(1, SOL_SOCKET, SO_TYPE));
      note(yield* sys.fcntl(77, F_GETFL));
    });
    expect(got).toEqual(['EBADF', 'ENOTSOCK', 'EBADF', 'EBADF', 'ENOTSOCK', 'EBADF']);
  });

  it('refuses calls in the wrong state', () => {
    const got = results(function* (sys, note) {
      const tcp = yield* sys.socket(AF_INET, SOCK_STREAM);
      const udp = yield* sys.socket(AF_INET, SOCK_DGRAM);
      note(yield* sys.accept(tcp));
      note(yield* sys.listen(udp, 5));
      note(yield* sys.accept(udp));
      note(yield* sys.shutdown(tcp, SHUT_WR));
      note(yield* sys.shutdown(tcp, 3));
      note(yield* sys.getpeername(tcp, sockaddr()));
      note(yield* sys.recv(tcp, new Uint8Array(1)));
      note(yield* sys.connect(tcp, { sin_family: 99, sin_port: 1, sin_addr: 0 }));
      note(yield* sys.bind(tcp, { sin_family: 99, sin_port: 1, sin_addr: 0 }));
      note(yield* sys.bind(tcp, sockaddr('192.0.2.1', 1)));
      note(yield* sys.bind(tcp, sockaddr(LO, 5000)));
      note(yield* sys.bind(tcp, sockaddr(LO, 5001)));
      const second = yield* sys.socket(AF_INET, SOCK_STREAM);
      note(yield* sys.bind(second, sockaddr(LO, 5000)));
      note(yield* sys.connect(second, sockaddr(LO, 5000)));
      note(yield* sys.connect(second, sockaddr('192.0.2.1', 5000)));
      note(yield* sys.ioctl(tcp, 0x1234));
    });
    expect(got).toEqual([
      'EINVAL', 'EOPNOTSUPP', 'EOPNOTSUPP', 'ENOTCONN', 'EINVAL', 'ENOTCONN', 'ENOTCONN', 'EAFNOSUPPORT', 'EAFNOSUPPORT', 'EADDRNOTAVAIL',
      0, 'EINVAL', 'EADDRINUSE', 'ECONNREFUSED', 'ENETUNREACH', 'ENOTTY',
    ]); // biome-ignore format: a row for each call
  });

  it('kills a program that writes to a connection it has shut down, unless it ignores SIGPIPE', () => {
    const writer = (ignore: boolean): Program =>
      function* (sys) {
        if (ignore) sys.ignoreSignal(13);
        const listener = yield* sys.socket(AF_INET, SOCK_STREAM);
        yield* sys.bind(listener, sockaddr(LO, 5000));
        yield* sys.listen(listener, 1);
        const fd = yield* sys.socket(AF_INET, SOCK_STREAM);
        yield* sys.connect(fd, sockaddr(LO, 5000));
        yield* sys.shutdown(fd, SHUT_WR);
        return (yield* sys.send(fd, new Uint8Array(1))) === -32 ? 7 : 1;
      };
    expect(new LoopbackHost().run(writer(false))).toBe(128 + 13);
    expect(new LoopbackHost().run(writer(true))).toBe(7);
  });

  it('reports a call without yield*', () => {
    const host = new LoopbackHost();
    const forgetful: Program = function* (sys) {
      sys.socket(AF_INET, SOCK_STREAM);
      yield* sys.nanosleep(1000);
      return 0;
    };
    expect(() => host.run(forgetful)).toThrow(ProgramError);
    expect(() => new LoopbackHost().run(forgetful)).toThrow('sys.socket() was called without yield*');
  });
});

describe('options', () => {
  it('doubles buffers, keeps them between floor and ceiling, and returns what was set', () => {
    const got = results(function* (sys, note) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
      for (const option of [SO_SNDBUF, SO_RCVBUF]) {
        note(yield* sys.getsockopt(fd, SOL_SOCKET, option));
        for (const value of [10_000, 1, 100_000_000]) {
          yield* sys.setsockopt(fd, SOL_SOCKET, option, value);
          note(yield* sys.getsockopt(fd, SOL_SOCKET, option));
        }
      }
    });
    expect(got).toEqual([212992, 20_000, 4608, 8_388_608, 212992, 20_000, 2304, 8_388_608]);
  });

  it('knows types, flags, times and which options there are', () => {
    const got = results(function* (sys, note) {
      const fd = yield* sys.socket(AF_INET, SOCK_STREAM);
      note(yield* sys.getsockopt(fd, SOL_SOCKET, SO_TYPE));
      note(yield* sys.setsockopt(fd, SOL_SOCKET, SO_TYPE, 1));
      note(yield* sys.setsockopt(fd, SOL_SOCKET, 9999, 1));
      note(yield* sys.getsockopt(fd, SOL_SOCKET, 9999));
      yield* sys.setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, 5);
      note(yield* sys.getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE));
      yield* sys.setsockopt(fd, SOL_SOCKET, SO_LINGER, { l_onoff: 1, l_linger: 3 });
      note(yield* sys.getsockopt(fd, SOL_SOCKET, SO_LINGER));
      note(yield* sys.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, { tv_sec: 0, tv_usec: 1_000_000 }));
      note(yield* sys.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, { tv_sec: 0, tv_usec: 10_000 }));
      note(yield* sys.getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO));
      note(yield* sys.setsockopt(fd, SOL_IP, IP_TTL, 0));
      note(yield* sys.setsockopt(fd, SOL_IP, IP_TTL, 9));
      note(yield* sys.getsockopt(fd, SOL_IP, IP_TTL));
      note(yield* sys.getsockopt(fd, SOL_SOCKET, SO_ERROR));
    });
    expect(got).toEqual([
      1, 'ENOPROTOOPT', 'ENOPROTOOPT', 'ENOPROTOOPT', 1, { l_onoff: 1, l_linger: 3 }, 'EDOM', 0, { tv_sec: 0, tv_usec: 12_000 }, 'EINVAL', 0, 9, 0,
    ]); // biome-ignore format: a row for each call
  });

  it('waits as long as SO_RCVTIMEO says', () => {
    const host = new LoopbackHost();
    let waited = 0;
    host.run(function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
      yield* sys.bind(fd, sockaddr(LO, 9000));
      yield* sys.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, { tv_sec: 0, tv_usec: 100_000 });
      const start = sys.clockGettime();
      expect(yield* sys.recv(fd, new Uint8Array(1))).toBe(-11);
      waited = sys.clockGettime() - start;
      return 0;
    });
    expect(waited).toBeGreaterThanOrEqual(96e6);
    expect(waited).toBeLessThan(112e6);
  });
});

describe('a TCP connection over the loopback device', () => {
  it('carries data both ways, half-closes, and leaves nothing behind', () => {
    const host = new LoopbackHost(2);
    const log: unknown[] = [];
    const size = 300_000;
    const data = Uint8Array.from({ length: size }, (_, i) => i % 251);
    host.runAll(
      function* server(sys) {
        const listener = yield* sys.socket(AF_INET, SOCK_STREAM);
        yield* sys.bind(listener, sockaddr(LO, 5000));
        yield* sys.listen(listener, 16);
        log.push(yield* sys.getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN));
        const peer = sockaddr();
        const fd = yield* sys.accept(listener, peer);
        log.push(peer.sin_addr === 0x7f000001);
        const buffer = new Uint8Array(65536);
        let received = 0;
        for (let n = 1; n > 0; received += n) {
          n = yield* sys.recv(fd, buffer);
          if (n > 0 && Buffer.compare(buffer.subarray(0, n), data.subarray(received, received + n)) !== 0) log.push('bad');
        }
        log.push(received);
        log.push(yield* sys.send(fd, new Uint8Array(10)));
        yield* sys.close(fd);
        yield* sys.close(listener);
        return 0;
      },
      function* client(sys) {
        yield* sys.nanosleep(1e6);
        const fd = yield* sys.socket(AF_INET, SOCK_STREAM);
        log.push(yield* sys.connect(fd, sockaddr(LO, 5000)));
        log.push(yield* sys.connect(fd, sockaddr(LO, 5000)));
        let sent = 0;
        while (sent < size) sent += yield* sys.send(fd, data, 0, sent);
        yield* sys.shutdown(fd, SHUT_WR);
        let replied = 0;
        for (let n = 1; n > 0; replied += n) n = yield* sys.recv(fd, new Uint8Array(100));
        log.push(replied);
        yield* sys.close(fd);
        return 0;
      },
    );
    expect(log).toContain(size);
    expect(log).not.toContain('bad');
    expect(log.filter((entry) => entry === -106)).toHaveLength(1);
    expect(log.filter((entry) => entry === 10)).toHaveLength(2);
    expect(host.leftovers()).toEqual([]);
  });

  it('never waits when it must not', () => {
    const got = results(function* (sys, note) {
      const listener = yield* sys.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
      yield* sys.bind(listener, sockaddr(LO, 5000));
      yield* sys.listen(listener, 5);
      note(yield* sys.accept(listener));
      const fd = yield* sys.socket(AF_INET, SOCK_STREAM);
      note(yield* sys.fcntl(fd, F_SETFL, O_NONBLOCK));
      note(yield* sys.fcntl(fd, F_GETFL));
      note(yield* sys.connect(fd, sockaddr(LO, 5000)));
      yield* sys.nanosleep(1e6);
      note(yield* sys.connect(fd, sockaddr(LO, 5000)));
      const accepted = yield* sys.accept(listener);
      note(accepted);
      note(yield* sys.recv(fd, new Uint8Array(1)));
      yield* sys.send(accepted, new Uint8Array(5));
      note(yield* sys.ioctl(fd, FIONREAD));
      note(yield* sys.recv(fd, new Uint8Array(9)));
      note(yield* sys.recv(accepted, new Uint8Array(1), MSG_DONTWAIT));
      yield* sys.shutdown(accepted, SHUT_RDWR);
      note(yield* sys.recv(fd, new Uint8Array(9)));
      yield* sys.shutdown(fd, SHUT_RD);
    });
    expect(got).toEqual(['EAGAIN', 0, O_NONBLOCK, 'EINPROGRESS', 0, 5, 'EAGAIN', 5, 5, 'EAGAIN', 0]);
  });
});
