/**
 * A host with TCP sockets in ESTABLISHED but no network below them: what TCP hands to IP is recorded. IP's place (`icsk_af_ops`) is a boundary that
 * Linux has there, too; everything above it is the real thing: scheduler, timers, memory.
 */

import { softnet_data } from '../../../../src/kernel/include/linux/netdevice.ts';
import { type Sleeping, task_struct } from '../../../../src/kernel/include/linux/sched.ts';
import type { sk_buff } from '../../../../src/kernel/include/linux/skbuff.ts';
import { tcp_sk, tcp_sock } from '../../../../src/kernel/include/linux/tcp.ts';
import type { inet_connection_sock_af_ops } from '../../../../src/kernel/include/net/inet_sock.ts';
import { net } from '../../../../src/kernel/include/net/net_namespace.ts';
import { request_sock_queue } from '../../../../src/kernel/include/net/request_sock.ts';
import { msghdr, type proto, SS_CONNECTED, type sock, socket } from '../../../../src/kernel/include/net/sock.ts';
import { TCP_SACK_SEEN } from '../../../../src/kernel/include/net/tcp.ts';
import { kernelSpawn } from '../../../../src/kernel/kernel/sched.ts';
import { Kernel } from '../../../../src/kernel/kernel.ts';
import { skb_init } from '../../../../src/kernel/net/core/skbuff.ts';
import { skb_copy_bits } from '../../../../src/kernel/net/core/skbuff_bits.ts';
import { consume_skb } from '../../../../src/kernel/net/core/skbuff_free.ts';
import { proto_register, sk_alloc, sock_init_data } from '../../../../src/kernel/net/core/sock_life.ts';
import * as tcp from '../../../../src/kernel/net/ipv4/tcp.ts';
import { tcp_release_cb } from '../../../../src/kernel/net/ipv4/tcp_output_release.ts';
import { zeroSpeed } from '../../../../src/kernel/trace/cost_model.ts';
import { AF_INET, SOCK_STREAM } from '../../../../src/kernel/uapi/socket.ts';
import { TCP_ESTABLISHED } from '../../../../src/kernel/uapi/tcp.ts';
import { Machine } from '../../../../src/machine/machine.ts';
import { Simulation } from '../../../../src/sim/simulation.ts';

/** TCP's operations that do not need what is below it. */
const prot: proto = {
  name: 'TCP',
  close: tcp.tcp_close,
  connect: () => 0,
  disconnect: tcp.tcp_disconnect,
  ioctl: tcp.tcp_ioctl,
  unhash: () => undefined,
  destroy: () => undefined,
  setsockopt: tcp.tcp_setsockopt,
  getsockopt: tcp.tcp_getsockopt,
  sendmsg: tcp.tcp_sendmsg,
  recvmsg: tcp.tcp_recvmsg,
  release_cb: tcp_release_cb,
  enter_memory_pressure: tcp.tcp_enter_memory_pressure,
  leave_memory_pressure: tcp.tcp_leave_memory_pressure,
  stream_memory_free: tcp.tcp_stream_memory_free,
  sysctl_mem: (network) => network.ipv4.sysctl_tcp_mem,
  max_header: 320,
  no_autobind: true,
};

export interface Sent {
  /** ms since the host started. */
  ms: number;
  /** Relative to ISS + 1. */
  seq: number;
  ack: number;
  flags: string;
  payload: number;
  window: number;
  segs: number;
  mss: number;
  options: string;
  bytes: Uint8Array;
}

const START_NS = 1_000_000_000;
export const ISS = 0xffff_f000;
export const IRS = 5000;

const flagNames: readonly [number, string][] = [
  [0x80, 'W'],
  [0x40, 'E'],
  [0x20, 'U'],
  [0x02, 'S'],
  [0x01, 'F'],
  [0x04, 'R'],
  [0x08, 'P'],
  [0x10, '.'],
];

export class PeerlessHost {
  readonly simulation = new Simulation(7);
  readonly machine = new Machine('host', this.simulation);
  readonly kernel: Kernel;
  readonly network: net;
  readonly sent: Sent[] = [];
  /** Packets that are on their way down, while `hold` is set: as if the device were slow. */
  readonly held: sk_buff[] = [];
  hold = false;
  readonly af_ops: inet_connection_sock_af_ops;

  constructor() {
    this.kernel = new Kernel(this.machine, 'host', {
      HZ: 250,
      cpus: 1,
      firstPid: 300,
      ...zeroSpeed(),
    });
    this.network = new net(this.kernel);
    this.kernel.init_net = this.network;
    skb_init(this.kernel);
    for (const pcpu of this.kernel.percpu) pcpu.softnet_data = new softnet_data();
    this.af_ops = {
      queue_xmit: (_sk, skb) => this.#take(skb),
      send_check: () => undefined,
      rebuild_header: () => 0,
      sk_rx_dst_set: () => undefined,
      conn_request: () => 0,
      syn_recv_sock: () => null,
      net_header_len: 20,
      setsockopt: () => 0,
      getsockopt: () => 0,
      mtu_reduced: () => undefined,
    };
    this.simulation.run(START_NS);
    this.run(() => {
      proto_register(this.network, prot);
      tcp.tcp_init(this.network);
    });
  }

  run<T>(work: () => T): T {
    return this.machine.cpus[0]!.runOn(work);
  }

  /** Runs a program as a task and the simulation for `ms`; the program's result, or undefined if it has not ended. */
  task(body: Sleeping<number>, ms = 0): number | undefined {
    const task = new task_struct(this.kernel.nextPid(), 'test', 0, body);
    let result: number | undefined;
    task.onExit = (): void => {
      result = task.exit_code;
    };
    this.run(() => kernelSpawn(task));
    this.pass(ms);
    return result;
  }

  pass(ms: number): void {
    this.simulation.run(this.simulation.now + Math.round(ms * 1e6));
  }

  /** A connected socket: MSS 1448 with timestamps, peer's window 64 KiB, no data sent yet. */
  socket(setUp: (tp: tcp_sock) => void = (): void => undefined): tcp_sock {
    return this.run(() => {
      const parent = new socket(SOCK_STREAM);
      const sk = sk_alloc(this.network, AF_INET, prot, tcp_sock);
      sock_init_data(parent, sk);
      parent.sk = sk;
      parent.state = SS_CONNECTED;
      sk.sk_protocol = 6;
      tcp.tcp_init_sock(sk);
      const tp = tcp_sk(sk);
      tp.icsk_accept_queue = new request_sock_queue();
      tp.icsk_af_ops = this.af_ops;
      tp.inet_sport = 40000;
      tp.skc_dport = 5001;
      tp.skc_state = TCP_ESTABLISHED;
      tp.write_seq = tp.snd_nxt = tp.snd_una = tp.snd_up = tp.snd_sml = tp.pushed_seq = ISS;
      tp.rcv_nxt = tp.copied_seq = tp.rcv_wup = IRS;
      tp.rcv_wnd = tp.window_clamp = tp.rcv_ssthresh = 65_536;
      tp.snd_wnd = tp.max_window = 65_535;
      tp.rx_opt.tstamp_ok = tp.rx_opt.wscale_ok = true;
      tp.rx_opt.sack_ok = TCP_SACK_SEEN;
      tp.rx_opt.rcv_wscale = 7;
      tp.rx_opt.snd_wscale = 7;
      tp.rx_opt.mss_clamp = 1460;
      tp.rx_opt.ts_recent = 0x0102_0304;
      tp.tcp_header_len = 32;
      tp.mss_cache = 1448;
      tp.icsk_pmtu_cookie = 1500;
      tp.icsk_ack.rcv_mss = 1448;
      tp.advmss = 1460;
      sk.sk_gso_max_size = 65_536;
      sk.sk_gso_max_segs = 65_535;
      setUp(tp);
      return tp;
    });
  }

  /** send() of `size` bytes of the pattern, continuing at `from`. */
  send(tp: tcp_sock, size: number, flags = 0, from = 0): number | undefined {
    const msg = new msghdr(Uint8Array.from({ length: size }, (_, i) => (from + i) % 251));
    msg.msg_flags = flags;
    return this.task(tcp.tcp_sendmsg(tp, msg));
  }

  /** What was sent since the last call. */
  take(): Sent[] {
    return this.sent.splice(0);
  }

  /** Lets the device finish what it held. */
  complete(): void {
    this.run(() => {
      for (const skb of this.held.splice(0)) consume_skb(skb);
    });
    this.pass(0);
  }

  /** Throws the socket's data away, timers and all, and checks that nothing is lost. */
  drain(sk: sock): void {
    this.complete();
    this.run(() => {
      tcp.tcp_write_queue_purge(sk);
      tcp.tcp_clear_xmit_timers(sk);
    });
  }

  #take(skb: sk_buff): number {
    const bytes = new Uint8Array(skb.len);
    skb_copy_bits(skb, 0, bytes, 0, skb.len);
    this.sent.push(this.#describe(skb, bytes));
    if (this.hold) this.held.push(skb);
    else consume_skb(skb);
    return 0;
  }

  #describe(skb: sk_buff, bytes: Uint8Array): Sent {
    const view = new DataView(bytes.buffer);
    const headerLength = (bytes[12]! >> 4) * 4;
    const flags = bytes[13]!;
    return {
      ms: (this.machine.cpus[0]!.clock - START_NS) / 1e6,
      seq: (view.getUint32(4) - ISS) | 0,
      ack: (view.getUint32(8) - IRS) | 0,
      flags: flagNames.map(([bit, name]) => ((flags & bit) !== 0 ? name : '')).join(''),
      payload: bytes.length - headerLength,
      window: view.getUint16(14),
      segs: skb.shinfo.gso_segs,
      mss: skb.shinfo.gso_size,
      options: [...bytes.subarray(20, headerLength)].map((byte) => byte.toString(16).padStart(2, '0')).join(' '),
      bytes,
    };
  }
}

/** `seq:end(payload) flags` of each packet: a text that a diff can review. */
export const summary = (sent: Sent[]): string[] => sent.map(({ seq, payload, flags }) => `${seq}:${seq + payload}(${payload}) ${flags}`);
