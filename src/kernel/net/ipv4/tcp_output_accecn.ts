/**
 * net/ipv4/tcp_output.c: AccECN's option (RFC 9768 (3.2.3)) in the header of a segment: is it due, how many counters fit beside the SACK blocks
 * (tcp_options_fit_accecn), and its bytes.
 */
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  MAX_TCP_OPTION_SPACE,
  TCPOLEN_SACK_BASE_ALIGNED,
  TCPOLEN_SACK_PERBLOCK,
  TCPOPT_ACCECN1,
  tcp_ecn_mode_accecn,
} from '../../include/net/tcp.ts';
import {
  ACCECN_ORDER_1,
  accecnInitOffset,
  TCP_ACCECN_NUMFIELDS,
  TCP_ACCECN_OPT_NOT_SEEN,
  TCP_ACCECN_OPTION_DISABLED,
  TCP_ACCECN_OPTION_FULL,
  TCPOLEN_ACCECN_BASE,
  TCPOLEN_ACCECN_PERFIELD,
  tcp_accecn_option_beacon_check,
} from '../../include/net/tcp_ecn.ts';
import type { tcp_out_options } from '../../include/net/tcp_out_options.ts';

export const OPTION_ACCECN = 1 << 12;

/** The length of so many SACK blocks with their head. */
export const sackSpace = (blocks: number): number => (blocks === 0 ? 0 : TCPOLEN_SACK_BASE_ALIGNED + blocks * TCPOLEN_SACK_PERBLOCK);

/** RFC 9768 (3.2.3.3): the peer knows the option, and it is wanted always, now, or once again. */
export function isAccecnOptionDue(sk: sock): boolean {
  const tp = tcp_sk(sk);
  if (!tcp_ecn_mode_accecn(tp) || tp.saw_accecn_opt === TCP_ACCECN_OPT_NOT_SEEN) return false;
  const wanted = sock_net(sk).ipv4.sysctl_tcp_ecn_option;
  if (wanted === TCP_ACCECN_OPTION_DISABLED) return false;
  return wanted >= TCP_ACCECN_OPTION_FULL || tp.accecn_opt_demand !== 0 || tcp_accecn_option_beacon_check(sk);
}

/** The space that an option of `fields` counters adds. Behind it SACK needs no padding of its own, which saves up to two bytes. */
function accecnSpace(fields: number, blocks: number): number {
  const size = TCPOLEN_ACCECN_BASE + fields * TCPOLEN_ACCECN_PERFIELD;
  return blocks > 0 && (size & 3) <= 2 ? size & ~3 : (size + 3) & ~3;
}

/** As many counters as fit, but not fewer than have moved; for those the oldest SACK block gives way, while two remain. Returns the length of all options. */
export function fitAccecn(tp: tcp_sock, opts: tcp_out_options, size: number): number {
  let blocks = opts.num_sack_blocks;
  for (;;) {
    const used = size - sackSpace(opts.num_sack_blocks) + sackSpace(blocks);
    for (let fields = TCP_ACCECN_NUMFIELDS; fields >= tp.accecn_minlen; fields--) {
      if (used + accecnSpace(fields, blocks) > MAX_TCP_OPTION_SPACE) continue;
      opts.options |= OPTION_ACCECN;
      opts.num_accecn_fields = fields;
      opts.num_sack_blocks = blocks;
      return used + accecnSpace(fields, blocks);
    }
    if (tp.accecn_minlen === 0 || blocks <= 2) return size;
    blocks--;
  }
}

/** RFC 9768 (3.2.3), order 1: bytes received with ECT(1), CE, ECT(0). Padding is up to what follows. */
export function writeAccecn(view: DataView, at: number, tp: tcp_sock, opts: tcp_out_options): number {
  view.setUint8(at, TCPOPT_ACCECN1);
  view.setUint8(at + 1, TCPOLEN_ACCECN_BASE + opts.num_accecn_fields * TCPOLEN_ACCECN_PERFIELD);
  at += TCPOLEN_ACCECN_BASE;
  for (let i = 0; i < opts.num_accecn_fields; i++) {
    const ecnfield = ACCECN_ORDER_1[i]!;
    const value = tp.received_ecn_bytes[ecnfield - 1]! + accecnInitOffset(ecnfield);
    view.setUint16(at, (value >>> 8) & 0xffff);
    view.setUint8(at + 2, value & 0xff);
    at += TCPOLEN_ACCECN_PERFIELD;
  }
  tp.accecn_minlen = 0;
  tp.accecn_opt_tstamp = tp.tcp_mstamp;
  if (tp.accecn_opt_demand > 0) tp.accecn_opt_demand--;
  return at;
}
