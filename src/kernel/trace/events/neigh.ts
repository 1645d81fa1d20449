/** include/trace/events/neigh.h, fib.h, udp.h, icmp.h, dma.h, syscalls.h */
import { skb_network_header } from '../../include/linux/skbuff.ts';
import {
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_NOARP,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
  type neighbour,
} from '../../include/net/neighbour.ts';
import { ip_hdrlen, iphdr, udphdr } from '../../uapi/in.ts';
import { hexBytes, pI4, pI6c, pointer } from '../print.ts';
import type { EventFormats } from '../trace_event.ts';

const states: Readonly<Record<number, string>> = {
  [NUD_INCOMPLETE]: 'incomplete',
  [NUD_REACHABLE]: 'reachable',
  [NUD_STALE]: 'stale',
  [NUD_DELAY]: 'delay',
  [NUD_PROBE]: 'probe',
  [NUD_FAILED]: 'failed',
  [NUD_NOARP]: 'noarp',
  [NUD_PERMANENT]: 'permanent',
};
const stateOf = (state: number): string => states[state] ?? `0x${state.toString(16)}`;
const byte = (value: number): string => value.toString(16).padStart(2, '0');

const template = (n: neighbour): string =>
  `family 2 dev ${n.dev.name} lladdr ${hexBytes(n.ha)} flags ${byte(n.flags)} nud_state ${stateOf(n.nud_state)} type ${byte(n.type)} dead ${n.dead} ` +
  `refcnt ${n.refcnt} primary_key4 ${pI4(n.primary_key)} primary_key6 ${pI6c(n.primary_key)} confirmed ${n.confirmed} updated ${n.updated} used ${n.used}`;
const withError = (n: neighbour, err: number): string => `${template(n)} err ${err}`;

export const neigh_events: EventFormats = {
  neigh_create: (dev, key, exempt_from_gc, n) =>
    `family 2 dev ${dev.name} entries ${n?.tbl.entries ?? 0} primary_key4 ${pI4(key)} primary_key6 :: created ${n === null ? 0 : 1} gc_exempt ${exempt_from_gc ? 1 : 0}`,
  neigh_update: (n, lladdr, state, flags) =>
    `${template(n)} new_lladdr ${lladdr === null ? '000000000000' : hexBytes(lladdr)} new_state ${stateOf(state)} update_flags ${byte(flags)} pid 0`,
  neigh_update_done: withError,
  neigh_timer_handler: withError,
  neigh_event_send_done: withError,
  neigh_event_send_dead: withError,
  neigh_cleanup_and_release: withError,
};

export const fib_events: EventFormats = {
  fib_table_lookup: (tb_id, flp, nhc, err) =>
    `table ${tb_id} oif ${flp.flowi4_oif} iif 1 proto ${flp.flowi4_proto} ${pI4(flp.saddr)}/${flp.fl4_sport} -> ${pI4(flp.daddr)}/${flp.fl4_dport} ` +
    `tos ${flp.flowi4_tos} scope 0 flags ${flp.flowi4_flags.toString(16)} ==> dev ${nhc?.dev?.name ?? '-'} gw ${pI4(nhc?.gw ?? 0)}/:: err ${err}`,
};

export const udp_events: EventFormats = {
  udp_fail_queue_rcv_skb: (rc, sk) =>
    `rc=${rc} family=AF_INET saddr=${pI4(sk.skc_rcv_saddr)} daddr=${pI4(sk.skc_daddr)} sport=${sk.skc_num} dport=${sk.skc_dport}`,
};

export const icmp_events: EventFormats = {
  icmp_send: (skb, type, code) => {
    const iph = new iphdr(skb.mem.view, skb_network_header(skb));
    const uh = new udphdr(skb.mem.view, skb_network_header(skb) + ip_hdrlen(iph));
    const isUdp = iph.protocol === 17;
    return (
      `icmp_send: type=${type}, code=${code}. From ${pI4(iph.saddr)}:${isUdp ? uh.source : 0} to ${pI4(iph.daddr)}:${isUdp ? uh.dest : 0} ` +
      `ulen=${isUdp ? uh.len : 0} skbaddr=${pointer(skb)}`
    );
  },
};

const directions = ['BIDIRECTIONAL', 'TO_DEVICE', 'FROM_DEVICE', 'NONE'] as const;

export const dma_events: EventFormats = {
  dma_map_phys: (dev, addr, size, dir) =>
    `${dev.name} dir=${directions[dir] ?? dir} dma_addr=${addr.toString(16)} size=${size} phys_addr=${addr.toString(16)} attrs=`,
  dma_unmap_phys: (dev, addr, size, dir) => `${dev.name} dir=${directions[dir] ?? dir} dma_addr=${addr.toString(16)} size=${size} attrs=`,
  dma_alloc: (dev, virt, addr, size) =>
    `${dev.name} dir=BIDIRECTIONAL dma_addr=${addr.toString(16)} size=${size} virt_addr=${virt.toString(16)} flags=GFP_KERNEL attrs=`,
};

export const syscall_events: EventFormats = {
  sys_enter: (name, args) => `sys_${name}(${args})`,
  sys_exit: (name, ret) =>
    `sys_${name} -> ${ret < 0 ? `0x${(BigInt(ret) & 0xffff_ffff_ffff_ffffn).toString(16)}` : `0x${ret.toString(16)}`}`,
};
