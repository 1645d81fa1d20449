/** include/trace/events/tcp.h */

import type { sk_buff } from '../../include/linux/skbuff.ts';
import { skb_transport_header } from '../../include/linux/skbuff.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import type { request_sock } from '../../include/net/request_sock.ts';
import { reset_reasons } from '../../include/net/rstreason.ts';
import type { sock } from '../../include/net/sock.ts';
import { sock_gen_cookie } from '../../net/core/sock_life.ts';
import { iphdr, tcphdr } from '../../uapi/in.ts';
import { named, symbolic, text } from '../print_argument.ts';
import type { EventSource, EventTable } from '../trace_event.ts';
import type { TraceRecord } from '../trace_record.ts';
import {
  AF_INET,
  ENDPOINT_ADDRESSES,
  ENDPOINT_ARGUMENTS,
  ENDPOINT_PORTS,
  ENDPOINT_PRINT,
  family,
  namedStates,
  putAddresses,
  putPorts,
  putSocketAddresses,
} from './common.ts';

/** A socket and its ends. */
const socketEvent: EventSource<[sk: sock]> = {
  fields: `const void * skaddr; ${ENDPOINT_PORTS}; ${ENDPOINT_ADDRESSES}; __u64 sock_cookie`,
  print: `family=%s ${ENDPOINT_PRINT} sock_cookie=%llx`,
  arguments: [family, ...ENDPOINT_ARGUMENTS, 'sock_cookie'],
  assign: (record, sk) => {
    record.pointer(sk);
    putPorts(record, sk);
    putAddresses(record, sk);
    record.u64(sock_gen_cookie(sk));
  },
};

const state = symbolic('state', namedStates);

/** A flag of the segment as a letter. */
const flag = (name: string, letter: string) =>
  text(`REC->${name} ? '${letter}' : ' '`, (record) => (record.number(name) !== 0 ? letter : ' '));

/** A segment whose signature is not as it should be. There is one namespace, whose cookie is 1, and no L3 domain. */
const hashEvent: EventSource<[sk: sock, skb: sk_buff]> = {
  fields:
    '__u64 net_cookie; const void * skbaddr; const void * skaddr; int state; __u8 saddr[28]; __u8 daddr[28]; int l3index; __u16 sport; __u16 dport; ' +
    '__u16 family; bool fin; bool syn; bool rst; bool psh; bool ack',
  print: 'net=%llu state=%s family=%s src=%pISpc dest=%pISpc L3index=%d [%c%c%c%c%c]',
  arguments: [
    'net_cookie', state, family, 'saddr', 'daddr', 'l3index',
    flag('fin', 'F'), flag('syn', 'S'), flag('rst', 'R'), flag('psh', 'P'), flag('ack', '.'),
  ], // biome-ignore format: a row of fields
  assign: (record, sk, skb) => {
    const th = new tcphdr(skb.mem.view, skb_transport_header(skb));
    record.u64(1);
    record.skb(skb);
    record.pointer(sk);
    record.u32(sk.skc_state);
    putSegmentAddresses(record, skb, false);
    record.u32(0);
    record.u16(th.source);
    record.u16(th.dest);
    record.u16(AF_INET);
    for (const bit of [th.fin, th.syn, th.rst, th.psh, th.ack]) record.bool(bit !== 0);
  },
};

/** Ends of a received segment: first its own source, or, `turned`, its destination. */
function putSegmentAddresses(record: TraceRecord, skb: sk_buff, turned: boolean): void {
  const th = new tcphdr(skb.mem.view, skb_transport_header(skb));
  const iph = new iphdr(skb.mem.view, skb.network_header);
  if (turned) record.socketAddress(iph.daddr, th.dest);
  record.socketAddress(iph.saddr, th.source);
  if (!turned) record.socketAddress(iph.daddr, th.dest);
}

export const tcp_events: EventTable = {
  tcp_retransmit_skb: {
    fields: `const void * skbaddr; const void * skaddr; int state; ${ENDPOINT_PORTS}; ${ENDPOINT_ADDRESSES}; int err`,
    print: `skbaddr=%p skaddr=%p family=%s ${ENDPOINT_PRINT} state=%s err=%d`,
    arguments: ['skbaddr', 'skaddr', family, ...ENDPOINT_ARGUMENTS, state, 'err'],
    assign: (record, sk, skb, err) => {
      record.skb(skb);
      record.pointer(sk);
      record.u32(sk.skc_state);
      putPorts(record, sk);
      putAddresses(record, sk);
      record.u32(err);
    },
  },
  tcp_send_reset: {
    fields: 'const void * skbaddr; const void * skaddr; int state; enum sk_rst_reason reason; __u8 saddr[28]; __u8 daddr[28]',
    print: 'skbaddr=%p skaddr=%p src=%pISpc dest=%pISpc state=%s reason=%s',
    arguments: [
      'skbaddr',
      'skaddr',
      'saddr',
      'daddr',
      { kind: 'choice', condition: 'REC->state', holds: (r) => r.number('state') !== 0, argument: state, otherwise: 'UNKNOWN' },
      symbolic('reason', named(reset_reasons)),
    ],
    assign: (record, sk, skb, reason) => {
      record.skb(skb);
      record.pointer(sk);
      record.u32(sk === null ? 0 : sk.skc_state);
      record.u32(reason);
      // With a socket its own ends are shown, otherwise those of the segment that is answered, turned round.
      if (sk !== null) putSocketAddresses(record, sk);
      else if (skb !== null) putSegmentAddresses(record, skb, true);
      else record.bytes(null, 56);
    },
  },
  tcp_receive_reset: socketEvent,
  tcp_destroy_sock: socketEvent,
  tcp_rcv_space_adjust: socketEvent,
  tcp_rcvbuf_grow: {
    fields:
      'int time; __u32 rtt_us; __u32 copied; __u32 inq; __u32 space; __u32 ooo_space; __u32 rcvbuf; __u32 rcv_ssthresh; __u32 window_clamp; ' +
      `__u32 rcv_wnd; __u8 scaling_ratio; ${ENDPOINT_PORTS}; ${ENDPOINT_ADDRESSES}; const void * skaddr; __u64 sock_cookie`,
    print:
      'time=%u rtt_us=%u copied=%u inq=%u space=%u ooo=%u scaling_ratio=%u rcvbuf=%u rcv_ssthresh=%u window_clamp=%u rcv_wnd=%u ' +
      `family=%s ${ENDPOINT_PRINT} skaddr=%p sock_cookie=%llx`,
    arguments: [
      'time', 'rtt_us', 'copied', 'inq', 'space', 'ooo_space', 'scaling_ratio', 'rcvbuf', 'rcv_ssthresh', 'window_clamp', 'rcv_wnd',
      family, ...ENDPOINT_ARGUMENTS, 'skaddr', 'sock_cookie',
    ], // biome-ignore format: a row of fields
    assign: (record, sk, time) => {
      const tp = tcp_sk(sk);
      const tail = tp.ooo_last_skb;
      record.u32(time);
      record.u32(tp.rcv_rtt_est.rtt_us >>> 3);
      record.u32(tp.copied_seq - tp.rcvq_space.seq);
      record.u32(tp.rcv_nxt - tp.copied_seq);
      record.u32(tp.rcvq_space.space);
      record.u32(tail === null ? 0 : tail.tcp.end_seq - tp.rcv_nxt);
      record.u32(sk.sk_rcvbuf);
      record.u32(tp.rcv_ssthresh);
      record.u32(tp.window_clamp);
      record.u32(tp.rcv_wnd);
      record.u8Field(tp.scaling_ratio);
      putPorts(record, sk);
      putAddresses(record, sk);
      record.pointer(sk);
      record.u64(sock_gen_cookie(sk));
    },
  },
  tcp_retransmit_synack: {
    fields: `const void * skaddr; const void * req; ${ENDPOINT_PORTS}; ${ENDPOINT_ADDRESSES}`,
    print: `family=%s ${ENDPOINT_PRINT}`,
    arguments: [family, ...ENDPOINT_ARGUMENTS],
    assign: (record, sk, req: request_sock) => {
      record.pointer(sk);
      record.pointer(req);
      putPorts(record, req);
      putAddresses(record, req);
    },
  },
  tcp_sendmsg_locked: {
    fields: 'const void * skb_addr; int skb_len; int msg_left; int size_goal',
    print: 'skb_addr %p skb_len %d msg_left %d size_goal %d',
    arguments: ['skb_addr', 'skb_len', 'msg_left', 'size_goal'],
    assign: (record, _sk, msg_left, skb, size_goal) => {
      record.skb(skb);
      record.u32(skb === null ? 0 : skb.len);
      record.u32(msg_left);
      record.u32(size_goal);
    },
  },
  tcp_probe: {
    fields:
      '__u8 saddr[28]; __u8 daddr[28]; __u16 sport; __u16 dport; __u16 family; __u32 mark; __u16 data_len; __u32 snd_nxt; __u32 snd_una; ' +
      '__u32 snd_cwnd; __u32 ssthresh; __u32 snd_wnd; __u32 srtt; __u32 rcv_wnd; __u64 sock_cookie; const void * skbaddr; const void * skaddr',
    print:
      'family=%s src=%pISpc dest=%pISpc mark=%#x data_len=%d snd_nxt=%#x snd_una=%#x snd_cwnd=%u ssthresh=%u snd_wnd=%u srtt=%u rcv_wnd=%u ' +
      'sock_cookie=%llx skbaddr=%p skaddr=%p',
    arguments: [
      family, 'saddr', 'daddr', 'mark', 'data_len', 'snd_nxt', 'snd_una', 'snd_cwnd', 'ssthresh', 'snd_wnd', 'srtt', 'rcv_wnd',
      'sock_cookie', 'skbaddr', 'skaddr',
    ], // biome-ignore format: a row of fields
    assign: (record, sk, skb) => {
      const tp = tcp_sk(sk);
      putSocketAddresses(record, sk);
      record.u16(sk.skc_num);
      record.u16(sk.skc_dport);
      record.u16(AF_INET);
      record.u32(skb.mark);
      record.u16(skb.len - new tcphdr(skb.mem.view, skb_transport_header(skb)).doff * 4);
      record.u32(tp.snd_nxt);
      record.u32(tp.snd_una);
      record.u32(tp.snd_cwnd);
      record.u32(tp.snd_ssthresh);
      record.u32(tp.snd_wnd);
      record.u32(tp.srtt_us >> 3);
      record.u32(tp.rcv_wnd);
      record.u64(sock_gen_cookie(sk));
      record.skb(skb);
      record.pointer(sk);
    },
  },
  tcp_bad_csum: {
    fields: 'const void * skbaddr; __u8 saddr[28]; __u8 daddr[28]',
    print: 'skbaddr=%p src=%pISpc dest=%pISpc',
    arguments: ['skbaddr', 'saddr', 'daddr'],
    assign: (record, skb) => {
      record.skb(skb);
      putSegmentAddresses(record, skb, false);
    },
  },
  tcp_hash_bad_header: hashEvent,
  tcp_hash_md5_required: hashEvent,
  tcp_hash_md5_unexpected: hashEvent,
  tcp_hash_md5_mismatch: hashEvent,
  tcp_cong_state_set: {
    fields: `const void * skaddr; ${ENDPOINT_PORTS}; ${ENDPOINT_ADDRESSES}; __u8 cong_state`,
    print: `family=%s ${ENDPOINT_PRINT} cong_state=%u`,
    arguments: [family, ...ENDPOINT_ARGUMENTS, 'cong_state'],
    assign: (record, sk, ca_state) => {
      record.pointer(sk);
      putPorts(record, sk);
      putAddresses(record, sk);
      record.u8Field(ca_state);
    },
  },
};
