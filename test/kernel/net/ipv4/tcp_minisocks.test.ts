import { describe, expect, it } from 'vitest';
import { SKB_DROP_REASON_TCP_RFC7323_TW_PAWS } from '../../../../src/kernel/include/net/dropreason.ts';
import type { inet_timewait_sock } from '../../../../src/kernel/include/net/inet_timewait_sock.ts';
import {
  TCP_TW_ACK,
  TCP_TW_ACK_OOW,
  TCP_TW_RST,
  TCP_TW_SUCCESS,
  TCP_TW_SYN,
} from '../../../../src/kernel/include/net/inet_timewait_sock.ts';
import { inet_hash_connect } from '../../../../src/kernel/net/ipv4/inet_hashtables.ts';
import { inet_twsk_alloc, inet_twsk_hashdance_schedule } from '../../../../src/kernel/net/ipv4/inet_timewait_sock.ts';
import { tcp_timewait_state_process } from '../../../../src/kernel/net/ipv4/tcp_minisocks_tw.ts';
import { LINUX_MIB_PAWS_TW_REJECTED, LINUX_MIB_TCPACKSKIPPEDTIMEWAIT } from '../../../../src/kernel/uapi/snmp.ts';
import { TCP_FIN_WAIT2, TCP_SYN_SENT, TCP_TIME_WAIT } from '../../../../src/kernel/uapi/tcp.ts';
import { BareKernel, ip } from './bare_kernel.ts';
import { type Segment, segment } from './segments.ts';

const RCV_NXT = 5000;
const SND_NXT = 9000;

class Waiting {
  readonly bare = new BareKernel();
  readonly tw: inet_timewait_sock;

  constructor(substate: number, fields: Partial<inet_timewait_sock> = {}) {
    const { bare } = this;
    this.tw = bare.run(() => {
      const sk = bare.socket({ skc_state: TCP_SYN_SENT, skc_rcv_saddr: ip(1), skc_daddr: ip(2), skc_dport: 80 });
      inet_hash_connect(sk);
      const tw = Object.assign(inet_twsk_alloc(sk, substate)!, { tw_rcv_nxt: RCV_NXT, tw_snd_nxt: SND_NXT, tw_rcv_wnd: 1000, ...fields });
      inet_twsk_hashdance_schedule(tw, sk, bare.network.tcp_hashinfo, 60 * 250);
      return tw;
    });
  }

  /** The verdict on a segment that comes at `seconds`. */
  receives(fields: Segment, seconds = 0): number {
    this.bare.until(seconds);
    return this.bare.run(() => {
      const { skb, th } = segment(fields);
      this.tw.skc_refcnt++;
      return tcp_timewait_state_process(this.tw, skb, th);
    });
  }

  get alive(): boolean {
    return this.tw.skc_hashed;
  }

  /** Jiffies until its end. */
  get remaining(): number {
    return this.bare.run(() => this.tw.tw_timer.expires - 2 ** 32 - Math.floor(this.bare.simulation.now / 4e6));
  }
}

const withStamps = { tw_ts_recent: 100, tw_ts_recent_stamp: 1 };

describe('TIME_WAIT', () => {
  it('answers a repeated FIN with an ACK and starts 2 MSL anew', () => {
    const waiting = new Waiting(TCP_TIME_WAIT);
    expect(waiting.receives({ seq: RCV_NXT - 1, ack: SND_NXT, flags: 'F.' }, 20)).toBe(TCP_TW_ACK_OOW);
    expect(waiting.remaining).toBe(60 * 250);
  });

  it('limits such ACKs to two a second', () => {
    const waiting = new Waiting(TCP_TIME_WAIT);
    const fin = { seq: RCV_NXT - 1, ack: SND_NXT, flags: '.' };
    expect(waiting.receives(fin, 1)).toBe(TCP_TW_ACK_OOW);
    expect(waiting.receives(fin, 1.1)).toBe(TCP_TW_SUCCESS);
    expect(waiting.bare.network.mib.net_statistics[LINUX_MIB_TCPACKSKIPPEDTIMEWAIT]).toBe(1);
    expect(waiting.receives(fin, 1.6)).toBe(TCP_TW_ACK_OOW);
  });

  it('swallows the last ACK and starts 2 MSL anew', () => {
    const waiting = new Waiting(TCP_TIME_WAIT);
    expect(waiting.receives({ seq: RCV_NXT, ack: SND_NXT, flags: '.' }, 20)).toBe(TCP_TW_SUCCESS);
    expect(waiting.alive).toBe(true);
    expect(waiting.remaining).toBe(60 * 250);
    expect(waiting.tw.skc_refcnt).toBe(3);
  });

  it('ends with a RST in its window', () => {
    const waiting = new Waiting(TCP_TIME_WAIT);
    expect(waiting.receives({ seq: RCV_NXT, flags: 'R' })).toBe(TCP_TW_SUCCESS);
    expect(waiting.alive).toBe(false);
    expect(waiting.tw.skc_refcnt).toBe(0);
  });

  it('does not end so with tcp_rfc1337', () => {
    const waiting = new Waiting(TCP_TIME_WAIT);
    waiting.bare.network.ipv4.sysctl_tcp_rfc1337 = 1;
    waiting.receives({ seq: RCV_NXT, flags: 'R' });
    expect(waiting.alive).toBe(true);
  });

  it('ignores a RST outside of its window', () => {
    const waiting = new Waiting(TCP_TIME_WAIT);
    expect(waiting.receives({ seq: RCV_NXT + 5, flags: 'R' })).toBe(TCP_TW_SUCCESS);
    expect(waiting.alive).toBe(true);
  });

  it('is reopened by a SYN with a higher number, with numbers beyond its own', () => {
    const waiting = new Waiting(TCP_TIME_WAIT);
    expect(waiting.receives({ seq: RCV_NXT + 1, flags: 'S' })).toBe(TCP_TW_SYN);
    expect(waiting.tw.newIsn).toBe(SND_NXT + 65535 + 2);
  });

  it('avoids the number 0', () => {
    const waiting = new Waiting(TCP_TIME_WAIT, { tw_snd_nxt: 2 ** 32 - 65537 });
    waiting.receives({ seq: RCV_NXT + 1, flags: 'S' });
    expect(waiting.tw.newIsn).toBe(1);
  });

  it('is not reopened by a SYN with a lower number, which does not prolong it either', () => {
    const waiting = new Waiting(TCP_TIME_WAIT);
    expect(waiting.receives({ seq: RCV_NXT - 100, flags: 'S' }, 20)).toBe(TCP_TW_ACK_OOW);
    expect(waiting.remaining).toBe(40 * 250);
  });

  it('is reopened by a lower number with a later timestamp', () => {
    const waiting = new Waiting(TCP_TIME_WAIT, withStamps);
    expect(waiting.receives({ seq: RCV_NXT - 100, flags: 'S', ts: [101, 0] })).toBe(TCP_TW_SYN);
  });

  it('rejects a SYN with an older timestamp', () => {
    const waiting = new Waiting(TCP_TIME_WAIT, withStamps);
    expect(waiting.receives({ seq: RCV_NXT + 100, flags: 'S', ts: [99, 0] })).toBe(TCP_TW_ACK_OOW);
    expect(waiting.tw.dropReason).toBe(SKB_DROP_REASON_TCP_RFC7323_TW_PAWS);
    expect(waiting.bare.network.mib.net_statistics[LINUX_MIB_PAWS_TW_REJECTED]).toBe(1);
  });
});

describe('FIN_WAIT2 without an owner', () => {
  it('becomes TIME_WAIT by the FIN', () => {
    const waiting = new Waiting(TCP_FIN_WAIT2, withStamps);
    expect(waiting.receives({ seq: RCV_NXT, ack: SND_NXT, flags: 'F.', ts: [123, 1] }, 20)).toBe(TCP_TW_ACK);
    expect(waiting.tw.tw_substate).toBe(TCP_TIME_WAIT);
    expect(waiting.tw.tw_rcv_nxt).toBe(RCV_NXT + 1);
    expect(waiting.tw.tw_ts_recent).toBe(123);
    expect(waiting.remaining).toBe(60 * 250);
  });

  it('refuses data, which nobody would read', () => {
    expect(new Waiting(TCP_FIN_WAIT2).receives({ seq: RCV_NXT, ack: SND_NXT, flags: 'P.', len: 10 })).toBe(TCP_TW_RST);
    expect(new Waiting(TCP_FIN_WAIT2).receives({ seq: RCV_NXT, ack: SND_NXT, flags: 'F.', len: 10 })).toBe(TCP_TW_RST);
    expect(new Waiting(TCP_FIN_WAIT2).receives({ seq: RCV_NXT, flags: 'S' })).toBe(TCP_TW_RST);
  });

  it('is silent about ACKs, answers what is out of window, and ends with a RST', () => {
    const waiting = new Waiting(TCP_FIN_WAIT2);
    expect(waiting.receives({ seq: RCV_NXT, ack: SND_NXT, flags: '.' })).toBe(TCP_TW_SUCCESS);
    expect(waiting.receives({ seq: RCV_NXT + 2000, ack: SND_NXT, flags: '.' })).toBe(TCP_TW_ACK_OOW);
    expect(waiting.alive).toBe(true);
    expect(waiting.receives({ seq: RCV_NXT, flags: 'R' })).toBe(TCP_TW_SUCCESS);
    expect(waiting.alive).toBe(false);
  });
});
