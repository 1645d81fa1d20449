import { describe, expect, it } from 'vitest';
import { twoHosts } from './two_hosts.ts';

describe('ping', () => {
  it('prints a line a reply and statistics as iputils does', () => {
    const { client, statuses } = twoHosts({ client: ['ping -c 3 -i 0.2 10.0.0.2'] });
    expect(client[0]).toBe('PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.');
    // The first one waits for ARP: two ways more.
    expect(client[1]).toMatch(/^64 bytes from 10\.0\.0\.2: icmp_seq=1 ttl=64 time=4\.0\d ms$/);
    expect(client[2]).toMatch(/^64 bytes from 10\.0\.0\.2: icmp_seq=2 ttl=64 time=2\.0\d ms$/);
    expect(client.slice(4, 7)).toEqual([
      '',
      '--- 10.0.0.2 ping statistics ---',
      expect.stringMatching(/^3 packets transmitted, 3 received, 0% packet loss, time 40\dms$/),
    ]);
    expect(client[7]).toMatch(/^rtt min\/avg\/max\/mdev = 2\.0\d\d\/2\.6\d\d\/4\.0\d\d\/0\.9\d\d ms$/);
    expect(statuses).toEqual([0]);
  });

  it('tells what ICMP says of a host that is not there, and that nothing was heard', () => {
    const { client, statuses } = twoHosts({ client: ['ping -c 2 10.0.0.9'] });
    expect(client[1]).toBe('From 10.0.0.1 icmp_seq=1 Destination Host Unreachable');
    expect(client).toContainEqual(
      expect.stringMatching(/^2 packets transmitted, 0 received, \+2 errors, 100% packet loss, time 1\d\d\dms$/),
    );
    expect(statuses).toEqual([1]);
  });

  it('ends at once when there is no route', () => {
    expect(twoHosts({ client: ['ping -c 1 192.0.2.1'] })).toMatchObject({
      client: ['ping: connect: Network is unreachable'],
      statuses: [2],
    });
  });

  it('sends data of the size that was asked for, without time when there is no room for it', () => {
    const { client } = twoHosts({ client: ['ping -c 1 -s 4 10.0.0.2'] });
    expect(client.slice(0, 2)).toEqual(['PING 10.0.0.2 (10.0.0.2) 4(32) bytes of data.', '12 bytes from 10.0.0.2: icmp_seq=1 ttl=64']);
  });

  it('uses a ping socket where the group may', () => {
    const setup = ['sysctl -w "net.ipv4.ping_group_range=0 2147483647"'];
    const { client } = twoHosts({ client: ['ping -c 1 10.0.0.2'], clientSetup: setup });
    expect(client[1]).toMatch(/^64 bytes from 10\.0\.0\.2: icmp_seq=1 ttl=64 time=4\.0\d ms$/);
  });

  it('reports requests that got lost', () => {
    // Frames of the client: ARP request, then the three requests.
    const { client, statuses } = twoHosts({ client: ['ping -c 3 -i 0.2 -W 0.5 10.0.0.2'], wire: 'impair: { client: { drop: [3] } }' });
    expect(client.filter((line) => line.startsWith('64 bytes')).map((line) => /icmp_seq=(\d)/.exec(line)![1])).toEqual(['1', '3']);
    expect(client).toContainEqual(expect.stringMatching(/^3 packets transmitted, 2 received, 33\.3333% packet loss, time \d+ms$/));
    expect(statuses).toEqual([0]);
  });
});

describe('iperf3', () => {
  it('measures a TCP stream and prints both sides', () => {
    const { client, server, statuses } = twoHosts({ client: ['iperf3 -c 10.0.0.2 -n 2M'], server: ['iperf3 -s -1'] });
    expect(client[0]).toBe('Connecting to host 10.0.0.2, port 5201');
    expect(client[1]).toMatch(/^\[ {2}\d\] local 10\.0\.0\.1 port \d+ connected to 10\.0\.0\.2 port 5201$/);
    expect(client[2]).toBe('[ ID] Interval           Transfer     Bitrate         Retr  Cwnd');
    expect(client[3]).toMatch(/^\[ {2}\d\] {3}0\.00-0\.\d\d {3}sec {2}2\.00 MBytes +[\d.]+ [MG]bits\/sec {4}0 +\d+ KBytes {7}$/);
    expect(client.at(-4)).toMatch(/ 2\.00 MBytes +[\d.]+ [MG]bits\/sec {4}0 {13}sender$/);
    expect(client.at(-3)).toMatch(/ Mbits\/sec {18}receiver$/);
    expect(client.slice(-2)).toEqual(['', 'iperf Done.']);
    expect(server[1]).toBe('Server listening on 5201 (test #1)');
    expect(server.at(-1)).toMatch(/receiver$/);
    expect(statuses).toEqual([0, 0]);
  });

  it('fills the wire for as long as it was told to', () => {
    const { client } = twoHosts({ client: ['iperf3 -c 10.0.0.2 -t 0.3 -i 0.1'], server: ['iperf3 -s -1'], wire: 'delay: 100us' });
    const receiver = /([\d.]+) Mbits\/sec +receiver$/.exec(client.find((line) => line.endsWith('receiver'))!)!;
    expect(Number(receiver[1])).toBeGreaterThan(900);
    expect(Number(receiver[1])).toBeLessThan(949);
    expect(client.filter((line) => / {2}\d+ +[\d.]+ KBytes {7}$/.test(line))).toHaveLength(3);
  });

  it('keeps to a rate with datagrams and counts those that were lost', () => {
    // The client's frames: 1 ARP, then handshake and control segments; frame 100 is data.
    const { client } = twoHosts({
      client: ['iperf3 -c 10.0.0.2 -u -b 10M -t 0.5'],
      server: ['iperf3 -s -1'],
      wire: 'delay: 100us, impair: { client: { drop: [100, 101] } }',
    });
    expect(client.find((line) => line.endsWith('receiver'))).toMatch(
      / 9\.\d+ Mbits\/sec {2}0\.\d{3} ms {2}2\/43\d \(0\.46%\) {2}receiver$/,
    );
  });

  it('runs several streams, and the other way round', () => {
    const { client } = twoHosts({ client: ['iperf3 -c 10.0.0.2 -n 1M -P 2 -R'], server: ['iperf3 -s -1'] });
    expect(client).toContain('Reverse mode, remote host 10.0.0.2 is sending');
    expect(client.filter((line) => line.startsWith('[SUM]') && line.endsWith('sender'))).toHaveLength(1);
  });

  it('tells when a client sends something else than parameters', () => {
    const { server } = twoHosts({ client: [`echo ${'c'.repeat(60)} | nc 10.0.0.2 5201`], server: ['iperf3 -s -1'] });
    expect(server).toContain('iperf3: error - unable to receive parameters from client');
  });

  it('says so when nobody listens', () => {
    const { client, statuses } = twoHosts({ client: ['iperf3 -c 10.0.0.2'] });
    expect(client[1]).toBe('iperf3: error - unable to connect to server: Connection refused');
    expect(statuses).toEqual([1]);
  });
});

describe('nc and small commands', () => {
  it('carries the input of a pipe to the other host', () => {
    const printed = twoHosts({ client: ["echo 'one two' | nc -N 10.0.0.2 7000"], server: ['nc -l 7000'] });
    expect(printed).toMatchObject({ server: ['one two'], client: [], statuses: [0, 0] });
  });

  it('answers', () => {
    expect(twoHosts({ client: ['echo | nc -N 10.0.0.2 7000'], server: ['hostname | nc -N -l 7000'] }).client).toEqual(['server']);
  });

  it('sends datagrams', () => {
    expect(twoHosts({ client: ['echo hello | nc -u -w 1 10.0.0.2 7000'], server: ['nc -u -l -w 1 7000'] }).server).toEqual(['hello']);
  });

  it('knows a refused connection', () => {
    expect(twoHosts({ client: ['nc -zv 10.0.0.2 7000'] })).toMatchObject({
      client: ['nc: connect to 10.0.0.2 port 7000 (tcp) failed: Connection refused'],
      statuses: [1],
    });
  });

  it('waits, prints and filters', () => {
    const printed = twoHosts({
      client: ['sleep 0.05', 'cat /proc/sys/net/ipv4/tcp_sack', 'cat /proc/nothing', 'cat /proc/net/dev | grep eth0'],
    });
    expect(printed.client.slice(0, 2)).toEqual(['1', 'cat: /proc/nothing: No such file or directory']);
    expect(printed.client[2]).toMatch(/^ {2}eth0:/);
    expect(printed.statuses).toEqual([0, 0, 1, 0]);
  });

  it('are joined by && and || and ;, and a failure that is allowed for ends nothing', () => {
    const printed = twoHosts({
      clientSetup: ['tc qdisc del dev eth0 root || true', 'ip route del 10.9.0.0/16 || sysctl net.no.such || true; true'],
      client: [
        'true && echo yes || echo no',
        'false && echo yes || echo no',
        'false || echo "a || b" | cat; echo done;',
        'false; true && false',
        'echo one;echo two&&echo three',
      ],
    });
    expect(printed.client).toEqual(['yes', 'no', 'a || b', 'done', 'one', 'two', 'three']);
    expect(printed.statuses).toEqual([0, 0, 0, 1, 0]);
    expect(() => twoHosts({ client: ['true &&'] })).toThrow(/unknown command ""/);
  });

  it('are refused before anything runs when they do not exist', () => {
    expect(() => twoHosts({ client: ['pnig 10.0.0.2'] })).toThrow(/unknown command "pnig".*did you mean "ping"\?/);
  });
});
