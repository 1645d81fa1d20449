/** include/trace/events/fib.h, udp.h, icmp.h */
import { skb_network_header } from '../../include/linux/skbuff.ts';
import { ip_hdrlen, iphdr, udphdr } from '../../uapi/in.ts';
import type { EventTable } from '../trace_event.ts';
import { AF_INET, family } from './common.ts';

const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const LOOPBACK_IFINDEX = 1;
const DEVICE_NAME_BYTES = 16;

export const fib_events: EventTable = {
  fib_table_lookup: {
    fields:
      'u32 tb_id; int err; int oif; int iif; u8 proto; __u8 tos; __u8 scope; __u8 flags; __u8 src[4]; __u8 dst[4]; __u8 gw4[4]; __u8 gw6[16]; ' +
      'u16 sport; u16 dport; char name[16]',
    print: 'table %u oif %d iif %d proto %u %pI4/%u -> %pI4/%u tos %d scope %d flags %x ==> dev %s gw %pI4/%pI6c err %d',
    arguments: [
      'tb_id', 'oif', 'iif', 'proto', 'src', 'sport', 'dst', 'dport', 'tos', 'scope', 'flags', 'name', 'gw4', 'gw6', 'err',
    ], // biome-ignore format: a row of fields
    assign: (record, tb_id, flp, nhc, err) => {
      const ports = flp.flowi4_proto === IPPROTO_TCP || flp.flowi4_proto === IPPROTO_UDP;
      record.u32(tb_id);
      record.u32(err);
      record.u32(flp.flowi4_oif);
      record.u32(flp.flowi4_iif || LOOPBACK_IFINDEX);
      record.u8Field(flp.flowi4_proto);
      record.u8Field(flp.flowi4_tos);
      record.u8Field(flp.flowi4_scope);
      record.u8Field(flp.flowi4_flags);
      record.ip4(flp.saddr);
      record.ip4(flp.daddr);
      record.ip4(nhc === null ? 0 : nhc.gw);
      record.ip6Zero();
      record.u16(ports ? flp.fl4_sport : 0);
      record.u16(ports ? flp.fl4_dport : 0);
      record.chars(nhc === null || nhc.dev === null ? '-' : nhc.dev.name, DEVICE_NAME_BYTES);
    },
  },
};

export const udp_events: EventTable = {
  udp_fail_queue_rcv_skb: {
    fields: 'int rc; __u16 sport; __u16 dport; __u16 family; __u8 saddr[28]; __u8 daddr[28]',
    print: 'rc=%d family=%s src=%pISpc dest=%pISpc',
    arguments: ['rc', family, 'saddr', 'daddr'],
    assign: (record, rc, _sk, skb) => {
      const iph = new iphdr(skb.mem.view, skb_network_header(skb));
      const uh = new udphdr(skb.mem.view, skb_network_header(skb) + ip_hdrlen(iph));
      record.packet(skb.packetId, 1);
      record.u32(rc);
      record.u16(uh.source);
      record.u16(uh.dest);
      record.u16(AF_INET);
      record.socketAddress(iph.saddr, uh.source);
      record.socketAddress(iph.daddr, uh.dest);
    },
  },
};

export const icmp_events: EventTable = {
  icmp_send: {
    fields: 'const void * skbaddr; int type; int code; __u8 saddr[4]; __u8 daddr[4]; __u16 sport; __u16 dport; unsigned short ulen',
    print: 'icmp_send: type=%d, code=%d. From %pI4:%u to %pI4:%u ulen=%d skbaddr=%p',
    arguments: ['type', 'code', 'saddr', 'sport', 'daddr', 'dport', 'ulen', 'skbaddr'],
    assign: (record, skb, type, code) => {
      const iph = new iphdr(skb.mem.view, skb_network_header(skb));
      const uh = new udphdr(skb.mem.view, skb_network_header(skb) + ip_hdrlen(iph));
      const isUdp = iph.protocol === IPPROTO_UDP;
      record.skb(skb);
      record.u32(type);
      record.u32(code);
      record.ip4(iph.saddr);
      record.ip4(iph.daddr);
      record.u16(isUdp ? uh.source : 0);
      record.u16(isUdp ? uh.dest : 0);
      record.u16(isUdp ? uh.len : 0);
    },
  },
};
