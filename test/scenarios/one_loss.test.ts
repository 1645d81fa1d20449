/** topologies/one-loss.yaml: the 20th frame of the client is lost, SACK repairs it, and the bytes that arrive are those that were sent. */
import { beforeAll, describe, expect, it } from 'vitest';
import { arrived, expectGoodEnd, framesOf, type Outcome, pattern, runExample, type Seen, sha256, transferred } from './scenario.ts';

const SIZE = 1_000_000;
const SERVER_PORT = 5001;

describe('one lost segment', () => {
  let outcome: Outcome;
  let wire: Seen[];
  beforeAll(() => {
    outcome = runExample('one-loss.yaml', { overrides: [{ path: ['capture'], value: ['wire', 'nic'] }] });
    wire = framesOf(outcome.captures.find((path) => path.includes('.wire.'))!);
  });

  const fromClient = (): Seen[] => wire.filter(({ parsed: { tcp } }) => tcp?.destinationPort === SERVER_PORT);
  const fromServer = (): Seen[] => wire.filter(({ parsed: { tcp } }) => tcp?.sourcePort === SERVER_PORT);
  const lost = (): Seen => wire.find(({ comments }) => comments.includes('lost on the wire'))!;

  it('ends well', () => expectGoodEnd(outcome));

  it('loses the 20th frame of the client and no other', () => {
    expect(wire.filter(({ comments }) => comments.length > 0)).toHaveLength(1);
    expect(wire.filter(({ outbound }) => outbound).indexOf(lost())).toBe(19);
    expect(outcome.report.drops).toContainEqual({
      reason: 'lost on the wire',
      where: 'client.eth0-server.eth0 from client.eth0',
      count: 1,
    });
  });

  it('sends that segment again, once, and no other twice', () => {
    const data = fromClient().filter(({ parsed: { tcp } }) => tcp!.length > 0);
    const times = new Map<number, number>();
    for (const { parsed } of data) times.set(parsed.tcp!.seq, (times.get(parsed.tcp!.seq) ?? 0) + 1);
    const twice = [...times].filter(([, count]) => count > 1);
    expect(twice).toEqual([[lost().parsed.tcp!.seq, 2]]);
    expect(outcome.report.hosts.client!.snmp.TcpRetransSegs).toBe(1);
  });

  it('is told by SACK, at once, without a timeout', () => {
    const { seq, length } = lost().parsed.tcp!;
    const sacks = fromServer().flatMap(({ parsed: { tcp } }) => tcp!.options.sack ?? []);
    expect(sacks.length).toBeGreaterThan(3);
    expect(sacks[0]!.left).toBe((seq + length) >>> 0);
    const { netstat } = outcome.report.hosts.client!;
    expect(netstat).toMatchObject({ TcpExtTCPSackRecovery: 1, TcpExtTCPFastRetrans: 1 });
    expect(netstat.TcpExtTCPTimeouts ?? 0).toBe(0);
    expect(netstat.TcpExtTCPLossUndo ?? 0).toBe(0);
    // One round trip after the loss, as fast as three ACKs can tell; an RTO would take 200 ms at least.
    const again = fromClient().findLast(({ parsed: { tcp } }) => tcp!.seq === seq && tcp!.length > 0)!;
    expect(Number(again.timeNs - lost().timeNs) / 1e6).toBeGreaterThan(20);
    expect(Number(again.timeNs - lost().timeNs) / 1e6).toBeLessThan(25);
  });

  it('brings every byte across', () => {
    const expected = sha256(pattern(SIZE));
    expect(sha256(arrived(wire, (port) => port !== SERVER_PORT))).toBe(expected);
    const nic = framesOf(outcome.captures.find((path) => path.includes('server.eth0.nic'))!);
    expect(sha256(arrived(nic, (port) => port !== SERVER_PORT))).toBe(expected);
    expect(transferred(outcome, 'client')).toEqual({ sent: SIZE, received: 0 });
    expect(transferred(outcome, 'server')).toEqual({ sent: 0, received: SIZE });
  });
});
