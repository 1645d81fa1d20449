// Builds dist from src: the command line and the library, which share one file of code.
//
//     node tools/bundle.mjs
//
// One file, because a function that is called, or a constant that is read, across modules costs the engine a look into the other module each time, and a kernel has
// hundreds of both for a frame: whole runs take four fifths of the time that they take as modules.
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { constantFunctionsPlugin } from './constant_functions.mjs';
import { fentryPlugin } from './fentry.mjs';
import { ordinaryFieldsPlugin } from './ordinary_fields.mjs';

const path = (relative) => fileURLToPath(new URL(`../${relative}`, import.meta.url));

rmSync(path('dist'), { recursive: true, force: true });
const bundle = await rolldown({
  input: { index: path('src/index.ts'), 'cli/main': path('src/cli/main.ts') },
  platform: 'node',
  // What npm installs and what belongs to node stays outside.
  external: (id) => /^[\w@]/.test(id),
  plugins: [fentryPlugin(), ordinaryFieldsPlugin(), constantFunctionsPlugin()],
  optimization: { inlineConst: { mode: 'all', pass: 2 } },
});
await bundle.write({
  dir: path('dist'),
  format: 'esm',
  sourcemap: true,
  chunkFileNames: '[name].js',
  codeSplitting: { groups: [{ name: 'truewire', test: /\/src\/(?!cli\/|index)/ }] },
});
await bundle.close();
