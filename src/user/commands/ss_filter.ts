/** ss's filter language, as far as people use it: `sport|dport = :PORT`, `src|dst ADDRESS[/PREFIX][:PORT]`, `and or not` and parentheses. */
import { inet_addr } from '../inet.ts';
import { refuse } from './command.ts';

export interface SocketEnds {
  readonly src: number;
  readonly sport: number;
  readonly dst: number;
  readonly dport: number;
}
export type SocketFilter = (id: SocketEnds) => boolean;

export function readFilter(words: readonly string[]): SocketFilter {
  const tokens = words.join(' ').match(/[()]|!=|[<>=]=?|[^\s()=<>!]+|!/g) ?? [];
  if (tokens.length === 0) return () => true;
  const reader = new Reader(tokens);
  const filter = reader.alternatives();
  if (reader.peek !== '') refuse('ss', reader.peek, 'and, or, or the end of the filter');
  return filter;
}

class Reader {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  get peek(): string {
    return this.#tokens[this.#at] ?? '';
  }

  take(expected: string): string {
    return this.#tokens[this.#at++] ?? refuse('ss', 'the end of the line', expected);
  }

  skip(...words: string[]): boolean {
    if (!words.includes(this.peek) || this.peek === '') return false;
    this.#at++;
    return true;
  }

  alternatives(): SocketFilter {
    let filter = this.#conjunction();
    while (this.skip('or', '|', '||')) {
      const [left, right] = [filter, this.#conjunction()];
      filter = (id) => left(id) || right(id);
    }
    return filter;
  }

  /** Conditions in a row are joined by an `and` that need not be said. */
  #conjunction(): SocketFilter {
    let filter = this.#condition();
    while (this.skip('and', '&', '&&') || (this.peek !== '' && !['or', '|', '||', ')'].includes(this.peek))) {
      const [left, right] = [filter, this.#condition()];
      filter = (id) => left(id) && right(id);
    }
    return filter;
  }

  #condition(): SocketFilter {
    if (this.skip('not', '!')) {
      const inner = this.#condition();
      return (id) => !inner(id);
    }
    if (this.skip('(')) {
      const inner = this.alternatives();
      if (!this.skip(')')) refuse('ss', this.peek || 'the end of the line', ')');
      return inner;
    }
    const what = this.take('sport, dport, src or dst');
    if (what === 'sport' || what === 'dport') return this.#port(what);
    if (what === 'src' || what === 'dst') return this.#address(what);
    return refuse('ss', what, 'sport, dport, src, dst, not or (');
  }

  #port(field: 'sport' | 'dport'): SocketFilter {
    const operator = /^([<>=]=?|!=|eq|ne|neq|gt|lt|ge|le|geq|leq)$/.test(this.peek) ? this.take('a comparison') : '=';
    const word = this.take('a port such as :5001').replace(/^:/, '');
    const port = /^\d+$/.test(word) ? Number(word) : refuse('ss', word, 'a port such as :5001');
    switch (operator) {
      case '!=':
      case 'ne':
      case 'neq':
        return (id) => id[field] !== port;
      case '>':
      case 'gt':
        return (id) => id[field] > port;
      case '<':
      case 'lt':
        return (id) => id[field] < port;
      case '>=':
      case 'ge':
      case 'geq':
        return (id) => id[field] >= port;
      case '<=':
      case 'le':
      case 'leq':
        return (id) => id[field] <= port;
      default:
        return (id) => id[field] === port;
    }
  }

  #address(field: 'src' | 'dst'): SocketFilter {
    this.skip('=', '==', 'eq');
    const word = this.take('an address such as 10.0.0.1 or 10.0.0.0/24:5001');
    const [, text = '', length = '32', port = ''] =
      /^([\d.]*|\*)(?:\/(\d+))?(?::(\d+|\*))?$/.exec(word) ?? refuse('ss', word, 'an address');
    const any = text === '' || text === '*';
    const address = any ? 0 : (inet_addr(text) ?? refuse('ss', text, 'an IPv4 address'));
    const mask = any || length === '0' ? 0 : (0xffff_ffff << (32 - Number(length))) >>> 0;
    const portField = field === 'src' ? 'sport' : 'dport';
    const wanted = port === '' || port === '*' ? -1 : Number(port);
    return (id) => ((id[field] ^ address) & mask) === 0 && (wanted < 0 || id[portField] === wanted);
  }
}
