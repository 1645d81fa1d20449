/** net/core/scm.c: control messages on their way to a program. */
import type { msghdr } from '../../include/net/sock.ts';

export function put_cmsg(msg: msghdr, cmsg_level: number, cmsg_type: number, data: unknown): void {
  msg.msg_control.push({ cmsg_level, cmsg_type, data });
}
