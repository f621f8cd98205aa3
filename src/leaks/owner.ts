import type { LeakIgnore } from './options.js'

/** Whose sockets are looked after together: a test, or a file with its hooks. */
export interface Owner {
  /** What a fixture opens is the file's, until the fixture turns out to be one of a test. */
  kind: 'test' | 'file'
  /** The full name of the test, or the path of the file. */
  name: string
  readonly file: string | undefined
  /** What the tracker had counted when it began: before that, nothing is its own. */
  readonly begun: number
  /** True when its check is over: what it opens from here on is found at the end of its file. */
  ended: boolean
  /** `ignoreLeaks()` was called in it: everything, or what these rules say. */
  ignored: 'all' | LeakIgnore[]
}
