import { spawn } from 'node:child_process'
import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import https from 'node:https'
import type net from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { Agent, fetch } from 'undici'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { bracketed, type Family, familyOf, LOOPBACK } from '../../src/loopback/endpoint.js'
import { loopbackFamilies, whyFamilyIsMissing } from '../../src/loopback/probe.js'
import { processState } from '../../src/process-state.js'
import { type Certificate, processCertificate } from '../../src/servers/certificate.js'
import { listenHttps } from '../../src/servers/http.js'
import { listenHttp2 } from '../../src/servers/http2.js'
import type { SecureTestServer } from '../../src/servers/server.js'
import { listenTls } from '../../src/servers/tls.js'

const state = processState<{ made?: Promise<Certificate> | undefined; until?: number }>(
  'servers.certificate',
  () => ({}),
)
/** id-kp-serverAuth, RFC 5280 §4.2.1.12 */
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const UNTRUSTED = { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }
const FAMILIES: Family[] = ['IPv4', 'IPv6']
const HOST = LOOPBACK[loopbackFamilies()[0] ?? 'IPv4']

beforeEach(() => {
  state.made = undefined
})

describe('processCertificate', () => {
  it('makes one certificate for the process, also for another copy of the module', async () => {
    const first = processCertificate()
    expect(processCertificate()).toBe(first)
    vi.resetModules()
    const copy = await import('../../src/servers/certificate.js')
    expect(copy.processCertificate).not.toBe(processCertificate)
    expect(await copy.processCertificate()).toBe(await first)
  })

  it('makes a new certificate when less than a day is left', async () => {
    const day = 24 * 60 * 60 * 1000
    const start = Date.now()
    const first = await processCertificate(() => start)
    const { validToDate } = validityOf(first)
    // The certificate has whole seconds.
    expect(Math.abs(validToDate - (start + 7 * day))).toBeLessThan(1000)
    expect(await processCertificate(() => start + 6 * day)).toBe(first)
    const second = await processCertificate(() => start + 6 * day + 1)
    expect(second).not.toBe(first)
    expect(validityOf(second).validToDate).toBeGreaterThan(validToDate)
    expect(new X509Certificate(second.cert).verify(new X509Certificate(second.ca).publicKey)).toBe(true)
    expect(await processCertificate(() => start + 6 * day + 2)).toBe(second)
  })

  it('makes a new certificate when the clock was set back to a time before the first', async () => {
    const day = 24 * 60 * 60 * 1000
    const start = Date.now()
    const first = await processCertificate(() => start)
    // A clock corrected by seconds or hours stays within the day before the certificate was made.
    expect(await processCertificate(() => start - day / 4)).toBe(first)
    const second = await processCertificate(() => start - 2 * day)
    expect(second).not.toBe(first)
    expect(validityOf(second).validFromDate).toBeLessThan(start - 2 * day)
    expect(await processCertificate(() => start - 2 * day)).toBe(second)
  })

  it('does not remember a failure', async () => {
    const generateKey = vi.spyOn(webcrypto.subtle, 'generateKey').mockRejectedValue(new Error('no entropy'))
    onTestFinished(() => generateKey.mockRestore())
    const [first, second] = [processCertificate(), processCertificate()]
    await expect(first).rejects.toThrow('no entropy')
    await expect(second).rejects.toThrow('no entropy')
    generateKey.mockRestore()
    await expect(processCertificate()).resolves.toHaveProperty('cert')
  })

  it('names localhost, 127.0.0.1 and ::1, for servers only', async () => {
    const cert = new X509Certificate((await processCertificate()).cert)
    expect(cert.subjectAltName?.split(', ')).toEqual([
      'DNS:localhost',
      'IP Address:127.0.0.1',
      'IP Address:0:0:0:0:0:0:0:1',
    ])
    expect(cert.checkHost('localhost')).toBe('localhost')
    expect(cert.checkIP('127.0.0.1')).toBe('127.0.0.1')
    expect(cert.checkIP('::1')).toBe('::1')
    expect(cert.keyUsage).toEqual([SERVER_AUTH])
    expect(cert.ca).toBe(false)
  })

  it('has its own P-256 key, signed by an authority with another', async () => {
    const made = await processCertificate()
    const [cert, ca, key] = [new X509Certificate(made.cert), new X509Certificate(made.ca), createPrivateKey(made.key)]
    expect(key.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' })
    expect(cert.checkPrivateKey(key)).toBe(true)
    expect(ca.ca).toBe(true)
    expect(cert.checkIssued(ca)).toBe(true)
    expect(cert.verify(ca.publicKey)).toBe(true)
    expect(ca.verify(ca.publicKey)).toBe(true)
    expect(ca.publicKey.equals(cert.publicKey)).toBe(false)
  })

  it('gives each process an authority with its own name', async () => {
    const first = new X509Certificate((await processCertificate()).ca)
    state.made = undefined
    const second = new X509Certificate((await processCertificate()).ca)
    expect(second.subject).not.toBe(first.subject)
    expect(second.serialNumber).not.toBe(first.serialNumber)
  })
})

function validityOf({ cert }: Certificate) {
  const { validFrom, validTo } = new X509Certificate(cert)
  return { validFromDate: Date.parse(validFrom), validToDate: Date.parse(validTo) }
}

describe.each<[string, () => Promise<SecureTestServer<net.Server>>]>([
  ['listenTls', listenTls],
  ['listenHttps', listenHttps],
  ['listenHttp2', () => listenHttp2(undefined, { secure: true })],
])('%s in a process whose certificate expires within a day', (_, listen) => {
  it('has a new certificate with its own ca, and the older server keeps its certificate and ca', async () => {
    await using older = await listen()
    state.until = Date.now() + 60 * 60 * 1000
    await using newer = await listen()
    expect(newer.ca).not.toBe(older.ca)
    for (const server of [older, newer]) {
      await expect(peerName({ host: server.address, port: server.port, ...trusting(server) })).resolves.toBe(
        'localhost',
      )
      expect((await server.connect()).authorized).toBe(true)
    }
    const connecting = peerName({ host: newer.address, port: newer.port, ...trusting(older) })
    await expect(connecting).rejects.toMatchObject(UNTRUSTED)
  })
})

const trusting = ({ ca }: { ca: string }) => ({ ca, servername: 'localhost' })

describe('a client that trusts the authority', () => {
  it.for(FAMILIES)('accepts the server on its %s loopback address by the name localhost', async (family, { skip }) => {
    const missing = whyFamilyIsMissing(family)
    skip(missing !== undefined, missing)
    const { ca, port } = await serve(LOOPBACK[family])
    await expect(peerName({ host: LOOPBACK[family], port, ca, servername: 'localhost' })).resolves.toBe('localhost')
  })

  it.for(FAMILIES)('accepts the server by its %s loopback address', async (family, { skip }) => {
    const missing = whyFamilyIsMissing(family) ?? whyAddressIsNotMatched(family)
    skip(missing !== undefined, missing)
    const { ca, port } = await serve(LOOPBACK[family])
    await expect(peerName({ host: LOOPBACK[family], port, ca })).resolves.toBe('localhost')
  })

  it('accepts it when other authorities of portside are trusted too', async () => {
    const other = await processCertificate()
    state.made = undefined
    const { ca, port } = await serve()
    const trusting = { ca: [other.ca, ca], servername: 'localhost' }
    await expect(peerName({ host: HOST, port, ...trusting })).resolves.toBe('localhost')
  })

  it('accepts it in https.request, through the options and through an agent', async () => {
    const { ca, port } = await serve()
    const agent = new https.Agent({ ca })
    onTestFinished(() => agent.destroy())
    await expect(status({ host: HOST, port, servername: 'localhost', ca })).resolves.toBe(200)
    await expect(status({ host: HOST, port, servername: 'localhost', agent })).resolves.toBe(200)
  })

  it('accepts it in fetch, through an agent of undici', async ({ skip }) => {
    const missing = whyAddressIsNotMatched(familyOf(HOST))
    skip(missing !== undefined, missing)
    const { ca, origin } = await serve()
    const dispatcher = new Agent({ connect: { ca } })
    onTestFinished(() => dispatcher.close())
    await expect(fetch(origin, { dispatcher })).resolves.toMatchObject({ status: 200 })
  })

  it('accepts it in fetch, by NODE_EXTRA_CA_CERTS', async ({ skip }) => {
    const missing = whyAddressIsNotMatched(familyOf(HOST))
    skip(missing !== undefined, missing)
    const { ca, origin } = await serve()
    const directory = await mkdtemp(join(tmpdir(), 'portside-certificate-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const file = join(directory, 'ca.pem')
    await writeFile(file, ca)
    await expect(fetchInChild(origin, { NODE_EXTRA_CA_CERTS: file })).resolves.toBe('200')
    await expect(fetchInChild(origin, {})).resolves.toBe(UNTRUSTED.code)
  })
})

describe('a client that does not trust the authority', () => {
  it('rejects the server', async () => {
    const { port } = await serve()
    await expect(peerName({ host: HOST, port, servername: 'localhost' })).rejects.toMatchObject(UNTRUSTED)
    await expect(status({ host: HOST, port })).rejects.toMatchObject(UNTRUSTED)
  })

  it('rejects the server if it trusts the authority of another process', async () => {
    const other = await processCertificate()
    state.made = undefined
    const { port } = await serve()
    const connecting = peerName({ host: HOST, port, ca: other.ca, servername: 'localhost' })
    await expect(connecting).rejects.toMatchObject(UNTRUSTED)
  })

  it('rejects a name that is not in the certificate', async () => {
    const { ca, port } = await serve()
    const connecting = peerName({ host: HOST, port, ca, servername: 'example.test' })
    await expect(connecting).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  })
})

describe.each([
  ['past', new Date('1971-02-03T04:05:06Z')],
  ['future', new Date('2345-06-07T08:09:10Z')],
])('with the clock faked far in the %s', (_, fakeNow) => {
  beforeEach(() => {
    onTestFinished(() => void vi.useRealTimers())
  })

  it('makes a certificate that is valid now', async () => {
    vi.useFakeTimers({ now: fakeNow })
    const made = await processCertificate()
    vi.useRealTimers()
    const { port } = await serve(HOST, made)
    await expect(peerName({ host: HOST, port, ca: made.ca, servername: 'localhost' })).resolves.toBe('localhost')
  })

  it('makes a certificate that is valid now when the module is loaded afterwards', async () => {
    vi.resetModules()
    vi.useFakeTimers({ now: fakeNow })
    const copy = await import('../../src/servers/certificate.js')
    const made = await copy.processCertificate()
    vi.useRealTimers()
    const { port } = await serve(HOST, made)
    await expect(peerName({ host: HOST, port, ca: made.ca, servername: 'localhost' })).resolves.toBe('localhost')
  })
})

/** Node 22.23 and 24.17 do not find an IPv6 address in any certificate: https://github.com/nodejs/node/issues/64144 */
function whyAddressIsNotMatched(family: Family): string | undefined {
  const certificate = { subject: {}, subjectaltname: `IP Address:${LOOPBACK[family]}` } as tls.PeerCertificate
  const error = tls.checkServerIdentity(LOOPBACK[family], certificate)
  return error && `nodejs/node#64144: Node ${process.versions.node} finds no ${family} address in a certificate`
}

/** An HTTPS server that answers 200 until the test ends. */
async function serve(host: string = HOST, made?: Certificate) {
  const { key, cert, ca } = made ?? (await processCertificate())
  const server = https.createServer({ key, cert }, (_request, response) => void response.end())
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())))
  server.listen({ host, port: 0 })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { ca, port, origin: `https://${bracketed(host)}:${port}/` }
}

/** The common name of the server, once the client has accepted it. */
async function peerName(options: tls.ConnectionOptions): Promise<string> {
  const socket = tls.connect(options)
  try {
    await once(socket, 'secureConnect')
    expect(socket.authorized).toBe(true)
    return String(socket.getPeerCertificate().subject.CN)
  } finally {
    socket.destroy()
  }
}

async function status(options: https.RequestOptions): Promise<number | undefined> {
  const request = https.get({ ...options, headers: { connection: 'close' } })
  const [response] = await once(request, 'response')
  response.resume()
  await once(response, 'end')
  return response.statusCode
}

/** The result of fetch in a process started with `env`: the status, or the code of the failure. */
async function fetchInChild(origin: string, env: Record<string, string>): Promise<string> {
  const program = `fetch(process.argv[1]).then((r) => r.status, (e) => e.cause.code).then(console.log)`
  const child = spawn(process.execPath, ['-e', program, origin], { env: { ...process.env, ...env } })
  onTestFinished(() => void child.kill())
  let printed = ''
  child.stdout.on('data', (chunk) => {
    printed += chunk
  })
  await once(child, 'close')
  return printed.trim()
}
