/** The building stones of a pcapng file: blocks, whose length stands at both ends, and options within them (sections 3.1 and 3.5). */
import { CaptureFile } from './capture_file.ts';
import { OPT_ENDOFOPT } from './pcapng_format.ts';

const MAX_OPTION_BYTES = 65535;

export class PcapngFile extends CaptureFile {
  constructor(path: string, bufferBytes?: number) {
    super(path, lastWholeBlock, bufferBytes);
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
    this.copy(value, 0, value.length);
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

/** Where whole blocks end in a part of a little-endian file: see CaptureFile. */
function lastWholeBlock(view: DataView, limit: number): number {
  let end = 0;
  while (end + 12 <= limit) {
    const length = view.getUint32(end + 4, true);
    if (end + length > limit) break;
    end += length;
  }
  return end;
}
