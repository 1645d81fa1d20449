import { describe, expect, it } from 'vitest';
import { mkdtempSync, writeFileSync, readdirSync } from 'node:fs';
import { function_costs } from '../../src/kernel/trace/function_costs.ts';
import { loadTopology } from '../../src/topology/load.ts';
import type { Network } from '../../src/topology/network.ts';
import { runTopology } from '../../src/topology/run.ts';
import { allCalls, type Call, CallCollector, calls, outline, prune, recordedCalls } from './call_tree.ts';

const TOPO = `
hosts:
  client:
    cpus: 2
    interfaces: { eth0: 10.0.0.1/24 }
    run: [ { script: "connect 10.0.0.2 5001\\nsend 100\\nrecv 100\\nsleep_us 20000\\nshutdown wr\\nrecvall\\nclose" } ]
  server:
    cpus: 2
    interfaces: { eth0: 10.0.0.2/24 }
    run: [ { script: "listen 5001\\naccept\\nrecv 100\\nsend 100\\nrecvall\\nclose\\ncloselisten" } ]
wires: [ { between: [client.eth0, server.eth0], rate: 1Gbit, delay: 50us } ]
`;
it('x', () => {
  const col = new Map<string, CallCollector>();
  runTopology(loadTopology('s01.yaml', TOPO), { directory: '/tmp/cg', trace: 'none', untilNs: 60e6 }, {
    unplugged: null, done: true,
    start(network: Network) { for (const h of network.hosts) col.set(h.name, new CallCollector(h)); },
  });
  for (const [n, c] of col) writeFileSync(`/tmp/cg/${n}.txt`, c.roots.flatMap((r) => outline(r, () => true)).join('\n'));
});
