import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { addAbortSignal } from 'node:stream'
import tls from 'node:tls'
import { promisify } from 'node:util'
import * as grpc from '@grpc/grpc-js'
import amqp from 'amqplib'
import axios from 'axios'
import { got } from 'got'
import { Redis, type RedisOptions } from 'ioredis'
import mysql from 'mysql2'
import mysqlPromise from 'mysql2/promise'
import pg from 'pg'
import * as undici from 'undici'
import { describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import {
  assertConnectionRefused,
  assertConnectionReset,
  assertConnectionTimedOut,
  formatEndpoint,
  loopbackFamilies,
  refusedEndpoint,
  resettingEndpoint,
  type TestEndpoint,
  unresponsiveEndpoint,
} from '../../src/index.js'
import { openOrSkip } from '../endpoints/clients.js'
import { HERE } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

/** Milliseconds that a client waits for an answer that does not come. */
const IMPATIENT = 50
/** A timeout that must not expire: longer than a test may last. */
const PATIENT = 600_000

type Outcome = 'refused' | 'reset' | 'timed out'

/** A client that has begun to connect, or connects when the action is called. */
interface Dialled {
  /** The value that a user has for the result: a promise, a function, an emitter. */
  readonly action: unknown
  /** Closes the client. A client that failed often needs nothing. */
  readonly close?: () => unknown
}

interface Client {
  readonly name: string
  readonly dial: (endpoint: TestEndpoint, patience: number) => Dialled
  /** The outcomes that this use of the client reports, if not all. */
  readonly tells?: readonly Outcome[]
  /** MySQL servers speak first: their clients never send a first byte. */
  readonly resets?: 'accept'
  /** It continues to connect after it has given up, and closing it does not stop that. */
  readonly abandons?: true
}

const clients: readonly Client[] = [
  {
    name: 'net.connect()',
    dial({ address: host, port }, patience) {
      const socket = net.connect({ host, port, signal: AbortSignal.timeout(patience) })
      socket.on('connect', () => void socket.write('ping'))
      return { action: socket, close: () => socket.destroy() }
    },
  },
  {
    name: 'net.connect(), its own timeout',
    dial({ address: host, port }, timeout) {
      const socket = net.connect({ host, port, timeout })
      socket.on('connect', () => void socket.write('ping'))
      return { action: socket, close: () => socket.destroy() }
    },
  },
  {
    name: "once(net.connect(), 'data')",
    dial({ address: host, port }, patience) {
      const socket = net.connect({ host, port })
      socket.on('connect', () => void socket.write('ping'))
      const answer = once(socket, 'data', { signal: AbortSignal.timeout(patience) })
      return { action: answer, close: () => socket.destroy() }
    },
  },
  {
    name: 'tls.connect()',
    dial({ address: host, port }, patience) {
      const socket = addAbortSignal(AbortSignal.timeout(patience), tls.connect({ host, port }))
      return { action: socket, close: () => socket.destroy() }
    },
  },
  {
    name: 'http.request()',
    dial({ address: host, port }, patience) {
      const request = http.request({ host, port, agent: false, signal: AbortSignal.timeout(patience) }).end()
      return { action: request, close: () => request.destroy() }
    },
  },
  {
    name: 'http.request(), its own timeout',
    dial({ address: host, port }, timeout) {
      const request = http.request({ host, port, agent: false, timeout }).end()
      // As in the documentation of Node; the error of destroy() then has ECONNRESET.
      request.on('timeout', () => request.destroy())
      return { action: request, close: () => request.destroy() }
    },
  },
  {
    name: 'http2.connect(), its session',
    dial(endpoint, patience) {
      // Only the end of its socket ends a session that is still connecting.
      const socket = net.connect(endpoint.port, endpoint.address)
      const session = http2.connect(url(endpoint), { createConnection: () => socket })
      session.setTimeout(patience)
      session.on('error', () => {})
      return { action: session, close: () => socket.destroy() }
    },
  },
  {
    name: 'http2.connect(), a request',
    dial(endpoint, patience) {
      const socket = net.connect(endpoint.port, endpoint.address)
      const session = http2.connect(url(endpoint), { createConnection: () => socket })
      session.on('error', () => {})
      const stream = session.request({ ':path': '/' }, { signal: AbortSignal.timeout(patience) })
      return { action: stream, close: () => socket.destroy() }
    },
  },
  {
    name: 'fetch()',
    abandons: true,
    dial: (endpoint, patience) => ({ action: fetch(url(endpoint), { signal: AbortSignal.timeout(patience) }) }),
  },
  {
    name: 'undici, request()',
    dial(endpoint, timeout) {
      const dispatcher = new undici.Agent({ connect: { timeout } })
      return { action: undici.request(url(endpoint), { dispatcher }), close: () => dispatcher.destroy() }
    },
  },
  {
    name: 'undici, fetch()',
    dial(endpoint, timeout) {
      const dispatcher = new undici.Agent({ connect: { timeout } })
      return { action: undici.fetch(url(endpoint), { dispatcher }), close: () => dispatcher.destroy() }
    },
  },
  {
    name: 'axios',
    dial: (endpoint, timeout) => ({ action: () => axios.get(url(endpoint), { timeout, proxy: false }) }),
  },
  {
    name: 'axios, clarifyTimeoutError',
    dial: (endpoint, timeout) => ({
      action: () => axios.get(url(endpoint), { timeout, proxy: false, transitional: { clarifyTimeoutError: true } }),
    }),
  },
  {
    name: 'axios, its fetch adapter',
    abandons: true,
    dial: (endpoint, timeout) => ({ action: () => axios.get(url(endpoint), { timeout, adapter: 'fetch' }) }),
  },
  {
    name: 'got',
    dial: (endpoint, request) => ({
      action: () => got(url(endpoint), { retry: { limit: 0 }, timeout: { request } }).text(),
    }),
  },
  {
    name: 'got, timeout.connect',
    dial: (endpoint, connect) => ({
      // The timeout starts at the lookup, and got assumes that an IPv6 address needs one.
      action: () => got(byName(endpoint), { retry: { limit: 0 }, timeout: { connect } }).text(),
    }),
  },
  {
    name: 'got, a signal',
    dial: (endpoint, patience) => ({
      action: got(url(endpoint), { retry: { limit: 0 }, signal: AbortSignal.timeout(patience) }).text(),
    }),
  },
  {
    name: 'pg, Client.connect()',
    dial({ address: host, port }, connectionTimeoutMillis) {
      const client = new pg.Client({ host, port, user: 'u', password: 'p', database: 'd', connectionTimeoutMillis })
      return { action: () => client.connect(), close: () => client.end() }
    },
  },
  {
    name: 'pg, Pool.query()',
    dial({ address: host, port }, connectionTimeoutMillis) {
      const pool = new pg.Pool({ host, port, user: 'u', password: 'p', database: 'd', connectionTimeoutMillis })
      return { action: () => pool.query('SELECT 1'), close: () => pool.end() }
    },
  },
  {
    name: 'ioredis, its client',
    dial(endpoint, connectTimeout) {
      const redis = redisOf(endpoint, { connectTimeout, retryStrategy: () => null })
      redis.connect().catch(() => {})
      return { action: redis, close: () => redis.disconnect() }
    },
  },
  {
    name: 'ioredis, a command with commandTimeout',
    tells: ['timed out'],
    abandons: true,
    dial(endpoint, commandTimeout) {
      const redis = redisOf(endpoint, { commandTimeout, retryStrategy: () => null })
      return { action: () => redis.ping(), close: () => redis.disconnect() }
    },
  },
  {
    name: 'amqplib',
    dial: ({ address: hostname, port }, timeout) => ({ action: () => amqp.connect({ hostname, port }, { timeout }) }),
  },
  {
    name: 'mysql2, its connection',
    resets: 'accept',
    dial({ address: host, port }, connectTimeout) {
      const connection = mysql.createConnection({ host, port, user: 'u', connectTimeout })
      return { action: connection, close: () => connection.destroy() }
    },
  },
  {
    name: 'mysql2, the callback of connect()',
    resets: 'accept',
    dial({ address: host, port }, connectTimeout) {
      const connection = mysql.createConnection({ host, port, user: 'u', connectTimeout })
      connection.on('error', () => {})
      const connect = new Promise<void>((resolve, reject) => {
        connection.connect((error) => (error === null ? resolve() : reject(error)))
      })
      return { action: connect, close: () => connection.destroy() }
    },
  },
  {
    name: 'mysql2/promise, createConnection()',
    resets: 'accept',
    dial: ({ address: host, port }, connectTimeout) => ({
      action: () => mysqlPromise.createConnection({ host, port, user: 'u', connectTimeout }),
    }),
  },
  {
    name: 'mysql2/promise, the query() of a pool',
    resets: 'accept',
    dial({ address: host, port }, connectTimeout) {
      const pool = mysqlPromise.createPool({ host, port, user: 'u', connectTimeout })
      return { action: () => pool.query('SELECT 1'), close: () => pool.end() }
    },
  },
  {
    name: 'ws',
    dial(endpoint, handshakeTimeout) {
      const socket = new WebSocket(`ws://${formatEndpoint(endpoint)}`, { handshakeTimeout })
      return { action: socket, close: () => socket.terminate() }
    },
  },
  {
    name: 'gRPC, a unary call',
    abandons: true,
    dial(endpoint, patience) {
      const client = grpcOf(endpoint)
      return { action: () => callUnary(client, patience), close: () => client.close() }
    },
  },
  {
    name: 'gRPC, waitForReady()',
    tells: ['timed out'],
    abandons: true,
    dial(endpoint, patience) {
      const client = grpcOf(endpoint)
      return { action: () => waitUntilReady(client, patience), close: () => client.close() }
    },
  },
]

describe.each(clients)('$name', (client) => {
  const { tells = ['refused', 'reset', 'timed out'], resets = 'first-byte' } = client

  it.runIf(tells.includes('refused'))('is refused', async () => {
    await using endpoint = await refusedEndpoint()
    await using dialled = dial(client, endpoint, PATIENT)
    const error = await assertConnectionRefused(dialled.action, { port: endpoint.port })
    expect(error).toBeInstanceOf(Error)
  })

  it.runIf(tells.includes('reset'))('is reset', async () => {
    await using endpoint = await resettingEndpoint({ after: resets })
    await using dialled = dial(client, endpoint, PATIENT)
    const error = await assertConnectionReset(dialled.action)
    expect(error).toBeInstanceOf(Error)
  })

  it.runIf(tells.includes('timed out'))('times out', async (context) => {
    await using endpoint = await openOrSkip(context, () => unresponsiveEndpoint())
    await using dialled = dial(client, endpoint, IMPATIENT)
    const error = await assertConnectionTimedOut(dialled.action)
    expect(error).toBeInstanceOf(Error)
  })

  it.runIf(tells.includes('refused'))('does not pass as a reset when it is refused', async () => {
    await using endpoint = await refusedEndpoint()
    await using dialled = dial(client, endpoint, PATIENT)
    await expect(assertConnectionReset(dialled.action)).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_ASSERTION',
      message: expect.stringContaining('ECONNREFUSED'),
    })
  })

  it.runIf(tells.includes('refused'))('does not pass as a refusal at another port', async () => {
    await using endpoint = await refusedEndpoint()
    await using dialled = dial(client, endpoint, PATIENT)
    await expect(assertConnectionRefused(dialled.action, { port: endpoint.port ^ 1 })).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_ASSERTION',
      message: expect.stringContaining(String(endpoint.port)),
    })
  })

  it.runIf(tells.includes('timed out'))('does not pass as a refusal when it times out', async (context) => {
    await using endpoint = await openOrSkip(context, () => unresponsiveEndpoint())
    await using dialled = dial(client, endpoint, IMPATIENT)
    await expect(assertConnectionRefused(dialled.action)).rejects.toMatchObject({ code: 'ERR_PORTSIDE_ASSERTION' })
  })
})

/** A name with both loopback addresses, for clients with a resolver option. Not every host has such a name. */
const lookup: net.LookupFunction = (_name, _options, callback) =>
  callback(null, [
    { address: '::1', family: 6 },
    { address: HERE, family: 4 },
  ])

/** These look up all addresses, try one after the other, and throw one error for all. */
const clientsOfNames: ReadonlyArray<Pick<Client, 'name' | 'dial'>> = [
  {
    name: 'net.connect()',
    dial({ port }) {
      const socket = net.connect({ host: 'both.test', port, lookup })
      return { action: socket, close: () => socket.destroy() }
    },
  },
  {
    name: 'http2.connect(), a request',
    dial({ port }) {
      const socket = net.connect({ host: 'both.test', port, lookup })
      const session = http2.connect(`http://both.test:${port}`, { createConnection: () => socket })
      session.on('error', () => {})
      return { action: session.request(), close: () => socket.destroy() }
    },
  },
  {
    name: 'http.request()',
    dial({ port }) {
      const request = http.request({ host: 'both.test', port, lookup, agent: false }).end()
      return { action: request, close: () => request.destroy() }
    },
  },
  {
    name: 'undici, request()',
    dial({ port }) {
      const dispatcher = new undici.Agent({ connect: { lookup } })
      return { action: undici.request(`http://both.test:${port}`, { dispatcher }), close: () => dispatcher.destroy() }
    },
  },
  {
    name: 'undici, fetch()',
    dial({ port }) {
      const dispatcher = new undici.Agent({ connect: { lookup } })
      return { action: undici.fetch(`http://both.test:${port}`, { dispatcher }), close: () => dispatcher.destroy() }
    },
  },
  {
    name: 'axios',
    dial: ({ port }) => ({
      action: axios.get(`http://both.test:${port}`, { proxy: false, httpAgent: new http.Agent({ lookup }) }),
    }),
  },
  {
    name: 'got',
    dial: ({ port }) => ({
      action: got(`http://both.test:${port}`, { retry: { limit: 0 }, dnsLookup: lookup }).text(),
    }),
  },
  {
    name: 'ws',
    dial({ port }) {
      const socket = new WebSocket(`ws://both.test:${port}`, { lookup })
      return { action: socket, close: () => socket.terminate() }
    },
  },
]

describe.each(clientsOfNames)('$name, by a name with two addresses', (client) => {
  it.runIf(loopbackFamilies().length === 2)('is refused at both addresses', async () => {
    await using endpoint = await refusedEndpoint({ family: 'dual' })
    await using dialled = dial(client, endpoint, PATIENT)
    const error = await assertConnectionRefused(dialled.action, { port: endpoint.port })
    expect(error).toBeInstanceOf(Error)
  })

  it.runIf(loopbackFamilies().length === 2)('does not pass as a reset when both addresses refuse', async () => {
    await using endpoint = await refusedEndpoint({ family: 'dual' })
    await using dialled = dial(client, endpoint, PATIENT)
    await expect(assertConnectionReset(dialled.action)).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_ASSERTION',
      message: expect.stringContaining('ECONNREFUSED'),
    })
  })
})

/** Actions whose client drops the reason: their outcome cannot be recognized. */
interface Secretive {
  readonly name: string
  readonly says: string
  readonly dial: Client['dial']
}

const secretive: readonly Secretive[] = [
  {
    name: 'ioredis, the promise of connect()',
    says: 'Connection is closed',
    dial(endpoint) {
      const redis = redisOf(endpoint, { retryStrategy: () => null })
      redis.on('error', () => {})
      return { action: () => redis.connect(), close: () => redis.disconnect() }
    },
  },
  {
    name: 'ioredis, a command that is out of retries',
    says: 'max retries per request',
    dial(endpoint) {
      const redis = redisOf(endpoint, { maxRetriesPerRequest: 0 })
      redis.on('error', () => {})
      return { action: () => redis.ping(), close: () => redis.disconnect() }
    },
  },
  {
    name: 'gRPC, a call that waits for the server',
    says: 'DEADLINE_EXCEEDED',
    dial(endpoint) {
      const client = grpcOf(endpoint)
      const action = () => callUnary(client, IMPATIENT, { waitForReady: true })
      return { action, close: () => client.close() }
    },
  },
  {
    name: 'gRPC, waitForReady()',
    says: 'Failed to connect before the deadline',
    dial(endpoint) {
      const client = grpcOf(endpoint)
      return { action: () => waitUntilReady(client, IMPATIENT), close: () => client.close() }
    },
  },
]

it.each(secretive)('$name does not report that it was refused', async ({ dial, says }) => {
  await using endpoint = await refusedEndpoint()
  const { action, close } = dial(endpoint, PATIENT)
  await expect(assertConnectionRefused(action)).rejects.toMatchObject({
    code: 'ERR_PORTSIDE_ASSERTION',
    cause: { message: expect.stringContaining(says) },
  })
  await close?.()
})

it('axios does not report that its signal was a timeout', async (context) => {
  await using endpoint = await openOrSkip(context, () => unresponsiveEndpoint())
  const action = axios.get(url(endpoint), { proxy: false, signal: AbortSignal.timeout(IMPATIENT) })
  await expect(assertConnectionTimedOut(action)).rejects.toMatchObject({
    code: 'ERR_PORTSIDE_ASSERTION',
    cause: { message: 'canceled' },
  })
})

/** Connects. The disposal resolves when the client is closed and has left nothing open. */
function dial(
  { dial, abandons }: Pick<Client, 'dial' | 'abandons'>,
  endpoint: TestEndpoint,
  patience: number,
): Dialled & AsyncDisposable {
  const cut = abandons ? watchDials() : () => {}
  const { action, close } = dial(endpoint, patience)
  return {
    action,
    async [Symbol.asyncDispose]() {
      await close?.()
      cut()
    },
  }
}

/** Records the sockets that begin to connect from now on; the returned function destroys them. */
function watchDials(): () => void {
  const sockets: net.Socket[] = []
  const note = (message: unknown): void => void sockets.push((message as { socket: net.Socket }).socket)
  subscribe('net.client.socket', note)
  return () => {
    unsubscribe('net.client.socket', note)
    for (const socket of sockets) socket.destroy()
  }
}

function url(endpoint: TestEndpoint): string {
  return `http://${formatEndpoint(endpoint)}/`
}

type RedisSettings = Pick<RedisOptions, 'commandTimeout' | 'connectTimeout' | 'maxRetriesPerRequest' | 'retryStrategy'>

function redisOf({ address, port }: TestEndpoint, settings: RedisSettings): Redis {
  return new Redis({ port, host: address, lazyConnect: true, ...settings })
}

const byName = (endpoint: TestEndpoint): string =>
  endpoint.family === 'IPv6' ? `http://localhost:${endpoint.port}/` : url(endpoint)

function grpcOf(endpoint: TestEndpoint): grpc.Client {
  return new grpc.Client(formatEndpoint(endpoint), grpc.credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 })
}

/** Calls a method of an arbitrary service. */
function callUnary(client: grpc.Client, patience: number, options: grpc.MetadataOptions = {}): Promise<unknown> {
  const asIs = (bytes: Buffer): Buffer => bytes
  const [metadata, deadline] = [new grpc.Metadata(options), Date.now() + patience]
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest('/Any/Call', asIs, asIs, Buffer.alloc(0), metadata, { deadline }, (error, answer) =>
      error === null ? resolve(answer) : reject(error),
    )
  })
}

function waitUntilReady(client: grpc.Client, patience: number): Promise<void> {
  return promisify(client.waitForReady.bind(client))(Date.now() + patience)
}
