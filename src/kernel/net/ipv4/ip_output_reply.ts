/** net/ipv4/ip_output.c: `ip_send_unicast_reply` answers for sockets that are not there. */
import { kernel } from '../../current.ts';
import { CHECKSUM_NONE, PKT_HASH_TYPE_L4, type sk_buff, skb_peek, skb_set_hash } from '../../include/linux/skbuff.ts';
import { flowi4, inet_sk } from '../../include/net/inet_sock.ts';
import { IP_REPLY_ARG_NOSRCCHECK, ip_hdr, type ip_reply_arg, ipcm_cookie } from '../../include/net/ip.ts';
import { FLOWI_FLAG_ANYSRC } from '../../include/net/ip_fib.ts';
import { flowi4_init_output } from '../../include/net/route.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { chargeCopy } from '../../lib/charge.ts';
import { csum_add, csum_block_add, csum_fold, csum_partial } from '../../lib/checksum.ts';
import { tcphdr } from '../../uapi/in.ts';
import { MSG_DONTWAIT } from '../../uapi/socket.ts';
import { ip_options_echo } from './ip_options_output.ts';
import { ip_append_data, ip_flush_pending_frames, ip_push_pending_frames } from './ip_output_append.ts';
import { ip_route_output_flow } from './route.ts';

function ip_reply_glue_bits(from: unknown, to: number, offset: number, len: number, odd: number, skb: sk_buff): number {
  const data = from as Uint8Array;
  for (let i = 0; i < len; i++) skb.mem.u8[to + i] = data[offset + i]!;
  chargeCopy(kernel().copies.skbToSkb, len);
  skb.csum = csum_block_add(skb.csum, csum_partial(data, offset, len, 0), odd);
  return 0;
}

/** Answers the packet `skb` with `arg.data`, through the control socket `sk`; `orig_sk` is whose packet it was. */
export function ip_send_unicast_reply(
  sk: sock,
  orig_sk: sock | null,
  skb: sk_buff,
  daddr: number,
  saddr: number,
  arg: ip_reply_arg,
  len: number,
  transmit_time: number,
  txhash: number,
): void {
  // Not the route's: a segment from a backlog has lost that.
  const network = sock_net(sk);
  const opt = ip_options_echo(network, skb);
  if (opt === null) return;
  const { protocol } = ip_hdr(skb);
  const th = new tcphdr(skb.mem.view, skb.transport_header);
  const fl4 = new flowi4();
  const flags = (arg.flags & IP_REPLY_ARG_NOSRCCHECK) !== 0 ? FLOWI_FLAG_ANYSRC : 0;
  flowi4_init_output(fl4, arg.bound_dev_if, sk.sk_mark, arg.tos & 0xfc, 0, protocol, flags, daddr, saddr, th.source, th.dest);
  const rt = ip_route_output_flow(network, fl4, sk);
  if (typeof rt === 'number') return;
  const ipc = new ipcm_cookie();
  ipc.addr = daddr;
  ipc.opt = opt;
  ipc.mark = fl4.flowi4_mark;
  ipc.priority = sk.sk_priority;
  ipc.transmit_time = transmit_time;
  inet_sk(sk).tos = arg.tos;
  sk.sk_protocol = protocol;
  sk.skc_bound_dev_if = arg.bound_dev_if;
  sk.sk_sndbuf = network.core.sysctl_wmem_default;
  if (ip_append_data(sk, fl4, ip_reply_glue_bits, arg.data, len, 0, ipc, rt, MSG_DONTWAIT) !== 0) {
    ip_flush_pending_frames(sk);
    return;
  }
  const nskb = skb_peek(sk.sk_write_queue);
  if (nskb === null) return;
  if (arg.csumoffset >= 0) nskb.mem.view.setUint16(nskb.transport_header + 2 * arg.csumoffset, csum_fold(csum_add(nskb.csum, arg.csum)));
  nskb.ip_summed = CHECKSUM_NONE;
  if (txhash !== 0) skb_set_hash(nskb, txhash, PKT_HASH_TYPE_L4);
  if (orig_sk !== null) nskb.tstamp_type = transmit_time !== 0 ? 1 : nskb.tstamp_type;
  ip_push_pending_frames(sk, fl4);
}
