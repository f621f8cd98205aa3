/** What a thrown value says, an error or not: a getter or a toString() of the user's may throw itself. */
export function thrownText(thrown: unknown, field: 'message' | 'stack' = 'message'): string {
  try {
    return String((thrown as Partial<Error> | null | undefined)?.[field] ?? thrown)
  } catch {
    return 'a value that cannot be printed'
  }
}
