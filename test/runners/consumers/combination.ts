/** One line of the table. */
export interface Combination {
  readonly name: string
  /** Settings that a user needs for it, and why. Shown next to the result. */
  readonly needs?: string | undefined
  /** Returns what is wrong, for people to read. Empty if everything is right. */
  check(): Promise<string[]>
}

/** The context of all combinations. */
export interface Matrix {
  /** The packed package. */
  readonly tarball: string
  /** The folder for everything that is written. */
  readonly folder: string
}
