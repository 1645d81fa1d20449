/** include/net/inet_hashtables.h: the tables of TCP's sockets. The functions are in net/ipv4/inet_hashtables.ts. */
import type { inet_timewait_sock } from './inet_timewait_sock.ts';
import type { request_sock } from './request_sock.ts';
import type { sock } from './sock.ts';

/** Whatever may stand in the established table. */
export type ehashSock = sock | inet_timewait_sock | request_sock;

/** One local port (with its address constraints): who is bound to it. */
export class inet_bind_bucket {
  readonly port: number;
  readonly owners: (sock | inet_timewait_sock)[] = [];
  fastreuse = -1;
  fastreuseport = 0;

  constructor(port: number) {
    this.port = port;
  }
}

export class inet_hashinfo {
  /** Buckets by inet_ehashfn(); short arrays. */
  readonly ehash = new Map<number, ehashSock[]>();
  /** Listeners by port. */
  readonly lhash2 = new Map<number, sock[]>();
  readonly bhash = new Map<number, inet_bind_bucket>();
}
