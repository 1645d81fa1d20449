/** Fields of records → Perfetto's debug annotations. */
import type { Field } from '../../kernel/trace/event_layout.ts';
import { type KnownField, knownFields } from './field_values.ts';
import { DEBUG_ANNOTATIONS } from './perfetto_tracks.ts';
import { fieldWriter } from './print_format.ts';
import type { Protobuf } from './protobuf.ts';
import { TextBuffer } from './text_buffer.ts';
import { eventById, type TraceCursor } from './trace_cursor.ts';

/* DebugAnnotation */
const UINT_VALUE = 3;
const INT_VALUE = 4;
const STRING_VALUE = 6;
const NAME = 10;

type Annotate = (record: TraceCursor, out: Protobuf) => void;

export class Annotations {
  readonly #byType: (readonly Annotate[])[] = [];
  readonly #scratch = new TextBuffer(16384);

  /** All fields of a record, as annotations of the event under construction. */
  put(record: TraceCursor, out: Protobuf): void {
    const { type } = record;
    const annotations = this.#byType[type] ?? this.#compile(type);
    for (let i = 0; i < annotations.length; i++) {
      const annotation = out.begin(DEBUG_ANNOTATIONS);
      annotations[i]!(record, out);
      out.end(annotation);
    }
  }

  #compile(type: number): readonly Annotate[] {
    const annotations = knownFields(eventById(type)).map((known) => this.#annotate(known));
    this.#byType[type] = annotations;
    return annotations;
  }

  #annotate({ field, kind }: KnownField): Annotate {
    if (kind === 'number') return numberAnnotation(field);
    const letter = ANNOTATED[kind];
    const write = letter === null ? hexOf(field) : fieldWriter(field, { flags: letter === 'x' ? '#' : '', width: 0, letter, long: false });
    return (record, out) => {
      this.#scratch.pos = 0;
      write(record, this.#scratch);
      out.string(NAME, field.name);
      out.bytes(STRING_VALUE, this.#scratch.u8, 0, this.#scratch.pos);
    };
  }
}

/** How each kind is printed; null: as bytes in hex. */
const ANNOTATED = {
  string: 's',
  pointer: 'x',
  symbol: 'ps',
  ip4: 'pI4',
  ip6: 'pI6c',
  socketAddress: 'pISpc',
  bytes: null,
  numbers: null,
} as const;

function numberAnnotation(field: Field): Annotate {
  const key = field.signed ? INT_VALUE : UINT_VALUE;
  return (record, out) => {
    out.string(NAME, field.name);
    out.integer(key, record.number(field));
  };
}

const hexOf =
  ({ offset, size }: Field) =>
  (record: TraceCursor, out: TextBuffer): void => {
    for (let i = 0; i < size; i++) out.hex(record.u8[record.base + offset + i]!, 2);
  };
