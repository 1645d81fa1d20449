/** Which mechanism of TCP a difference most likely comes from, told by the unit it concerns and by what came before it. A hint where to look, not a proof. */
import type { Difference } from './difference.ts';
import { ECE, PSH, RST, SYN } from './packet.ts';
import type { Unit } from './unit.ts';

const MS = 1_000_000;
/** Linux's TCP_RTO_MIN, TCP_DELACK_MIN with a tick of 4 ms to spare. */
const RTO_MIN_NS = 196 * MS;
const DELACK_MIN_NS = 36 * MS;
const FULL_SEGMENT = 1000;
const DUPLICATES_FOR_FAST_RETRANSMIT = 1;

export function mechanismOf(difference: Difference): string | null {
  const unit = difference.ours ?? difference.theirs;
  if (unit === null || unit.protocol !== 'tcp') return null;
  switch (difference.kind) {
    case 'window':
      return windowMechanism(difference.ours!, difference.theirs!);
    case 'option':
      return optionMechanism(difference.ours!, difference.theirs!);
    case 'segmentation':
      return 'segmentation: Nagle, autocork, TSO sizing or the order of writes';
    case 'header':
      return /ECN/.test(difference.what) ? 'ECN' : null;
    case 'flags':
      return flagMechanism(difference.ours!, difference.theirs!);
    case 'checksum':
      return null;
    case 'ack':
      return 'delayed or quick ACK: how many segments one acknowledgment covers';
    default:
      return traffic(unit, difference);
  }
}

function windowMechanism(ours: Unit, theirs: Unit): string {
  if ((ours.flags & SYN) !== 0) return 'initial receive window (tcp_select_initial_window)';
  if (ours.window === 0 || theirs.window === 0) return 'zero window: receive buffer and the reader';
  return 'receive window: autotuning (rcv_ssthresh, tcp_rcv_space_adjust) or when the reader took the data';
}

function optionMechanism(ours: Unit, theirs: Unit): string {
  if ((ours.flags & SYN) !== 0) return 'options of the handshake';
  return ours.sack.length > 0 || theirs.sack.length > 0 ? 'SACK generation' : 'timestamps or other options';
}

function flagMechanism(ours: Unit, theirs: Unit): string | null {
  const changed = ours.flags ^ theirs.flags;
  if ((changed & PSH) !== 0) return 'PSH: end of a write, or half the peer’s largest window';
  return (changed & ECE) !== 0 ? 'ECN' : null;
}

/** Why a segment was or was not sent, or when. */
function traffic(unit: Unit, { kind }: Difference): string {
  if ((unit.flags & RST) !== 0) return 'reset';
  if ((unit.flags & SYN) !== 0) return unit.again ? 'retransmission of the handshake' : 'connection set-up';
  if (unit.closed && (unit.length <= 1 || unit.pureAck)) return 'zero window probe (persist timer) or window update';
  if (unit.again) return retransmission(unit);
  if (unit.pureAck) return acknowledgment(unit);
  if (kind === 'timing' && unit.length === 0) return 'FIN: the application, or data before it';
  return unit.length < FULL_SEGMENT ? 'Nagle, or the application' : 'congestion window, pacing, or the peer’s window';
}

function retransmission(unit: Unit): string {
  if (unit.duplicates >= DUPLICATES_FOR_FAST_RETRANSMIT) return 'loss recovery: SACK, RACK, PRR';
  return unit.sinceOwnNs >= RTO_MIN_NS ? 'retransmission timeout (RTO)' : 'tail loss probe (TLP) or early RTO';
}

function acknowledgment(unit: Unit): string {
  if (unit.sack.length > 0) return 'SACK generation';
  return unit.sinceOwnNs >= DELACK_MIN_NS
    ? 'delayed ACK timer'
    : 'delayed or quick ACK: how many segments one acknowledgment covers, or a window update';
}
