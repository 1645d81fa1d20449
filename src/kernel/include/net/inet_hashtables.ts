/** include/net/inet_hashtables.h: the tables of TCP's sockets. The functions are in net/ipv4/inet_hashtables*.ts. */
import type { inet_timewait_sock } from './inet_timewait_sock.ts';
import type { request_sock } from './request_sock.ts';
import type { sock } from './sock.ts';

/** Whatever may stand in the established table. */
export type ehashSock = sock | inet_timewait_sock | request_sock;
/** Whatever may hold a local port. */
export type boundSock = sock | inet_timewait_sock;

/** inet_bind_bucket.fastreuseport */
export const FASTREUSEPORT_ANY = 1;
export const FASTREUSEPORT_STRICT = 2;

/** One local port: who is bound to it, by local address; and whether a new socket may share it without looking at each owner. */
export class inet_bind_bucket {
  readonly port: number;
  /** Owners by address. Empty only while the bucket is being made. */
  readonly bhash2: inet_bind2_bucket[] = [];
  /** More than 0: all owners have SO_REUSEADDR and none listens. -1 (both): all owners got the port from connect(). */
  fastreuse = 0;
  fastreuseport = 0;
  fastuid = 0;
  fast_rcv_saddr = 0;

  constructor(port: number) {
    this.port = port;
  }
}

/** The owners of one local port at one local address (0: any). */
export class inet_bind2_bucket {
  readonly tb: inet_bind_bucket;
  readonly rcv_saddr: number;
  readonly owners = new Set<boundSock>();

  constructor(tb: inet_bind_bucket, rcv_saddr: number) {
    this.tb = tb;
    this.rcv_saddr = rcv_saddr;
  }
}

const EHASH_MIN = 256;

export class inet_hashinfo {
  /** Chains by the lower bits of inet_ehashfn(), linked by skc_next, newest first. Grows with the number of sockets. */
  ehash: (ehashSock | null)[] = new Array<ehashSock | null>(EHASH_MIN).fill(null);
  ehash_mask = EHASH_MIN - 1;
  /** Sockets in it. */
  ehashCount = 0;
  /** Key of inet_ehashfn(), drawn at boot. */
  readonly ehash_secret: number;
  /** Listeners by port, newest first. */
  readonly lhash2 = new Map<number, sock[]>();
  readonly bhash = new Map<number, inet_bind_bucket>();
  /** By how much the search for a port was moved on, by hash of the destination; Linux fills the table with random numbers when it is first used. */
  readonly table_perturb = new Map<number, number>();

  constructor(ehash_secret: number) {
    this.ehash_secret = ehash_secret;
  }
}

/** 2^CONFIG_INET_TABLE_PERTURB_ORDER */
export const INET_TABLE_PERTURB_SIZE = 1 << 16;
