/** The head of a trace.dat file under construction: numbers little-endian, texts in ASCII. */
export class DatHeader {
  #buffer = Buffer.alloc(1 << 16);
  length = 0;

  bytes(...values: number[]): void {
    this.#append(Buffer.from(values));
  }

  text(text: string): void {
    this.#append(Buffer.from(text, 'latin1'));
  }

  terminated(text: string): void {
    this.text(`${text}\0`);
  }

  u16(value: number): void {
    this.bytes(value & 255, value >> 8);
  }

  u32(value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    this.#append(bytes);
  }

  u64(value: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    this.#append(bytes);
  }

  sized32(text: string): void {
    this.u32(text.length);
    this.text(text);
  }

  sized64(text: string): void {
    this.u64(text.length);
    this.text(text);
  }

  option(id: number, data: string): void {
    this.u16(id);
    this.sized32(data);
  }

  padTo(multiple: number): void {
    this.#append(Buffer.alloc((multiple - (this.length % multiple)) % multiple));
  }

  finished(): Uint8Array {
    return this.#buffer.subarray(0, this.length);
  }

  #append(bytes: Buffer): void {
    if (this.length + bytes.length > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(this.#buffer.length * 2, this.length + bytes.length));
      this.#buffer.copy(grown);
      this.#buffer = grown;
    }
    bytes.copy(this.#buffer, this.length);
    this.length += bytes.length;
  }
}
