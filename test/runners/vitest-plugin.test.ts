import { describe, expect, test, vi } from 'vitest'
import type { InlineConfig } from 'vitest/node'
import portside, { type PluginOptions } from '../../src/runners/vitest-plugin.js'

// In Vitest itself: test/package/entries.test.ts and test/runners/compat.

describe('the plugin', () => {
  test('adds its setup file before those of the user, and its options', async () => {
    const { setupFiles, provide } = await configured({ setupFiles: './own.ts' }, portside({ leaks: 'warn' }))
    expect(setupFiles).toEqual([expect.stringMatching(/vitest-setup\.js$/), './own.ts'])
    expect(provide).toMatchObject({ portside: { leaks: 'warn' } })
  })

  test('checks once if it is listed twice, with the last options', async () => {
    const first = portside({ leaks: { mode: 'warn' }, announce: false })
    const { setupFiles, provide } = await configured({}, first, portside({ leaks: { idlePools: 'close' } }), portside())
    expect(setupFiles).toHaveLength(1)
    expect(provide).toMatchObject({ portside: { leaks: { idlePools: 'close' }, announce: false } })
    expect(provide).not.toHaveProperty('portside.leaks.mode')
  })

  test('keeps the options of provide, and rejects options in both places', async () => {
    const given = { provide: { portside: { leaks: 'off' as const } } }
    expect((await configured({ ...given }, portside())).provide).toMatchObject({ portside: { leaks: 'off' } })
    await expect(configured(given, portside({ leaks: 'warn' }))).rejects.toThrow('both portside() and provide.portside')
  })

  test('does not change projects in a browser', async () => {
    const browser = { enabled: true } as NonNullable<InlineConfig['browser']>
    expect(await configured({ browser }, portside())).toEqual({ browser })
  })

  test('sets the pool for a host', async () => {
    const { pool } = await configured({}, portside({ host: { ipv6: false } }))
    expect(pool).toMatchObject({ name: 'portside' })
  })

  test.for<[unknown, string]>([
    [{ leak: 'off' }, 'Invalid option "leak" of portside(): did you mean "leaks"?'],
    [{ leaks: { mod: 'off' } }, 'Invalid option "mod" of portside().leaks: did you mean "mode"?'],
    [{ leaks: 'wran' }, "Invalid `mode`: expected 'fail', 'warn' or 'off', got 'wran'"],
    [{ fallback: 'forks' }, 'Invalid `host`: expected a profile next to `fallback`'],
    [{ leaks: { signal: AbortSignal.abort() } }, 'Invalid `signal`: expected an option that can be sent to a worker'],
    [{ leaks: { ignore: [{ function: { test() {} } }] } }, 'Invalid `leaks`: expected values that can be sent'],
    [{ announce: 'off' }, 'Invalid `announce`: expected true or false'],
  ])('refuses %j', ([options, message]) => {
    expect(() => portside(options as PluginOptions)).toThrow(message)
  })

  test('sends regular expressions of rules to the workers', async () => {
    const ignore = [{ function: /^connect/ }]
    expect((await configured({}, portside({ leaks: { ignore } }))).provide).toMatchObject({
      portside: { leaks: { ignore } },
    })
  })

  test('names the variable with an invalid mode, and the nearest mode', () => {
    vi.stubEnv('PORTSIDE_LEAKS', 'wran')
    try {
      expect(() => portside()).toThrow(
        /^Invalid `PORTSIDE_LEAKS`: expected 'fail', 'warn' or 'off', got 'wran'\.\n.*write 'warn'/,
      )
    } finally {
      vi.unstubAllEnvs()
    }
  })
})

/** A configuration of Vitest after all of its plugins have seen it. */
async function configured(test: InlineConfig, ...plugins: ReturnType<typeof portside>[]): Promise<InlineConfig> {
  const config = { test }
  for (const { config: hook } of plugins) await (hook as (config: object) => Promise<void>)(config)
  return config.test
}
