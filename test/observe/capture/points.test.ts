import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openWireshark, type Wireshark } from '../../support/wireshark.ts';
import { type Printed, twoHosts } from '../../user/commands/two_hosts.ts';

let wireshark: Wireshark;
beforeAll(async () => {
  wireshark = await openWireshark();
}, 30_000);
afterAll(() => wireshark.close());

const load = ({ directory }: Printed, file: string) => wireshark.load(join(directory, file));
const bulk = { client: ['iperf3 -c 10.0.0.2 -n 300K'], server: ['iperf3 -s -1'] };

describe('capture points in the kernel', () => {
  const run = (): Printed =>
    twoHosts({
      ...bulk,
      capture: `capture:
  - { point: tcpdump, on: client.eth0, tcp_state: true }
  - { point: gro, on: client.eth0 }
  - { point: qdisc, on: client.eth0 }
  - { point: ip, on: client.eth0 }
  - { point: nic, on: client.eth0 }
  - { point: socket, on: client }`,
    });

  it('are well-formed and see the same packets, by id', () => {
    const printed = run();
    const ids = (file: string, filter: string): Set<string> => {
      const capture = load(printed, file);
      return new Set(capture.filter(filter).flatMap((frame) => capture.field(frame, 'frame.packet_id')));
    };
    const outgoing = ids('client.eth0.tcpdump.pcapng', 'ip.src == 10.0.0.1 && tcp.len > 0');
    expect(outgoing.size).toBeGreaterThan(5);
    expect(ids('client.eth0.qdisc.pcapng', 'ip.src == 10.0.0.1 && tcp.len > 0')).toEqual(outgoing);
    expect(ids('client.eth0.ip.pcapng', 'ip.src == 10.0.0.1 && tcp.len > 0')).toEqual(outgoing);
    // GRO sees every frame that the card received.
    expect(ids('client.eth0.gro.pcapng', 'tcp')).toEqual(ids('client.eth0.nic.pcapng', 'tcp && frame.packet_flags_direction == 1'));
  });

  it('carry the state of TCP where Wireshark looks for it', () => {
    const capture = load(run(), 'client.eth0.tcpdump.pcapng');
    const established = capture.filter('tcp.len > 1000 && ip.src == 10.0.0.1');
    const cwnd = established.map((frame) => Number(capture.field(frame, 'frame.bblog.snd_cwnd')[0]));
    // Slow start from ten segments.
    expect(cwnd[0]).toBe(10 * 1448);
    expect(cwnd.at(-1)!).toBeGreaterThan(10 * 1448);
    expect(capture.filter('frame.bblog.snd_cwnd == 14480').length).toBeGreaterThan(0);
    expect(capture.field(established[0]!, 'frame.bblog.srtt').map(Number)[0]).toBeGreaterThan(1900);
  });

  it('show the data of system calls', () => {
    const capture = load(run(), 'client.sockets.socket.pcapng');
    expect(capture.packetCount).toBeGreaterThan(5);
    expect(capture.filter('exported_pdu.ipv4_dst == 10.0.0.2 && exported_pdu.dst_port == 5201').length).toBeGreaterThan(3);
  });
});

describe('filters', () => {
  it('choose frames and stand in the file', () => {
    const capture = load(twoHosts({ ...bulk, capture: 'capture: [{ point: wire, filter: "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0" }]' }), 'client.eth0-server.eth0.wire.pcapng'); // biome-ignore format: one
    expect(capture.packetCount).toBeGreaterThan(5);
    expect(capture.filter('tcp.flags.syn == 1 || tcp.flags.fin == 1')).toHaveLength(capture.packetCount);
  });

  it('work at ip, where there is no frame', () => {
    const capture = load(twoHosts({ ...bulk, capture: 'capture: [{ point: ip, on: client.eth0, filter: "src host 10.0.0.2 and tcp" }]' }), 'client.eth0.ip.pcapng'); // biome-ignore format: one
    expect(capture.packetCount).toBeGreaterThan(5);
    expect(capture.filter('ip.src == 10.0.0.2')).toHaveLength(capture.packetCount);
  });

  it('are refused with file, line and column', () => {
    expect(() => twoHosts({ ...bulk, capture: 'capture: [{ point: wire, filter: "tcp prot 80" }]' })).toThrow(
      /two\.yaml:6:34: filter: column 5: read "prot", expected an address/,
    );
  });
});

it('shows packets that a queueing discipline dropped, with the reason', () => {
  const printed = twoHosts({
    clientSetup: ['tc qdisc add dev eth0 root pfifo limit 2', 'ethtool -G eth0 tx 80'],
    client: ['iperf3 -c 10.0.0.2 -u -b 2G -t 0.02'],
    server: ['iperf3 -s -1'],
    capture: 'capture: [{ point: tcpdump, on: client.eth0 }]',
    views: ['end client: tc -s qdisc show dev eth0'],
  });
  const dropped = Number(/dropped (\d+)/.exec(printed.views[0]![1]!)![1]);
  expect(dropped).toBeGreaterThan(0);
  const capture = load(printed, 'client.eth0.tcpdump.pcapng');
  expect(capture.filter('frame.comment contains "dropped: QDISC_OVERLIMIT"')).toHaveLength(dropped);
});

describe('files of limited size', () => {
  const captures = (extra: string): string[] => {
    const { directory } = twoHosts({ ...bulk, capture: `capture: [{ point: wire, file: w.pcapng, ${extra} }]` });
    return readdirSync(directory).filter((name) => name.startsWith('w.pcapng')).sort(); // biome-ignore format: short
  };

  it('follow each other as tcpdump -C has them, none much larger than it may be', () => {
    const { directory } = twoHosts({
      ...bulk,
      capture: 'capture: [{ point: wire, file: w.pcapng, max_size: 100K }, { point: wire, file: all.pcapng }]',
    });
    const names = readdirSync(directory).filter((name) => name.startsWith('w.pcapng')).sort(); // biome-ignore format: short
    expect(names.slice(0, 3)).toEqual(['w.pcapng', 'w.pcapng1', 'w.pcapng2']);
    for (const name of names) expect(statSync(join(directory, name)).size).toBeLessThan(100 * 1024 + 3000);
    const frames = names.reduce((sum, name) => sum + wireshark.load(join(directory, name)).packetCount, 0);
    expect(frames).toBe(wireshark.load(join(directory, 'all.pcapng')).packetCount);
  });

  it('write over each other in a ring as tcpdump -W has them', () => {
    expect(captures('max_size: 50K, files: 3')).toEqual(['w.pcapng0', 'w.pcapng1', 'w.pcapng2']);
  });

  it('need a size for a ring', () => {
    expect(() => captures('files: 3')).toThrow(/files: a ring of files needs the size of each/);
  });
});
