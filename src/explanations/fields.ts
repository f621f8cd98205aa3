// The value may be anything that was thrown, so nothing here throws.

/** Classes differ between realms and builds, so an error is recognized by its members. */
export function isErrorLike(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && typeof new Fields(value).get('message') === 'string'
}

/** Reads fields of an error. A getter may throw; the field then counts as missing. */
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
