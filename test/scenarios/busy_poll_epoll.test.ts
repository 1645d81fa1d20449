/** epoll that busy-polls: with net.core.busy_poll, or with what EPIOCSPARAMS set for it alone. */
import { expect, it } from 'vitest';
import { EPIOCGPARAMS, EPIOCSPARAMS, EPOLL_CTL_ADD, EPOLLIN, type epoll_params } from '../../src/kernel/fs/eventpoll.ts';
import { AF_INET, SOCK_DGRAM } from '../../src/kernel/uapi/socket.ts';
import { loadTopology } from '../../src/topology/load.ts';
import { runTopology } from '../../src/topology/run.ts';
import { type Program, sockaddr } from '../../src/user/sys.ts';
import { temporaryFolder } from './scenario.ts';

const ROUNDS = 10;

/** Sends a datagram and waits with epoll for the answer, ten times. */
function client(params: epoll_params | null, results: number[]): Program {
  return function* program(sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
    yield* sys.bind(fd, sockaddr('10.0.0.1', 9000));
    const epfd = yield* sys.epollCreate();
    if (params !== null) results.push(yield* sys.ioctl(epfd, EPIOCSPARAMS, params));
    yield* sys.epollCtl(epfd, EPOLL_CTL_ADD, fd, { events: EPOLLIN, data: fd });
    for (let i = 0; i < ROUNDS; i++) {
      yield* sys.sendto(fd, new Uint8Array(100), 0, sockaddr('10.0.0.2', 5001));
      const events = yield* sys.epollWait(epfd, 8, 1000);
      results.push(typeof events === 'number' ? events : events.length);
      yield* sys.recv(fd, new Uint8Array(100));
    }
    const shown = {} as epoll_params;
    results.push(yield* sys.ioctl(epfd, EPIOCGPARAMS, shown), shown.busy_poll_usecs, yield* sys.ioctl(epfd, 0x1234));
    return 0;
  };
}

function run(params: epoll_params | null, setup: readonly string[]): { polled: number; results: number[] } {
  const text = `
hosts:
  client:
    cpus: 2
    interfaces: { eth0: 10.0.0.1/24 }
    setup: ${JSON.stringify(setup)}
    run: [ { at: 1ms, program: client }, { at: 100ms, command: cat /proc/net/netstat } ]
  server:
    interfaces: { eth0: 10.0.0.2/24 }
    run: [ { script: "udp\\nbind 10.0.0.2 5001\\nrepeat ${ROUNDS}: reply 100\\nclose" } ]
wires: [{ between: [client.eth0, server.eth0], rate: 1Gbit, delay: 5us }]
`;
  const lines: string[] = [];
  const results: number[] = [];
  const topology = loadTopology('epoll.yaml', text);
  const path = topology.hosts.client!.run![0]!.program!;
  const report = runTopology(topology, {
    directory: temporaryFolder(),
    trace: 'none',
    programs: new Map([[path, client(params, results)]]),
    onOutput: (_host, line) => lines.push(line),
  });
  expect(report.leaks).toBe(0);
  const [names, values] = lines.filter((line) => line.startsWith('TcpExt:')).map((line) => line.split(' ')) as [string[], string[]];
  return { polled: Number(values[names.indexOf('BusyPollRxPackets')]), results };
}

const EVENTS = new Array<number>(ROUNDS).fill(1);

it('sleeps unless it is told to poll', () => {
  expect(run(null, [])).toEqual({ polled: 0, results: [...EVENTS, 0, 0, -22] });
});

it('polls the queue by which its sockets became ready, with net.core.busy_poll', () => {
  const { polled, results } = run(null, ['sysctl -w net.core.busy_poll=1000']);
  expect(results).toEqual([...EVENTS, 0, 0, -22]);
  // The first answer tells which queue that is.
  expect(polled).toBeGreaterThanOrEqual(ROUNDS - 1);
});

it('polls with parameters of its own', () => {
  const { polled, results } = run({ busy_poll_usecs: 500, busy_poll_budget: 16, prefer_busy_poll: 0 }, []);
  expect(results).toEqual([0, ...EVENTS, 0, 500, -22]);
  expect(polled).toBeGreaterThanOrEqual(ROUNDS - 1);
});
