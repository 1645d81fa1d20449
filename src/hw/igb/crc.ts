/** Cyclic redundancy checks over bytes: the Ethernet FCS (IEEE 802.3, 3.2.9) and SCTP's CRC32c (RFC 9260, appendix A). Both reflected. */

function makeTable(polynomial: number): Uint32Array {
  const table = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = (c & 1) !== 0 ? (c >>> 1) ^ polynomial : c >>> 1;
    table[n] = c;
  }
  return table;
}

const ethernet = makeTable(0xedb88320);
const castagnoli = makeTable(0x82f63b78);

function crc(table: Uint32Array, u8: Uint8Array, offset: number, length: number): number {
  let c = 0xffffffff;
  const end = offset + length;
  for (let i = offset; i < end; i++) c = (c >>> 8) ^ table[(c ^ u8[i]!) & 0xff]!;
  return (c ^ 0xffffffff) >>> 0;
}

/** The FCS of a frame; it follows the frame least significant byte first. */
export function crc32(u8: Uint8Array, offset: number, length: number): number {
  return crc(ethernet, u8, offset, length);
}

export function crc32c(u8: Uint8Array, offset: number, length: number): number {
  return crc(castagnoli, u8, offset, length);
}
