import { KeyObject, randomBytes, webcrypto } from 'node:crypto'
import { runInNewContext } from 'node:vm'
import { processState } from '../process-state.js'

/** A server's key and certificate and the authority behind it, each in PEM. */
export interface Certificate {
  /** For `tls.createServer`. */
  readonly key: string
  /** For `tls.createServer`: names `localhost`, `127.0.0.1` and `::1`. */
  readonly cert: string
  /** For the client's `ca` option, or in a file for `NODE_EXTRA_CA_CERTS`. */
  readonly ca: string
}

/**
 * The certificate of this process: made on first use, the same for every later call, valid from one day ago for seven
 * days ahead whatever a test's fake clock says. Nothing is written to disk, and the key of the authority is dropped
 * once it has signed. Calls share one promise; after a rejection the next call tries again.
 */
export function processCertificate(): Promise<Certificate> {
  const state = processState('servers.certificate', (): { made?: Promise<Certificate> | undefined } => ({}))
  state.made ??= makeCertificate().catch((error: unknown) => {
    state.made = undefined
    throw error
  })
  return state.made
}

const DAY = 24 * 60 * 60 * 1000
const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

async function makeCertificate(): Promise<Certificate> {
  const x509 = await loadX509()
  const [authority, server] = await Promise.all([makeKeys(), makeKeys()])
  const authorityName = `CN=portside test authority ${randomBytes(8).toString('hex')}`
  const now = realNow()
  const common = {
    issuer: authorityName,
    signingKey: authority.privateKey,
    signingAlgorithm: ECDSA,
    notBefore: new Date(now - DAY),
    notAfter: new Date(now + 7 * DAY),
  }
  const ca = await x509.X509CertificateGenerator.create(
    {
      ...common,
      subject: authorityName,
      publicKey: authority.publicKey,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
        await x509.SubjectKeyIdentifierExtension.create(authority.publicKey, false, crypto),
      ],
    },
    crypto,
  )
  const leaf = await x509.X509CertificateGenerator.create(
    {
      ...common,
      subject: 'CN=localhost',
      publicKey: server.publicKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension([
          { type: 'dns', value: 'localhost' },
          { type: 'ip', value: '127.0.0.1' },
          { type: 'ip', value: '::1' },
        ]),
        // Strict verifiers (Python 3.13, X509_V_FLAG_X509_STRICT) ask for it: RFC 5280 §4.2.1.1.
        await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey, false, crypto),
      ],
    },
    crypto,
  )
  return { key: toPem(server.privateKey), cert: `${leaf.toString('pem')}\n`, ca: `${ca.toString('pem')}\n` }
}

/** Here and not at the top: it takes longer to load than everything else in portside together. */
async function loadX509() {
  await import('reflect-metadata')
  return import('@peculiar/x509')
}

/**
 * Given to the library at each call, because a test's globals are not Node's: jsdom's `crypto` has no `subtle`, and
 * its ArrayBuffer is none to Node 20's `subtle`, which takes only a view of it.
 */
const crypto = {
  getRandomValues: (array: Uint8Array) => webcrypto.getRandomValues(array),
  subtle: {
    exportKey: (format: 'spki', key: webcrypto.CryptoKey) => webcrypto.subtle.exportKey(format, key),
    digest: (algorithm: string, data: ArrayBuffer) => webcrypto.subtle.digest(algorithm, new Uint8Array(data)),
    sign: (algorithm: typeof ECDSA, key: webcrypto.CryptoKey, data: ArrayBuffer) =>
      webcrypto.subtle.sign(algorithm, key, new Uint8Array(data)),
  },
} as unknown as webcrypto.Crypto

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ECDSA, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>
}

function toPem(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }) as string
}

/**
 * OpenSSL checks the dates against the system's clock, so they come from there. A fake clock may be older than this
 * module (Jest's `enableGlobally`) and covers `Date`, `performance` and `process.hrtime` alike; the Date of a new
 * context is out of its reach.
 */
function realNow(): number {
  return runInNewContext('Date.now()') as number
}
