import type * as getPort from '../../src/ports/get-port.js'
import type * as jest from '../../src/runners/jest.js'
import type * as mocha from '../../src/runners/mocha.js'
import type * as nodeTest from '../../src/runners/node-test.js'
import type * as plugin from '../../src/runners/vitest-plugin.js'
import type * as pool from '../../src/runners/vitest-pool.js'
import { type Entry, entry } from './entries.js'

/** The other entry points of the package that can be loaded outside a runner. */
export interface EntryPoints {
  readonly 'get-port': typeof getPort
  readonly jest: typeof jest
  readonly mocha: typeof mocha
  readonly 'node-test': typeof nodeTest
  /** ESM only. */
  readonly 'vitest-pool'?: typeof pool
  readonly 'vitest-plugin'?: typeof plugin
}

/** The functions of these entries, and the matchers. Empty if they are not built. */
export function runnerEntries(points: Partial<EntryPoints>): readonly Entry[] {
  const { jest: jestPoint, mocha, 'node-test': nodeTest, 'get-port': getPortPoint } = points
  if (jestPoint === undefined || mocha === undefined || nodeTest === undefined || getPortPoint === undefined) return []
  const { matchers, ...jest } = jestPoint
  const test = { after() {} }
  const { namespacePool } = points['vitest-pool'] ?? {}
  const { default: portside } = points['vitest-plugin'] ?? {}
  return [
    entry('install()', 'portside/mocha install', 'leaks', () => [mocha.install, {}]),
    entry('useNet()', 'portside/mocha useNet', undefined, () => [mocha.useNet, {}]),
    entry('install()', 'portside/node-test install', undefined, () => [nodeTest.install, {}]),
    entry('useNet()', 'portside/node-test useNet', 'grace', () => [nodeTest.useNet, test, {}]),
    entry('install()', 'portside/jest install', undefined, () => [jest.install, { extend() {} }]),
    entry('useNet()', 'portside/jest useNet', undefined, () => [jest.useNet, {}]),
    ...(namespacePool === undefined
      ? []
      : [entry('namespacePool()', 'portside/vitest/pool namespacePool', 'fallback', () => [namespacePool, {}, {}])]),
    ...(portside === undefined
      ? []
      : [entry('portside()', 'portside/vitest/plugin default', 'leaks', () => [portside, {}])]),
    entry(
      'getPort()',
      'portside/get-port default',
      undefined,
      () => [
        async (options: getPort.Options) => {
          const port = await getPortPoint.default(options)
          getPortPoint.clearLockedPorts()
          return port
        },
        { port: 4001, exclude: [4002], reserve: false, host: '127.0.0.1' },
      ],
      { foreign: true },
    ),
    entry(
      'portNumbers()',
      'portside/get-port portNumbers',
      undefined,
      () => [(from: number, to: number) => [...getPortPoint.portNumbers(from, to)], 4000, 4010],
      { foreign: true },
    ),
    ...Object.entries(matchers).map(([name, match]) =>
      entry(`${name}()`, `matcher ${name}`, name === 'toBeReleased' ? 'protocol' : undefined, () => [
        async (...args: unknown[]) => (await Reflect.apply(match, {}, args)).message(),
        Object.assign(new Error('x'), { code: 'EPIPE' }),
        ...(name === 'toHaveOpenSockets' ? [0] : /toBe(Drained|Listening)|toAccept|toRefuse/.test(name) ? [] : [{}]),
      ]),
    ),
  ]
}
