import type { LeakIgnore } from './options.js'

/** A test, or a file with its hooks: its sockets are checked together. */
export interface Owner {
  /** A fixture counts as a file until it turns out to belong to a test. */
  kind: 'test' | 'file'
  /** The full name of the test, or the path of the file. */
  name: string
  readonly file: string | undefined
  /** The tracker's counter when it began. Earlier sockets are not its own. */
  readonly begun: number
  /** True when its check is over. Sockets that it opens later are found at the end of its file. */
  ended: boolean
  /** True while a fixture that outlives its test is set up. Its sockets are checked when it is torn down. */
  running?: boolean
  /** The rules of `ignoreLeaks()` calls in it; `'all'` if a call had no rules. */
  ignored: 'all' | LeakIgnore[]
}
