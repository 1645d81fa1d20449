import { describe, expect, it } from 'vitest';
import { withOrdinaryFields } from '../../tools/ordinary_fields.mjs';

/** What an expression is worth after the classes of `code` have been declared. */
function evaluate(code: string, expression: string): unknown {
  return new Function(`${withOrdinaryFields(code)}\nreturn ${expression};`)();
}

describe('the bundle has ordinary fields instead of private ones', () => {
  it('declares none before it has a value, so that the engine sees its kind at once', () => {
    const clock = 'class Clock { #now; constructor(now) { this.#now = now; } get now() { return this.#now; } }';
    expect(evaluate(clock, 'Object.entries(new Clock(2.5))')).toEqual([['now$0', 2.5]]);
    expect(evaluate(clock, 'new Clock(2.5).now')).toBe(2.5);
  });

  it('keeps those apart that a class and the one it extends call by the same name', () => {
    const classes = `
      class Outer { #name = 'outer'; outer() { return this.#name; } }
      class Inner extends Outer { #name = 'inner'; inner() { return this.#name; } }`;
    expect(evaluate(classes, '[new Inner().outer(), new Inner().inner()]')).toEqual(['outer', 'inner']);
  });

  it('knows methods, accessors, statics and classes within classes', () => {
    const code = `
      class A {
        static #made = 0;
        static #count;
        #value = 1;
        get #twice() { return 2 * this.#value; }
        set #twice(value) { this.#value = value / 2; }
        #add(n) { this.#twice += n; return class { #value = 'other'; both = (a) => [a.#add === undefined, this.#value]; }; }
        static make() { A.#made++; A.#count ??= 7; const a = new A(); const Nested = a.#add(4); return [A.#made, A.#count, a.#value, new Nested().both(a), a?.#twice]; }
      }`;
    expect(evaluate(code, 'A.make()')).toEqual([1, 7, 3, [false, 'other'], 6]);
  });

  it('keeps every line where it was', () => {
    const code = "class A {\n  #a;\n  #b = 1;\n  b() {\n    return '#a' + this.#b;\n  }\n}";
    expect(withOrdinaryFields(code)).toBe("class A {\n  \n  b$0 = 1;\n  b() {\n    return '#a' + this.b$0;\n  }\n}");
  });

  it('refuses to lose what only a private name can do', () => {
    expect(() => withOrdinaryFields('class A { #a = 1; static is(value) { return #a in value; } }')).toThrow(
      'no ordinary field can do this: #a in …',
    );
  });
});
