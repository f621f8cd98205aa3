import { EventEmitter } from 'node:events'
import type { ClientRequest } from 'node:http'
import { describe, expect, it } from 'vitest'
import { type NativeHolder, type NativeOrigin, Natives } from '../../src/leaks/natives.js'
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

class FakeWebSocket extends EventTarget {
  readonly url: string
  constructor(url: string) {
    super()
    this.url = url
  }
}

const holder = {
  fetch: waiting,
  WebSocket: FakeWebSocket as unknown as typeof WebSocket,
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
  ])('of %s has the line, the owner and the call that closes it', async (_, open, ends, howToClose) => {
    await open()
    const origin = natives.originOf(ends)
    expect(origin).toMatchObject({ owner, howToClose })
    expect(origin?.trace[0]).toContain(here)
  })

  it('of a connection has the same', async () => {
    await holder.Deno.connect()
    expect(natives.holderOf({ from: 64012, to: 1, among: [64012] })).toMatchObject({
      owner,
      howToClose: 'conn.close()',
    })
  })

  it('is that of the listener for a connection that it has accepted', () => {
    holder.Deno.listen()
    const origin = natives.originOf({ local: at(64011), remote: at(64020) })
    expect(origin).toMatchObject({ owner, howToClose: 'close() of the connection that was accepted there' })
  })

  it('is unknown for other ends', () => {
    expect(natives.originOf({ local: at(64019), remote: undefined })).toBeUndefined()
    expect(natives.holderOf({ from: 64019, to: 64012, among: [64019] })).toBeUndefined()
  })

  it('does not change the error of a connect', async () => {
    await expect(holder.Deno.connectTls()).rejects.toThrow('refused')
  })
})

describe('a connection of fetch', () => {
  const to = 64001
  const url = `http://127.0.0.1:${to}/path`

  it('is held by its request, and later by the pool', async () => {
    expect(natives.holderOf({ from: 64030, to, among: [64030] })).toBeUndefined()
    const answer = holder.fetch(url)
    expect(natives.holderOf({ from: 64030, to, among: [64030] })).toMatchObject({ owner })
    settle.resolve(new Response('hello'))
    await answer
    expect(natives.holderOf({ from: 64030, to, among: [64030] })).toBe('pool')
    expect(natives.holderOf({ from: 64030, to: 64002, among: [64030] })).toBeUndefined()
  })

  it('is held by the pool if newer connections have the requests', async () => {
    const answer = holder.fetch(url)
    const holders = [64031, 64032].map((from) => natives.holderOf({ from, to, among: [64031, 64032] }))
    expect(holders).toEqual(['pool', expect.objectContaining({ owner })])
    settle.resolve(new Response())
    await answer
  })

  it('is held by the pool once its request has been reported', () => {
    void holder.fetch(url)
    const origin = natives.holderOf({ from: 64033, to, among: [64033] })
    expect(origin).toMatchObject({ howToClose: expect.stringContaining('abort()') })
    natives.settle(origin as NativeOrigin)
    expect(natives.holderOf({ from: 64033, to, among: [64033] })).toBe('pool')
  })

  it('may go to the server of a redirect', async () => {
    const answer = holder.fetch(url)
    settle.resolve(
      Object.defineProperties(new Response(), { redirected: { value: true }, url: { value: 'http://[::1]:64003/' } }),
    )
    await answer
    expect(natives.holderOf({ from: 64034, to: 64003, among: [64034] })).toBe('pool')
  })

  it.each([
    ['a Request', () => new Request('https://localhost/'), 443],
    ['a URL', () => new URL('http://localhost'), 80],
  ])('goes to the port of %s', async (_, resource, port) => {
    const answer = holder.fetch(resource())
    settle.reject(new Error('refused'))
    await expect(answer).rejects.toThrow('refused')
    expect(natives.holderOf({ from: 64035, to: port, among: [64035] })).toBe('pool')
  })

  it('keeps the callers in the error of a request', async () => {
    const calling = async (): Promise<Response> => {
      const answer = holder.fetch(url)
      queueMicrotask(() => settle.reject(new Error('refused')))
      return await answer
    }
    const error = await calling().catch((thrown: unknown) => thrown)
    expect(error).toHaveProperty('message', 'refused')
  })
})

it('holds the connection of a WebSocket until it closes', () => {
  const socket = new holder.WebSocket('ws://127.0.0.1:64004/path') as unknown as EventTarget
  expect(socket).toBeInstanceOf(holder.WebSocket)
  expect(natives.holderOf({ from: 64036, to: 64004, among: [64036] })).toMatchObject({ howToClose: 'socket.close()' })
  socket.dispatchEvent(new Event('close'))
  expect(natives.holderOf({ from: 64036, to: 64004, among: [64036] })).toBeUndefined()
})

it('holds the connection of a request of node:http until it closes, for Bun', () => {
  const request = Object.assign(new EventEmitter(), { protocol: 'http:', getHeader: () => '127.0.0.1:64005' })
  natives.heardRequest({ request: request as unknown as ClientRequest })
  expect(natives.holderOf({ from: 64037, to: 64005, among: [64037] })).toMatchObject({
    howToClose: 'request.destroy()',
  })
  request.emit('close')
  expect(natives.holderOf({ from: 64037, to: 64005, among: [64037] })).toBe('pool')
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
