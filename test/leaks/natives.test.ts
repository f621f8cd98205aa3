import { describe, expect, it } from 'vitest'
import { type NativeHolder, Natives } from '../../src/leaks/natives.js'
import { makeOwner } from '../../src/leaks/tracking.js'

const at = (port: number) => ({ address: '127.0.0.1', port, family: 'IPv4' as const })
const owner = makeOwner({ activity: 0 }, 'test', 'opens', undefined)
const here = import.meta.filename

/** Settles the last request of `fetch`. */
let settle: { resolve(answer: Response): void; reject(error: Error): void }
const waiting = (() =>
  new Promise<Response>((resolve, reject) => {
    settle = { resolve, reject }
  })) as typeof fetch

const holder = {
  fetch: waiting,
  Deno: {
    listen: (): unknown => ({ addr: { port: 64011 } }),
    connect: async (): Promise<unknown> => ({ localAddr: { port: 64012 } }),
    connectTls: async (): Promise<unknown> => Promise.reject(new Error('refused')),
    get serve(): () => unknown {
      return () => ({ addr: { port: 64013 } })
    },
    set serve(value) {
      Object.defineProperty(this, 'serve', { value, configurable: true })
    },
  },
} satisfies NativeHolder
const natives = new Natives('Deno', () => owner, holder)

describe('the origin of a socket that a function of Deno opens', () => {
  it.each([
    ['a listener', () => holder.Deno.listen(), { local: at(64011), remote: undefined }, 'listener.close()'],
    ['a server', () => holder.Deno.serve(), { local: at(64013), remote: undefined }, 'server.shutdown()'],
    ['a connection', () => holder.Deno.connect(), { local: at(64012), remote: at(1) }, 'conn.close()'],
  ])('of %s has the line, the owner and the call that closes it', async (_, open, ends, howToClose) => {
    await open()
    const origin = natives.originOf(ends)
    expect(origin).toMatchObject({ owner, howToClose })
    expect(origin?.trace[0]).toContain(here)
  })

  it('is unknown for other ends', () => {
    expect(natives.originOf({ local: at(64019), remote: undefined })).toBeUndefined()
    expect(natives.originOf({ local: at(64011), remote: at(64012) })).toBeUndefined()
  })

  it('does not change the error of a connect', async () => {
    await expect(holder.Deno.connectTls()).rejects.toThrow('refused')
  })
})

it('counts connections of fetch as pooled once it has its answer', async () => {
  const ends = { local: at(64030), remote: at(64001) }
  const answer = holder.fetch('http://127.0.0.1:64001/path')
  expect(natives.isPooled(ends)).toBe(false)
  settle.resolve(new Response('hello'))
  await answer
  expect(natives.isPooled(ends)).toBe(true)
  expect(natives.isPooled({ local: ends.remote, remote: ends.local })).toBe(true)
  expect(natives.isPooled({ local: at(64001), remote: undefined })).toBe(false)
  expect(natives.isPooledPort(64002)).toBe(false)
})

it.each([
  ['a Request', () => new Request('https://localhost/'), 443],
  ['a URL', () => new URL('http://localhost'), 80],
])('reads the port of %s', async (_, resource, port) => {
  const answer = holder.fetch(resource())
  settle.reject(new Error('refused'))
  await expect(answer).rejects.toThrow('refused')
  expect(natives.isPooledPort(port)).toBe(true)
})

it('leaves the refusal of an argument to fetch', () => {
  expect(() => void holder.fetch(Symbol('no URL') as never).catch(() => {})).not.toThrow()
  expect(() => void holder.fetch(undefined as never).catch(() => {})).not.toThrow()
})

it('replaces nothing that is frozen', () => {
  const Bun = Object.freeze({ serve: () => 1 })
  const before = Bun.serve
  new Natives('Bun', () => owner, { fetch: waiting, Bun })
  expect(Bun.serve).toBe(before)
})
