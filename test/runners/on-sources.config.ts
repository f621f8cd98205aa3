import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { sourceAliases } from '../support/source-aliases.js'

const root = join(import.meta.dirname, '../..')

/** The project of a Vitest user, with portside's sources instead of the package. */
export default defineConfig({
  root: join(root, 'fixtures/projects/consumer-vitest'),
  cacheDir: join(root, 'node_modules/.vite'),
  resolve: { alias: sourceAliases() },
  test: { setupFiles: ['./install.ts'] },
})
