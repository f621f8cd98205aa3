import type { Certificate } from './certificate.js'

/** The key and the certificate of this process's servers, made when first asked for: what makes them takes long to load. */
export async function serverIdentity(): Promise<Certificate> {
  const { processCertificate } = await import('./certificate.js')
  return processCertificate()
}
