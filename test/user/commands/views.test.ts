import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type SsRow, ssTable } from '../../../src/user/commands/ss_table.ts';
import { twoHosts } from './two_hosts.ts';

const bulk = { client: ['iperf3 -c 10.0.0.2 -t 0.06'], server: ['iperf3 -s -1'] };
const shown = (...views: string[]): string[][] => twoHosts({ ...bulk, views: views.map((line) => `50ms ${line}`) }).views;

describe('ss', () => {
  const row = (state: string, port: string, rest = ''): SsRow => ({ netid: 'tcp', state, receive: '0', send: '0', local: '10.9.0.1:', localPort: port, peer: '10.9.0.2:', peerPort: '5001', rest }); // biome-ignore format: one

  it('lays its columns out as the real one does', () => {
    // Printed by iproute2 6.1 on Linux 6.18.
    expect(ssTable([row('ESTAB', '46498'), row('TIME-WAIT', '35252', ' timer:(timewait,50sec,0)')], false, true)).toEqual([
      'State     Recv-Q Send-Q Local Address:Port  Peer Address:PortProcess',
      'ESTAB     0      0           10.9.0.1:46498     10.9.0.2:5001       ',
      'TIME-WAIT 0      0           10.9.0.1:35252     10.9.0.2:5001 timer:(timewait,50sec,0)',
    ]);
    expect(ssTable([row('ESTAB', '46498', '\n\t bbr')], false, true)).toEqual([
      'State Recv-Q Send-Q Local Address:Port  Peer Address:PortProcess',
      'ESTAB 0      0           10.9.0.1:46498     10.9.0.2:5001',
      '\t bbr ',
    ]);
  });

  it('tells everything about a connection in the order of iproute2', () => {
    const [lines] = shown('client: ss -tinmeo dport = :5201');
    const data = lines!.findIndex((line) => line.includes('timer:(on,'));
    expect(lines![data]).toMatch(/^ESTAB 0 +\d+ +10\.0\.0\.1:\d+ +10\.0\.0\.2:5201 timer:\(on,\d+ms,0\) ino:\d+ sk:2 <->$/);
    const words = lines![data + 1]!.trim().split(' ').map((word) => word.split(':')[0]); // biome-ignore format: short
    expect(lines![data + 1]).toMatch(/^\t skmem:\(r\d+,rb\d+,t\d+,tb\d+,f\d+,w\d+,o0,bl0,d0\) ts sack cubic wscale:\d+,\d+ rto:2\d\d rtt:[\d.]+\/[\d.]+ mss:1448 pmtu:1500 rcvmss:536 advmss:1448 cwnd:\d+ /); // biome-ignore format: one
    const order = ['cwnd', 'bytes_sent', 'bytes_acked', 'segs_out', 'segs_in', 'data_segs_out', 'send', 'lastrcv', 'pacing_rate', 'delivery_rate', 'delivered', 'busy', 'unacked', 'rcv_space', 'rcv_ssthresh', 'minrtt', 'snd_wnd']; // biome-ignore format: a list
    const places = order.map((word) => words.indexOf(word));
    expect(places.every((place, i) => place >= 0 && (i === 0 || place > places[i - 1]!))).toBe(true);
  });

  it('counts nothing in an idle socket’s memory', () => {
    const [lines] = shown('server: ss -ltnm');
    expect(lines![2]).toMatch(/^\t skmem:\(r0,rb131072,t0,tb16384,f0,w0,o0,bl0,d0\)/);
  });

  it('filters, lists listeners and names their processes', () => {
    const [listeners, none, counts] = shown('server: ss -ltnp', 'server: ss -tn sport = :99', 'server: ss -s');
    expect(listeners![1]).toMatch(/^LISTEN 0 +4096 +0\.0\.0\.0:5201 +0\.0\.0\.0:\* +users:\(\("iperf3",pid=\d+,fd=3\)/);
    expect(none).toHaveLength(1);
    expect(counts).toContain('TCP:   3 (estab 2, closed 0, orphaned 0, timewait 0)');
  });
});

describe('ip', () => {
  it('shows links with counters in the columns of iproute2', () => {
    const [lines] = shown('client: ip -s -s link show eth0');
    expect(lines!.slice(0, 3)).toEqual([
      '2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc pfifo_fast state UP mode DEFAULT group default qlen 1000'.replace('pfifo_fast', /qdisc (\S+)/.exec(lines![0]!)![1]!),
      '    link/ether 02:00:00:00:01:01 brd ff:ff:ff:ff:ff:ff',
      '    RX:  bytes packets errors dropped  missed   mcast           ',
    ]); // biome-ignore format: long
    expect(lines![4]).toBe('    RX errors:  length    crc   frame    fifo overrun');
    expect(lines![5]).toBe('                     0      0       0       0       0 ');
    expect(lines![8]).toBe('    TX errors: aborted   fifo  window heartbt transns');
  });

  it('shows addresses, routes and neighbours', () => {
    const [addresses, routes, local, neighbours, way] = shown('client: ip -4 addr show eth0', 'client: ip route', 'client: ip route show table local', 'client: ip neigh', 'client: ip route get 10.0.0.2'); // biome-ignore format: a list
    expect(addresses!.slice(1)).toEqual([
      '    inet 10.0.0.1/24 brd 10.0.0.255 scope global eth0',
      '       valid_lft forever preferred_lft forever',
    ]);
    expect(routes).toEqual(['10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1 ']);
    expect(local).toContain('broadcast 10.0.0.255 dev eth0 proto kernel scope link src 10.0.0.1 ');
    expect(neighbours).toEqual(['10.0.0.2 dev eth0 lladdr 02:00:00:00:02:01 REACHABLE ']);
    expect(way).toEqual(['10.0.0.2 dev eth0 src 10.0.0.1 uid 0 ', '    cache ']);
  });
});

it('tc replaces qdiscs and shows them as iproute2 does', () => {
  const setup = ['tc qdisc add dev eth0 root handle 1: pfifo limit 50'];
  const { views, client, statuses } = twoHosts({
    clientSetup: setup,
    client: [
      'ping -c 1 10.0.0.2',
      'tc qdisc add dev eth0 root pfifo',
      'tc qdisc del dev eth0 root',
      'tc qdisc del dev eth0 root',
      'tc qdisc add dev zz root pfifo',
    ],
    views: ['1ms client: tc qdisc', '5ms client: tc -s qdisc show dev eth0'],
  });
  expect(views[0]![0]).toBe('qdisc noqueue 0: dev lo root refcnt 2 ');
  expect(views[0]![1]).toMatch(/^qdisc pfifo 1: dev eth0 root refcnt \d+ limit 50p$/);
  expect(views[1]!.slice(1)).toEqual([
    expect.stringMatching(/^ Sent \d+ bytes \d+ pkt \(dropped 0, overlimits 0 requeues 0\) $/),
    ' backlog 0b 0p requeues 0',
  ]);
  expect(client).toContain('Error: Exclusivity flag on, cannot modify.');
  expect(client).toContain('Error: Cannot delete qdisc with handle of zero.');
  expect(client).toContain('Cannot find device "zz"');
  expect(statuses).toEqual([0, 2, 0, 2, 1]);
});

describe('counters', () => {
  it('are the same in nstat, /proc and ip', () => {
    const [nstat, snmp, dev, link] = shown(
      'client: nstat -az',
      'client: cat /proc/net/snmp',
      'client: cat /proc/net/dev',
      'client: ip -s link show eth0',
    );
    const sent = /^TcpOutSegs +(\d+) +0\.0$/.exec(nstat!.find((line) => line.startsWith('TcpOutSegs'))!)![1]!;
    const tcp = snmp!.filter((line) => line.startsWith('Tcp: '));
    const at = tcp[0]!.split(' ').indexOf('OutSegs');
    expect(tcp[1]!.split(' ')[at]).toBe(sent);
    expect(Number(sent)).toBeGreaterThan(100);
    const rx = dev!
      .find((line) => line.includes('eth0:'))!
      .trim()
      .split(/\s+/)[1];
    expect(link![3]!.trim().split(/\s+/)[0]).toBe(rx);
    // The head of the file as Linux 6.18 prints it.
    expect(snmp![0]).toBe('Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates OutTransmits'); // biome-ignore format: one
    expect(snmp![2]).toBe('Icmp: InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos InEchoReps InTimestamps InTimestampReps InAddrMasks InAddrMaskReps OutMsgs OutErrors OutRateLimitGlobal OutRateLimitHost OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps OutTimestamps OutTimestampReps OutAddrMasks OutAddrMaskReps'); // biome-ignore format: one
  });

  it('of sockets, interrupts and softirqs are in /proc', () => {
    const [tcp, interrupts, softirqs, sockstat] = shown(
      'client: cat /proc/net/tcp',
      'client: cat /proc/interrupts',
      'client: cat /proc/softirqs',
      'client: cat /proc/net/sockstat',
    );
    expect(tcp![1]).toMatch(/^ {3}0: 0100000A:[0-9A-F]{4} 0200000A:1451 01 00000000:00000000 00:00000000 00000000 {5}0 {8}0 \d+ \d+ ffff8880[0-9a-f]{8} \d+ \d+ \d+ \d+ -?\d+ *$/); // biome-ignore format: one
    expect(tcp![1]).toHaveLength(149);
    expect(interrupts![1]).toMatch(/^ 24: +\d+ PCI-MSIX-0000:01:00\.0 {3}0-edge {6}eth0$/);
    expect(softirqs![0]).toBe('                    CPU0       ');
    expect(softirqs!.find((line) => line.includes('NET_RX'))).toMatch(/^ {6}NET_RX: +\d+$/);
    expect(sockstat![1]).toMatch(/^TCP: inuse 2 orphan 0 tw 0 alloc 2 mem \d+$/);
  });
});

it('ethtool shows rings, channels and features as a real igb has them', () => {
  const [rings, channels, features, driver] = shown(
    'client: ethtool -g eth0',
    'client: ethtool -l eth0',
    'client: ethtool -k eth0',
    'client: ethtool -i eth0',
  );
  expect(rings!.slice(0, 6)).toEqual([
    'Ring parameters for eth0:',
    'Pre-set maximums:',
    'RX:\t\t4096',
    'RX Mini:\tn/a',
    'RX Jumbo:\tn/a',
    'TX:\t\t4096',
  ]);
  expect(channels!.slice(1, 6)).toEqual(['Pre-set maximums:', 'RX:\t\tn/a', 'TX:\t\tn/a', 'Other:\t\t1', 'Combined:\t8']);
  expect(features!.slice(0, 5)).toEqual(['Features for eth0:', 'rx-checksumming: on', 'tx-checksumming: on', '\ttx-checksum-ipv4: off [fixed]', '\ttx-checksum-ip-generic: on']); // biome-ignore format: one
  expect(driver!.slice(0, 5)).toEqual([
    'driver: igb',
    'version: 6.18.0',
    'firmware-version: 2.1.0',
    'expansion-rom-version: ',
    'bus-info: 0000:01:00.0',
  ]);
});

describe('a view', () => {
  const capture = 'capture: [wire]';
  const views = [
    '1ms client: ss -tan',
    '33ms client: ss -tinmeo',
    '33.3ms server: ip -s link',
    '50ms server: nstat',
    'end client: nstat -az',
  ];

  it('changes no frame and no time', () => {
    const plain = twoHosts({ ...bulk, capture });
    const watched = twoHosts({ ...bulk, capture, views });
    const file = ({ directory }: { directory: string }): Buffer => readFileSync(join(directory, 'client.eth0-server.eth0.wire.pcapng'));
    expect(watched.views).toHaveLength(views.length);
    expect(file(watched).equals(file(plain))).toBe(true);
  });

  it.each([
    ['1s nobody: ss', /no host "nobody", expected one of client, server/],
    ['soon client: ss', /read "soon", expected end or a duration/],
    ['1s client', /expected a time, a host and a command/],
    ['1s client: sss -t', /unknown command "sss".*did you mean "ss"/],
    ['1ms client: sleep 1', /takes time/],
  ])('refuses %s', (text, message) => {
    expect(() => twoHosts({ client: ['sleep 0.01'], views: [text] })).toThrow(message);
  });
});
