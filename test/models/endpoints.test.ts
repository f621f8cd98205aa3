import fc from 'fast-check'
import { expect, it } from 'vitest'
import { formatEndpoint } from '../../src/index.js'
import { canonical, toEndpoint } from '../../src/loopback/endpoint.js'
import { namedBy } from '../../src/loopback/endpoint-like.js'

/** The same seed each time; a failure prints its own. */
const PINNED = { seed: 1, numRuns: 500 }

const address = fc.oneof(fc.ipV4(), fc.ipV6())
const port = fc.integer({ min: 1, max: 65_535 })

it('parses a printed endpoint as the same endpoint', () => {
  fc.assert(
    fc.property(address, port, (address, port) => {
      const url = new URL(`tcp://${formatEndpoint(toEndpoint(address, port))}`)
      const [named] = namedBy(url) as [{ host: string; port: number }]
      expect(named.port).toBe(port)
      expect(canonical(named.host)).toBe(canonical(address))
    }),
    PINNED,
  )
})

it('shortens the shortest spelling of an address to itself', () => {
  fc.assert(
    fc.property(fc.oneof(address, fc.string()), (address) => {
      expect(canonical(canonical(address))).toBe(canonical(address))
    }),
    PINNED,
  )
})

it('turns any value into places, or rejects it by code', () => {
  const anything = fc.oneof(
    fc.anything(),
    fc.record({ host: fc.anything(), port: fc.anything(), address: fc.anything() }, { requiredKeys: [] }),
    fc.record({ path: fc.anything() }),
    fc.webUrl().map((url) => new URL(url)),
  )
  fc.assert(
    fc.property(anything, (target) => {
      try {
        for (const place of namedBy(target as never)) {
          if ('path' in place) expect(place.path).not.toBe('')
          else expect(place.port > 0 && place.port < 65_536 && typeof place.host === 'string').toBe(true)
        }
      } catch (error) {
        expect((error as { code?: string }).code, String(error)).toMatch(/^ERR_/)
      }
    }),
    PINNED,
  )
})
