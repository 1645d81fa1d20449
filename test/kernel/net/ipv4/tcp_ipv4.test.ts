import { describe, expect, it } from 'vitest';
import { loopback_net_init } from '../../../../src/kernel/drivers/net/loopback.ts';
import { net } from '../../../../src/kernel/include/net/net_namespace.ts';
import { workqueue_init } from '../../../../src/kernel/kernel/workqueue.ts';
import { Kernel } from '../../../../src/kernel/kernel.ts';
import { dev_open, net_dev_init } from '../../../../src/kernel/net/core/dev.ts';
import { skb_init } from '../../../../src/kernel/net/core/skbuff.ts';
import { inet_init } from '../../../../src/kernel/net/ipv4/af_inet_init.ts';
import { inet_diag_dump } from '../../../../src/kernel/net/ipv4/inet_diag.ts';
import { tcp4_seq_dump } from '../../../../src/kernel/net/ipv4/tcp_ipv4.ts';
import { pktsched_init } from '../../../../src/kernel/net/sched/sch_api.ts';
import { zeroSpeed } from '../../../../src/kernel/trace/cost_model.ts';
import { EAGAIN, ECONNREFUSED, ECONNRESET, EINPROGRESS, EPIPE } from '../../../../src/kernel/uapi/errno.ts';
import type { sockaddr_in } from '../../../../src/kernel/uapi/in.ts';
import { snmp4_net_list, snmp4_tcp_list } from '../../../../src/kernel/uapi/snmp.ts';
import {
  AF_INET,
  MSG_DONTWAIT,
  MSG_FASTOPEN,
  MSG_NOSIGNAL,
  SO_LINGER,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  SOL_TCP,
} from '../../../../src/kernel/uapi/socket.ts';
import {
  TCP_ESTABLISHED,
  TCP_FASTOPEN,
  TCP_FASTOPEN_CONNECT,
  TCP_FIN_WAIT2,
  TCP_LISTEN,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from '../../../../src/kernel/uapi/tcp.ts';
import { Machine } from '../../../../src/machine/machine.ts';
import { Simulation } from '../../../../src/sim/simulation.ts';
import { startProgram } from '../../../../src/user/process.ts';
import type { Program, Sys } from '../../../../src/user/sys.ts';

const address = (port: number): sockaddr_in => ({ sin_family: AF_INET, sin_port: port, sin_addr: 0x7f00_0001 });
const anybody = (): sockaddr_in => ({ sin_family: 0, sin_port: 0, sin_addr: 0 });

/** A host that talks to itself: the whole stack on the loopback device. */
class LoopbackHost {
  readonly simulation = new Simulation(1);
  readonly kernel: Kernel;
  readonly network: net;

  constructor() {
    const machine = new Machine('host', this.simulation);
    this.kernel = new Kernel(machine, 'host', { HZ: 250, cpus: 1, firstPid: 300, ...zeroSpeed() });
    this.network = new net(this.kernel);
    this.kernel.init_net = this.network;
    this.#on(() => {
      skb_init(this.kernel);
      workqueue_init();
      pktsched_init(this.network);
      net_dev_init(this.network);
      inet_init(this.network);
      loopback_net_init(this.network);
      expect(dev_open(this.network.loopback_dev)).toBe(0);
    });
  }

  #on<T>(work: () => T): T {
    return this.kernel.machine.cpus[0]!.runOn(work);
  }

  /** Runs a program for 30 s, then lets everything time out; what is left afterwards was lost. */
  runs(program: Program): void {
    let finished = false;
    this.#on(() =>
      startProgram(
        function* (sys) {
          yield* program(sys);
          finished = true;
          return 0;
        },
        'program',
        0,
      ),
    );
    this.simulation.run(30e9);
    expect(finished).toBe(true);
    this.simulation.run(400e9);
    const { tcp_hashinfo } = this.network;
    expect([tcp_hashinfo.ehashCount, tcp_hashinfo.bhash.size, tcp_hashinfo.lhash2.size]).toEqual([0, 0, 0]);
    expect(this.network.ipv4.tcp_orphan_count).toBe(0);
    expect(this.network.prot_inuse.get('TCP')).toBe(0);
    expect(this.kernel.skb.live).toBe(0);
  }

  /** States of all TCP sockets. */
  get states(): number[] {
    return this.#on(() => inet_diag_dump(this.network).map((message) => message.idiag_state)).sort((a, b) => a - b);
  }

  mib(name: string): number {
    const index = snmp4_net_list.indexOf(name);
    return index >= 0 ? this.network.mib.net_statistics[index]! : this.network.mib.tcp_statistics[snmp4_tcp_list.indexOf(name)]!;
  }
}

function* listening(sys: Sys, port: number, backlog = 5): Generator<void, number, void> {
  const fd = yield* sys.socket(AF_INET, SOCK_STREAM);
  expect(yield* sys.bind(fd, address(port))).toBe(0);
  expect(yield* sys.listen(fd, backlog)).toBe(0);
  return fd;
}

function* connected(sys: Sys, port: number): Generator<void, number, void> {
  const fd = yield* sys.socket(AF_INET, SOCK_STREAM);
  expect(yield* sys.connect(fd, address(port))).toBe(0);
  return fd;
}

describe('TCP over loopback', () => {
  it('opens, carries data both ways, closes, waits, and leaves nothing', () => {
    const host = new LoopbackHost();
    host.runs(function* (sys) {
      const listener = yield* listening(sys, 80);
      const client = yield* connected(sys, 80);
      const peer = anybody();
      const server = yield* sys.accept(listener, peer);
      const own = anybody();
      yield* sys.getsockname(client, own);
      expect(peer).toEqual(own);
      expect(own.sin_port % 2).toBe(0);
      const buffer = new Uint8Array(100);
      expect(yield* sys.send(client, new Uint8Array(10))).toBe(10);
      expect(yield* sys.recv(server, buffer)).toBe(10);
      expect(yield* sys.send(server, buffer, 0, 0, 20)).toBe(20);
      expect(yield* sys.recv(client, buffer)).toBe(20);
      expect(host.states).toEqual([TCP_ESTABLISHED, TCP_ESTABLISHED, TCP_LISTEN]);
      yield* sys.close(client);
      expect(yield* sys.recv(server, buffer)).toBe(0);
      yield* sys.close(server);
      yield* sys.close(listener);
      yield* sys.nanosleep(1e9);
      expect(host.states).toEqual([TCP_TIME_WAIT]);
      return 0;
    });
    expect([host.mib('ActiveOpens'), host.mib('PassiveOpens'), host.mib('TW'), host.mib('CurrEstab')]).toEqual([1, 1, 1, 0]);
    expect([host.mib('OutRsts'), host.mib('RetransSegs'), host.mib('EstabResets')]).toEqual([0, 0, 0]);
  });

  it('refuses a port that nobody listens on', () => {
    const host = new LoopbackHost();
    host.runs(function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_STREAM);
      expect(yield* sys.connect(fd, address(81))).toBe(-ECONNREFUSED);
      yield* sys.close(fd);
      return 0;
    });
    expect([host.mib('AttemptFails'), host.mib('OutRsts')]).toEqual([1, 1]);
  });

  it('makes connections from cookies, options included', () => {
    const host = new LoopbackHost();
    host.network.ipv4.sysctl_tcp_syncookies = 2;
    host.runs(function* (sys) {
      const listener = yield* listening(sys, 80);
      const client = yield* connected(sys, 80);
      const server = yield* sys.accept(listener);
      const buffer = new Uint8Array(100);
      expect(yield* sys.send(server, buffer, 0, 0, 50)).toBe(50);
      expect(yield* sys.recv(client, buffer)).toBe(50);
      const sk = inet_diag_dump(host.network).find((message) => message.id.sport === 80 && message.idiag_state === TCP_ESTABLISHED)!.sk!;
      const { rx_opt } = sk as import('../../../../src/kernel/include/linux/tcp.ts').tcp_sock;
      expect([rx_opt.sack_ok, rx_opt.tstamp_ok, rx_opt.wscale_ok, rx_opt.mss_clamp]).toEqual([1, true, true, 1460]);
      for (const fd of [client, server, listener]) yield* sys.close(fd);
      return 0;
    });
    expect([host.mib('SyncookiesSent'), host.mib('SyncookiesRecv'), host.mib('SyncookiesFailed')]).toEqual([1, 1, 0]);
  });

  it('resets with SO_LINGER 0', () => {
    const host = new LoopbackHost();
    host.runs(function* (sys) {
      const listener = yield* listening(sys, 80);
      const client = yield* connected(sys, 80);
      const server = yield* sys.accept(listener);
      yield* sys.setsockopt(server, SOL_SOCKET, SO_LINGER, { l_onoff: 1, l_linger: 0 });
      yield* sys.close(server);
      expect(yield* sys.recv(client, new Uint8Array(1))).toBe(-ECONNRESET);
      yield* sys.close(client);
      yield* sys.close(listener);
      return 0;
    });
    expect(host.mib('TW')).toBe(0);
  });

  it('takes one connection more than the backlog says, and drops further SYNs', () => {
    const host = new LoopbackHost();
    host.runs(function* (sys) {
      const listener = yield* listening(sys, 80, 1);
      const clients = [yield* connected(sys, 80), yield* connected(sys, 80)];
      const late = yield* sys.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
      expect(yield* sys.connect(late, address(80))).toBe(-EINPROGRESS);
      yield* sys.nanosleep(10e6);
      expect(host.states.filter((state) => state === TCP_SYN_SENT)).toHaveLength(1);
      clients.push(yield* sys.accept(listener));
      yield* sys.nanosleep(2e9);
      expect(host.states.filter((state) => state === TCP_ESTABLISHED)).toHaveLength(6);
      yield* sys.close(listener);
      yield* sys.nanosleep(10e6);
      expect(yield* sys.recv(late, new Uint8Array(1))).toBe(-ECONNRESET);
      for (const fd of [...clients, late]) yield* sys.close(fd);
      return 0;
    });
    expect([host.mib('ListenOverflows'), host.mib('ListenDrops'), host.mib('TCPSynRetrans')]).toEqual([1, 1, 1]);
  });

  it('does Fast Open: a cookie first, then data in the SYN', () => {
    const host = new LoopbackHost();
    host.network.ipv4.sysctl_tcp_fastopen = 3;
    host.runs(function* (sys) {
      const listener = yield* sys.socket(AF_INET, SOCK_STREAM);
      yield* sys.bind(listener, address(90));
      expect(yield* sys.setsockopt(listener, SOL_TCP, TCP_FASTOPEN, 5)).toBe(0);
      yield* sys.listen(listener, 5);
      const buffer = new Uint8Array(100);
      for (let i = 0; i < 2; i++) {
        const client = yield* sys.socket(AF_INET, SOCK_STREAM);
        expect(yield* sys.sendto(client, new Uint8Array(20), MSG_FASTOPEN, address(90))).toBe(20);
        const server = yield* sys.accept(listener);
        expect(yield* sys.recv(server, buffer)).toBe(20);
        expect(yield* sys.send(server, buffer, 0, 0, 7)).toBe(7);
        expect(yield* sys.recv(client, buffer)).toBe(7);
        yield* sys.close(client);
        yield* sys.close(server);
      }
      const deferred = yield* sys.socket(AF_INET, SOCK_STREAM);
      yield* sys.setsockopt(deferred, SOL_TCP, TCP_FASTOPEN_CONNECT, 1);
      const sent = host.mib('OutSegs');
      expect(yield* sys.connect(deferred, address(90))).toBe(0);
      expect(host.mib('OutSegs')).toBe(sent);
      expect(yield* sys.send(deferred, buffer, 0, 0, 9)).toBe(9);
      const server = yield* sys.accept(listener);
      expect(yield* sys.recv(server, buffer)).toBe(9);
      for (const fd of [deferred, server, listener]) yield* sys.close(fd);
      return 0;
    });
    expect([host.mib('TCPFastOpenCookieReqd'), host.mib('TCPFastOpenActive'), host.mib('TCPFastOpenPassive')]).toEqual([1, 2, 2]);
  });

  it('resets who sends to a closed socket', () => {
    const host = new LoopbackHost();
    host.runs(function* (sys) {
      const listener = yield* listening(sys, 80);
      const client = yield* connected(sys, 80);
      const server = yield* sys.accept(listener);
      yield* sys.close(client);
      // The ACK of the FIN is delayed.
      yield* sys.nanosleep(300e6);
      expect(host.states).toContain(TCP_FIN_WAIT2);
      expect(yield* sys.send(server, new Uint8Array(9))).toBe(9);
      expect(yield* sys.send(server, new Uint8Array(9), MSG_NOSIGNAL)).toBe(-EPIPE);
      yield* sys.close(server);
      yield* sys.close(listener);
      return 0;
    });
    expect(host.mib('OutRsts')).toBe(1);
  });

  it('says what it has in /proc/net/tcp', () => {
    const host = new LoopbackHost();
    host.runs(function* (sys) {
      const listener = yield* listening(sys, 80);
      expect(yield* sys.recv(listener, new Uint8Array(1), MSG_DONTWAIT)).not.toBe(-EAGAIN);
      const lines = tcp4_seq_dump(host.network).split('\n');
      expect(lines[0]!.trimEnd()).toBe('  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode');
      expect(lines[1]).toMatch(
        /^ {3}0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {5}0 {8}0 \d+ 1 0{16} 100 0 0 10 0 *$/,
      );
      expect(lines[1]).toHaveLength(149);
      yield* sys.close(listener);
      return 0;
    });
  });
});
