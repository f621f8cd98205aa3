import { invalidArgument, type PortsideError } from './errors.js'

/**
 * Reads an object that the user passed. Throws ERR_INVALID_ARG_TYPE if `read` returns undefined or throws, because a getter, a revoked
 * proxy or a check of Node may throw; that error becomes the cause. Errors of portside pass.
 */
export function readArgument<T>(argument: string, expected: string, value: unknown, read: () => T | undefined): T {
  let cause: unknown
  try {
    const result = read()
    if (result !== undefined) return result
  } catch (error) {
    if (isOwn(error)) throw error
    cause = error
  }
  const refusal = invalidArgument('ERR_INVALID_ARG_TYPE', argument, expected, value)
  throw cause === undefined ? refusal : Object.assign(refusal, { cause })
}

function isOwn(error: unknown): boolean {
  try {
    return typeof (error as Partial<PortsideError>).headline === 'string'
  } catch {
    return false
  }
}

/** Throws ERR_INVALID_ARG_TYPE unless the value is true, false or undefined. */
export function checkBoolean(argument: string, value: unknown): void {
  if (value === undefined || typeof value === 'boolean') return
  throw invalidArgument('ERR_INVALID_ARG_TYPE', argument, 'true or false', value)
}

/** Throws ERR_INVALID_ARG_TYPE unless the value is a function. */
export function checkFunction(argument: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidArgument('ERR_INVALID_ARG_TYPE', argument, 'a function', value)
}
