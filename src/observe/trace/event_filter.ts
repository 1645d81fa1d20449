/**
 * Event filters in ftrace's language (Documentation/trace/events.rst, 5): `dport == 5001 && snd_cwnd > 10`, `comm ~ "sock*" || !(gso_type & 1)`,
 * `location.function == tcp_v4_rcv`. A filter is parsed once for each event and becomes a function on its records.
 */
import type { Field } from '../../kernel/trace/event_layout.ts';
import { common_fields, type TraceEvent } from '../../kernel/trace/trace_event.ts';
import { FilterError, type FilterToken, tokenize } from './filter_tokens.ts';
import type { TraceCursor } from './trace_cursor.ts';
import type { TracedTask } from './trace_recorder.ts';

/** Whether a record is wanted. */
export type EventFilter = (record: TraceCursor) => boolean;

/** A field that the event does not have: with a filter on many events those that have it decide. */
export class UnknownFieldError extends FilterError {
  override readonly name = 'UnknownFieldError';
}

/** Parses `text` for records of `event`. `tasks` are the recorder's, for `comm`. Throws FilterError. */
export function compileFilter(text: string, event: TraceEvent, tasks: readonly TracedTask[]): EventFilter {
  return new Parser(tokenize(text), event, tasks).parse();
}

const OPERATORS = ['==', '!=', '<', '<=', '>', '>=', '&', '~'];

class Parser {
  readonly #tokens: readonly FilterToken[];
  readonly #event: TraceEvent;
  readonly #tasks: readonly TracedTask[];
  #at = 0;

  constructor(tokens: readonly FilterToken[], event: TraceEvent, tasks: readonly TracedTask[]) {
    this.#tokens = tokens;
    this.#event = event;
    this.#tasks = tasks;
  }

  parse(): EventFilter {
    const filter = this.#either();
    if (this.#next.kind !== 'end') this.#fail('&&, || or the end of the filter');
    return filter;
  }

  get #next(): FilterToken {
    return this.#tokens[this.#at]!;
  }

  #takes(text: string): boolean {
    if (this.#next.kind !== 'symbol' || this.#next.text !== text) return false;
    this.#at++;
    return true;
  }

  #fail(expected: string, token = this.#next): never {
    throw new FilterError(token.column, `read ${token.kind === 'end' ? 'the end' : JSON.stringify(token.text)}, expected ${expected}`);
  }

  #either(): EventFilter {
    let left = this.#both();
    while (this.#takes('||')) {
      const [first, second] = [left, this.#both()];
      left = (record) => first(record) || second(record);
    }
    return left;
  }

  #both(): EventFilter {
    let left = this.#negation();
    while (this.#takes('&&')) {
      const [first, second] = [left, this.#negation()];
      left = (record) => first(record) && second(record);
    }
    return left;
  }

  #negation(): EventFilter {
    if (this.#takes('!')) {
      const inner = this.#negation();
      return (record) => !inner(record);
    }
    if (!this.#takes('(')) return this.#comparison();
    const inner = this.#either();
    if (!this.#takes(')')) this.#fail('&&, || or )');
    return inner;
  }

  #comparison(): EventFilter {
    const name = this.#next;
    if (name.kind !== 'word') this.#fail('a field, ! or (');
    this.#at++;
    const operator = this.#next;
    if (operator.kind !== 'symbol' || !OPERATORS.includes(operator.text)) this.#fail(`one of ${OPERATORS.join(' ')}`);
    this.#at++;
    const value = this.#next;
    if (value.kind !== 'word' && value.kind !== 'string') this.#fail('a number or a string');
    this.#at++;
    return this.#compare(name, operator, value);
  }

  #compare(name: FilterToken, operator: FilterToken, value: FilterToken): EventFilter {
    const lower = name.text.toLowerCase();
    if (lower === 'comm' && !this.#has(name.text)) return this.#text((record) => this.#tasks[record.task]!.comm, operator, value);
    if (lower === 'cpu' && !this.#has(name.text)) return this.#number((record) => record.cpu, operator, value);
    const [fieldName = '', suffix] = name.text.split('.', 2);
    const field = this.#field(name, fieldName);
    if (suffix === 'function') return this.#text((record) => record.symbolAt(field.offset) ?? '', operator, value);
    if (suffix !== undefined) this.#fail('no suffix or .function', name);
    if (field.dynamic || field.type === 'char') return this.#text((record) => record.string(field), operator, value);
    if (field.count > 1) this.#fail(`a field that is a number or a string: ${fieldName} is ${field.declaration}`, name);
    return field.size === 8 ? this.#wide(field, operator, value) : this.#number((record) => record.number(field), operator, value);
  }

  #has(name: string): boolean {
    return this.#event.fields.some((field) => field.name === name);
  }

  #field(token: FilterToken, name: string): Field {
    const fields = [...this.#event.fields, ...common_fields];
    const field = fields.find((candidate) => candidate.name === name);
    if (field !== undefined) return field;
    const known = [...fields.map((candidate) => candidate.name), 'comm', 'cpu'].join(', ');
    throw new UnknownFieldError(token.column, `read ${JSON.stringify(name)}, expected a field of ${this.#event.name}: ${known}`);
  }

  #number(get: (record: TraceCursor) => number, operator: FilterToken, value: FilterToken): EventFilter {
    if (operator.text === '~') this.#fail('a string field before ~', operator);
    const wanted = Number(this.#integer(value));
    switch (operator.text) {
      case '==':
        return (record) => get(record) === wanted;
      case '!=':
        return (record) => get(record) !== wanted;
      case '<':
        return (record) => get(record) < wanted;
      case '<=':
        return (record) => get(record) <= wanted;
      case '>':
        return (record) => get(record) > wanted;
      case '>=':
        return (record) => get(record) >= wanted;
      default:
        return (record) => (get(record) & wanted) !== 0;
    }
  }

  /** 64 bits, as two halves: pointers have more than a number holds. */
  #wide(field: Field, operator: FilterToken, value: FilterToken): EventFilter {
    if (operator.text === '~') this.#fail('a string field before ~', operator);
    const wanted = BigInt.asUintN(64, this.#integer(value));
    const [low, high] = [Number(wanted & 0xffff_ffffn), Number(wanted >> 32n)];
    const { offset } = field;
    const flip = field.signed ? 0x8000_0000 : 0;
    const order = (record: TraceCursor): number =>
      ((record.u32(offset + 4) ^ flip) >>> 0) - ((high ^ flip) >>> 0) || record.u32(offset) - low;
    switch (operator.text) {
      case '==':
        return (record) => record.u32(offset) === low && record.u32(offset + 4) === high;
      case '!=':
        return (record) => record.u32(offset) !== low || record.u32(offset + 4) !== high;
      case '<':
        return (record) => order(record) < 0;
      case '<=':
        return (record) => order(record) <= 0;
      case '>':
        return (record) => order(record) > 0;
      case '>=':
        return (record) => order(record) >= 0;
      default:
        return (record) => (record.u32(offset) & low) !== 0 || (record.u32(offset + 4) & high) !== 0;
    }
  }

  #integer(value: FilterToken): bigint {
    if (value.kind === 'string' || !/^-?(0[xX][0-9a-fA-F]+|\d+)$/.test(value.text)) this.#fail('a number', value);
    return value.text.startsWith('-') ? -BigInt(value.text.slice(1)) : BigInt(value.text);
  }

  #text(get: (record: TraceCursor) => string, operator: FilterToken, value: FilterToken): EventFilter {
    const wanted = value.text;
    switch (operator.text) {
      case '==':
        return (record) => get(record) === wanted;
      case '!=':
        return (record) => get(record) !== wanted;
      case '~': {
        const pattern = glob(wanted);
        return (record) => pattern.test(get(record));
      }
      default:
        return this.#fail('==, != or ~ between a string field and a string', operator);
    }
  }
}

/** `*` any characters, `?` any one, `[a-z]` one of these. */
export function glob(pattern: string): RegExp {
  const source = pattern.replaceAll(/\[[^\]]*\]|[\s\S]/g, (part) => {
    if (part === '*') return '[\\s\\S]*';
    if (part === '?') return '[\\s\\S]';
    if (part.length > 1) return part.replaceAll('\\', '\\\\');
    return part.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${source}$`);
}
