/** include/net/sock_reuseport.h: a group of sockets that share one address and port. The functions are in net/core/sock_reuseport.ts. */
import type { sock } from './sock.ts';

export class sock_reuseport {
  readonly socks: sock[] = [];
  /** Listeners that were shut down while connections of theirs were still half-open. */
  num_closed_socks = 0;
  readonly bind_inany: boolean;
  /** When a listener of the group last had to send SYN cookies, in jiffies. */
  synq_overflow_ts = 0;

  constructor(bind_inany: boolean) {
    this.bind_inany = bind_inany;
  }
}
