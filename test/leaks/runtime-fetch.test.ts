import { expect, it } from 'vitest'
import { followFetch, isFetched, isOfFetch } from '../../src/leaks/runtime-fetch.js'

const at = (port: number) => ({ address: '127.0.0.1', port, family: 'IPv4' as const })

it('counts connections to a port that fetch of Deno has named as those of its pool', async () => {
  const asked: unknown[] = []
  const holder = { fetch: ((input: unknown) => asked.push(input)) as unknown as typeof fetch }
  followFetch('Deno', holder)
  await holder.fetch('http://127.0.0.1:64001/path')
  await holder.fetch(new Request('https://localhost/'))
  expect(asked).toHaveLength(2)
  expect(isFetched(64001)).toBe(true)
  expect(isFetched(443)).toBe(true)
  expect(isFetched(64002)).toBe(false)
  expect(isOfFetch({ state: 'ESTABLISHED', remote: at(64001) })).toBe(true)
  expect(isOfFetch({ state: 'ESTABLISHED', remote: at(64002) })).toBe(false)
  expect(isOfFetch({ state: 'LISTEN', remote: undefined })).toBe(false)
})

it('leaves fetch of Node and Bun alone', () => {
  const holder = { fetch }
  followFetch('Node', holder)
  followFetch('Bun', holder)
  expect(holder.fetch).toBe(fetch)
})
