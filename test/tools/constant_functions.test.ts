import { describe, expect, it } from 'vitest';
import { withConstantFunctions } from '../../tools/constant_functions.mjs';

/** The code with constants, which has to be worth what it was: `result` is what it leaves. */
function changed(code: string): string {
  const text = withConstantFunctions(code);
  const run = (script: string): unknown => new Function(`${script}\nreturn result;`)();
  expect(run(text)).toEqual(run(code));
  return text;
}

describe('the bundle has constants for functions', () => {
  it('which exist before they are declared, are called everywhere, and keep their names', () => {
    const code =
      'const early = f(1);\nfunction f(n) { return n > 9 ? n : f(n * 2); }\nfunction* g() { yield f; }\nconst result = [early, [...g()][0].name];';
    expect(changed(code)).toBe(
      'const f$ = f, g$ = g;const early = f$(1);\nfunction f(n) { return n > 9 ? n : f$(n * 2); }\nfunction* g() { yield f$; }\nconst result = [early, [...g$()][0].name];',
    );
  });

  it.each([
    ['parameters', 'const result = ((f) => f)(2);'],
    ['defaults and patterns', 'const result = (({ f = 3 }, [g] = [4]) => [f, g])({});'],
    ['declarations of an inner block', 'const result = (() => { { const f = 5; if (f) return f; } return f(); })();'],
    [
      'functions, classes and what is caught',
      'const result = (() => { try { throw 6; } catch (f) { return [f, (() => { function g() { return 7; } class f {} return [g(), f.name]; })()]; } })();',
    ],
    [
      'labels, keys and members',
      'const o = { f: 8, g() { return this.f; } }; f: for (;;) { break f; }\nclass C { f = 9; static g = () => 10; }\nconst result = [o.f, o.g(), new C().f, C.g()];',
    ],
    ['functions of classes', 'class C { f() { return f(); } #g = g; g = () => this.#g(); }\nconst result = [new C().f(), new C().g()];'],
    [
      'expressions that call themselves',
      'const own = function f(n) { return n > 0 ? f(n - 1) : 12; };\nconst C = class g { static g = () => g.name; };\nconst result = [own(1), C.g()];',
    ],
    ['blocks at the top', 'const result = [];\nfor (const f of [13]) result.push(f);\n{ const g = 14; result.push(g); }'],
    ['short properties', 'const result = [{ f, g }.f(), { ["f"]: g, [f()]: f }.f()];'],
  ])('but means what it did where others have the name: %s', (_what, code) => {
    changed(`function f() { return 'f'; }\nfunction g() { return 'g'; }\n${code}`);
  });

  it('leaves alone what is assigned to, what is exported, and imports', () => {
    const code =
      "import { x } from 'x';\nexport function f() { return x(g()); }\nfunction g() { return 1; }\nfunction h() {}\nh = f;\nexport { g };";
    expect(withConstantFunctions(code)).toBe(
      "import { x } from 'x';const f$ = f, g$ = g;\nexport function f() { return x(g$()); }\nfunction g() { return 1; }\nfunction h() {}\nh = f$;\nexport { g };",
    );
    expect(withConstantFunctions('const a = 1;')).toBe('const a = 1;');
  });
});
