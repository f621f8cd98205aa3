import { codeOf, portsideError } from '../errors.js'
import { formatEndpoint } from '../loopback/endpoint.js'
import { ownAddresses } from '../loopback/own-addresses.js'
import { describeErrno } from '../platform/errno.js'

/** Explains why a bind failed; the system's code stays. `asked` is what the bind was for. */
export function explainBind(cause: unknown, address: string, port: number, asked = 'listen on'): Error {
  return explainSystem(cause, `${asked} ${formatEndpoint({ address, port })}`, port)
}

/** The same for what has no address. */
export function explainSystem(cause: unknown, asked: string, port = 0): Error {
  const code = codeOf(cause)
  if (code === undefined || (cause as { asked?: unknown }).asked !== undefined) return cause as Error
  const { because, next } = ADVICE[code]?.(port) ?? {}
  return portsideError(code, {
    asked,
    actual: `${code} (${describeErrno(code) ?? (cause as Error).message})`,
    because,
    next,
    cause,
  })
}

const ADVICE: Record<string, (port: number) => { because: string; next: string }> = {
  EADDRINUSE: (port) =>
    port === 0
      ? { because: 'no port of the ephemeral range is left', next: 'close sockets, or widen the range' }
      : { because: 'another socket listens there', next: 'leave port out, so that the kernel picks a free one' },
  EADDRNOTAVAIL: () => ({
    because: `this host has no such address; it has ${ownAddresses().join(', ')}`,
    next: 'pass one of these, or leave host out for loopback',
  }),
  EACCES: () => ({
    because: 'this process may not bind the port: it is privileged, or reserved by the system',
    next: 'leave port out, or take one from 1024 up',
  }),
  ERR_SOCKET_ALREADY_BOUND: () => ({ because: 'the socket is bound already', next: 'hand it over before it is bound' }),
  ERR_SOCKET_DGRAM_NOT_RUNNING: () => ({ because: 'the socket is closed', next: 'make a new socket for each listen' }),
  EMFILE: () => ({
    because: 'this process has no file descriptor left',
    next: 'close sockets and files, or raise the limit (ulimit -n)',
  }),
  ENFILE: () => ({
    because: 'the whole system has no file descriptor left',
    next: 'find out which process holds them',
  }),
}
