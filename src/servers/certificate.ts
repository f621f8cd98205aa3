import { createHash, KeyObject, randomBytes, sign, webcrypto } from 'node:crypto'
import { runInNewContext } from 'node:vm'
import type * as Asn from '@peculiar/asn1-x509'
import { processState } from '../process-state.js'

/** A server's key, its certificate and the authority that signed it, each in PEM. */
export interface Certificate {
  /** For `tls.createServer`. */
  readonly key: string
  /** For `tls.createServer`. It names `localhost`, `127.0.0.1` and `::1`. */
  readonly cert: string
  /** For the client's `ca` option, or in a file for `NODE_EXTRA_CA_CERTS`. */
  readonly ca: string
}

/**
 * The certificate of this process, made on first use. It is valid from a day ago until seven days ahead on the real clock.
 * The next call makes a new one with a new authority if less than a day is left. It also does so if the system clock was set back
 * by more than half a day. Nothing is written to disk, and the authority's key is dropped once it has signed. Calls share one promise; after
 * a rejection the next call tries again. `clock` gives milliseconds since 1970.
 */
export function processCertificate(clock: () => number = realNow): Promise<Certificate> {
  const state = processState('servers.certificate', (): Made => ({}))
  const now = clock()
  const left = (state.until ?? 0) - now
  // More than the lifetime is left only if the clock was set back, perhaps to a time before the certificate is valid.
  if (state.made === undefined || left < DAY || left > LIFETIME + DAY / 2) {
    state.until = now + LIFETIME
    const made = makeCertificate(now).catch((error: unknown) => {
      if (state.made === made) state.made = undefined
      throw error
    })
    state.made = made
  }
  return state.made
}

/** `until` is the expiry. An older copy of portside may have left it out. */
interface Made {
  made?: Promise<Certificate> | undefined
  until?: number
}

const DAY = 24 * 60 * 60 * 1000
const LIFETIME = 7 * DAY
const COMMON_NAME = '2.5.4.3'
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2'

async function makeCertificate(now: number): Promise<Certificate> {
  // Imported here because they take longer to load than the rest of portside together.
  const [asn, { AsnConvert, OctetString }] = await Promise.all([
    import('@peculiar/asn1-x509'),
    import('@peculiar/asn1-schema'),
  ])
  const [authority, server] = await Promise.all([makeKeys(), makeKeys()])
  const authorityName = `portside test authority ${randomBytes(8).toString('hex')}`

  const name = (value: string) => {
    const utf8 = new asn.AttributeValue({ utf8String: value })
    const attribute = new asn.AttributeTypeAndValue({ type: COMMON_NAME, value: utf8 })
    return new asn.Name([new asn.RelativeDistinguishedName([attribute])])
  }
  const extension = (extnID: string, value: unknown, critical = false) =>
    new asn.Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) })
  const publicKeyInfo = (keys: Keys) => AsnConvert.parse(keys.publicKey, asn.SubjectPublicKeyInfo)

  const issue = (subject: string, keys: Keys, extensions: Asn.Extension[]): string => {
    const algorithm = new asn.AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 })
    const tbsCertificate = new asn.TBSCertificate({
      version: asn.Version.v3,
      // A first byte of 1 keeps the number positive and its encoding the shortest: RFC 5280 §4.1.2.2.
      serialNumber: new Uint8Array([1, ...randomBytes(15)]).buffer,
      signature: algorithm,
      issuer: name(authorityName),
      validity: new asn.Validity({ notBefore: new Date(now - DAY), notAfter: new Date(now + LIFETIME) }),
      subject: name(subject),
      subjectPublicKeyInfo: publicKeyInfo(keys),
      extensions: new asn.Extensions(extensions),
    })
    const signature = sign('sha256', Buffer.from(AsnConvert.serialize(tbsCertificate)), authority.privateKey)
    const signatureValue = new Uint8Array(signature).buffer
    const certificate = new asn.Certificate({ tbsCertificate, signatureAlgorithm: algorithm, signatureValue })
    return toPem(Buffer.from(AsnConvert.serialize(certificate)))
  }

  // Strict verifiers (Python 3.13, X509_V_FLAG_X509_STRICT) require both identifiers: RFC 5280 §4.2.1.1.
  const authorityId = createHash('sha1')
    .update(new Uint8Array(publicKeyInfo(authority).subjectPublicKey))
    .digest()
  const ca = issue(authorityName, authority, [
    extension(asn.id_ce_basicConstraints, new asn.BasicConstraints({ cA: true, pathLenConstraint: 0 }), true),
    extension(asn.id_ce_keyUsage, new asn.KeyUsage(asn.KeyUsageFlags.keyCertSign), true),
    extension(asn.id_ce_subjectKeyIdentifier, new asn.SubjectKeyIdentifier(authorityId)),
  ])
  const names = [{ dNSName: 'localhost' }, { iPAddress: '127.0.0.1' }, { iPAddress: '::1' }]
  const cert = issue('localhost', server, [
    extension(asn.id_ce_keyUsage, new asn.KeyUsage(asn.KeyUsageFlags.digitalSignature), true),
    extension(asn.id_ce_extKeyUsage, new asn.ExtendedKeyUsage([asn.id_kp_serverAuth])),
    extension(asn.id_ce_subjectAltName, new asn.SubjectAlternativeName(names.map((n) => new asn.GeneralName(n)))),
    extension(
      asn.id_ce_authorityKeyIdentifier,
      new asn.AuthorityKeyIdentifier({ keyIdentifier: new asn.KeyIdentifier(authorityId) }),
    ),
  ])
  return { key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, cert, ca }
}

interface Keys {
  readonly privateKey: KeyObject
  /** SubjectPublicKeyInfo, DER */
  readonly publicKey: Buffer
}

async function makeKeys(): Promise<Keys> {
  const usages: webcrypto.KeyUsage[] = ['sign', 'verify']
  const pair = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, usages)
  const publicKey = KeyObject.from(pair.publicKey).export({ type: 'spki', format: 'der' })
  return { privateKey: KeyObject.from(pair.privateKey), publicKey }
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

/**
 * OpenSSL checks the dates against the system clock, so the dates come from it. A fake clock may be installed before this module
 * loads (Jest's `enableGlobally`) and replaces `Date`, `performance` and `process.hrtime`. It does not reach the Date of a
 * new context.
 */
function realNow(): number {
  dateNow ??= runInNewContext('Date.now') as () => number
  return dateNow()
}

let dateNow: (() => number) | undefined
