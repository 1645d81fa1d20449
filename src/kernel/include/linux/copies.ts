/** How often and where payload bytes are copied: counted where it happens, reported at the end of a run. Not in Linux. */
export interface CopyCounters {
  /** write(): user memory into skbs. */
  userToSkb: { count: number; bytes: number };
  /** read(): skbs into user memory. */
  skbToUser: { count: number; bytes: number };
  /** skb_copy, pskb_copy, linearisation: bytes from skb to skb. */
  skbToSkb: { count: number; bytes: number };
  /** Software checksums: bytes read, none copied. */
  checksum: { count: number; bytes: number };
  /** skb_clone: metadata only. */
  clones: number;
}

export const newCopyCounters = (): CopyCounters => ({
  userToSkb: { count: 0, bytes: 0 },
  skbToUser: { count: 0, bytes: 0 },
  skbToSkb: { count: 0, bytes: 0 },
  checksum: { count: 0, bytes: 0 },
  clones: 0,
});
