/** include/net/inetpeer.h: what is remembered about a host beyond any route to it. */
export class inet_peer {
  readonly daddr: number;
  /** Token bucket of ICMP messages, in jiffies. */
  rate_tokens = 0;
  rate_last = 0;
  n_redirects = 0;
  /** Fragments seen from it: tells how far apart two of one datagram were. */
  rid = 0;
  dtime = 0;

  constructor(daddr: number) {
    this.daddr = daddr;
  }
}
