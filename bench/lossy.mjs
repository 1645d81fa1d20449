/**
 * How fast is a transfer over a bad path? One TCP flow, offloads off, so that every segment is one of its own in the queues: losses with a small window, which
 * is all that Cubic reaches; with a window of thousands of segments (BBR); reordering, where nearly every segment is out of order; and with the truth about each
 * frame written. What costs more the larger the window is shows here.
 *
 *     node bench/lossy.mjs [MEGABYTES]
 */
import { benchmark } from './measure.mjs';

const MEMORY = 64 << 20;

const lossy = (name, { congestion, delay, impair, truth = false }) => ({
  name,
  topology: (bytes) => topology(congestion, delay, impair, bytes),
  truth,
});

const topology = (congestion, delay, impair, bytes) => `
hosts:
  client:
    cpus: 2
    interfaces: { eth0: 10.0.0.1/24 }
    setup:
      - ethtool -K eth0 tso off gso off gro off
      - sysctl -w net.ipv4.tcp_congestion_control=${congestion}
      - sysctl -w net.ipv4.tcp_wmem='4096 16384 ${MEMORY}'
    run: [ { script: "connect 10.0.0.2 5001\\nsend ${bytes}\\nshutdown wr\\nrecvall\\nclose" } ]
  server:
    cpus: 2
    interfaces: { eth0: 10.0.0.2/24 }
    setup:
      - ethtool -K eth0 tso off gso off gro off
      - sysctl -w net.ipv4.tcp_rmem='4096 131072 ${MEMORY}'
    run: [ { script: "listen 5001\\naccept\\nrecvall\\nclose\\ncloselisten" } ]
wires:
  - { between: [client.eth0, server.eth0], rate: 1Gbit, delay: ${delay}, impair: { client: ${impair} } }
capture: []
`;

await benchmark(
  import.meta.url,
  [
    lossy('lossy, cubic, RTT 40 ms, 1 %', { congestion: 'cubic', delay: '20ms', impair: '{ loss: 1% }' }),
    lossy('lossy, bbr, RTT 200 ms, no loss', { congestion: 'bbr', delay: '100ms', impair: '{}' }),
    lossy('lossy, bbr, RTT 200 ms, 1 %', { congestion: 'bbr', delay: '100ms', impair: '{ loss: 1% }' }),
    lossy('lossy, bbr, RTT 200 ms, reordered', { congestion: 'bbr', delay: '100ms', impair: '{ jitter: 20ms }' }),
    lossy('lossy, bbr, RTT 200 ms, 1 %, truth', { congestion: 'bbr', delay: '100ms', impair: '{ loss: 1% }', truth: true }),
  ],
  100,
);
