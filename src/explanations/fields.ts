// Whatever was thrown may be looked at: nothing here throws.

/** Classes differ between realms and builds, so an error is told by what it has. */
export function isErrorLike(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && typeof new Fields(value).get('message') === 'string'
}

/** What may tell something in an error. A getter may throw, and then tells nothing. */
export class Fields {
  constructor(readonly error: object) {}
  get(name: string): unknown {
    try {
      return (this.error as Record<string, unknown>)[name]
    } catch {
      return undefined
    }
  }
  text(name: string): string | undefined {
    const value = this.get(name)
    return typeof value === 'string' && value !== '' ? value : undefined
  }
}

export function isArray(value: unknown): value is readonly unknown[] {
  try {
    return Array.isArray(value)
  } catch {
    // A proxy that was revoked.
    return false
  }
}

/** What was thrown or resolved, in a few words. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return `the string '${value.length > 60 ? `${value.slice(0, 60)}...` : value}'`
  if (typeof value === 'function') return `a function ${value.name || '(anonymous)'}`
  if (typeof value === 'object' && value !== null) {
    const maker = new Fields(value).get('constructor')
    return `an object of ${(typeof maker === 'function' && maker.name) || 'no class'}`
  }
  return value === undefined || value === null ? String(value) : `the ${typeof value} ${String(value)}`
}
