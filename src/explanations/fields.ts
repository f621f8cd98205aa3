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
