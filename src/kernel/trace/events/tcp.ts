/** include/trace/events/tcp.h */

import type { sk_buff } from '../../include/linux/skbuff.ts';
import { skb_transport_header } from '../../include/linux/skbuff.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { reset_reasons } from '../../include/net/rstreason.ts';
import type { sock } from '../../include/net/sock.ts';
import { iphdr, tcphdr } from '../../uapi/in.ts';
import { alternateHex, cookie, endpoints, pISpc, pointer, stateName } from '../print.ts';
import type { EventFormats } from '../trace_event.ts';

const family = 'family=AF_INET';
const socketEvent = (sk: sock): string => `${family} ${endpoints(sk)} sock_cookie=${cookie(sk)}`;

/** Source and destination of a received segment. */
const segmentEnds = (skb: sk_buff): string => {
  const th = new tcphdr(skb.mem.view, skb_transport_header(skb));
  const iph = new iphdr(skb.mem.view, skb.network_header);
  return `src=${pISpc(iph.saddr, th.source)} dest=${pISpc(iph.daddr, th.dest)}`;
};

export const tcp_events: EventFormats = {
  tcp_retransmit_skb: (sk, skb, err) =>
    `skbaddr=${pointer(skb)} skaddr=${pointer(sk)} ${family} ${endpoints(sk)} state=${stateName(sk.skc_state)} err=${err}`,
  tcp_send_reset: (sk, skb, reason) => {
    // With a socket its own ends are shown, otherwise those of the segment, turned round.
    const ends = sk !== null ? `src=${pISpc(sk.skc_rcv_saddr, sk.skc_num)} dest=${pISpc(sk.skc_daddr, sk.skc_dport)}` : turned(skb);
    return `skbaddr=${pointer(skb)} skaddr=${pointer(sk)} ${ends} state=${sk === null ? 'UNKNOWN' : stateName(sk.skc_state)} reason=${reset_reasons[reason] ?? reason}`;
  },
  tcp_receive_reset: socketEvent,
  tcp_destroy_sock: socketEvent,
  tcp_rcv_space_adjust: socketEvent,
  tcp_rcvbuf_grow: (sk, time) => {
    const tp = tcp_sk(sk);
    const { rcv_rtt_est, rcvq_space } = tp;
    const tail = tp.ooo_last_skb;
    const ooo = tail === null ? 0 : (tail.tcp.end_seq - tp.rcv_nxt) >>> 0;
    return (
      `time=${time} rtt_us=${Math.floor(rcv_rtt_est.rtt_us / 8)} copied=${(tp.copied_seq - rcvq_space.seq) >>> 0} inq=${(tp.rcv_nxt - tp.copied_seq) >>> 0} ` +
      `space=${rcvq_space.space} ooo=${ooo} scaling_ratio=${tp.scaling_ratio} rcvbuf=${sk.sk_rcvbuf} rcv_ssthresh=${tp.rcv_ssthresh} ` +
      `window_clamp=${tp.window_clamp} rcv_wnd=${tp.rcv_wnd} ${family} ${endpoints(sk)} skaddr=${pointer(sk)} sock_cookie=${cookie(sk)}`
    );
  },
  tcp_retransmit_synack: (_sk, req) => `${family} ${endpoints(req)}`,
  tcp_sendmsg_locked: (_sk, msg_left, skb, size_goal) =>
    `skb_addr ${pointer(skb)} skb_len ${skb?.len ?? 0} msg_left ${msg_left} size_goal ${size_goal}`,
  tcp_probe: (sk, skb) => {
    const tp = tcp_sk(sk);
    const th = new tcphdr(skb.mem.view, skb_transport_header(skb));
    return (
      `${family} src=${pISpc(sk.skc_rcv_saddr, sk.skc_num)} dest=${pISpc(sk.skc_daddr, sk.skc_dport)} mark=${alternateHex(skb.mark)} ` +
      `data_len=${skb.len - th.doff * 4} snd_nxt=${alternateHex(tp.snd_nxt)} snd_una=${alternateHex(tp.snd_una)} snd_cwnd=${tp.snd_cwnd} ` +
      `ssthresh=${tp.snd_ssthresh >>> 0} snd_wnd=${tp.snd_wnd} srtt=${tp.srtt_us >> 3} rcv_wnd=${tp.rcv_wnd} sock_cookie=${cookie(sk)} ` +
      `skbaddr=${pointer(skb)} skaddr=${pointer(sk)}`
    );
  },
  tcp_bad_csum: (skb) => `skbaddr=${pointer(skb)} ${segmentEnds(skb)}`,
  tcp_cong_state_set: (sk, ca_state) => `${family} ${endpoints(sk)} cong_state=${ca_state}`,
};

function turned(skb: sk_buff | null): string {
  if (skb === null) return 'src=0.0.0.0:0 dest=0.0.0.0:0';
  const [source, destination] = segmentEnds(skb).replace('src=', '').split(' dest=');
  return `src=${destination} dest=${source}`;
}
