/**
 * How fast is a bulk transfer? One TCP flow over 1 Gbit/s and 1 ms, offloads off and on, captures off and on.
 *
 *     node bench/bulk.mjs [MEGABYTES]
 */
import { benchmark } from './measure.mjs';

const bulk = (name, { offloads, captures, over }) => ({ name, over, topology: (bytes) => topology(offloads, captures, bytes) });

const topology = (offloads, captures, bytes) => `
hosts:
  client:
    cpus: 2
    interfaces: { eth0: 10.0.0.1/24 }
    setup: [${offloads ? '' : '"ethtool -K eth0 tso off gso off gro off"'}]
    run:
      - script: |
          connect 10.0.0.2 5001
          send ${bytes} 131072
          shutdown wr
          recvall
          close
  server:
    cpus: 2
    interfaces: { eth0: 10.0.0.2/24 }
    setup: [${offloads ? '' : '"ethtool -K eth0 tso off gso off gro off"'}]
    run:
      - script: |
          listen 5001
          accept
          recvall
          close
          closelisten
wires:
  - { between: [client.eth0, server.eth0], rate: 1Gbit, delay: 1ms }
capture: ${captures ? '[tcpdump]' : '[]'}
`;

await benchmark(
  import.meta.url,
  [
    bulk('bulk, offloads off', { offloads: false, captures: false }),
    bulk('bulk, TSO and GRO', { offloads: true, captures: false }),
    bulk('bulk, offloads off, pcapng at both ends', { offloads: false, captures: true, over: 'bulk, offloads off' }),
    bulk('bulk, TSO and GRO, pcapng at both ends', { offloads: true, captures: true, over: 'bulk, TSO and GRO' }),
  ],
  1000,
);
