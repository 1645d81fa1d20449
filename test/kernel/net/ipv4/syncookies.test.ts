import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tcp_options_received } from '../../../../src/kernel/include/linux/tcp.ts';
import { ip_hdr } from '../../../../src/kernel/include/net/ip.ts';
import {
  __cookie_v4_check,
  cookie_init_timestamp,
  cookie_timestamp_decode,
  cookie_v4_init_sequence,
  tcp_synq_no_recent_overflow,
  tcp_synq_overflow,
} from '../../../../src/kernel/net/ipv4/syncookies.ts';
import { TCP_LISTEN } from '../../../../src/kernel/uapi/tcp.ts';
import { BareKernel, ip } from './bare_kernel.ts';
import { type Segment, segment } from './segments.ts';

const ends = { from: [ip(2), 1234] as const, to: [ip(1), 80] as const };
const cookieFor = (bare: BareKernel, seq: number, mss: number): { isn: number; mss: number } =>
  bare.run(() => {
    const said = { value: mss };
    const isn = cookie_v4_init_sequence(segment({ seq, flags: 'S', ...ends }).skb, said);
    return { isn, mss: said.value };
  });
const check = (bare: BareKernel, fields: Segment): number =>
  bare.run(() => {
    const { skb, th } = segment(fields);
    return __cookie_v4_check(ip_hdr(skb), th);
  });

describe('a SYN cookie', () => {
  it('brings back the segment size, rounded down to one of four', () => {
    const bare = new BareKernel();
    const sizes = fc.record({ seq: fc.integer({ min: 0, max: 0xffff_ffff }), mss: fc.integer({ min: 100, max: 9000 }) });
    fc.assert(
      fc.property(sizes, ({ seq, mss }) => {
        const cookie = cookieFor(bare, seq, mss);
        const expected = [1460, 1440, 1300, 536].find((size) => mss >= size) ?? 536;
        expect(cookie.mss).toBe(expected);
        expect(check(bare, { seq: (seq + 1) >>> 0, ack: (cookie.isn + 1) >>> 0, flags: '.', ...ends })).toBe(expected);
      }),
      { numRuns: 200 },
    );
  });

  it('is good for two minutes at most', () => {
    const bare = new BareKernel();
    const { isn } = cookieFor(bare, 77, 1460);
    const ack = { seq: 78, ack: isn + 1, flags: '.', ...ends };
    bare.until(60);
    expect(check(bare, ack)).toBe(1460);
    bare.until(121);
    expect(check(bare, ack)).toBe(0);
  });

  it('is not accepted from somebody else, nor by another host', () => {
    const bare = new BareKernel();
    const { isn } = cookieFor(bare, 77, 1460);
    const ack = { seq: 78, ack: isn + 1, flags: '.', ...ends };
    expect(check(bare, { ...ack, from: [ip(3), 1234] })).toBe(0);
    expect(check(bare, { ...ack, from: [ip(2), 1235] })).toBe(0);
    expect(check(bare, { ...ack, seq: 178 })).toBe(0);
    expect(check(new BareKernel(2), ack)).toBe(0);
  });

  it('hides the options in a timestamp that lies in the past, by less than 128 ms', () => {
    const bare = new BareKernel();
    const options = fc.record({
      now: fc.integer({ min: 1_000_000_000, max: 2 ** 45 }),
      wscale_ok: fc.boolean(),
      snd_wscale: fc.integer({ min: 0, max: 14 }),
      sack_ok: fc.boolean(),
    });
    fc.assert(
      fc.property(options, ({ now, ...agreed }) => {
        const req = Object.assign(bare.request(bare.socket()), agreed);
        const ms = cookie_init_timestamp(req, now) / 1e6;
        expect(ms).toBeLessThanOrEqual(now / 1e6);
        expect(now / 1e6 - ms).toBeLessThan(129);
        const opt = Object.assign(new tcp_options_received(), { saw_tstamp: true, rcv_tsecr: ms >>> 0 });
        expect(cookie_timestamp_decode(bare.network, opt)).toBe(true);
        expect(opt.sack_ok !== 0).toBe(agreed.sack_ok);
        expect(opt.wscale_ok).toBe(agreed.wscale_ok);
        if (agreed.wscale_ok) expect(opt.snd_wscale).toBe(agreed.snd_wscale);
      }),
    );
  });

  it('is believed only for a while after cookies were sent', () => {
    const bare = new BareKernel();
    const listener = bare.socket({ skc_state: TCP_LISTEN });
    expect(bare.run(() => tcp_synq_no_recent_overflow(listener))).toBe(true);
    bare.run(() => tcp_synq_overflow(listener));
    bare.until(119);
    expect(bare.run(() => tcp_synq_no_recent_overflow(listener))).toBe(false);
    bare.until(121);
    expect(bare.run(() => tcp_synq_no_recent_overflow(listener))).toBe(true);
  });
});
