/** Real captures into the RX side of a host: what is for it is answered, what is not is filtered by its NIC. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCapture } from '../../src/observe/files/capture_reader.ts';
import { PcapWriter } from '../../src/observe/files/pcap_writer.ts';
import type { RunReport } from '../../src/observe/report/run_report.ts';
import { playedAddress } from '../../src/replay/played_address.ts';
import { Replay } from '../../src/replay/replay.ts';
import { blockOf } from '../../src/sim/byte_heap.ts';
import { loadTopology } from '../../src/topology/load.ts';
import { runTopology } from '../../src/topology/run.ts';
import { framesOf, type Seen, temporaryFolder } from '../scenarios/scenario.ts';
import { internetSum } from '../support/packet.ts';

const HANDSHAKE = 'captures/linux/s01-handshake-echo.wire.pcap';
const UDP = 'captures/linux/s10-udp.wire.pcap';

/** A host where something listens at port 5001, elsewhere than in the recordings. */
const LISTENER = `
hosts:
  server:
    interfaces: { eth0: 192.168.7.9/24 }
    run: [ { script: "listen 5001\\naccept" } ]
capture: [ nic ]
`;
const HOST = '192.168.7.9';
const HOST_MAC = '02:00:00:00:01:01';

interface Replayed {
  readonly report: RunReport;
  readonly replay: Replay;
  /** What the NIC took off the wire, and what it put there. */
  readonly received: readonly Seen[];
  readonly sent: readonly Seen[];
}

interface Settings {
  readonly rewrite?: boolean;
  readonly speed?: number;
  readonly topology?: string;
}

function replayInto(capture: string, { rewrite = true, speed = 1, topology = LISTENER }: Settings = {}): Replayed {
  const directory = temporaryFolder();
  const replay = new Replay(openCapture(capture), {
    to: 'server.eth0',
    speed,
    played: rewrite ? playedAddress(openCapture(capture)) : null,
  });
  const report = runTopology(loadTopology('listener.yaml', topology), { directory, trace: 'none', untilNs: 1_000_000_000 }, replay);
  expect(report.leaked).toEqual([]);
  const frames = framesOf(join(directory, report.captures[0]!.file));
  return { report, replay, received: frames.filter(({ outbound }) => !outbound), sent: frames.filter(({ outbound }) => outbound) };
}

/** Frames the NIC did not pass to the host, by its own remark. */
const filtered = (frames: readonly Seen[]): readonly Seen[] =>
  frames.filter(({ comments }) => comments.some((text) => /address filter/.test(text)));

describe('a rewritten capture', () => {
  const { report, replay, received, sent } = replayInto(HANDSHAKE);

  it('is injected whole', () => {
    expect(replay.counters).toEqual({ read: 12, injected: 12, tooLong: 0, otherLinkType: 0, cutShort: 0 });
    expect(received.length).toBeGreaterThanOrEqual(12);
    expect(replay.damage).toBe(null);
  });

  it('has the host’s addresses and right checksums', () => {
    const tcp = received.filter(({ parsed }) => parsed.tcp !== null);
    expect(tcp).toHaveLength(10);
    for (const { parsed } of tcp) {
      expect(parsed.ip!.checksumOk).toBe(true);
      expect(parsed.tcp!.checksumOk).toBe(true);
      expect([parsed.ip!.source, parsed.ip!.destination]).toContain(HOST);
      expect(parsed.ip!.source).toMatch(/^192\.168\.7\./);
    }
  });

  it('comes at the capture’s times', () => {
    const reader = openCapture(HANDSHAKE);
    const times: bigint[] = [];
    for (let packet = reader.next(); packet !== null; packet = reader.next()) times.push(packet.timeNs);
    const replayed = received.slice(0, times.length).map(({ timeNs }) => timeNs - received[0]!.timeNs);
    expect(replayed).toEqual(times.map((time) => time - times[0]!));
  });

  it('has its ARP request and its SYN answered', () => {
    expect(sent[0]!.parsed.arp).toMatchObject({ operation: 'reply', sender: HOST, senderMac: HOST_MAC });
    const syn = received.find(({ parsed: { tcp } }) => tcp?.flags === 'S')!.parsed;
    const answer = sent.find(({ parsed: { tcp } }) => tcp !== null)!.parsed;
    expect(answer.tcp).toMatchObject({ flags: 'S.', ack: syn.tcp!.seq + 1, sourcePort: 5001, checksumOk: true });
    expect(answer.ip).toMatchObject({ source: HOST, destination: syn.ip!.source });
    expect(answer.destination).toBe(syn.source);
  });

  it('has acknowledgements of what the host never sent answered with RST', () => {
    const rst = sent.filter(({ parsed: { tcp } }) => tcp?.flags === 'R');
    expect(rst.length).toBeGreaterThan(0);
    // RFC 9293 (3.10.7.4): the number that the wrong ACK asked for.
    const wrong = received.find(({ parsed: { tcp, ip } }) => tcp?.flags === '.' && ip?.destination === HOST)!.parsed.tcp!;
    expect(rst[0]!.parsed.tcp!.seq).toBe(wrong.ack);
  });

  it('has what the other side of the capture sent filtered by the NIC, and counted', () => {
    const others = filtered(received);
    // The recorded server's ARP reply, SYN-ACK, ACK, data and FIN.
    expect(others).toHaveLength(5);
    for (const { parsed } of others) expect(parsed.destination).toBe('02:00:00:00:0a:01');
    expect(report.hosts.server!.interfaces.eth0!.driver.rx_packets).toBe(received.length - others.length);
  });
});

describe('a capture as it is', () => {
  it('is filtered by the NIC: only broadcasts reach the host', () => {
    const { received, sent, report } = replayInto(HANDSHAKE, { rewrite: false });
    expect(filtered(received)).toHaveLength(11);
    expect(sent).toEqual([]);
    expect(report.hosts.server!.interfaces.eth0!.driver.rx_packets).toBe(1);
    expect(report.hosts.server!.snmp.TcpInSegs ?? 0).toBe(0);
  });

  it('is taken by a host with the same MAC and IP address', () => {
    const topology = LISTENER.replace('192.168.7.9/24', '{ address: 10.0.0.2/24, mac: "02:00:00:00:0b:01" }');
    const { sent, report } = replayInto(HANDSHAKE, { rewrite: false, topology });
    expect(sent.map(({ parsed }) => parsed.tcp?.flags)).toContain('S.');
    expect(report.hosts.server!.snmp.TcpInSegs).toBe(6);
  });
});

describe('replay', () => {
  it('gets no SYN-ACK from a port where nobody listens, but RST', () => {
    const { sent } = replayInto(HANDSHAKE, { topology: LISTENER.replace('listen 5001\\naccept', 'sleep_us 1') });
    const tcp = sent.flatMap(({ parsed }) => (parsed.tcp === null ? [] : [parsed.tcp]));
    expect(tcp[0]).toMatchObject({ flags: 'R.', seq: 0 });
  });

  it('is as fast as it is told', () => {
    const span = (speed: number): number => {
      const { received } = replayInto(HANDSHAKE, { speed });
      return Number(received[11]!.timeNs - received[0]!.timeNs);
    };
    expect(span(1) / span(10)).toBeCloseTo(10, 3);
  });

  it('answers pings, and fragments put together again reach UDP', () => {
    const { sent, report } = replayInto(UDP);
    // One of 4000 bytes in three fragments and two of 100, all to ports where nobody listens.
    expect(sent.filter(({ parsed: { icmp } }) => icmp?.type === 3 && icmp.code === 3)).toHaveLength(3);
    expect(report.hosts.server!.snmp).toMatchObject({ IpReasmOKs: 1, UdpNoPorts: 3 });
    expect(report.hosts.server!.snmp.UdpInCsumErrors ?? 0).toBe(0);

    const path = join(temporaryFolder(), 'ping.pcap');
    const writer = new PcapWriter(path);
    const requests = [1, 2, 3].map(echoRequest);
    for (const [i, frame] of requests.entries()) writer.packet(i * 1_000_000, blockOf(frame), 0, frame.length, frame.length);
    writer.close();
    const ping = replayInto(path);
    const replies = ping.sent.flatMap(({ parsed }) => (parsed.icmp === null ? [] : [parsed]));
    expect(replies.map(({ icmp }) => icmp)).toMatchObject(
      [1, 2, 3].map((sequence) => ({ type: 0, code: 0, id: 0x77, sequence, checksumOk: true })),
    );
    for (const { payload, ip } of replies) {
      expect(ip).toMatchObject({ source: HOST, checksumOk: true });
      expect(payload).toEqual(Uint8Array.from({ length: 56 }, (_, i) => i));
    }
  });

  it('uses the frames before the damage of a cut capture, and names the place', () => {
    const whole = readFileSync(HANDSHAKE);
    const path = join(temporaryFolder(), 'cut.pcap');
    const { replay, sent } = replayInto(written(path, whole.subarray(0, whole.length - 30)));
    expect(replay.counters.injected).toBe(11);
    expect(replay.damage?.message).toMatch(new RegExp(`^${path.replaceAll('/', '\\/')}: .*byte \\d+`));
    expect(sent.map(({ parsed }) => parsed.tcp?.flags)).toContain('S.');
  });
});

function written(path: string, bytes: Uint8Array): string {
  writeFileSync(path, bytes);
  return path;
}

/** An ICMP echo request from 172.16.0.1 to 172.16.0.2 (RFC 792), 56 bytes of data. */
function echoRequest(sequence: number): Uint8Array {
  const frame = new Uint8Array(14 + 20 + 8 + 56);
  const view = new DataView(frame.buffer);
  frame.set([0x02, 0, 0, 0, 0x55, 2, 0x02, 0, 0, 0, 0x55, 1, 0x08, 0]);
  frame.set([0x45, 0, 0, 84, 0, sequence, 0x40, 0, 64, 1, 0, 0, 172, 16, 0, 1, 172, 16, 0, 2], 14);
  view.setUint16(24, 0xffff - internetSum(frame.subarray(14, 34), 0));
  frame.set([8, 0, 0, 0, 0, 0x77, 0, sequence], 34);
  for (let i = 0; i < 56; i++) frame[42 + i] = i;
  view.setUint16(36, 0xffff - internetSum(frame.subarray(34), 0));
  return frame;
}
