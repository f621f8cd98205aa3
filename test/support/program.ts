/** The sources as Node runs them: see transpile.ts. Programs of tests find the index at `process.env.PORTSIDE`. */
export const TRANSPILED: URL = new URL('../../generated/src/', import.meta.url)

/** The command that runs ES module code in Node. */
export const node = (code: string): [string, ...string[]] => [process.execPath, '--input-type=module', '--eval', code]
