/** The building stones of a pcapng file: blocks, whose length stands at both ends, and options within them (sections 3.1 and 3.5). */

import type { BlockFormat, Present } from './block_format.ts';
import type { CaptureBuffers } from './capture_buffers.ts';
import { CaptureFile } from './capture_file.ts';
import { BLOCK_ENHANCED_PACKET, BLOCK_INTERFACE_STATISTICS, OPT_ENDOFOPT } from './pcapng_format.ts';

const MAX_OPTION_BYTES = 65535;
const TWO_32 = 4294967296;

export class PcapngFile extends CaptureFile {
  /** `epochHigh`, `epochLow`: the instant of virtual time 0 in the two halves that blocks have. */
  constructor(path: string, epochHigh: number, epochLow: number, buffers: CaptureBuffers | null = null, present: Present | null = null) {
    super(path, new PcapngBlocks(epochHigh, epochLow), buffers, present);
  }

  optionalText(code: number, text: string | undefined): void {
    if (text !== undefined) this.textOption(code, text);
  }

  textOption(code: number, text: string): void {
    const most = Math.min(3 * text.length, MAX_OPTION_BYTES);
    this.reserve(8 + most + 8);
    this.u16(code);
    // Buffer.write never leaves half a character at the end.
    const length = this.buf.write(text, this.pos + 2, most, 'utf8');
    this.u16(length);
    this.pos += length;
    this.pad();
  }

  bytesOption(code: number, value: Uint8Array): void {
    this.reserve(8 + value.length);
    this.u16(code);
    this.u16(value.length);
    this.copyShort(value);
    this.pad();
  }

  optionalNumber(code: number, value: number | undefined): void {
    if (value !== undefined) this.numberOption(code, value);
  }

  numberOption(code: number, value: number): void {
    this.reserve(12);
    this.u16(code);
    this.u16(8);
    this.u64(value);
  }

  beginBlock(type: number, bodyBytes: number): void {
    this.reserve(8 + bodyBytes);
    this.u32(type);
    this.u32(0);
  }

  /** Ends the options, if the block has them, and puts the block's length at both of its ends. */
  endBlock(options = true): void {
    this.reserve(8);
    if (options) this.u32(OPT_ENDOFOPT);
    const length = this.pos - this.blockStart + 4;
    this.view.setUint32(this.blockStart + 4, length, true);
    this.u32(length);
    this.commit();
  }
}

/** Blocks of a little-endian file. Times are virtual ns. */
class PcapngBlocks implements BlockFormat {
  readonly headBytes = 12;
  readonly #epochHigh: number;
  readonly #epochLow: number;

  constructor(epochHigh: number, epochLow: number) {
    this.#epochHigh = epochHigh;
    this.#epochLow = epochLow;
  }

  lengthAt(view: DataView, at: number): number {
    return view.getUint32(at + 4, true);
  }

  timeAt(view: DataView, at: number): number {
    const type = view.getUint32(at, true);
    if (type === BLOCK_INTERFACE_STATISTICS) return Number.POSITIVE_INFINITY;
    if (type !== BLOCK_ENHANCED_PACKET) return Number.NEGATIVE_INFINITY;
    // The difference first: ns since 1970 are beyond exact numbers.
    return (view.getUint32(at + 12, true) - this.#epochHigh) * TWO_32 + view.getUint32(at + 16, true) - this.#epochLow;
  }
}
