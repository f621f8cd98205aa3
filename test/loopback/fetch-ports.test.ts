import { createRequire } from 'node:module'
import { expect, it } from 'vitest'
import { FETCH_REFUSES } from '../../src/loopback/fetch-ports.js'

it('FETCH_REFUSES has the ports that fetch of this Node blocks before it connects', async () => {
  for (const port of FETCH_REFUSES) {
    const error = await fetch(`http://127.0.0.1:${port}/`).catch((error) => error)
    expect(error.cause, String(port)).toMatchObject({ message: 'bad port' })
  }
})

it('FETCH_REFUSES has the blocked ports of undici, whose fetch Node has', () => {
  const { badPorts } = createRequire(import.meta.url)('undici/lib/web/fetch/constants.js') as { badPorts: string[] }
  expect([...FETCH_REFUSES].map(String).sort()).toEqual([...badPorts].sort())
})
