/**
 * Malformed frames in the middle of live traffic: what two hosts send each other is mutated on its way, and mutated copies come beside it. Whatever comes: no
 * exception, no leak, the invariants of the stack hold (they throw), and every frame is counted somewhere.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { DropReason, NicObserver } from '../../src/hw/igb/observer.ts';
import type { RunReport } from '../../src/observe/report/run_report.ts';
import { loadTopology } from '../../src/topology/load.ts';
import type { Network } from '../../src/topology/network.ts';
import { type Guest, runTopology } from '../../src/topology/run.ts';
import { type Frame, MIN_FRAME } from '../../src/wire/frame.ts';
import type { Port } from '../../src/wire/port.ts';
import { temporaryFolder } from '../scenarios/scenario.ts';
import { type Mutation, mutate, mutation } from './frame_mutation.ts';
import { FUZZ_TIMEOUT_MS, fuzzed } from './fuzz_settings.ts';

const TOPOLOGY = `
seed: 1
hosts:
  client:
    interfaces: { eth0: 10.0.0.1/24 }
    setup: [ ethtool -K eth0 gro off ]
    run:
      - script: "connect 10.0.0.2 5001\\nsend 40000\\nshutdown wr\\nrecvall\\nclose"
      - { at: 5ms, command: "ping -c 20 -i 0.005 -s 4000 10.0.0.2" }
      - { at: 7ms, command: "iperf3 -u -c 10.0.0.2 -t 1 -b 2M -l 3000" }
  server:
    interfaces: { eth0: 10.0.0.2/24 }
    setup: [ ethtool -K eth0 gro off ]
    run:
      - script: "listen 5001\\naccept\\nrecvall\\nsend 20000\\nclose\\ncloselisten"
      - command: "iperf3 -s -1"
wires: [ { between: [client.eth0, server.eth0], rate: 100Mbit, delay: 1ms } ]
capture: []
`;
const RUN_NS = 400_000_000;
const ETH_P_IP = 0x0800;
const IP_REFUSALS = ['IpInHdrErrors', 'IpExtInTruncatedPkts', 'IpInAddrErrors', 'IpExtInNoRoutes', 'IpInUnknownProtos', 'IpInDiscards'];

/** What happens to one frame: nothing (null), or mutations, of the frame itself or of a copy that comes before it. */
interface Plan {
  readonly mutations: readonly Mutation[];
  readonly repair: boolean;
  readonly instead: boolean;
}

/** Sits between a wire and a NIC, and counts what becomes of frames there. */
class Mutator implements Port, NicObserver {
  readonly name = 'mutator';
  given = 0;
  taken = 0;
  takenIp = 0;
  refused = 0;
  readonly #nic: Port;
  readonly #network: Network;
  readonly #plans: readonly (Plan | null)[];

  constructor(nic: Port, network: Network, plans: readonly (Plan | null)[]) {
    this.#nic = nic;
    this.#network = network;
    this.#plans = plans;
  }

  receive(frame: Frame): void {
    const plan = this.#plans[this.given % this.#plans.length] ?? null;
    if (plan === null) {
      this.#give(frame);
      return;
    }
    const bytes = mutate(frame.bytes(), plan.mutations, plan.repair);
    const { frames, simulation } = this.#network;
    const made = frames.take(Math.max(MIN_FRAME, bytes.length));
    made.u8.fill(0, made.start, made.start + made.length);
    made.u8.set(bytes, made.start);
    made.id = simulation.takePacketIds(1);
    this.#give(made);
    if (plan.instead) frames.release(frame);
    else this.#give(frame);
  }

  #give(frame: Frame): void {
    this.given++;
    this.#nic.receive(frame);
  }

  received(frame: Frame, _queue: number, _time: number, _rssHash: number, dropped: DropReason | null): void {
    if (dropped !== null) this.refused++;
    else {
      this.taken++;
      if (frame.view.getUint16(frame.start + 12) === ETH_P_IP) this.takenIp++;
    }
  }

  stored(): void {}

  discarded(): void {
    this.taken--;
    this.refused++;
  }

  transmitted(): void {
    // Only what comes in is counted.
  }

  linkChanged(rateBps: number): void {
    this.#nic.linkChanged(rateBps);
  }
}

class MutatingGuest implements Guest {
  readonly unplugged = null;
  readonly done = true;
  readonly mutators = new Map<string, Mutator>();
  readonly #plans: readonly (Plan | null)[];

  constructor(plans: readonly (Plan | null)[]) {
    this.#plans = plans;
  }

  start(network: Network): void {
    for (const end of network.cables[0]!.ends) {
      const mutator = new Mutator(end.port!, network, this.#plans);
      end.port = mutator;
      const host = end.name.split('.')[0]!;
      this.mutators.set(host, mutator);
      network.nic(end.name).device.observers.push(mutator);
    }
  }
}

/** Every frame that came to a NIC was taken or refused; the driver has counted those that were taken; IP those of them that are its. */
function expectCounted(report: RunReport, host: string, seen: Mutator): void {
  const { interfaces, snmp, netstat } = report.hosts[host]!;
  const { driver } = interfaces['eth0']!;
  const context = `${host}: ${JSON.stringify({ seen: { given: seen.given, taken: seen.taken, ip: seen.takenIp, refused: seen.refused }, drops: report.drops, snmp })}`;
  expect(seen.taken + seen.refused, context).toBe(seen.given);
  expect(driver['rx_packets'] ?? 0, context).toBe(seen.taken);
  const count = (name: string): number => snmp[name] ?? netstat[name] ?? 0;
  expect(count('IpInReceives'), context).toBe(seen.takenIp);
  const refusedByIp = IP_REFUSALS.reduce((sum, name) => sum + count(name), 0);
  // Fragments are counted when they come, and datagrams that were made of them when they go on.
  const reassembly = count('IpReasmReqds') - count('IpReasmOKs');
  // Those with bad options are header errors.
  const unrouted = report.drops
    .filter(({ where, reason }) => where === `${host} ip_rcv_finish_core` && reason !== 'IP_INHDR')
    .reduce((sum, drop) => sum + drop.count, 0);
  expect(count('IpInDelivers') + refusedByIp + reassembly + unrouted, context).toBe(seen.takenIp);
}

const plan = fc.record({ mutations: fc.array(mutation, { minLength: 1, maxLength: 3 }), repair: fc.boolean(), instead: fc.boolean() });
const plans = fc.array(fc.option(plan, { freq: 2 }), { minLength: 5, maxLength: 60 });

it(
  'malformed frames are counted and leave nothing behind',
  () => {
    const directory = temporaryFolder();
    fc.assert(
      fc.property(plans, (list) => {
        const guest = new MutatingGuest(list);
        const report = runTopology(loadTopology('fuzz.yaml', TOPOLOGY), { directory, trace: 'none', untilNs: RUN_NS }, guest);
        expect(report.leaked).toEqual([]);
        for (const [host, seen] of guest.mutators) expectCounted(report, host, seen);
      }),
      fuzzed(12),
    );
  },
  FUZZ_TIMEOUT_MS,
);
