import { isIP } from 'node:net'

/** Parses `PORT` or `ADDR:PORT`. Returns undefined if the text is neither. */
export function placeIn(where: string): number | { host: string; port: number } | undefined {
  const [, bracketed, plain, digits = ''] = /^(?:(?:\[([^\]]*)\]|([^:]*)):)?(\d{1,5})$/.exec(where) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  const wrong =
    digits === '' || port < 1 || port > 65_535 || host === '' || (bracketed !== undefined && isIP(bracketed) !== 6)
  if (wrong) return undefined
  return host === undefined ? port : { host, port }
}
