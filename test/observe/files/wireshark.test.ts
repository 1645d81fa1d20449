/** What others make of our files: Wireshark (as WebAssembly, always) and tshark, capinfos, tcpdump (where they are installed). */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCapture } from '../../../src/observe/files/capture_reader.ts';
import { PcapWriter } from '../../../src/observe/files/pcap_writer.ts';
import { PcapngWriter } from '../../../src/observe/files/pcapng_writer.ts';
import { blockOf } from '../../../src/sim/byte_heap.ts';
import { openWireshark, type Wireshark } from '../../support/wireshark.ts';
import { buffersOf, temporaryDirectory } from './hand_made.ts';

const RECORDING = fileURLToPath(new URL('../../../captures/linux/s10-udp.wire.pcap', import.meta.url));
const IN = 1;
const OUT = 2;

let wireshark: Wireshark;
beforeAll(async () => {
  wireshark = await openWireshark();
});
afterAll(() => wireshark.close());

function recordedFrames(): Uint8Array[] {
  const reader = openCapture(RECORDING);
  const frames: Uint8Array[] = [];
  for (let packet = reader.next(); packet !== null; packet = reader.next()) frames.push(packet.bytes().slice());
  reader.close();
  return frames;
}

/** A file with everything that we can write. */
function writeExample(path: string): number {
  const writer = new PcapngWriter(path, { os: 'Linux 6.18', hardware: 'two cores', application: 'truewire 0.1', comment: 'an example' });
  const a = writer.addInterface({
    name: 'a.eth0',
    description: 'A, on the wire',
    mac: Uint8Array.of(2, 0, 0, 0, 10, 1),
    ipv4: [{ address: 0x0a000001, prefixLength: 24 }],
    speedBps: 1e9,
    filter: 'not port 22',
    os: 'Linux 6.18',
    hardware: '82576',
    fcsLength: 0,
  });
  const b = writer.addInterface({ name: 'b.eth0', speedBps: 1e9 });
  writer.addNames([
    { address: 0x0a000001, name: 'alice' },
    { address: 0x0a000002, name: 'bob' },
  ]);
  const frames = recordedFrames();
  frames.forEach((frame, i) => {
    const isA = frame[10] === 0x0a;
    writer.packet(
      isA ? a : b,
      1_000_000_001 * i,
      blockOf(frame),
      0,
      frame.length,
      frame.length,
      isA ? OUT : IN,
      1000 + i,
      i % 4,
      0xcafe0000 + i,
      i === 2 ? 'the first datagram' : null,
    );
  });
  const super_ = frames[2]!;
  writer.beginPacket(a, 20_000_000_123, 100, super_.length);
  writer.append(blockOf(super_), 0, 14);
  writer.append(blockOf(super_), 14, 86);
  writer.dropCount(3);
  writer.verdict('xdp', 2);
  writer.comment('cut');
  writer.customOption(10949, blockOf(tcpInfo()));
  writer.endPacket(OUT | (1 << 9) | (1 << 11), -1, -1, -1, 'to 100 bytes');
  writer.setStatistics(a, { received: 99, dropped: 3, osDropped: 1 });
  writer.close(21_000_000_000);
  return frames.length + 1;
}

/** The TCP state option that Wireshark decodes: type 2, then 268 bytes of which snd_cwnd lies at 80. */
function tcpInfo(): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(4 + 268));
  bytes.setUint32(0, 2, true);
  bytes.setUint32(4 + 80, 14480, true);
  return new Uint8Array(bytes.buffer);
}

describe('Wireshark', () => {
  it('shows all that a pcapng file of ours tells', () => {
    const path = join(temporaryDirectory(), 'example.pcapng');
    const count = writeExample(path);
    const capture = wireshark.load(path);
    expect(capture.packetCount).toBe(count);
    expect(capture.fileType).toContain('pcapng');
    const frames = Array.from({ length: count - 1 }, (_, i) => i + 1);
    expect(frames.map((n) => capture.field(n, 'frame.time_epoch')[0])).toEqual(
      frames.map((n) => `${1767225600 + n - 1}.${String(n - 1).padStart(9, '0')}`),
    );
    expect(frames.map((n) => capture.field(n, 'frame.packet_id')[0])).toEqual(frames.map((n) => `${999 + n}`));
    expect(frames.map((n) => capture.field(n, 'frame.interface_queue')[0])).toEqual(frames.map((n) => `${(n - 1) % 4}`));
    expect(capture.filter('frame.packet_flags_direction == 2 && eth.src == 02:00:00:00:0a:01 && frame.interface_name == "a.eth0"')).toEqual(
      [1, 3, 4, 5, 9, 11, 13],
    );
    expect(capture.filter('frame.packet_flags_direction == 1 && frame.interface_name == "b.eth0"')).toEqual([2, 6, 7, 8, 10, 12]);
    expect(capture.filter('frame.comment')).toEqual([3, 13]);
    expect(capture.field(3, 'frame.comment')).toEqual(['the first datagram']);
    expect(capture.field(13, 'frame.comment')).toEqual(['cut', 'to 100 bytes']);
    expect(capture.field(3, 'frame.interface_description')).toEqual(['A, on the wire']);
    expect(capture.field(5, 'frame.hash.value').map((value) => value.replaceAll(':', ''))).toEqual(['cafe0004']);
    expect(capture.filter('frame.drop_count == 3 && frame.verdict.ebpf_xdp == 2 && frame.bblog.snd_cwnd == 14480')).toEqual([13]);
    expect(capture.filter('frame.cap_len < frame.len')).toEqual([13]);
  });

  it('accepts a classic pcap of ours, with exact nanoseconds', () => {
    const path = join(temporaryDirectory(), 'a.pcap');
    const writer = new PcapWriter(path);
    for (const [i, frame] of recordedFrames().entries()) writer.packet(123_456_789 * i, blockOf(frame), 0, frame.length, frame.length);
    writer.close();
    const capture = wireshark.load(path);
    expect(capture.packetCount).toBe(12);
    expect(capture.field(12, 'frame.time_epoch')).toEqual(['1767225601.358024679']);
    // Wireshark shows a fragmented datagram at its last fragment: it could put it together and found its checksum right.
    expect(capture.filter('udp.checksum.status == "Good" && !icmp')).toEqual([5, 8, 9, 11]);
  });

  it('accepts a file whose writer is still at work', () => {
    const path = join(temporaryDirectory(), 'a.pcapng');
    const writer = new PcapngWriter(path, { buffers: buffersOf(4000) });
    const id = writer.addInterface({ name: 'eth0' });
    const frames = recordedFrames();
    for (let i = 0; i < 40; i++)
      writer.packet(id, i, blockOf(frames[i % 12]!), 0, frames[i % 12]!.length, frames[i % 12]!.length, 0, -1, -1, -1, null);
    const { packetCount } = wireshark.load(path);
    expect(packetCount).toBeGreaterThan(30);
    expect(packetCount).toBeLessThan(40);
    writer.close();
    expect(wireshark.load(path).packetCount).toBe(40);
  });

  it('does not accept what is damaged, and says so', () => {
    const path = join(temporaryDirectory(), 'example.pcapng');
    writeExample(path);
    expect(() => wireshark.load(Buffer.from('no capture'))).toThrow('Wireshark does not accept the capture');
    expect(() => wireshark.load(path).filter('frame.no_such_field == 1')).toThrow('frame.no_such_field');
  });
});

function installed(tool: string): boolean {
  return spawnSync(tool, ['--version']).error === undefined;
}

function run(tool: string, ...args: string[]): string {
  return execFileSync(tool, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, TZ: 'UTC' } });
}

it.runIf(installed('tshark'))('tshark reads the same', () => {
  const path = join(temporaryDirectory(), 'example.pcapng');
  const count = writeExample(path);
  const fields = [
    'frame.time_epoch',
    'frame.packet_id',
    'frame.interface_queue',
    'frame.interface_name',
    'frame.comment',
    'frame.drop_count',
  ];
  const lines = run('tshark', '-r', path, '-T', 'fields', '-E', 'separator=;', ...fields.flatMap((field) => ['-e', field]))
    .trimEnd()
    .split('\n');
  expect(lines).toHaveLength(count);
  expect(lines[2]).toBe('1767225602.000000002;1002;2;a.eth0;the first datagram;');
  expect(lines[12]).toBe('1767225620.000000123;;;a.eth0;cut,to 100 bytes;3');
});

it.runIf(installed('tshark'))('tshark resolves addresses with our names', () => {
  const path = join(temporaryDirectory(), 'example.pcapng');
  writeExample(path);
  expect(
    run(
      'tshark',
      '-r',
      path,
      '-N',
      'n',
      '-Y',
      'frame.number == 3',
      '-T',
      'fields',
      '-e',
      '_ws.col.Source',
      '-e',
      '_ws.col.Destination',
    ).trim(),
  ).toBe('alice\tbob');
});

it.runIf(installed('capinfos'))('capinfos counts packets, interfaces and statistics', () => {
  const path = join(temporaryDirectory(), 'example.pcapng');
  writeExample(path);
  const told = run('capinfos', path);
  for (const expected of [
    'Wireshark/... - pcapng',
    'nanoseconds (9)',
    'Number of packets:   13',
    'Capture hardware:    two cores',
    'Capture oper-sys:    Linux 6.18',
    'Capture application: truewire 0.1',
    'Capture comment:     an example',
    'Number of interfaces in file: 2',
    'Name = a.eth0',
    'Description = A, on the wire',
    'Speed = 1000000000',
    'Hardware = 82576',
    'Filter string = not port 22',
    'Number of stat entries = 1',
    'Number of resolved IPv4 addresses in file: 2',
  ]) {
    expect(told).toContain(expected);
  }
});

it.runIf(installed('tcpdump'))('tcpdump reads both formats', () => {
  const directory = temporaryDirectory();
  const pcapng = join(directory, 'example.pcapng');
  writeExample(pcapng);
  const pcap = join(directory, 'a.pcap');
  const writer = new PcapWriter(pcap);
  const frame = recordedFrames()[2]!;
  writer.packet(2_000_000_002, blockOf(frame), 0, frame.length, frame.length);
  writer.close();
  const line = '1767225602.000000002 IP 10.0.0.1.9001 > 10.0.0.2.9000: UDP, length 4000';
  const read = (path: string) => run('tcpdump', '--time-stamp-precision=nano', '-tt', '-nn', '-r', path).trimEnd().split('\n');
  expect(read(pcapng)).toHaveLength(13);
  expect(read(pcapng)[2]).toBe(line);
  expect(read(pcap)).toEqual([line]);
});
