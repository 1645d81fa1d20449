import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { compileFilter } from '../../../src/observe/capture/filter/filter_parse.ts';
import { openCapture } from '../../../src/observe/files/capture_reader.ts';

const recording = (name: string): string => fileURLToPath(new URL(`../../../captures/linux/${name}.pcap`, import.meta.url));

/** Numbers of the frames that a filter takes. */
function taken(name: string, filter: string): number[] {
  const program = compileFilter(filter);
  const reader = openCapture(recording(name));
  const numbers: number[] = [];
  for (let i = 1, packet = reader.next(); packet !== null; packet = reader.next(), i++) {
    const bytes = packet.bytes();
    if (program.matches(bytes, 0, bytes.length, packet.original)) numbers.push(i);
  }
  reader.close();
  return numbers;
}

/** What tcpdump prints of the frames it takes: with absolute sequence numbers, so that a line does not depend on the others. */
function tcpdump(name: string, filter: string): string[] {
  const output = execFileSync('tcpdump', ['-nn', '-S', '-r', recording(name), filter], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return output.split('\n').filter((line) => line !== '');
}

const FILTERS = [
  '', 'arp', 'tcp', 'udp', 'icmp', 'ip', 'ip6', 'not arp', 'host 10.0.0.1', 'src host 10.0.0.2', 'dst 10.0.0.2', 'src 10.0.0.1 and dst 10.0.0.2',
  'net 10.0.0.0/24', 'net 10.0.0', 'net 10', 'src net 192.168.0.0/16', 'dst net 10.0.0.0 mask 255.255.255.0', 'port 5001', 'tcp port 5001', 'udp port 5001',
  'tcp src port 5001', 'dst port 5001 or 9000', 'port 5001 or 9000 or 9999', 'portrange 9000-9001', 'udp portrange 9000-9999', 'src portrange 1-9001',
  'ether host 02:00:00:00:0a:01', 'ether src 02:00:00:00:0b:01', 'ether dst ff:ff:ff:ff:ff:ff', 'ether broadcast', 'broadcast', 'multicast', 'ether proto 0x806',
  'ip proto 17', 'proto 1', 'less 60', 'greater 100', 'len > 100', 'len <= 66', 'tcp[tcpflags] & (tcp-syn|tcp-fin) != 0',
  'tcp[13] & 2 != 0', 'tcp[tcpflags] == tcp-syn', '(tcp[tcpflags] & tcp-push) != 0 and not src port 5001', 'ip[6:2] & 0x1fff != 0', 'ip[8] = 64',
  'icmp[icmptype] == icmp-unreach', 'icmp[0] = 3 and icmp[1] = 3', 'udp[4:2] > 1000', 'tcp[4:4] != 0', 'ether[12:2] == 0x0806', 'ip[2:2] + 14 == len',
  'arp or icmp and host 10.0.0.2', 'tcp or udp and port 9000', 'not (tcp or arp)', 'not tcp and not arp', '!udp', 'tcp && !(dst port 5001)', 'arp host 10.0.0.2',
  'tcp port 5001 and (tcp[12] >> 4) * 4 > 20', 'ip[0] & 0xf != 5', 'tcp[((tcp[12] & 0xf0) >> 2):4] != 0', 'src or dst port 9999', 'src and dst net 10.0.0.0/8',
  'udp[200] = 1', 'ip broadcast', 'ip multicast', 'vlan', 'sctp', 'tcp[2:2] % 2 = 1', '1 = 1', 'udp and len - 42 >= 100',
]; // biome-ignore format: a list

const tcpdumpThere = spawnSync('tcpdump', ['--version']).error === undefined;

describe.runIf(tcpdumpThere)('filters take the frames that tcpdump takes', () => {
  it.each(['s01-handshake-echo.wire', 's10-udp.wire', 's09-refused-unreachable.wire'])(
    '%s',
    (name) => {
      const all = tcpdump(name, '');
      for (const filter of FILTERS) {
        const ours = taken(name, filter).map((number) => all[number - 1]);
        expect(ours, filter).toEqual(tcpdump(name, filter));
      }
    },
    60_000,
  );
});

describe('a filter that cannot be read says where', () => {
  it.each([
    ['tcp prot 80', 'column 5: read "prot", expected an address, host, net, port, portrange or proto'],
    ['port http', 'column 6: read "http", expected a port number'],
    ['port 70000', 'column 6: read "70000", expected a port number up to 65535'],
    ['host 10.0.0', 'column 6: read "10.0.0", expected an IPv4 address'],
    ['host', 'column 5: read the end of the filter, expected an address, host, net, port, portrange or proto'],
    ['net 10.0.0.1/24', 'column 5: read "10.0.0.1/24", expected a network whose host bits are 0'],
    [
      'tcp and',
      'column 8: read the end of the filter, expected a host, net, port, portrange or protocol, such as host 10.0.0.1 or tcp port 80',
    ],
    ['(tcp or udp', 'column 12: read the end of the filter, expected ")"'],
    ['tcp udp', 'column 5: read "udp", expected an address, host, net, port, portrange or proto'],
    ['tcp[13 & 2 != 0', 'column 12: read "!=", expected "]"'],
    ['ip[2:3] = 1', 'column 6: read "3", expected 1, 2 or 4'],
    ['tcp $', 'column 5: read "$", expected a word, a number or a sign'],
    ['ether host 10.0.0.1', 'column 12: read "10.0.0.1", expected a MAC address such as 02:00:00:00:01:01'],
  ])('%s', (filter, message) => {
    expect(() => compileFilter(filter)).toThrow(message);
  });
});
