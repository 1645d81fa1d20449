/** A kernel with memory, timers and an empty namespace, for tests of tables and small sockets: no devices, no routes. */
import { tcp_sock } from '../../../../src/kernel/include/linux/tcp.ts';
import { net } from '../../../../src/kernel/include/net/net_namespace.ts';
import { request_sock, type request_sock_ops } from '../../../../src/kernel/include/net/request_sock.ts';
import type { proto } from '../../../../src/kernel/include/net/sock.ts';
import { Kernel } from '../../../../src/kernel/kernel.ts';
import { skb_init } from '../../../../src/kernel/net/core/skbuff.ts';
import { inet_csk_get_port } from '../../../../src/kernel/net/ipv4/inet_connection_sock.ts';
import { inet_hash, inet_hashinfo_init, inet_unhash } from '../../../../src/kernel/net/ipv4/inet_hashtables.ts';
import { zeroSpeed } from '../../../../src/kernel/trace/cost_model.ts';
import { Machine } from '../../../../src/machine/machine.ts';
import { Simulation } from '../../../../src/sim/simulation.ts';

/** The part of a protocol that the tables need. */
export const tableProto = {
  name: 'TCP',
  get_port: inet_csk_get_port,
  hash: inet_hash,
  unhash: inet_unhash,
  max_header: 320,
  no_autobind: true,
} as unknown as proto;

export class BareKernel {
  readonly simulation: Simulation;
  readonly kernel: Kernel;
  readonly network: net;

  constructor(seed = 1) {
    this.simulation = new Simulation(seed);
    const machine = new Machine('host', this.simulation);
    this.kernel = new Kernel(machine, 'host', { HZ: 250, cpus: 1, firstPid: 300, ...zeroSpeed() });
    this.network = new net(this.kernel);
    this.kernel.init_net = this.network;
    this.run(() => {
      skb_init(this.kernel);
      inet_hashinfo_init(this.network);
    });
    this.network.ipv4.sysctl_tcp_invalid_ratelimit = this.kernel.HZ / 2;
  }

  /** Runs `work` as the system on the only CPU. */
  run<T>(work: () => T): T {
    return this.kernel.machine.cpus[0]!.runOn(work);
  }

  /** Lets virtual time pass until `seconds`. */
  until(seconds: number): void {
    this.simulation.run(seconds * 1e9);
  }

  socket(fields: Partial<tcp_sock> = {}): tcp_sock {
    return Object.assign(new tcp_sock(this.network, 2, tableProto), { sk_protocol: 6 }, fields);
  }

  request(listener: tcp_sock, ops: Partial<request_sock_ops> = {}): request_sock {
    const all: request_sock_ops = {
      family: 2,
      rtx_syn_ack: () => 0,
      send_ack: () => {},
      send_reset: () => {},
      destructor: () => {},
      ...ops,
    };
    return new request_sock(this.network, all, listener);
  }
}

/** 10.0.0.x */
export const ip = (x: number): number => 0x0a00_0000 + x;
