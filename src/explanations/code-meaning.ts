/** The meaning of an error code, before anything is looked up about one error. */
export interface CodeMeaning {
  /** The decision of the kernel, the resolver, Node or the client. */
  readonly decided: string
  /** Why. It begins with 'one of:' if the code has several causes, the likeliest first. */
  readonly cause: string
  /** Advice, the likeliest first. */
  readonly hints: readonly [string, ...string[]]
}

/** Stands for the missing code of a client that gave up waiting. */
export const TIMEOUT = 'TIMEOUT'

/** Stands for the missing code of one of several attempts. */
export const CODELESS = 'no code'
