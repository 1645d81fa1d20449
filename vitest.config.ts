import { defineConfig } from 'vitest/config';
import { fentryPlugin } from './tools/fentry.mjs';

export default defineConfig({
  plugins: [fentryPlugin()],
  test: { include: ['test/**/*.test.ts'], testTimeout: 60_000 },
});
