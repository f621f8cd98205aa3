/** The text of a thrown value, which need not be an error. Its getter or toString() may throw. */
export function thrownText(thrown: unknown, field: 'message' | 'stack' = 'message'): string {
  try {
    return String((thrown as Partial<Error> | null | undefined)?.[field] ?? thrown)
  } catch {
    return 'a value that cannot be printed'
  }
}
