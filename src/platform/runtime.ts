/** The JavaScript runtimes on which portside runs. Bun and Deno implement the API of Node. */
export type Runtime = 'Node' | 'Bun' | 'Deno'

/** The runtime of this process: Bun and Deno add their name to `process.versions`. */
export function runtime(versions: Readonly<Record<string, string | undefined>> = process.versions): Runtime {
  if (versions.bun !== undefined) return 'Bun'
  return versions.deno === undefined ? 'Node' : 'Deno'
}
