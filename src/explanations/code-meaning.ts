/** What is known of an error code before anything is looked up about the one error that has it. */
export interface CodeMeaning {
  /** What the kernel, the resolver, Node or the client decided. */
  readonly decided: string
  /** Why. If the code alone does not tell, 'one of: ...', the likeliest first. */
  readonly cause: string
  /** What to do about it, the likeliest first. */
  readonly hints: readonly [string, ...string[]]
}

/** Stands for the code of a client that gave up waiting and has no code for it. */
export const TIMEOUT = 'TIMEOUT'

/** Stands for the code of one of several attempts that has none. */
export const CODELESS = 'no code'
