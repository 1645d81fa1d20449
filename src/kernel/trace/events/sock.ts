/** include/trace/events/sock.h */

import type { sock } from '../../include/net/sock.ts';
import { sock_net } from '../../include/net/sock.ts';
import { MSG_PEEK } from '../../uapi/socket.ts';
import { endpoints, pointer, protocolName, stateName } from '../print.ts';
import type { EventFormats } from '../trace_event.ts';

const length = (sk: sock, ret: number, flags: number): string => {
  const copied = (flags & MSG_PEEK) === 0 && ret > 0 ? ret : 0;
  return (
    `sk address = ${pointer(sk)}, family = AF_INET protocol = ${protocolName(sk.sk_protocol)}, length = ${copied}, ` +
    `error = ${ret < 0 ? ret : 0}, flags = 0x${flags.toString(16)}`
  );
};

export const sock_events: EventFormats = {
  inet_sock_set_state: (sk, oldstate, newstate) =>
    `family=AF_INET protocol=${protocolName(sk.sk_protocol)} ${endpoints(sk)} oldstate=${stateName(oldstate)} newstate=${stateName(newstate)}`,
  sock_rcvqueue_full: (sk, skb) => `rmem_alloc=${sk.sk_rmem_alloc} truesize=${skb.truesize} sk_rcvbuf=${sk.sk_rcvbuf}`,
  sock_exceed_buf_limit: (sk, allocated, kind) => {
    const network = sock_net(sk);
    const limits = sk.skc_prot.sysctl_mem?.(network) ?? [0, 0, 0];
    return (
      `proto:${sk.skc_prot.name} sysctl_mem=${limits.join(',')} allocated=${allocated} sysctl_rmem=${network.ipv4.sysctl_tcp_rmem[0]} ` +
      `rmem_alloc=${sk.sk_rmem_alloc} sysctl_wmem=${network.ipv4.sysctl_tcp_wmem[0]} wmem_alloc=${sk.sk_wmem_alloc} ` +
      `wmem_queued=${sk.sk_wmem_queued} kind=${kind === 0 ? 'SK_MEM_SEND' : 'SK_MEM_RECV'}`
    );
  },
  inet_sk_error_report: (sk) => `family=AF_INET protocol=${protocolName(sk.sk_protocol)} ${endpoints(sk)} error=${sk.sk_err}`,
  sk_data_ready: (sk) => `family=${sk.skc_family} protocol=${sk.sk_protocol} func=sock_def_readable`,
  sock_send_length: length,
  sock_recv_length: length,
};
