/** Waiting for several descriptors: poll and epoll, level- and edge-triggered, one-shot and exclusive; pipes and splice. */
import { describe, expect, it } from 'vitest';
import {
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLIN,
  EPOLLONESHOT,
} from '../../../src/kernel/fs/eventpoll.ts';
import { errnoName } from '../../../src/kernel/uapi/errno.ts';
import {
  AF_INET,
  O_NONBLOCK,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
} from '../../../src/kernel/uapi/socket.ts';
import { type Program, type Sys, sockaddr } from '../../../src/user/sys.ts';
import { LoopbackHost } from '../../support/programs.ts';

const LO = '127.0.0.1';

function run(program: Program): void {
  const host = new LoopbackHost();
  expect(host.run(program)).toBe(0);
  expect(host.leftovers()).toEqual([]);
}

/** A bound UDP socket that anybody can send to. */
function* receiver(sys: Sys, port: number): Generator<void, number, void> {
  const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
  yield* sys.bind(fd, sockaddr(LO, port));
  return fd;
}

function* poke(sys: Sys, port: number): Generator<void, void, void> {
  const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
  yield* sys.sendto(fd, Uint8Array.of(1, 2, 3), 0, sockaddr(LO, port));
  yield* sys.close(fd);
}

describe('poll', () => {
  it('says what is ready, what was asked for or not, and what is no descriptor', () => {
    run(function* (sys) {
      const a = yield* receiver(sys, 9000);
      const b = yield* receiver(sys, 9001);
      const fds = [
        { fd: a, events: POLLIN, revents: 0 },
        { fd: b, events: POLLIN | POLLOUT, revents: 0 },
        { fd: 77, events: POLLIN, revents: 0 },
        { fd: -1, events: POLLIN, revents: 9 },
      ];
      expect(yield* sys.poll(fds, 0)).toBe(2);
      expect(fds.map(({ revents }) => revents)).toEqual([0, POLLOUT, POLLNVAL, 0]);
      yield* poke(sys, 9000);
      expect(yield* sys.poll([fds[0]!], -1)).toBe(1);
      expect(fds[0]!.revents).toBe(POLLIN);
      return 0;
    });
  });

  it('sleeps until something comes, or until the time is over', () => {
    const host = new LoopbackHost(2);
    const waits: number[] = [];
    host.runAll(
      function* poller(sys) {
        const fd = yield* receiver(sys, 9000);
        const entry = { fd, events: POLLIN, revents: 0 };
        for (const timeout of [20, -1]) {
          const start = sys.clockGettime();
          expect(yield* sys.poll([entry], timeout)).toBe(timeout < 0 ? 1 : 0);
          waits.push(sys.clockGettime() - start);
        }
        return 0;
      },
      function* sender(sys) {
        yield* sys.nanosleep(50e6);
        yield* poke(sys, 9000);
        return 0;
      },
    );
    expect(waits[0]).toBeGreaterThanOrEqual(20e6);
    expect(waits[0]).toBeLessThan(20.2e6);
    expect(waits[0]! + waits[1]!).toBeGreaterThan(49e6);
    expect(waits[0]! + waits[1]!).toBeLessThan(52e6);
  });

  it('shows the end of a connection', () => {
    run(function* (sys) {
      const listener = yield* sys.socket(AF_INET, SOCK_STREAM);
      const idle = { fd: listener, events: POLLIN | POLLOUT, revents: 0 };
      yield* sys.poll([idle], 0);
      expect(idle.revents & POLLHUP).toBe(POLLHUP);
      yield* sys.bind(listener, sockaddr(LO, 5000));
      yield* sys.listen(listener, 1);
      const fd = yield* sys.socket(AF_INET, SOCK_STREAM);
      yield* sys.connect(fd, sockaddr(LO, 5000));
      expect(yield* sys.poll([{ fd: listener, events: POLLIN, revents: 0 }], -1)).toBe(1);
      const peer = yield* sys.accept(listener);
      yield* sys.shutdown(peer, SHUT_WR);
      const entry = { fd, events: POLLIN, revents: 0 };
      expect(yield* sys.poll([entry], -1)).toBe(1);
      expect(yield* sys.recv(fd, new Uint8Array(1))).toBe(0);
      return 0;
    });
  });
});

describe('epoll', () => {
  it('reports level-triggered items as long as they are ready', () => {
    run(function* (sys) {
      const fd = yield* receiver(sys, 9000);
      const ep = yield* sys.epollCreate();
      yield* sys.epollCtl(ep, EPOLL_CTL_ADD, fd, { events: EPOLLIN, data: 'a' });
      expect(yield* sys.epollWait(ep, 8, 0)).toEqual([]);
      yield* poke(sys, 9000);
      for (let i = 0; i < 3; i++) expect(yield* sys.epollWait(ep, 8, -1)).toEqual([{ events: EPOLLIN, data: 'a' }]);
      yield* sys.recv(fd, new Uint8Array(9));
      expect(yield* sys.epollWait(ep, 8, 0)).toEqual([]);
      return 0;
    });
  });

  it('reports edge-triggered items once for each arrival', () => {
    run(function* (sys) {
      const fd = yield* receiver(sys, 9000);
      const ep = yield* sys.epollCreate();
      yield* sys.epollCtl(ep, EPOLL_CTL_ADD, fd, { events: EPOLLIN | EPOLLET, data: 1 });
      yield* poke(sys, 9000);
      expect(yield* sys.epollWait(ep, 8, -1)).toHaveLength(1);
      expect(yield* sys.epollWait(ep, 8, 0)).toEqual([]);
      yield* poke(sys, 9000);
      expect(yield* sys.epollWait(ep, 8, -1)).toHaveLength(1);
      return 0;
    });
  });

  it('disables one-shot items until they are armed again', () => {
    run(function* (sys) {
      const fd = yield* receiver(sys, 9000);
      const ep = yield* sys.epollCreate();
      const event = { events: EPOLLIN | EPOLLONESHOT, data: 1 };
      yield* sys.epollCtl(ep, EPOLL_CTL_ADD, fd, event);
      yield* poke(sys, 9000);
      expect(yield* sys.epollWait(ep, 8, -1)).toHaveLength(1);
      yield* poke(sys, 9000);
      expect(yield* sys.epollWait(ep, 8, 0)).toEqual([]);
      yield* sys.epollCtl(ep, EPOLL_CTL_MOD, fd, event);
      expect(yield* sys.epollWait(ep, 8, 0)).toHaveLength(1);
      return 0;
    });
  });

  it('wakes one of several waiters with EPOLLEXCLUSIVE, all without', () => {
    for (const [flag, expected] of [
      [EPOLLEXCLUSIVE, 1],
      [0, 3],
    ] as const) {
      const host = new LoopbackHost();
      let woken = 0;
      host.run(function* (sys) {
        const fd = yield* receiver(sys, 9000);
        const waiters = [0, 1, 2].map(() =>
          sys.spawn(function* waiter(own) {
            const ep = yield* own.epollCreate();
            yield* own.epollCtl(ep, EPOLL_CTL_ADD, fd, { events: EPOLLIN | flag, data: 0 });
            const events = yield* own.epollWait(ep, 1, 100);
            if (typeof events !== 'number' && events.length > 0) woken++;
            return 0;
          }),
        );
        yield* sys.nanosleep(10e6);
        yield* poke(sys, 9000);
        yield* sys.nanosleep(10e6);
        expect(woken).toBe(expected);
        for (const waiter of waiters) yield* sys.join(waiter);
        return 0;
      });
    }
  });

  it('forgets closed files and refuses misuse', () => {
    run(function* (sys) {
      const fd = yield* receiver(sys, 9000);
      const ep = yield* sys.epollCreate();
      const event = { events: EPOLLIN, data: 0 };
      const results = [
        yield* sys.epollCtl(ep, EPOLL_CTL_MOD, fd, event),
        yield* sys.epollCtl(ep, EPOLL_CTL_ADD, fd, event),
        yield* sys.epollCtl(ep, EPOLL_CTL_ADD, fd, event),
        yield* sys.epollCtl(ep, EPOLL_CTL_ADD, ep, event),
        yield* sys.epollCtl(ep, EPOLL_CTL_ADD, 1, event),
        yield* sys.epollCtl(ep, EPOLL_CTL_ADD, 77, event),
        yield* sys.epollCtl(fd, EPOLL_CTL_ADD, ep, event),
        yield* sys.epollCtl(ep, 9, fd, event),
        yield* sys.epollWait(ep, 0, 0),
      ];
      expect(results.map((r) => (typeof r === 'number' && r < 0 ? errnoName(r) : r))).toEqual([
        'ENOENT', 0, 'EEXIST', 'EINVAL', 'EPERM', 'EBADF', 'EINVAL', 'EINVAL', 'EINVAL',
      ]); // biome-ignore format: a row for each call
      yield* poke(sys, 9000);
      yield* sys.close(fd);
      expect(yield* sys.epollWait(ep, 8, 0)).toEqual([]);
      const again = yield* receiver(sys, 9000);
      expect(yield* sys.epollCtl(ep, EPOLL_CTL_ADD, again, event)).toBe(0);
      expect(yield* sys.epollCtl(ep, EPOLL_CTL_DEL, again, null)).toBe(0);
      return 0;
    });
  });
});

describe('pipes', () => {
  it('carry bytes, block at 16 pages, and end when a side is closed', () => {
    run(function* (sys) {
      const ends = yield* sys.pipe();
      if (typeof ends === 'number') return 1;
      const [reader, writer] = ends;
      yield* sys.fcntl(writer, 4, O_NONBLOCK);
      expect(
        yield* sys.write(
          writer,
          Uint8Array.from({ length: 100_000 }, (_, i) => i % 251),
        ),
      ).toBe(65536);
      expect(yield* sys.write(writer, new Uint8Array(1))).toBe(-11);
      const buffer = new Uint8Array(70_000);
      expect(yield* sys.read(reader, buffer)).toBe(65536);
      expect([buffer[0], buffer[300], buffer[65535]]).toEqual([0, 49, 65535 % 251]);
      const entry = { fd: reader, events: POLLIN, revents: 0 };
      yield* sys.close(writer);
      expect(yield* sys.poll([entry], 0)).toBe(1);
      expect(entry.revents).toBe(POLLHUP);
      expect(yield* sys.read(reader, buffer)).toBe(0);
      return 0;
    });
  });

  it('splice and sendfile move data to a socket', () => {
    run(function* (sys) {
      sys.ignoreSignal(13);
      const listener = yield* sys.socket(AF_INET, SOCK_STREAM);
      yield* sys.bind(listener, sockaddr(LO, 5000));
      yield* sys.listen(listener, 1);
      const fd = yield* sys.socket(AF_INET, SOCK_STREAM);
      yield* sys.connect(fd, sockaddr(LO, 5000));
      const peer = yield* sys.accept(listener);
      const ends = yield* sys.pipe();
      if (typeof ends === 'number') return 1;
      yield* sys.write(ends[1], Uint8Array.of(1, 2, 3, 4, 5));
      expect(yield* sys.splice(ends[0], fd, 100)).toBe(5);
      const content = Uint8Array.from({ length: 200_000 }, (_, i) => i % 251);
      const file = yield* sys.open(content);
      expect(yield* sys.sendfile(fd, file, 1_000_000)).toBe(200_000);
      yield* sys.shutdown(fd, SHUT_WR);
      const got = new Uint8Array(300_000);
      let size = 0;
      for (let n = 1; n > 0; size += n) n = yield* sys.recv(peer, got, 0, size, 65536);
      expect(size).toBe(200_005);
      expect([...got.subarray(0, 5)]).toEqual([1, 2, 3, 4, 5]);
      expect(Buffer.compare(got.subarray(5, size), content)).toBe(0);
      return 0;
    });
  });
});
