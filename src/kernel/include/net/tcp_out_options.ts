/** net/ipv4/tcp_output.c: struct tcp_out_options, the options of a segment before they are written. */
import { WIDE } from '../../../sim/wide.ts';
import type { tcp_fastopen_cookie } from '../linux/tcp.ts';
import type { tcp_md5sig_key } from './tcp_md5sig.ts';

export class tcp_out_options {
  /** Bits OPTION_*. */
  options = 0;
  /** 0: no MSS option. */
  mss = 0;
  ws = 0;
  num_sack_blocks = 0;
  /** Of OPTION_ACCECN. */
  num_accecn_fields = 0;
  tsval = 0;
  tsecr = WIDE;
  /** Signs the segment (OPTION_MD5). */
  md5_key: tcp_md5sig_key | null = null;
  /** Where tcp_options_write() left room for the digest. */
  hash_location = 0;
  fastopen_cookie: tcp_fastopen_cookie | null = null;

  clear(): void {
    this.options = this.mss = this.ws = this.num_sack_blocks = this.num_accecn_fields = this.tsval = this.tsecr = 0;
    this.fastopen_cookie = null;
    this.md5_key = null;
  }
}
