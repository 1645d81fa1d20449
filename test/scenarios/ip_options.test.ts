/** A connection whose packets carry IP options, through cards that cut large sends and compute checksums: a record of the route, there and back. */
import { expect, it } from 'vitest';
import { IP_OPTIONS } from '../../src/kernel/uapi/in.ts';
import { AF_INET, SHUT_WR, SOCK_STREAM, SOL_IP, SOL_TCP } from '../../src/kernel/uapi/socket.ts';
import { TCP_MAXSEG } from '../../src/kernel/uapi/tcp.ts';
import { openCapture } from '../../src/observe/files/capture_reader.ts';
import { loadTopology } from '../../src/topology/load.ts';
import { type Program, sockaddr } from '../../src/user/sys.ts';
import { parse } from '../support/packet.ts';
import { expectGoodEnd, runText } from './scenario.ts';

const BYTES = 200_000;
/** Room for five addresses: 23 octets, 24 in the header. */
const RECORD_ROUTE = Uint8Array.of(7, 23, 4, ...new Uint8Array(20));
const OPTIONS = 24;
const ETHERNET = 14;
const TIMESTAMPS = 12;

const TEXT = `
hosts:
  client: { interfaces: { eth0: 10.0.0.1/24 }, run: [ { program: client } ] }
  server:
    interfaces: { eth0: 10.0.0.2/24 }
    run: [ { script: "listen 5001\\naccept\\nrecvall\\nsend 5000\\nclose\\ncloselisten" } ]
wires: [ { between: [client.eth0, server.eth0], rate: 1Gbit, delay: 1ms } ]
capture: [ wire ]
`;

function client(seen: number[]): Program {
  return function* program(sys) {
    const data = Uint8Array.from({ length: BYTES }, (_, i) => i % 251);
    const fd = yield* sys.socket(AF_INET, SOCK_STREAM);
    seen.push(yield* sys.setsockopt(fd, SOL_IP, IP_OPTIONS, RECORD_ROUTE));
    yield* sys.connect(fd, sockaddr('10.0.0.2', 5001));
    seen.push(Number(yield* sys.getsockopt(fd, SOL_TCP, TCP_MAXSEG)));
    for (let done = 0; done < BYTES; ) done += yield* sys.send(fd, data, 0, done, BYTES - done);
    yield* sys.shutdown(fd, SHUT_WR);
    let received = 0;
    for (let count = 1; count > 0; received += count) count = yield* sys.recv(fd, new Uint8Array(4096));
    seen.push(received);
    yield* sys.close(fd);
    return 0;
  };
}

/** Of each TCP packet of a capture: source, recorded addresses, octets of IP, and whether both checksums are right. */
function packetsOf(path: string): { source: string; route: string; length: number; right: boolean }[] {
  const reader = openCapture(path);
  const packets = [];
  for (let packet = reader.next(); packet !== null; packet = reader.next()) {
    const bytes = packet.bytes().slice();
    const { ip, tcp } = parse(bytes);
    if (ip === null || tcp === null) continue;
    const right = ip.checksumOk && tcp.checksumOk === true && ip.headerLength === 20 + OPTIONS;
    packets.push({ source: ip.source, route: recordOf(bytes.subarray(ETHERNET + 20)), length: ip.totalLength, right });
  }
  reader.close();
  return packets;
}

/** The addresses in a record of the route. */
function recordOf(option: Uint8Array): string {
  const addresses = [];
  for (let at = 3; at < option[2]! - 1; at += 4) addresses.push(option.subarray(at, at + 4).join('.'));
  return addresses.join(' ');
}

it('carries them in every packet, there and back', () => {
  const seen: number[] = [];
  const path = loadTopology('options.yaml', TEXT).hosts.client!.run![0]!.program!;
  const outcome = runText('options.yaml', TEXT, { run: { programs: new Map([[path, client(seen)]]) } });
  expectGoodEnd(outcome);
  expect(seen).toEqual([0, 1460 - TIMESTAMPS - OPTIONS, 5000]);
  const packets = packetsOf(outcome.captures[0]!);
  expect(packets.filter(({ right }) => !right)).toEqual([]);
  const routes = (source: string): string[] => [...new Set(packets.filter((packet) => packet.source === source).map(({ route }) => route))];
  expect(routes('10.0.0.1')).toEqual(['10.0.0.1']);
  expect(routes('10.0.0.2')).toEqual(['10.0.0.1 10.0.0.2 10.0.0.2']);
  expect(Math.max(...packets.map(({ length }) => length))).toBe(1500);
});
