/** One line of the table. */
export interface Combination {
  readonly name: string
  /** What a user has to set for it, and why; shown beside it. */
  readonly needs?: string | undefined
  /** Gives what is wrong, for people to read; nothing where all is right. */
  check(): Promise<string[]>
}

/** What the combinations have in common. */
export interface Matrix {
  /** portside as it is published. */
  readonly tarball: string
  /** Everything is written below this. */
  readonly folder: string
}
