/** Control messages of recvmsg() as a script's log shows them: `SO_TIMESTAMPING software=… hardware=…` (ns), `IP_RECVERR errno=ENOMSG origin=4 …`. */
import { sock_exterr_skb } from '../../kernel/include/linux/errqueue.ts';
import { UDP_GRO, UDP_SEGMENT } from '../../kernel/include/linux/udp.ts';
import type { cmsghdr } from '../../kernel/include/net/sock.ts';
import { errnoName } from '../../kernel/uapi/errno.ts';
import { IP_PKTINFO, IP_RECVERR, IP_TOS, IP_TTL } from '../../kernel/uapi/in.ts';
import {
  SCM_TIMESTAMPING_PKTINFO,
  SO_RXQ_OVFL,
  SO_TIMESTAMP,
  SO_TIMESTAMPING,
  SO_TIMESTAMPNS,
  SOL_IP,
  SOL_SOCKET,
  SOL_UDP,
} from '../../kernel/uapi/socket.ts';

const NAMES: Readonly<Record<number, Readonly<Record<number, string>>>> = {
  [SOL_SOCKET]: {
    [SO_TIMESTAMP]: 'SO_TIMESTAMP',
    [SO_TIMESTAMPNS]: 'SO_TIMESTAMPNS',
    [SO_TIMESTAMPING]: 'SO_TIMESTAMPING',
    [SCM_TIMESTAMPING_PKTINFO]: 'SCM_TIMESTAMPING_PKTINFO',
    [SO_RXQ_OVFL]: 'SO_RXQ_OVFL',
  },
  [SOL_UDP]: { [UDP_GRO]: 'UDP_GRO', [UDP_SEGMENT]: 'UDP_SEGMENT' },
  [SOL_IP]: { [IP_PKTINFO]: 'IP_PKTINFO', [IP_RECVERR]: 'IP_RECVERR', [IP_TTL]: 'IP_TTL', [IP_TOS]: 'IP_TOS' },
};

export function cmsgText({ cmsg_level, cmsg_type, data }: cmsghdr): string {
  const name = NAMES[cmsg_level]?.[cmsg_type] ?? `level=${cmsg_level} type=${cmsg_type}`;
  if (data instanceof sock_exterr_skb) return `${name} ${errorText(data)}`;
  if (typeof data !== 'object' || data === null) return `${name} ${String(data)}`;
  const fields = Object.entries(data).map(([field, value]) => `${field}=${String(value)}`);
  return `${name} ${fields.join(' ')}`;
}

function errorText({ ee_errno, ee_origin, ee_type, ee_code, ee_info, ee_data }: sock_exterr_skb): string {
  return `errno=${errnoName(ee_errno)} origin=${ee_origin} type=${ee_type} code=${ee_code} info=${ee_info} data=${ee_data}`;
}
