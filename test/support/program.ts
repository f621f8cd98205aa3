/** The sources as Node runs them; see transpile.ts. Programs that tests start find the index at `process.env.PORTSIDE`. */
export const TRANSPILED: URL = new URL('../../generated/src/', import.meta.url)

/** What to execute to run ES module code in Node. */
export const node = (code: string): [string, ...string[]] => [process.execPath, '--input-type=module', '--eval', code]
