/** Protocol buffers' wire format → fields by number: enough to read a Perfetto trace back. */

export interface Message {
  /** Values of each field, in order. */
  readonly fields: ReadonlyMap<number, readonly (number | bigint | Buffer)[]>;
}

export function readMessage(data: Buffer): Message {
  const fields = new Map<number, (number | bigint | Buffer)[]>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = data[at++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
  };
  while (at < data.length) {
    const key = Number(varint());
    const values = fields.get(key >> 3) ?? [];
    fields.set(key >> 3, values);
    switch (key & 7) {
      case 0:
        values.push(varint());
        break;
      case 1:
        values.push(data.readBigUInt64LE(at));
        at += 8;
        break;
      case 2: {
        const length = Number(varint());
        values.push(data.subarray(at, at + length));
        at += length;
        break;
      }
      default:
        throw new Error(`wire type ${key & 7} at ${at}`);
    }
  }
  if (at !== data.length) throw new Error('a message ends in the middle of a field');
  return { fields };
}

export const integer = ({ fields }: Message, field: number): number | undefined => {
  const value = fields.get(field)?.[0];
  return value === undefined ? undefined : Number(value);
};
export const text = ({ fields }: Message, field: number): string | undefined => {
  const value = fields.get(field)?.[0];
  return value === undefined ? undefined : (value as Buffer).toString('utf8');
};
export const message = ({ fields }: Message, field: number): Message | undefined => {
  const value = fields.get(field)?.[0];
  return value === undefined ? undefined : readMessage(value as Buffer);
};
export const messages = ({ fields }: Message, field: number): Message[] =>
  (fields.get(field) ?? []).map((value) => readMessage(value as Buffer));
