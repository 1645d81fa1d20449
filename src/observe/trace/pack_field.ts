/** Fields of records → MessagePack values. */
import type { Field } from '../../kernel/trace/event_layout.ts';
import type { KnownField } from './field_values.ts';
import type { MessagePack } from './message_pack.ts';
import { fieldWriter } from './print_format.ts';
import type { TextBuffer } from './text_buffer.ts';
import type { TraceCursor } from './trace_cursor.ts';

export type PackField = (record: TraceCursor, out: MessagePack, scratch: TextBuffer) => void;

export function compileField({ field, kind }: KnownField): PackField {
  switch (kind) {
    case 'number':
      return (record, out) => out.integer(record.number(field));
    case 'numbers':
      return (record, out) => {
        out.array(field.count);
        for (let i = 0; i < field.count; i++) out.integer(record.number(field, i));
      };
    case 'bytes':
      return (record, out) => out.binary(record.u8, record.base + field.offset, field.size);
    case 'string':
      return packString(field);
    case 'pointer':
      return printed(field, '#x');
    case 'symbol':
      return printed(field, 'ps');
    case 'ip4':
      return printed(field, 'pI4');
    case 'ip6':
      return printed(field, 'pI6c');
    case 'socketAddress':
      return printed(field, 'pISpc');
  }
}

function packString(field: Field): PackField {
  const { dynamic, offset, size } = field;
  return (record, out) => {
    const start = dynamic ? record.textAt(offset) : record.base + offset;
    const limit = dynamic ? record.u32(offset) >>> 16 : size;
    let length = 0;
    while (length < limit && record.u8[start + length] !== 0) length++;
    out.stringHead(length);
    out.raw(record.u8, start, length);
  };
}

/** The text that a conversion of printf gives. */
function printed(field: Field, conversion: string): PackField {
  const hash = conversion.startsWith('#');
  const write = fieldWriter(field, { flags: hash ? '#' : '', width: 0, letter: hash ? conversion.slice(1) : conversion, long: false });
  return (record, out, scratch) => {
    scratch.pos = 0;
    write(record, scratch);
    out.stringHead(scratch.pos);
    out.raw(scratch.u8, 0, scratch.pos);
  };
}
