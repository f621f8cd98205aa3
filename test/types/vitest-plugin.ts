// Not run: compiled with each Vitest and each TypeScript, by `npm run consumers`.
import portside, { type PluginOptions, type RunnerOptions } from 'portside/vitest/plugin'
import { expect } from 'vitest'
import { defineConfig, type Plugin } from 'vitest/config'

defineConfig({ plugins: [portside()] })
exactly<Plugin>()(portside({ leaks: { mode: 'warn', ignore: [{ function: /^connect/ }] }, announce: false }))
portside({ leaks: 'off', host: { ipv6: false }, fallback: 'forks' })
declare const options: PluginOptions
const forAllRunners: RunnerOptions = options
portside(forAllRunners)

// @ts-expect-error: expects one of three modes.
portside({ leaks: 'loud' })
// @ts-expect-error: an unknown option.
portside({ leak: 'off' })
// @ts-expect-error: expects one of two values.
portside({ host: {}, fallback: 'workers' })

exactly<void>()(expect(new Error()).toBeConnectionRefused())
