/** MSI-X, MSI and the wire INTA: the driver takes what the slot offers, with one queue pair where there is one interrupt, and says which. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { expectGoodEnd, runText, transferred } from './scenario.ts';

const SIZE = 1_000_000;
const topology = (interrupts: string): string => `
hosts:
  client:
    cpus: 4
    interfaces: { eth0: { address: 10.0.0.1/24, interrupts: ${interrupts} } }
    run: [ { script: "connect 10.0.0.2 5001\\nsend ${SIZE}\\nshutdown wr\\nrecvall\\nclose" } ]
  server:
    cpus: 4
    interfaces: { eth0: { address: 10.0.0.2/24, interrupts: ${interrupts} } }
    run: [ { script: "listen 5001\\naccept\\nrecvall\\nsend ${SIZE}\\nclose\\ncloselisten" } ]
wires:
  - { between: [client.eth0, server.eth0], rate: 1Gbit, delay: 100us, faults: [ { at: 4ms, fault: link-down, for: 10ms } ] }
`;

it.each([
  ['msix', 'MSI-X', 4, 9],
  ['msi', 'MSI', 1, 1],
  ['intx', 'legacy', 1, 1],
])('%s', (option, kind, queues, lines) => {
  const outcome = runText('interrupts.yaml', topology(option));
  expectGoodEnd(outcome);
  expect(transferred(outcome, 'client')).toEqual({ sent: SIZE, received: SIZE });
  expect(transferred(outcome, 'server')).toEqual({ sent: SIZE, received: SIZE });
  for (const host of ['client', 'server']) {
    const log = readFileSync(join(outcome.directory, `${host}.dmesg.txt`), 'utf8');
    expect(log).toContain(`Using ${kind} interrupts. ${queues} rx queue(s), ${queues} tx queue(s)`);
    // The link's causes come through the same interrupt, or the vector that is left for them.
    expect(log.match(/NIC Link is (Up|Down)/g)).toEqual(['NIC Link is Up', 'NIC Link is Down', 'NIC Link is Up']);
    const { interrupts, interfaces } = outcome.report.hosts[host]!;
    expect(Object.keys(interrupts)).toHaveLength(lines);
    expect(Object.values(interrupts).reduce((a, b) => a + b, 0)).toBeGreaterThan(20);
    expect(Object.keys(interfaces.eth0!.driver).filter((name) => /^rx_queue_\d_packets$/.test(name))).toHaveLength(queues);
  }
});
