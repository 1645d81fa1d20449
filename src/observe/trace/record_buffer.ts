/** Records under construction, as bytes in a buffer that grows. */
export class RecordBuffer {
  u8: Uint8Array;
  pos = 0;
  protected view: DataView;
  readonly #recordBytes: number;

  /** `recordBytes` is what `reserve` makes sure of: no record is longer. */
  constructor(bytes: number, recordBytes: number) {
    this.u8 = new Uint8Array(bytes);
    this.view = new DataView(this.u8.buffer);
    this.#recordBytes = recordBytes;
  }

  /** Makes room for a record. */
  reserve(): void {
    if (this.pos + this.#recordBytes <= this.u8.length) return;
    const grown = new Uint8Array(this.u8.length * 2);
    grown.set(this.u8);
    this.u8 = grown;
    this.view = new DataView(grown.buffer);
  }
}
