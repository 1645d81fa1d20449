import { expect, it } from 'vitest';
import { Kernel } from '../../../../src/kernel/kernel.ts';
import { net } from '../../../../src/kernel/include/net/net_namespace.ts';
import { skb_init } from '../../../../src/kernel/net/core/skbuff.ts';
import { workqueue_init } from '../../../../src/kernel/kernel/workqueue.ts';
import { net_dev_init, dev_open } from '../../../../src/kernel/net/core/dev.ts';
import { inet_init } from '../../../../src/kernel/net/ipv4/af_inet_init.ts';
import { tcp_init } from '../../../../src/kernel/net/ipv4/tcp.ts';
import { tcp_v4_init, tcp4_seq_dump } from '../../../../src/kernel/net/ipv4/tcp_ipv4.ts';
import { inet_diag_dump } from '../../../../src/kernel/net/ipv4/inet_diag.ts';
import * as ipo from '../../../../src/kernel/net/ipv4/ip_output.ts';
import * as devinet from '../../../../src/kernel/net/ipv4/devinet.ts';
import * as fib from '../../../../src/kernel/net/ipv4/fib_frontend.ts';
import * as arp from '../../../../src/kernel/net/ipv4/arp.ts';
import * as sch from '../../../../src/kernel/net/sched/sch_api.ts';
import { loopback_net_init } from '../../../../src/kernel/drivers/net/loopback.ts';
import { zeroSpeed } from '../../../../src/kernel/trace/cost_model.ts';
import { Machine } from '../../../../src/machine/machine.ts';
import { Simulation } from '../../../../src/sim/simulation.ts';
import { startProgram } from '../../../../src/user/process.ts';
import { snmp4_net_list, snmp4_tcp_list } from '../../../../src/kernel/uapi/snmp.ts';

it('talks to itself', () => {
  const log: unknown[] = [];
  const simulation = new Simulation(1);
  const machine = new Machine('host', simulation);
  const kernel = new Kernel(machine, 'host', { HZ: 250, cpus: 1, firstPid: 300, ...zeroSpeed() });
  const on = <T,>(w: () => T): T => machine.cpus[0]!.runOn(w);
  const network = new net(kernel);
  kernel.init_net = network;
  on(() => {
    skb_init(kernel);
    workqueue_init();
    net_dev_init(network);
    (sch as any).pktsched_init(network);
    inet_init(network);
    loopback_net_init(network);
    if (network.loopback_dev.ip_ptr === null) devinet.inetdev_init(network.loopback_dev);
    console.log(dev_open(network.loopback_dev));
    if (network.loopback_dev.ip_ptr!.ifa_list.length === 0) devinet.inetdev_up(network.loopback_dev);
  });
  trace(kernel, log, simulation);

  const A = (port: number) => ({ sin_family: 2, sin_port: port, sin_addr: 0x7f000001 });
  const P = () => ({ sin_family: 0, sin_port: 0, sin_addr: 0 });
  const buf = new Uint8Array(100);
  on(() => startProgram(function* (sys) {
    // cookies
    network.ipv4.sysctl_tcp_syncookies = 2;
    const l = yield* sys.socket(2, 1);
    yield* sys.bind(l, A(80)); yield* sys.listen(l, 1);
    let c = yield* sys.socket(2, 1);
    log.push(['cookie connect', yield* sys.connect(c, A(80))]);
    let s = yield* sys.accept(l, P());
    log.push(['cookie accept', s, yield* sys.send(s, buf, 0, 0, 50), yield* sys.recv(c, buf)]);
    const sk: any = (network.tcp_hashinfo.ehash.filter((x) => x !== null && x.skc_num === 80)[0]);
    log.push(['opts', sk.rx_opt.sack_ok, sk.rx_opt.wscale_ok, sk.rx_opt.snd_wscale, sk.rx_opt.rcv_wscale, sk.rx_opt.mss_clamp, sk.tcp_header_len]);
    // linger 0
    yield* sys.setsockopt(s, 1, 13, { l_onoff: 1, l_linger: 0 });
    log.push(['linger close', yield* sys.close(s), yield* sys.recv(c, buf)]);
    yield* sys.close(c);
    network.ipv4.sysctl_tcp_syncookies = 1;
    // overflow: backlog 1 → 2 connections established, third half-open
    const cs: number[] = [];
    for (let i = 0; i < 2; i++) {
      const x = yield* sys.socket(2, 1);
      cs.push(x);
      log.push(['fill', yield* sys.connect(x, A(80))]);
    }
    log.push(['queue', inet_diag_dump(network, 1 << 10).map((m) => [m.idiag_rqueue, m.idiag_wqueue]), inet_diag_dump(network).map((m) => m.idiag_state)]);
    const n = yield* sys.socket(2, 2049);
    log.push(['4th nonblock', yield* sys.connect(n, A(80))]);
    yield* sys.nanosleep(10e6);
    log.push(inet_diag_dump(network).map((m) => m.idiag_state).join(' '));
    s = yield* sys.accept(l, P());
    const s2 = yield* sys.accept(l, P());
    yield* sys.nanosleep(4e9);
    log.push(inet_diag_dump(network).map((m) => m.idiag_state).join(' '));
    log.push(['close listener', yield* sys.close(l)]);
    log.push(inet_diag_dump(network).map((m) => m.idiag_state).join(' '));
    for (const x of [...cs, n, s, s2]) yield* sys.close(x);
    yield* sys.nanosleep(1e9);
    log.push(inet_diag_dump(network).map((m) => m.idiag_state).join(' '));
    // Fast Open
    network.ipv4.sysctl_tcp_fastopen = 3;
    const f = yield* sys.socket(2, 1);
    yield* sys.bind(f, A(90)); log.push(['TFO opt', yield* sys.setsockopt(f, 6, 23, 5)]); yield* sys.listen(f, 5);
    for (let i = 0; i < 2; i++) {
      c = yield* sys.socket(2, 1);
      log.push(['tfo send', yield* sys.sendto(c, new Uint8Array(20), 0x20000000, A(90))]);
      s = yield* sys.accept(f, P());
      log.push(['tfo recv', yield* sys.recv(s, buf), yield* sys.send(s, buf, 0, 0, 7), yield* sys.recv(c, buf)]);
      yield* sys.close(c); yield* sys.close(s);
    }
    c = yield* sys.socket(2, 1);
    log.push(['fastopen_connect', yield* sys.setsockopt(c, 6, 30, 1), yield* sys.connect(c, A(90)), yield* sys.send(c, buf, 0, 0, 9)]);
    s = yield* sys.accept(f, P());
    log.push(['recv', yield* sys.recv(s, buf)]);
    yield* sys.close(c); yield* sys.close(s); yield* sys.close(f);
    // half close FIN_WAIT2 orphan, data after close
    const h = yield* sys.socket(2, 1);
    yield* sys.bind(h, A(95)); yield* sys.listen(h, 5);
    c = yield* sys.socket(2, 1);
    yield* sys.connect(c, A(95));
    s = yield* sys.accept(h, P());
    yield* sys.close(c);
    log.push(['fw2', inet_diag_dump(network).map((m) => [m.idiag_state, m.idiag_timer, m.idiag_expires].join('/')).join(' ')]);
    log.push(['send after close', yield* sys.send(s, buf, 0, 0, 9), yield* sys.send(s, buf, 0x4000, 0, 9)]);
    yield* sys.close(s); yield* sys.close(h);
    return 0;
  }, 'prog', 0));
  try { simulation.run(30e9); } finally {
  console.log(log.filter((x: any) => !(Array.isArray(x) && x[1] === 'state')));
  console.log(snmp4_tcp_list.map((n, i) => [n, network.mib.tcp_statistics[i]]).filter(([, v]) => v).join(' '), snmp4_net_list.map((n, i) => [n, network.mib.net_statistics[i]]).filter(([, v]) => v).join(' '));
  simulation.run(300e9);
  console.log(kernel.liveSockets, network.tcp_hashinfo.ehashCount, network.tcp_hashinfo.bhash.size, network.ipv4.tcp_orphan_count, kernel.skb.live, kernel.pages.inUse, [...network.prot_inuse]);
  }
});
function trace(kernel: Kernel, log: unknown[], s: Simulation) {
  kernel.trace.kfree_skb = (skb, loc, reason) => log.push(['kfree', loc, reason]);
  kernel.trace.tcp_send_reset = (sk, skb, reason) => log.push(['rst', reason]);
  kernel.trace.inet_sock_set_state = (sk, a, b) => log.push([s.now, 'state', sk.skc_num, a, b]);
}
