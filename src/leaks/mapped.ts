import { findSourceMap } from 'node:module'
import { type Runtime, runtime } from '../platform/runtime.js'

/**
 * Maps a line of a stack to the source, as the runner does. Runners that compile tests install a `prepareStackTrace` that maps each call
 * site, or let Node map them. V8 calls it only for a stack that V8 has captured, so this does. The name of the function stays: the source
 * map of Jest has the name of the function that is called there.
 */
export function mapped(line: string, of: Runtime = runtime()): string {
  // Deno maps each call site before it hands it over, and has the source map too: a place would be mapped twice.
  if (of === 'Deno') return line
  const [, prefix = '', name, place] = LINE.exec(line) ?? []
  const [, file, row, column] = /^(.*):(\d+):(\d+)$/.exec(place ?? '') ?? []
  if (file === undefined) return line
  const site = new Site(name, file, Number(row), Number(column))
  // A vm context, as in the vm pools of Vitest, has its own `Error`. Node falls back to the `prepareStackTrace` of its main realm.
  const prepare = Error.prepareStackTrace ?? mainError()?.prepareStackTrace
  const source = typeof prepare === 'function' ? prepared(prepare, site) : mappedByNode(site)
  if (source === undefined) return line
  return `    at ${prefix}${name === undefined ? source : `${name} (${source})`}`
}

/** `    at async name (place)`. The word `async` and the name may be missing. */
const LINE = /^ {4}at (async )?(?:(.+) \()?(.+?)\)?$/

/** The class `Error` of Node's main realm, found by an error that Node throws. */
function mainError(): ErrorConstructor | undefined {
  try {
    Buffer.concat(0 as never)
  } catch (error) {
    for (let proto: object | null = error as object; proto !== null; proto = Object.getPrototypeOf(proto)) {
      if (Object.hasOwn(proto, 'constructor') && proto.constructor.name === 'Error') {
        return proto.constructor as ErrorConstructor
      }
    }
  }
  return undefined
}

function prepared(prepare: NonNullable<typeof Error.prepareStackTrace>, site: Site): string | undefined {
  try {
    const text: unknown = prepare(new Error(), [site])
    const [, , , place] = LINE.exec(typeof text === 'string' ? (text.split('\n').at(-1) ?? '') : '') ?? []
    return place
  } catch {
    // A `prepareStackTrace` of the user may not expect a call site that V8 has not made.
    return undefined
  }
}

/** With `--enable-source-maps`, or if a loader has turned it on: https://nodejs.org/api/module.html#source-map-support */
function mappedByNode(site: Site): string | undefined {
  const [file, line, column] = [site.getFileName(), site.getLineNumber(), site.getColumnNumber()]
  const map = file.includes('/') || file.includes('\\') ? findSourceMap(file) : undefined
  const entry = map?.findEntry(line - 1, column - 1) as Partial<Entry> | undefined
  if (entry?.originalSource === undefined || entry.originalLine === undefined) return undefined
  return `${entry.originalSource}:${entry.originalLine + 1}:${(entry.originalColumn ?? 0) + 1}`
}

interface Entry {
  readonly originalSource: string
  readonly originalLine: number
  readonly originalColumn: number
}

/** Answers what a `prepareStackTrace` may ask of a call site: https://v8.dev/docs/stack-trace-api */
class Site {
  constructor(
    private readonly name: string | undefined,
    private readonly file: string,
    private readonly line: number,
    private readonly column: number,
  ) {}

  getFileName(): string {
    return this.file
  }
  getScriptNameOrSourceURL(): string {
    return this.file
  }
  getLineNumber(): number {
    return this.line
  }
  getColumnNumber(): number {
    return this.column
  }
  /** As V8 writes it, with the type, `new` and `async`. */
  getFunctionName(): string | null {
    return this.name ?? null
  }
  isToplevel(): boolean {
    return true
  }
  isNative(): boolean {
    return false
  }
  isEval(): boolean {
    return false
  }
  isConstructor(): boolean {
    return false
  }
  isAsync(): boolean {
    return false
  }
  isPromiseAll(): boolean {
    return false
  }
  getPromiseIndex(): null {
    return null
  }
  getEnclosingLineNumber(): number {
    return this.line
  }
  getEnclosingColumnNumber(): number {
    return this.column
  }
  getThis(): undefined {}
  getFunction(): undefined {}
  getTypeName(): null {
    return null
  }
  getMethodName(): null {
    return null
  }
  getEvalOrigin(): undefined {}
  getPosition(): number {
    return 0
  }
  getScriptHash(): string {
    return ''
  }
  toString(): string {
    const place = `${this.file}:${this.line}:${this.column}`
    return this.name === undefined ? place : `${this.name} (${place})`
  }
}
