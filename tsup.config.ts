import { transform } from 'esbuild'
import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts'],
  format: ['esm', 'cjs'],
  dts: true,
  clean: true,
  sourcemap: true,
  platform: 'node',
  target: 'node20',
  // tsup strips `node:` by default, and `test` without it is not a built-in.
  removeNodeProtocol: false,
  esbuildOptions(options) {
    // esbuild splits ES modules only, and tsup's own way from there to CJS rewrites every `?.` and `??` into a call.
    options.format = 'esm'
    options.splitting = true
  },
  plugins: [
    {
      name: 'chunks-to-cjs',
      async renderChunk(code, { path }) {
        if (this.format !== 'cjs' || !path.endsWith('.cjs')) return
        return transform(code, {
          format: 'cjs',
          platform: 'node',
          target: 'node20',
          sourcefile: path,
          sourcemap: 'external',
          // `await import()` becomes a `require` that is as lazy: under Jest a real import() in a CJS file throws.
          supported: { 'dynamic-import': false },
        })
      },
    },
  ],
})
