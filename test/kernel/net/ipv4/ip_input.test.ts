import { describe, expect, it } from 'vitest';
import { drop_reasons } from '../../../../src/kernel/include/net/dropreason.ts';
import { snmp4_ipstats_list } from '../../../../src/kernel/uapi/snmp.ts';
import { bytes, type Host, PROTO, pair } from './lan.ts';

/** A datagram of 40 bytes payload as a sends it to b, before damage. */
function sample(): { lan: ReturnType<typeof pair>['lan']; b: Host; frame: Uint8Array } {
  const { lan, a, b } = pair();
  a.send('10.0.0.2', bytes(40));
  lan.elapse(0.01);
  const frame = lan.frames.find(({ bytes: each }) => each[23] === PROTO)!.bytes.slice();
  b.received.length = 0;
  b.drops.length = 0;
  b.network.mib.ip_statistics.fill(0);
  return { lan, b, frame };
}

function fixChecksum(frame: Uint8Array): void {
  const view = new DataView(frame.buffer);
  view.setUint16(24, 0);
  let sum = 0;
  for (let at = 14; at < 14 + (frame[14]! & 15) * 4; at += 2) sum += view.getUint16(at);
  sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(24, ~((sum & 0xffff) + (sum >>> 16)));
}

/** What becomes of a frame: `delivered`, or the drop reason, and the counters that moved. */
function fate(damage: (frame: Uint8Array, view: DataView) => Uint8Array | undefined, options: { fix?: boolean } = {}): string {
  const { lan, b, frame } = sample();
  const made = damage(frame, new DataView(frame.buffer)) ?? frame;
  if (options.fix !== false) fixChecksum(made);
  lan.inject(b, 'eth0', made);
  lan.elapse(0.01);
  const counters = snmp4_ipstats_list.filter((name, i) => b.network.mib.ip_statistics[i]! > 0 && !/Octets|NoECT|ECT/.test(name));
  const result =
    b.received.length > 0 ? `delivered ${b.received[0]!.length}` : b.drops.map((reason) => drop_reasons[Number(reason)]).join();
  expect(b.close()).toBe(0);
  return `${result}: ${counters.join(' ')}`;
}

describe('ip_rcv', () => {
  it('delivers what is sound, without the padding of the link', () => {
    expect(fate(() => undefined)).toBe('delivered 40: InReceives InDelivers');
    expect(fate((frame) => Uint8Array.from([...frame, 1, 2, 3, 4, 5, 6]))).toBe('delivered 40: InReceives InDelivers');
  });

  it('skips options', () => {
    const withOption = fate((frame) => {
      const longer = Uint8Array.from([...frame.subarray(0, 34), 1, 1, 1, 1, ...frame.subarray(34)]);
      longer[14] = 0x46;
      longer[17] = longer[17]! + 4;
      return longer;
    });
    expect(withOption).toBe('delivered 40: InReceives InDelivers');
  });

  it('drops what is broken, each for its reason', () => {
    const cases: Record<string, string> = {
      version: fate((frame) => void (frame[14] = 0x55)),
      'header length': fate((frame) => void (frame[14] = 0x44)),
      checksum: fate((frame) => void (frame[24] = frame[24]! ^ 1), { fix: false }),
      truncated: fate((frame) => frame.slice(0, 60)),
      'length below header': fate((_frame, view) => void view.setUint16(16, 19)),
      'other host': fate((frame) => void (frame[5] = frame[5]! ^ 0x40)),
      'multicast source': fate((_frame, view) => void view.setUint32(26, 0xe0000001)),
      'broadcast source': fate((_frame, view) => void view.setUint32(26, 0xffffffff)),
      'source zero': fate((_frame, view) => void view.setUint32(26, 5)),
      'loopback source': fate((_frame, view) => void view.setUint32(26, 0x7f000001)),
      'loopback destination': fate((_frame, view) => void view.setUint32(30, 0x7f000001)),
      'own source': fate((_frame, view) => void view.setUint32(26, 0x0a000002)),
      'not ours': fate((_frame, view) => void view.setUint32(30, 0x0a000003)),
      protocol: fate((frame) => void (frame[23] = 200)),
    };
    expect(cases).toEqual({
      version: 'IP_INHDR: InReceives InHdrErrors',
      'header length': 'IP_INHDR: InReceives InHdrErrors',
      checksum: 'IP_CSUM: InReceives InHdrErrors InCsumErrors',
      truncated: 'PKT_TOO_SMALL: InReceives InTruncatedPkts',
      'length below header': 'IP_INHDR: InReceives InHdrErrors',
      'other host': 'OTHERHOST: ',
      'multicast source': 'IP_INVALID_SOURCE: InReceives',
      'broadcast source': 'IP_INVALID_SOURCE: InReceives',
      'source zero': 'delivered 40: InReceives InDelivers',
      'loopback source': 'IP_LOCALNET: InReceives',
      'loopback destination': 'IP_LOCALNET: InReceives',
      'own source': 'IP_LOCAL_SOURCE: InReceives',
      'not ours': 'IP_INADDRERRORS: InReceives InAddrErrors',
      protocol: 'IP_NOPROTO: InReceives InUnknownProtos OutRequests OutTransmits',
    });
  });

  it('counts ECN marks', () => {
    const { lan, b, frame } = sample();
    for (const tos of [0, 1, 2, 3, 3]) {
      const marked = frame.slice();
      marked[15] = tos;
      fixChecksum(marked);
      lan.inject(b, 'eth0', marked);
    }
    lan.elapse(0.01);
    const counter = (name: string): number => b.network.mib.ip_statistics[snmp4_ipstats_list.indexOf(name)]!;
    expect(['InNoECTPkts', 'InECT1Pkts', 'InECT0Pkts', 'InCEPkts'].map(counter)).toEqual([1, 1, 1, 2]);
  });
});
