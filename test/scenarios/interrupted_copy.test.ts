/** Interrupts do not wait for a system call that copies: what arrives meanwhile goes to the socket's backlog, and one acknowledgment answers it. */
import { describe, expect, it } from 'vitest';
import { runText } from './scenario.ts';

/** The reader's CPU copies an octet a cycle: a read of some kilobytes lasts longer than packets are apart. */
const topology = (copy: number) => `
hosts:
  A:
    interfaces: { eth0: 10.0.0.1/24 }
    setup: [ ethtool -K eth0 tso off gso off ]
    run: [ { at: 1ms, script: "connect 10.0.0.2 5001\\nsend 2000000\\nshutdown wr\\nrecvall\\nclose" } ]
  B:
    cpu: { ghz: 1, ipc: 1, copy: ${copy} }
    interfaces: { eth0: 10.0.0.2/24 }
    setup: [ ethtool -K eth0 gro off, ethtool -C eth0 rx-usecs 10 ]
    run: [ { script: "listen 5001\\naccept\\nrecvall\\nclose" } ]
wires: [ { between: [A.eth0, B.eth0], rate: 1Gbit, delay: 100us } ]
`;

describe('a reader that is slow to copy', () => {
  const { report, output } = runText('slow.yaml', topology(1));
  const { netstat, snmp } = report.hosts.B!;

  it('is interrupted: segments wait in the backlog and are put together there', () => {
    expect(netstat.TcpExtTCPBacklogCoalesce).toBeGreaterThan(20);
    expect(snmp.TcpOutSegs!).toBeLessThan(snmp.TcpInSegs!);
  });

  it('reads every octet, in order', () => {
    expect(report.leaked).toEqual([]);
    expect(output.some((line) => line.startsWith('B: ') && line.includes('rx=2000000 bad=0'))).toBe(true);
  });
});
