/** What capture files hold beside packets, the formats there are, and files of several points. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCapture } from '../../../src/observe/files/capture_reader.ts';
import { loadTopology } from '../../../src/topology/load.ts';
import { type RunOptions, runTopology } from '../../../src/topology/run.ts';
import { temporaryFolder } from '../../scenarios/scenario.ts';
import { openWireshark, type Wireshark } from '../../support/wireshark.ts';
import { twoHosts } from '../../user/commands/two_hosts.ts';

let wireshark: Wireshark;
beforeAll(async () => {
  wireshark = await openWireshark();
}, 30_000);
afterAll(() => wireshark.close());

const NETWORK = `
hosts:
  client:
    cpus: 2
    interfaces: { eth0: 10.0.0.1/24 }
    setup: ['ip addr add 10.0.9.1/28 dev eth0']
    run: [{ script: "connect 10.0.0.2 5001\\nsend 100000\\nshutdown wr\\nrecvall\\nclose" }]
  server:
    interfaces: { eth0: 10.0.0.2/24 }
    run: [{ script: "listen 5001\\naccept\\nrecvall\\nclose" }]
wires: [{ between: [client.eth0, server.eth0], rate: 1Gbit, delay: 300us, impair: { client: { drop: [9, 30] } } }]
`;

/** Runs the network with captures; returns the directory. */
function run(captures: string, options: Partial<RunOptions> = {}): string {
  const directory = temporaryFolder();
  runTopology(loadTopology('files.yaml', `${NETWORK}capture: ${captures}\n`), { directory, trace: 'none', ...options });
  return directory;
}

interface Seen {
  readonly time: bigint;
  readonly bytes: string;
  readonly interfaceIndex: number;
}

function packetsOf(path: string): Seen[] {
  const reader = openCapture(path);
  const seen: Seen[] = [];
  for (let packet = reader.next(); packet !== null; packet = reader.next())
    seen.push({
      time: packet.timeNs,
      bytes: Buffer.from(packet.bytes()).toString('hex'),
      interfaceIndex: packet.interfaceIndex,
    });
  reader.close();
  return seen;
}

const inOrder = (packets: readonly Seen[]): boolean => packets.every(({ time }, i) => i === 0 || time >= packets[i - 1]!.time);

/** Counters of the Interface Statistics Blocks: option code → value. */
function statisticsOf(path: string): Map<number, number>[] {
  const file = readFileSync(path);
  const found: Map<number, number>[] = [];
  for (let at = 0; at < file.length; at += file.readUInt32LE(at + 4)) {
    if (file.readUInt32LE(at) !== 5) continue;
    const options = new Map<number, number>();
    for (let o = at + 20; file.readUInt16LE(o) !== 0; o += 4 + ((file.readUInt16LE(o + 2) + 3) & ~3))
      options.set(file.readUInt16LE(o), Number(file.readBigUInt64LE(o + 4)));
    found.push(options);
  }
  return found;
}

const IFRECV = 4;
const IFDROP = 5;
const FILTERACCEPT = 6;
const USRDELIV = 8;

describe('classic pcap', () => {
  it('has the same packets at the same times as pcapng, in ns or cut to µs', () => {
    const expected = packetsOf(join(run('[nic]'), 'client.eth0.nic.pcapng'));
    expect(expected.length).toBeGreaterThan(70);
    for (const [format, unit] of [['nsecpcap', 1n], ['pcap', 1000n]] as const) {
      const path = join(run(`[{ point: nic, format: ${format} }]`), 'client.eth0.nic.pcap');
      expect(openCapture(path).format).toBe('pcap');
      expect(packetsOf(path)).toEqual(expected.map((packet) => ({ ...packet, time: (packet.time / unit) * unit })));
      const capture = wireshark.load(path);
      expect([capture.fileType, capture.packetCount]).toEqual([format === 'pcap' ? expect.stringMatching(/- pcap$/) : expect.stringMatching(/nanosecond/), expected.length]);
    }
  }); // biome-ignore format: a table

  it('is what a file called .pcap is, and what a run makes of points that do not say', () => {
    const named = run('[{ point: wire, file: w.pcap }, { point: ip, on: client.eth0, file: ip.pcapng }]', { captures: { format: 'nsecpcap' } });
    expect(readdirSync(named).filter((name) => /pcap/.test(name)).sort()).toEqual(['ip.pcapng', 'w.pcap']);
    expect(openCapture(join(named, 'w.pcap')).format).toBe('pcap');
    expect(wireshark.load(join(run('[wire]', { captures: { format: 'nsecpcap' } }), 'client.eth0-server.eth0.wire.pcap')).fileType).toMatch(/nanosecond/);
  }); // biome-ignore format: one each

  it.each([
    ['[{ point: nic, file: x.pcap }]', /files\.yaml:12:31: file: x\.pcap would have several capture points and a classic pcap file has one/],
    ['[{ point: wire, file: x.pcapng }, { point: ip, file: x.pcapng, max_size: 1M }]', /x\.pcapng is another point's, too, with another format, max_size or files, expected the same/],
    ['[{ point: tcpdump, format: pcap, tcp_state: true }]', /tcp_state: a classic pcap file has no room for the state of TCP/],
    ['[{ point: tcpdump, format: snoop }]', /format: read "snoop", expected one of pcapng, pcap, nsecpcap/],
  ])('%s is refused', (captures, message) => {
    expect(() => run(captures)).toThrow(message);
  }); // biome-ignore format: a table
});

describe('a file of several points', () => {
  it('has them as interfaces, and all their packets in order of time', () => {
    const alone = run('[wire, nic, tcpdump]');
    const merged = packetsOf(join(run('[wire, nic, tcpdump]', { captures: { merge: true } }), 'files.pcapng'));
    expect(inOrder(merged)).toBe(true);
    const files = ['client.eth0-server.eth0.wire', 'client.eth0.nic', 'server.eth0.nic', 'client.eth0.tcpdump', 'server.eth0.tcpdump'];
    for (const [index, file] of files.entries()) {
      const own = merged.filter(({ interfaceIndex }) => interfaceIndex === index);
      expect(own.map(({ time, bytes }) => [time, bytes])).toEqual(packetsOf(join(alone, `${file}.pcapng`)).map(({ time, bytes }) => [time, bytes]));
    }
  }); // biome-ignore format: a list

  it('is what points get that name the same one; each ring file describes them all', () => {
    const directory = run('[{ point: nic, on: client.eth0, file: a.pcapng, max_size: 30K, files: 2 }, { point: ip, on: client.eth0, file: a.pcapng, max_size: 30K, files: 2 }]');
    const names = readdirSync(directory).filter((name) => name.startsWith('a.pcapng'));
    expect(names.sort()).toEqual(['a.pcapng0', 'a.pcapng1']);
    for (const name of names) {
      const reader = openCapture(join(directory, name));
      while (reader.next() !== null);
      expect(reader.interfaces.map((one) => [one.name, one.linkType])).toEqual([['client.eth0 nic', 1], ['client.eth0 ip', 228]]);
    }
  }); // biome-ignore format: a list
});

describe('an interface', () => {
  it('is described with all that is known of it', () => {
    const directory = run('[{ point: nic, on: client.eth0, filter: tcp, snaplen: 96 }]');
    const reader = openCapture(join(directory, 'client.eth0.nic.pcapng'));
    reader.next();
    expect(reader.interfaces).toMatchObject([
      { name: 'eth0', mac: expect.toSatisfy((mac: Uint8Array) => [...mac].join() === '2,0,0,0,1,1'), speedBps: 1e9, filter: 'tcp', snapLen: 96, os: expect.stringMatching(/^Linux 6\.18/), hardware: expect.stringMatching(/82576/), fcsLength: 0 },
    ]);
    const bytes = readFileSync(join(directory, 'client.eth0.nic.pcapng'));
    // if_IPv4addr: address and mask, as the kernel has them when the programs start.
    expect(bytes.includes(Buffer.from([4, 0, 8, 0, 10, 0, 0, 1, 255, 255, 255, 0]))).toBe(true);
    expect(bytes.includes(Buffer.from([4, 0, 8, 0, 10, 0, 9, 1, 255, 255, 255, 240]))).toBe(true);
  }); // biome-ignore format: a record

  it('of a card shows the RSS hash and the queue, and no other hash', () => {
    const directory = run('[nic, tcpdump]');
    const nic = wireshark.load(join(directory, 'server.eth0.nic.pcapng'));
    const received = nic.filter('tcp && frame.packet_flags_direction == 1');
    const hash = nic.field(received[0]!, 'frame.hash.value')[0];
    expect(hash).toBeDefined();
    const tap = wireshark.load(join(directory, 'server.eth0.tcpdump.pcapng'));
    const data = tap.filter('tcp && frame.packet_flags_direction == 1');
    expect(new Set(data.flatMap((frame) => tap.field(frame, 'frame.hash.value')))).toEqual(new Set([hash]));
    expect(tap.filter('frame.packet_flags_direction == 2').flatMap((frame) => tap.field(frame, 'frame.hash.value'))).toEqual([]);
    expect(tap.field(data[0]!, 'frame.interface_queue')).toHaveLength(1);
  });
});

describe('drops', () => {
  /** Frames with a drop count, which must be those with a reason, and the statistics of the only interface. */
  function drops(path: string): { shown: number; statistics: Map<number, number> } {
    const capture = wireshark.load(path);
    const counted = capture.filter('frame.drop_count == 1');
    expect(counted).toEqual(capture.filter('frame.comment matches "^(dropped|lost|not passed)"'));
    return { shown: counted.length, statistics: statisticsOf(path)[0]! };
  }

  it('on a wire add up with the statistics', () => {
    const { shown, statistics } = drops(join(run('[wire]'), 'client.eth0-server.eth0.wire.pcapng'));
    expect(shown).toBe(2);
    expect(statistics.get(IFDROP)).toBe(2);
  });

  it('that a filter does not want count neither as accepted nor as dropped', () => {
    const { shown, statistics } = drops(join(run('[{ point: wire, filter: arp }]'), 'client.eth0-server.eth0.wire.pcapng'));
    expect([shown, statistics.get(IFDROP), statistics.get(FILTERACCEPT), statistics.get(USRDELIV)]).toEqual([0, 0, 2, 2]);
    expect(statistics.get(IFRECV)).toBeGreaterThan(70);
  });

  it.each([
    ['tcpdump', 'client.eth0.tcpdump.pcapng'],
    ['qdisc', 'client.eth0.qdisc.pcapng'],
    ['ip', 'client.eth0.ip.pcapng'],
  ])('at a queueing discipline are shown at %s and add up', (point, file) => {
    const printed = twoHosts({
      clientSetup: ['tc qdisc add dev eth0 root pfifo limit 2', 'ethtool -G eth0 tx 80'],
      client: ['iperf3 -c 10.0.0.2 -u -b 2G -t 0.01'],
      server: ['iperf3 -s -1'],
      capture: `capture: [{ point: ${point}, on: client.eth0 }]`,
      views: ['end client: tc -s qdisc show dev eth0'],
    });
    const lost = Number(/dropped (\d+)/.exec(printed.views[0]![1]!)![1]);
    const { shown, statistics } = drops(join(printed.directory, file));
    expect(shown).toBe(lost);
    expect(statistics.get(IFDROP)).toBe(lost);
    // Seen before, or only as lost: each counts once as received.
    const before = point === 'tcpdump' ? 0 : lost;
    expect(statistics.get(USRDELIV)).toBe(statistics.get(IFRECV)! + before);
  });

  it('of damaged frames are shown at the card, and add up with its counters', () => {
    const directory = temporaryFolder();
    const damaged = NETWORK.replace('rate: 1Gbit', 'rate: 1Gbit, faults: [{ at: 1ms, fault: crc-errors, from: client, frames: 3 }]');
    const topology = loadTopology('damaged.yaml', `${damaged}capture: [{ point: nic, on: server.eth0 }]\n`);
    const report = runTopology(topology, { directory, trace: 'none' });
    const { shown, statistics } = drops(join(directory, 'server.eth0.nic.pcapng'));
    expect([shown, statistics.get(IFDROP), report.hosts.server!.interfaces.eth0!.driver.rx_crc_errors]).toEqual([3, 3, 3]);
  });

  it('while an address is looked for are shown at ip, with the reason', () => {
    const printed = twoHosts({
      client: ['ping -c 2 -i 0.2 -W 4 10.0.0.77'],
      capture: 'capture: [{ point: ip, on: client.eth0 }]',
    });
    const { shown } = drops(join(printed.directory, 'client.eth0.ip.pcapng'));
    expect(shown).toBe(2);
    const capture = wireshark.load(join(printed.directory, 'client.eth0.ip.pcapng'));
    expect(capture.filter('frame.comment contains "NEIGH_FAILED" && icmp.type == 8')).toHaveLength(2);
  });
});
