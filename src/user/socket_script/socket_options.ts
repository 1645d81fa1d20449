/** The socket options that scripts can name. */
import { UDP_CORK, UDP_GRO, UDP_SEGMENT } from '../../kernel/include/linux/udp.ts';
import { IP_MTU, IP_MTU_DISCOVER, IP_RECVERR, IP_TOS, IP_TTL } from '../../kernel/uapi/in.ts';
import {
  SO_BROADCAST,
  SO_BUSY_POLL,
  SO_BUSY_POLL_BUDGET,
  SO_ERROR,
  SO_INCOMING_NAPI_ID,
  SO_KEEPALIVE,
  SO_MARK,
  SO_MAX_PACING_RATE,
  SO_NO_CHECK,
  SO_PREFER_BUSY_POLL,
  SO_RCVBUF,
  SO_RCVLOWAT,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SO_TIMESTAMP,
  SO_TIMESTAMPING,
  SO_TIMESTAMPNS,
  SOL_IP,
  SOL_SOCKET,
  SOL_TCP,
  SOL_UDP,
} from '../../kernel/uapi/socket.ts';
import {
  TCP_CONGESTION,
  TCP_CORK,
  TCP_DEFER_ACCEPT,
  TCP_FASTOPEN,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_LINGER2,
  TCP_MAXSEG,
  TCP_NODELAY,
  TCP_NOTSENT_LOWAT,
  TCP_QUICKACK,
  TCP_SYNCNT,
  TCP_USER_TIMEOUT,
  TCP_WINDOW_CLAMP,
} from '../../kernel/uapi/tcp.ts';

const tcp = {
  TCP_NODELAY,
  TCP_QUICKACK,
  TCP_CORK,
  TCP_MAXSEG,
  TCP_USER_TIMEOUT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_KEEPCNT,
  TCP_WINDOW_CLAMP,
  TCP_SYNCNT,
  TCP_LINGER2,
  TCP_NOTSENT_LOWAT,
  TCP_CONGESTION,
  TCP_DEFER_ACCEPT,
  TCP_FASTOPEN,
};
const sol = {
  SO_NO_CHECK,
  SO_BUSY_POLL,
  SO_PREFER_BUSY_POLL,
  SO_BUSY_POLL_BUDGET,
  SO_INCOMING_NAPI_ID,
  SO_SNDBUF,
  SO_RCVBUF,
  SO_KEEPALIVE,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_ERROR,
  SO_BROADCAST,
  SO_RCVLOWAT,
  SO_MARK,
  SO_MAX_PACING_RATE,
  SO_TIMESTAMP,
  SO_TIMESTAMPING,
  SO_TIMESTAMPNS,
};
const udp = { UDP_CORK, UDP_SEGMENT, UDP_GRO };
const ip = { IP_TTL, IP_TOS, IP_MTU_DISCOVER, IP_MTU, IP_RECVERR };

const at = (level: number, options: Readonly<Record<string, number>>): [string, readonly [number, number]][] =>
  Object.entries(options).map(([name, option]) => [name, [level, option]]);

/** Level and number by name. */
export const SOCKET_OPTIONS: ReadonlyMap<string, readonly [level: number, option: number]> = new Map([
  ...at(SOL_TCP, tcp),
  ...at(SOL_SOCKET, sol),
  ...at(SOL_UDP, udp),
  ...at(SOL_IP, ip),
]);
