/** net/ipv4/af_inet.c: the part of inet_init() that concerns the network layer. Not a file of Linux. */
import type { packet_type } from '../../include/linux/netdevice.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { ETH_P_IP } from '../../uapi/if_ether.ts';
import { IPPROTO_ICMP, IPPROTO_IGMP } from '../../uapi/in.ts';
import { dev_add_pack } from '../core/dev.ts';
import { arp_init } from './arp.ts';
import { devinet_init } from './devinet.ts';
import { ip_fib_init } from './fib_frontend.ts';
import { icmp_err, icmp_init, icmp_rcv } from './icmp.ts';
import { igmp_rcv } from './igmp.ts';
import { ip_forward } from './ip_forward.ts';
import { ipfrag_init } from './ip_fragment.ts';
import { ip_list_rcv, ip_local_deliver, ip_rcv } from './ip_input.ts';
import { ip_init } from './ip_output.ts';
import { ipv4NetdevInit } from './netdev_events.ts';

const ip_packet_type: packet_type = { type: ETH_P_IP, dev: null, func: ip_rcv, list_func: ip_list_rcv };

/** ARP, routing, IP, ICMP, reassembly: everything below sockets and transports. Devices may be there already, or come later. */
export function ipLayerInit(network: net): void {
  devinet_init(network);
  arp_init(network);
  ip_fib_init(network);
  ip_init(network);
  network.ipv4.entries.ip_local_deliver = ip_local_deliver;
  network.ipv4.entries.ip_forward = ip_forward;
  ipfrag_init(network);
  icmp_init(network);
  network.inet_protos[IPPROTO_IGMP] = { handler: igmp_rcv };
  network.inet_protos[IPPROTO_ICMP] = { handler: icmp_rcv, err_handler: icmp_err, no_policy: true };
  ipv4NetdevInit(network);
  dev_add_pack(ip_packet_type);
}
