import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openCapture } from '../../src/observe/files/capture_reader.ts';
import { describeAll, describeFrame, parse } from './packet.ts';

function recording(name: string): string {
  return fileURLToPath(new URL(`../../captures/linux/${name}.pcap`, import.meta.url));
}

function frames(name: string): Uint8Array[] {
  const reader = openCapture(recording(name));
  const list: Uint8Array[] = [];
  for (let packet = reader.next(); packet !== null; packet = reader.next()) list.push(packet.bytes().slice());
  reader.close();
  return list;
}

describe('a frame in one line', () => {
  it('of a real connection', () => {
    expect(describeAll(frames('s01-handshake-echo.wire'))).toMatchInlineSnapshot(`
      [
        "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28",
        "ARP, Reply 10.0.0.2 is-at 02:00:00:00:0b:01, length 28",
        "10.0.0.1.50186 > 10.0.0.2.5001: Flags [S], seq 2911827321, win 64240, options [mss 1460,sackOK,TS val 984075985 ecr 0,nop,wscale 8], length 0",
        "10.0.0.2.5001 > 10.0.0.1.50186: Flags [S.], seq 3033288891, ack 2911827322, win 65160, options [mss 1460,sackOK,TS val 3353286071 ecr 984075985,nop,wscale 8], length 0",
        "10.0.0.1.50186 > 10.0.0.2.5001: Flags [.], ack 1, win 251, options [nop,nop,TS val 984075985 ecr 3353286071], length 0",
        "10.0.0.1.50186 > 10.0.0.2.5001: Flags [P.], seq 1:101, ack 1, win 251, options [nop,nop,TS val 984075985 ecr 3353286071], length 100",
        "10.0.0.2.5001 > 10.0.0.1.50186: Flags [.], ack 101, win 255, options [nop,nop,TS val 3353286072 ecr 984075985], length 0",
        "10.0.0.2.5001 > 10.0.0.1.50186: Flags [P.], seq 1:101, ack 101, win 255, options [nop,nop,TS val 3353286072 ecr 984075985], length 100",
        "10.0.0.1.50186 > 10.0.0.2.5001: Flags [.], ack 101, win 251, options [nop,nop,TS val 984075986 ecr 3353286072], length 0",
        "10.0.0.1.50186 > 10.0.0.2.5001: Flags [F.], seq 101, ack 101, win 251, options [nop,nop,TS val 984076007 ecr 3353286072], length 0",
        "10.0.0.2.5001 > 10.0.0.1.50186: Flags [F.], seq 101, ack 102, win 255, options [nop,nop,TS val 3353286093 ecr 984076007], length 0",
        "10.0.0.1.50186 > 10.0.0.2.5001: Flags [.], ack 102, win 251, options [nop,nop,TS val 984076007 ecr 3353286093], length 0",
      ]
    `);
  });

  it('of UDP, fragments and ICMP', () => {
    expect(describeAll(frames('s10-udp.wire'))).toMatchInlineSnapshot(`
      [
        "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28",
        "ARP, Reply 10.0.0.2 is-at 02:00:00:00:0b:01, length 28",
        "10.0.0.1.9001 > 10.0.0.2.9000: UDP, length 4000",
        "10.0.0.1 > 10.0.0.2: ip-proto-17",
        "10.0.0.1 > 10.0.0.2: ip-proto-17",
        "10.0.0.2.9000 > 10.0.0.1.9001: UDP, length 4000",
        "10.0.0.2 > 10.0.0.1: ip-proto-17",
        "10.0.0.2 > 10.0.0.1: ip-proto-17",
        "10.0.0.1.42324 > 10.0.0.2.9999: UDP, length 100",
        "10.0.0.2 > 10.0.0.1: ICMP 10.0.0.2 udp port 9999 unreachable, length 136",
        "10.0.0.1.42324 > 10.0.0.2.9999: UDP, length 100",
        "10.0.0.2 > 10.0.0.1: ICMP 10.0.0.2 udp port 9999 unreachable, length 136",
      ]
    `);
  });

  it('tells wrong checksums', () => {
    const frame = frames('s01-handshake-echo.wire')[5]!;
    frame[60]! ^= 1;
    expect(describeFrame(frame)).toMatch(
      /Flags \[P\.\], seq \d+:\d+, ack \d+, win 251, options \[nop,nop,TS val .*\], length 100 \(bad tcp cksum\)$/,
    );
    frame[24]! ^= 1;
    expect(describeFrame(frame)).toMatch(/\(bad ip cksum\) \(bad tcp cksum\)$/);
    const unreachable = frames('s10-udp.wire')[9]!;
    unreachable[45]! ^= 1;
    expect(describeFrame(unreachable)).toMatch(/\(bad icmp cksum\)$/);
  });

  it('of odd ones', () => {
    const announcement = frames('s01-handshake-echo.wire')[0]!;
    announcement.copyWithin(38, 28, 32);
    expect(describeFrame(announcement)).toBe('ARP, Announcement 10.0.0.1, length 28');
    announcement.fill(0, 28, 32);
    expect(describeFrame(announcement)).toBe('ARP, Probe 10.0.0.1, length 28');
    announcement[12] = 0x88;
    announcement[13] = 0xcc;
    expect(describeFrame(announcement)).toBe('02:00:00:00:0a:01 > ff:ff:ff:ff:ff:ff, ethertype 0x88cc');
  });
});

it('a parsed frame can be matched field by field', () => {
  expect(parse(frames('s01-handshake-echo.wire')[3]!)).toMatchObject({
    source: '02:00:00:00:0b:01',
    ip: { source: '10.0.0.2', destination: '10.0.0.1', ttl: 64, dontFragment: true, checksumOk: true },
    tcp: { sourcePort: 5001, flags: 'S.', window: 65160, options: { mss: 1460, windowScale: 8, sackPermitted: true }, checksumOk: true },
  });
});

const tcpdumpThere = spawnSync('tcpdump', ['--version']).error === undefined;

it
  .runIf(tcpdumpThere)
  .each(['s01-handshake-echo.wire', 's01-handshake-echo.B', 's09-refused-unreachable.wire', 's10-udp.wire', 's16-half-close.B'])(
  'tcpdump describes %s the same',
  (name) => {
    const output = execFileSync('tcpdump', ['-nn', '-t', '-r', recording(name)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const theirs = output
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/^IP /, ''));
    expect(describeAll(frames(name), false)).toEqual(theirs);
  },
);
