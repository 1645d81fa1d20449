import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadTopology } from '../../src/topology/load.ts';
import { TopologyError } from '../../src/topology/topology_error.ts';

const good = `seed: 3
hosts:
  client:
    interfaces: { eth0: 10.0.0.1/24 }
    run:
      - { at: 10ms, script: "connect 10.0.0.2 5001" }
  server:
    interfaces:
      eth0: { address: 10.0.0.2/24, mtu: 9000 }
wires:
  - between: [client.eth0, server.eth0]
    rate: 1Gbit
    delay: 1ms
    impair:
      client: { drop: [20], loss: 1% }
capture: [wire]
`;

/** The problems of the good file with one piece replaced. */
function problems(from: string, to: string): readonly string[] {
  expect(good).toContain(from);
  try {
    loadTopology('lab.yaml', good.replace(from, to));
  } catch (error) {
    if (error instanceof TopologyError) return error.problems;
    throw error;
  }
  return [];
}

describe('a topology file', () => {
  it('becomes numbers', () => {
    const topology = loadTopology('dir/lab.yaml', good);
    expect(topology.name).toBe('lab');
    expect(topology.hosts.client!.interfaces!.eth0!.address).toEqual([{ text: '10.0.0.1/24', address: 0x0a000001, prefix: 24 }]);
    expect(topology.hosts.client!.run![0]!.at).toBe(10_000_000);
    expect(topology.wires![0]).toMatchObject({ rate: 1e9, delay: 1_000_000, impair: { client: { drop: [20], loss: 0.01 } } });
  });

  it('may be changed from the command line before it is checked', () => {
    const topology = loadTopology('lab.yaml', good, [{ path: ['wires', '0', 'delay'], value: '5ms' }]);
    expect(topology.wires![0]!.delay).toBe(5_000_000);
  });

  it.each(['two-hosts', 'one-loss'])('topologies/%s.yaml is good', (name) => {
    expect(() => loadTopology(name, readFileSync(`topologies/${name}.yaml`, 'utf8'))).not.toThrow();
  });
});

describe('a mistake in a topology file is one line with place, what was read, what was expected and the nearest word:', () => {
  it.each([
    ['an unknown key at the top', 'capture: [wire]', 'captrue: [wire]', ['lab.yaml:16:1: unknown key "captrue", expected one of about, seed, until, hosts, wires, capture; did you mean "capture"?']],
    ['an unknown key of a host', 'run:\n', 'runs:\n', ['lab.yaml:5:5: unknown key "runs" in hosts.client, expected one of cpus, cpu, hz, memory, interfaces, pcie, probes, faults, setup, run; did you mean "run"?']],
    ['an unknown key of an interface', 'mtu: 9000', 'mut: 9000', ['lab.yaml:9:37: unknown key "mut" in hosts.server.interfaces.eth0, expected one of address, nic, mac, mtu, interrupts, queues, rx_ring, tx_ring; did you mean "mtu"?']],
    ['a bad address', '10.0.0.1/24', '10.0.0.300/24', ['lab.yaml:4:25: hosts.client.interfaces.eth0: read "10.0.0.300/24", expected an IPv4 address with prefix length, such as 10.0.0.1/24']],
    ['an address without prefix', '10.0.0.2/24', '10.0.0.2', ['lab.yaml:9:24: hosts.server.interfaces.eth0.address: read "10.0.0.2", expected an IPv4 address with prefix length, such as 10.0.0.1/24']],
    ['an absurd rate', '1Gbit', '1Pbit', ['lab.yaml:12:11: wires.0.rate: read "1Pbit", expected a rate from 1kbit to 400Gbit, such as 100Mbit or 1Gbit']],
    ['a rate without unit', '1Gbit', '1000', ['lab.yaml:12:11: wires.0.rate: read 1000, expected a rate from 1kbit to 400Gbit, such as 100Mbit or 1Gbit']],
    ['a delay without unit', 'delay: 1ms', 'delay: 1', ['lab.yaml:13:12: wires.0.delay: read 1, expected a duration such as 10ms, 250us or 1.5s']],
    ['a missing host', '[client.eth0, server.eth0]', '[clinet.eth0, server.eth0]', ['lab.yaml:11:15: there is no host "clinet", expected one of client, server; did you mean "client"?', 'lab.yaml:15:7: impair: "client" is at no end of this wire, expected clinet or server; did you mean "clinet"?']],
    ['a missing interface', '[client.eth0, server.eth0]', '[client.eth0, server.eth1]', ['lab.yaml:11:28: server has no interface "eth1", expected one of eth0; did you mean "eth0"?']],
    ['two ends on one interface', 'capture: [wire]', '  - between: [client.eth0, server.eth0]', ['lab.yaml:16:15: client.eth0 is plugged into wires.0 already, expected an interface without a wire', 'lab.yaml:16:28: server.eth0 is plugged into wires.0 already, expected an interface without a wire']],
    ['an address used twice', '10.0.0.2/24', '10.0.0.1/24', ["lab.yaml:9:13: server.eth0: 10.0.0.1/24 is client.eth0's address already, expected another"]],
    ['overlapping networks on one host', 'eth0: 10.0.0.1/24', 'eth0: 10.0.0.1/24, eth1: 10.0.0.9/16', ['lab.yaml:4:44: client.eth1: 10.0.0.9/16 overlaps with 10.0.0.1/24 of client.eth0, expected another network']],
    ['an impairment that is no share', 'loss: 1%', 'loss: 101%', ['lab.yaml:15:35: wires.0.impair.client.loss: read "101%", expected a share such as 1% or 0.01']],
    ['a capture point that does not exist', '[wire]', '[wier]', ['lab.yaml:16:11: capture.0: read "wier", expected one of wire, nic, tcpdump, gro, qdisc, ip, socket; did you mean "wire"?']],
    ['a fault that does not exist', 'interfaces: { eth0: 10.0.0.1/24 }', 'interfaces: { eth0: 10.0.0.1/24 }\n    faults: [{ at: 1ms, fault: tx-hung }]', ['lab.yaml:5:32: hosts.client.faults.0.fault: read "tx-hung", expected one of dma-fault, tx-hang, rx-starvation, lost-interrupts, slow-pcie, link-down, crc-errors, no-memory; did you mean "tx-hang"?']],
    ['a fault of an interface that does not exist', 'interfaces: { eth0: 10.0.0.1/24 }', 'interfaces: { eth0: 10.0.0.1/24 }\n    faults: [{ at: 1ms, fault: tx-hang, on: eth1 }]', ['lab.yaml:5:45: client has no interface "eth1", expected one of eth0; did you mean "eth0"?']],
    ['a fault of a wire at no end of it', 'rate: 1Gbit', 'rate: 1Gbit\n    faults: [{ at: 1ms, fault: crc-errors, from: srever }]', ['lab.yaml:13:50: "srever" is at no end of this wire, expected one of client, server, client.eth0, server.eth0; did you mean "server"?']],
    ['an unknown key of a fault', 'rate: 1Gbit', 'rate: 1Gbit\n    faults: [{ at: 1ms, fault: crc-errors, frame: 3 }]', ['lab.yaml:13:44: unknown key "frame" in wires.0.faults.0, expected one of at, fault, from, for, frames; did you mean "frames"?']],
    ['a probe of a tracepoint that does not exist', 'interfaces: { eth0: 10.0.0.1/24 }', "interfaces: { eth0: 10.0.0.1/24 }\n    probes: [{ events: 'net:net_dev_xmitt', cost: 1us }]", ['lab.yaml:5:24: events: no tracepoint is called "net:net_dev_xmitt", expected net:* or one of net:net_dev_queue, net:netif_receive_skb, net:netif_rx, net:net_dev_xmit, net:net_dev_xmit_timeout, net:net_dev_start_xmit, net:napi_gro_receive_entry, net:netif_receive_skb_entry, net:netif_receive_skb_list_entry, net:netif_rx_entry, net:napi_gro_receive_exit, net:netif_receive_skb_exit, net:netif_receive_skb_list_exit, net:netif_rx_exit']],
    ['an unknown key of a CPU', 'interfaces: { eth0: 10.0.0.1/24 }', 'interfaces: { eth0: 10.0.0.1/24 }\n    cpu: { ghz: 1, share: vm }', ['lab.yaml:5:20: unknown key "share" in hosts.client.cpu, expected one of ghz, ipc, copy, shared; did you mean "shared"?']],
    ['a run entry without a way to run', 'script: "connect 10.0.0.2 5001"', 'cpu: 0', ['lab.yaml:6:9: hosts.client.run.0: read {"at":"10ms","cpu":0}, expected exactly one of script, command and program']],
    ['an alias of nothing', 'seed: 3', 'seed: *three', ['lab.yaml:1:7: read "*three", expected the name of an anchor that stands before it as "&three"']],
    ['aliases without end', 'seed: 3', `a: &a [1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c]`, ['lab.yaml:1:1: Excessive alias count indicates a resource exhaustion attack, expected a topology that repeats less']],
    ['broken YAML', 'seed: 3', 'seed: [3', ['lab.yaml:2:1: Flow sequence in block collection must be sufficiently indented and end with a ]']],
  ])('%s', (_what, from, to, expected) => {
    expect(problems(from, to)).toEqual(expected);
  }); // biome-ignore format: a table
});
