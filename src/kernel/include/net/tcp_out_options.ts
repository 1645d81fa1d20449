/** net/ipv4/tcp_output.c: struct tcp_out_options, the options of a segment before they are written. */
import type { tcp_fastopen_cookie } from '../linux/tcp.ts';

export class tcp_out_options {
  /** Bits OPTION_*. */
  options = 0;
  /** 0: no MSS option. */
  mss = 0;
  ws = 0;
  num_sack_blocks = 0;
  tsval = 0;
  tsecr = 0;
  fastopen_cookie: tcp_fastopen_cookie | null = null;

  clear(): void {
    this.options = this.mss = this.ws = this.num_sack_blocks = this.tsval = this.tsecr = 0;
    this.fastopen_cookie = null;
  }
}
