import { types } from 'node:util'
import { invalidArgument, type PortsideError, portsideError } from './errors.js'
import { describeValue } from './message.js'
import { nearest } from './nearest.js'

/** The options that a function accepts. */
export interface OptionsSpec {
  /** The function as the user calls it: `listenHttp()`. For an object in a configuration its name: `provide.portside`. */
  readonly of: string
  readonly names: readonly string[]
  /** An example for the message if the options are not an object: `{ grace: 100 }`. */
  readonly example?: string
  /** The advice for options of similar functions: `cert` of `tls.createServer()`. */
  readonly instead?: Readonly<Record<string, string>>
}

/**
 * Reads the options once, and returns a plain object of those that are set. Throws ERR_INVALID_ARG_TYPE if they are not an object,
 * ERR_PORTSIDE_UNKNOWN_OPTION for a name that is not in the list, and ERR_INVALID_ARG_VALUE for a getter that throws. It also
 * checks `signal`, because an invalid one would fail only after something was opened.
 */
export function readOptions<T extends object>(options: T | undefined, spec: OptionsSpec): T {
  if (options === undefined) return {} as T
  if (typeof options !== 'object' || options === null || isOfAnotherKind(options)) throw notAnObject(options, spec)
  const read: Record<string, unknown> = {}
  try {
    for (const key of Reflect.ownKeys(options)) {
      if (typeof key === 'string' && spec.names.includes(key)) continue
      // A library may add a property to each object; it is not enumerable.
      if (!Object.prototype.propertyIsEnumerable.call(options, key)) continue
      throw unknownOption(key, spec)
    }
    for (const key in options) {
      // Inherited options, such as defaults from Object.create(), count too, but not those that every object has.
      if (!spec.names.includes(key) && !(key in Object.prototype)) throw unknownOption(key, spec)
    }
    for (const name of spec.names) {
      if (!(name in options)) continue
      const value = (options as Record<string, unknown>)[name]
      if (value !== undefined) read[name] = value
    }
  } catch (error) {
    if ((error as Partial<PortsideError>)?.code === 'ERR_PORTSIDE_UNKNOWN_OPTION') throw error
    throw unreadable(error, spec)
  }
  if ('signal' in read) checkSignal(read.signal)
  return read as T
}

/** Throws ERR_INVALID_ARG_TYPE unless the value has all members of an AbortSignal. */
export function checkSignal(signal: unknown): void {
  if (!isSignal(signal)) throw invalidArgument('ERR_INVALID_ARG_TYPE', 'signal', 'an AbortSignal', signal)
}

function isSignal(signal: unknown): boolean {
  try {
    const { aborted, addEventListener, removeEventListener, dispatchEvent } = (signal ?? {}) as Partial<AbortSignal>
    const methods = [addEventListener, removeEventListener, dispatchEvent]
    return typeof aborted === 'boolean' && methods.every((method) => typeof method === 'function')
  } catch {
    // The prototype of AbortSignal, or a proxy.
    return false
  }
}

function notAnObject(options: unknown, { of, example }: OptionsSpec): PortsideError {
  const expected = `an options object${example === undefined ? '' : ` such as ${example}`}`
  const actual = describeValue(options)
  const headline = `${of} expects ${expected}, got ${actual}`
  const details = { name: 'TypeError', headline, argument: 'options', expected, actual }
  return portsideError('ERR_INVALID_ARG_TYPE', details, {})
}

function unknownOption(key: string | symbol, { of, names, instead = {} }: OptionsSpec): PortsideError {
  const name = String(key)
  const near = typeof key === 'string' ? nearest(key, names) : undefined
  const next = Object.hasOwn(instead, name) ? instead[name] : undefined
  const expected = names.length === 0 ? 'no options' : `one of ${names.join(', ')}`
  const told = next !== undefined ? 'it has no such option' : near !== undefined ? `did you mean "${near}"?` : undefined
  const headline = `Invalid option "${name}" of ${of}: ${told ?? `expected ${expected}`}`
  return portsideError(
    'ERR_PORTSIDE_UNKNOWN_OPTION',
    {
      headline,
      argument: name,
      expected,
      actual: name,
      next: next ?? (near === undefined ? undefined : `write ${near}`),
    },
    { next },
  )
}

function unreadable(cause: unknown, { of }: OptionsSpec): PortsideError {
  return portsideError('ERR_INVALID_ARG_VALUE', {
    headline: `Cannot read the options of ${of}: ${messageIn(cause)}`,
    argument: 'options',
    expected: 'an object whose properties can be read',
    actual: 'an object that throws',
    cause,
  })
}

function messageIn(cause: unknown): string {
  try {
    return String((cause as Partial<Error> | undefined)?.message ?? cause)
  } catch {
    return 'a property throws'
  }
}

/** Whether an object is of a kind without own properties: it would look like empty options. */
export function isOfAnotherKind(value: object): boolean {
  try {
    return Array.isArray(value) || KINDS.some((is) => is(value)) || value instanceof URL || value instanceof EventTarget
  } catch {
    // A revoked proxy: reading it later fails with a code.
    return false
  }
}

const KINDS: ReadonlyArray<(value: unknown) => boolean> = [
  types.isPromise,
  types.isMap,
  types.isSet,
  types.isWeakMap,
  types.isWeakSet,
  types.isDate,
  types.isRegExp,
  types.isNativeError,
  types.isBoxedPrimitive,
  types.isAnyArrayBuffer,
  types.isArrayBufferView,
]

/** Lists the names of an options type. A list without one of them does not compile. */
export const namesOf =
  <T extends object>() =>
  <const Names extends ReadonlyArray<keyof T & string>>(
    ...names: [Exclude<keyof T & string, Names[number]>] extends [never] ? Names : never
  ): Names =>
    names as Names
