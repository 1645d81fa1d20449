/** Stands in for the hosts of a capture when the replayed host asks for their MAC addresses. */
import type { CableEnd } from '../wire/cable.ts';
import { type Frame, type FramePool, MIN_FRAME } from '../wire/frame.ts';
import type { Rewriter } from './rewrite.ts';

export interface ArpAnswer {
  readonly frames: FramePool;
  readonly end: CableEnd;
}

const ETHERTYPE_ARP = 0x0806;
const REQUEST = 1;
const REPLY = 2;
/** Locally administered; the last four bytes are the address that is asked for. */
const MAC_PREFIX = Uint8Array.of(0x02, 0x72);

/** Answers an ARP request (RFC 826) for an address that stands for one of the capture's hosts. */
export function answerArp(frame: Frame, rewriter: Rewriter, { frames, end }: ArpAnswer): void {
  const { view, start, length } = frame;
  if (length < 42 || view.getUint16(start + 12) !== ETHERTYPE_ARP || view.getUint16(start + 20) !== REQUEST) return;
  const target = view.getUint32(start + 38);
  if (!rewriter.knows(target)) return;
  const reply = frames.take(MIN_FRAME);
  reply.u8.fill(0, reply.start, reply.start + MIN_FRAME);
  const at = reply.start;
  reply.u8.set(frame.u8.subarray(start + 6, start + 12), at);
  reply.u8.set(MAC_PREFIX, at + 6);
  reply.view.setUint32(at + 8, target);
  // Hardware and protocol types and lengths are those of the request.
  reply.u8.set(frame.u8.subarray(start + 12, start + 20), at + 12);
  reply.view.setUint16(at + 20, REPLY);
  reply.u8.set(reply.u8.subarray(at + 6, at + 12), at + 22);
  reply.view.setUint32(at + 28, target);
  reply.u8.set(frame.u8.subarray(start + 22, start + 32), at + 32);
  end.send(reply);
}
