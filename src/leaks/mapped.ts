import { findSourceMap } from 'node:module'

/**
 * A line of a stack, where the runner leads it: runners that compile tests install a `prepareStackTrace` that maps each call
 * site, or have Node map them. V8 would ask them only for a stack of its own making.
 */
export function mapped(line: string): string {
  const [, name, place] = /^ {4}at (?:(.+) \()?(.+?)\)?$/.exec(line) ?? []
  const [, file, row, column] = /^(.*):(\d+):(\d+)$/.exec(place ?? '') ?? []
  if (file === undefined) return line
  const site = new Site(line.slice('    at '.length), name, file, Number(row), Number(column))
  // In a vm context, as in the vm pools of Vitest, Node asks that of its main realm if this one has none.
  const prepare = Error.prepareStackTrace ?? mainError()?.prepareStackTrace
  return typeof prepare === 'function' ? prepared(prepare, site) : mappedByNode(site)
}

/** The class of errors in the realm of Node's own code, by an error that this code throws. */
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

function prepared(prepare: NonNullable<typeof Error.prepareStackTrace>, site: Site): string {
  try {
    // One by one: what was left out between two would lend its name to the wrong one.
    const text: unknown = prepare(new Error(), [site])
    const last = typeof text === 'string' ? text.split('\n').at(-1) : undefined
    if (last?.startsWith('    at ')) return last
  } catch {
    // That of the user does not expect a call site that V8 has not made.
  }
  return `    at ${site}`
}

/** With `--enable-source-maps`, or where a loader has turned it on: https://nodejs.org/api/module.html#source-map-support */
function mappedByNode(site: Site): string {
  const [file, line, column] = [site.getFileName(), site.getLineNumber(), site.getColumnNumber()]
  const map = file.includes('/') || file.includes('\\') ? findSourceMap(file) : undefined
  const entry = map?.findEntry(line - 1, column - 1) as Partial<Entry> | undefined
  if (entry?.originalSource === undefined || entry.originalLine === undefined) return `    at ${site}`
  const name = site.getFunctionName()
  const place = `${entry.originalSource}:${entry.originalLine + 1}:${(entry.originalColumn ?? 0) + 1}`
  return name === null ? `    at ${place}` : `    at ${name} (${place})`
}

interface Entry {
  readonly originalSource: string
  readonly originalLine: number
  readonly originalColumn: number
}

/** Answers what a `prepareStackTrace` may ask of a call site: https://v8.dev/docs/stack-trace-api */
class Site {
  constructor(
    private readonly text: string,
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
    return this.text
  }
}
