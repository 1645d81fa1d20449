/** include/trace/events/sock.h */

import type { sock } from '../../include/net/sock.ts';
import { sock_net } from '../../include/net/sock.ts';
import { MSG_PEEK } from '../../uapi/socket.ts';
import { cast, number, rows, symbolic } from '../print_argument.ts';
import type { EventSource, EventTable } from '../trace_event.ts';
import {
  AF_INET,
  ENDPOINT_ADDRESSES,
  ENDPOINT_ARGUMENTS,
  ENDPOINT_PORTS,
  ENDPOINT_PRINT,
  family,
  numberedStates,
  protocol,
  putAddresses,
  putPorts,
} from './common.ts';

const lengthEvent: EventSource<[sk: sock, ret: number, flags: number]> = {
  fields: 'void * sk; __u16 family; __u16 protocol; int ret; int flags',
  print: 'sk address = %p, family = %s protocol = %s, length = %d, error = %d, flags = 0x%x',
  arguments: [
    'sk',
    family,
    protocol,
    number('!(REC->flags & 2) ? (REC->ret > 0 ? REC->ret : 0) : 0', (r) =>
      (r.number('flags') & MSG_PEEK) === 0 ? Math.max(r.number('ret'), 0) : 0,
    ),
    number('REC->ret < 0 ? REC->ret : 0', (r) => Math.min(r.number('ret'), 0)),
    'flags',
  ],
  assign: (record, sk, ret, flags) => {
    record.pointer(sk);
    record.u16(sk.skc_family);
    record.u16(sk.sk_protocol);
    record.u32(ret);
    record.u32(flags);
  },
};

const NO_LIMITS: readonly number[] = [0, 0, 0];

export const sock_events: EventTable = {
  inet_sock_set_state: {
    fields: `const void * skaddr; int oldstate; int newstate; ${ENDPOINT_PORTS}; __u16 protocol; ${ENDPOINT_ADDRESSES}`,
    print: `family=%s protocol=%s ${ENDPOINT_PRINT} oldstate=%s newstate=%s`,
    arguments: [family, protocol, ...ENDPOINT_ARGUMENTS, symbolic('oldstate', numberedStates), symbolic('newstate', numberedStates)],
    assign: (record, sk, oldstate, newstate) => {
      record.pointer(sk);
      record.u32(oldstate);
      record.u32(newstate);
      putPorts(record, sk);
      record.u16(sk.sk_protocol);
      putAddresses(record, sk);
    },
  },
  sock_rcvqueue_full: {
    fields: 'int rmem_alloc; unsigned int truesize; int sk_rcvbuf',
    print: 'rmem_alloc=%d truesize=%u sk_rcvbuf=%d',
    arguments: ['rmem_alloc', 'truesize', 'sk_rcvbuf'],
    assign: (record, sk, skb) => {
      record.packet(skb.packetId, 1);
      record.u32(sk.sk_rmem_alloc);
      record.u32(skb.truesize);
      record.u32(sk.sk_rcvbuf);
    },
  },
  sock_exceed_buf_limit: {
    fields:
      'char name[32]; long sysctl_mem[3]; long allocated; int sysctl_rmem; int rmem_alloc; int sysctl_wmem; int wmem_alloc; int wmem_queued; int kind',
    print: 'proto:%s sysctl_mem=%ld,%ld,%ld allocated=%ld sysctl_rmem=%d rmem_alloc=%d sysctl_wmem=%d wmem_alloc=%d wmem_queued=%d kind=%s',
    arguments: [
      'name',
      number('REC->sysctl_mem[0]', (r) => r.number('sysctl_mem', 0)),
      number('REC->sysctl_mem[1]', (r) => r.number('sysctl_mem', 1)),
      number('REC->sysctl_mem[2]', (r) => r.number('sysctl_mem', 2)),
      'allocated', 'sysctl_rmem', 'rmem_alloc', 'sysctl_wmem', 'wmem_alloc', 'wmem_queued',
      symbolic('kind', rows({ 0: 'SK_MEM_SEND', 1: 'SK_MEM_RECV' })),
    ], // biome-ignore format: a row of fields
    assign: (record, sk, allocated, kind) => {
      const network = sock_net(sk);
      const limits = sk.skc_prot.sysctl_mem?.(network) ?? NO_LIMITS;
      record.chars(sk.skc_prot.name, 32);
      for (let i = 0; i < 3; i++) record.u64(limits[i] ?? 0);
      record.u64(allocated);
      record.u32(network.ipv4.sysctl_tcp_rmem[0]);
      record.u32(sk.sk_rmem_alloc);
      record.u32(network.ipv4.sysctl_tcp_wmem[0]);
      record.u32(sk.sk_wmem_alloc);
      record.u32(sk.sk_wmem_queued);
      record.u32(kind);
    },
  },
  inet_sk_error_report: {
    fields: `int error; ${ENDPOINT_PORTS}; __u16 protocol; ${ENDPOINT_ADDRESSES}`,
    print: `family=%s protocol=%s ${ENDPOINT_PRINT} error=%d`,
    arguments: [family, protocol, ...ENDPOINT_ARGUMENTS, 'error'],
    assign: (record, sk) => {
      record.u32(sk.sk_err);
      putPorts(record, sk);
      record.u16(sk.sk_protocol);
      putAddresses(record, sk);
    },
  },
  sk_data_ready: {
    fields: 'const void * skaddr; __u16 family; __u16 protocol; unsigned long ip',
    print: 'family=%u protocol=%u func=%ps',
    arguments: ['family', 'protocol', cast('ip', 'void *')],
    assign: (record, sk) => {
      record.pointer(sk);
      record.u16(AF_INET);
      record.u16(sk.sk_protocol);
      record.symbol('sock_def_readable');
    },
  },
  sock_send_length: lengthEvent,
  sock_recv_length: lengthEvent,
};
