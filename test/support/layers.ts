import { posix } from 'node:path'
import ts from 'typescript'

/**
 * Layers from the bottom up. An import points down, or stays in its own folder; single files of one layer may import
 * each other. `socket-table/` builds on `loopback/`. `src/index.ts` and its entry `src/main.ts` stand on top of all.
 */
export const LAYERS: readonly (readonly string[])[] = [
  [
    'argument.ts',
    'caller.ts',
    'disposal.ts',
    'errors.ts',
    'message.ts',
    'nearest.ts',
    'thrown-text.ts',
    'numbers.ts',
    'options.ts',
    'process-state.ts',
    'read-ahead.ts',
    'rooms.ts',
    'signals.ts',
    'slot.ts',
    'timers.ts',
    'weak-list.ts',
  ],
  ['platform'],
  ['loopback', 'socket-table'],
  ['explanations'],
  ['sockets'],
  ['leaks', 'ports', 'servers'],
  ['endpoints', 'programs'],
  ['scope.ts', 'assertions', 'namespaces'],
  ['cli', 'runners'],
  ['index.ts'],
  ['main.ts'],
]

const SIDEWAYS: Readonly<Record<string, readonly string[]>> = { 'socket-table': ['loopback'] }

/** The violations in a tree of sources, as `file:line what`. Keys are paths below src/, with slashes. */
export function layerViolations(sources: Readonly<Record<string, string>>): string[] {
  const violations: string[] = []
  for (const [file, text] of Object.entries(sources)) {
    const from = unitOf(file)
    if (layerOf(from) === -1) violations.push(`${file}:1 ${from} has no layer; give it one in test/support/layers.ts`)
    for (const found of findings(file, text)) {
      if (found.kind === 'platform') {
        if (from !== 'platform') violations.push(`${file}:${found.line} asks for the platform outside platform/`)
      } else {
        const wrong = wrongArrow(from, posix.join(posix.dirname(file), found.specifier))
        if (wrong) violations.push(`${file}:${found.line} imports ${found.specifier}: ${wrong}`)
      }
    }
  }
  return violations
}

function wrongArrow(from: string, target: string): string | undefined {
  if (target.startsWith('..')) return 'outside src/'
  const to = unitOf(target)
  if (to === from || layerOf(from) === -1) return
  if (layerOf(to) === -1) return `${to} has no layer`
  if (layerOf(to) > layerOf(from)) return `${from} is below ${to}`
  if (layerOf(to) < layerOf(from) || SIDEWAYS[from]?.includes(to)) return
  if (from.endsWith('.ts') && to.endsWith('.ts')) return
  return `${from} and ${to} are of one layer`
}

/** Circles of files, each as `a.ts -> b.ts -> a.ts`. Type imports count too, because readers follow them. */
export function circlesIn(sources: Readonly<Record<string, string>>): string[] {
  const arrows = new Map(
    Object.entries(sources).map(([file, text]) => [
      file,
      findings(file, text).flatMap((found) => (found.kind === 'import' ? [targetOf(file, found.specifier)] : [])),
    ]),
  )
  const circles: string[] = []
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file)
    if (start !== -1) circles.push([...path.slice(start), file].join(' -> '))
    if (start !== -1 || done.has(file)) return
    for (const target of arrows.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of arrows.keys()) visit(file, [])
  return circles
}

const targetOf = (file: string, specifier: string): string =>
  posix.join(posix.dirname(file), specifier).replace(/\.js$/, '.ts')

const layerOf = (unit: string): number => LAYERS.findIndex((layer) => layer.includes(unit))

/** The folder of a path below src/, or the file itself. Imports name the `.js` file that is built from a `.ts` file. */
const unitOf = (path: string): string => (path.split('/')[0] ?? path).replace(/\.js$/, '.ts')

type Finding = { line: number } & ({ kind: 'import'; specifier: string } | { kind: 'platform' })

function findings(file: string, text: string): Finding[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const found: Finding[] = []
  const visit = (node: ts.Node): void => {
    const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1
    const specifier = importedBy(node)
    if (specifier?.startsWith('.')) found.push({ kind: 'import', specifier, line })
    if (asksPlatform(node)) found.push({ kind: 'platform', line })
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function importedBy(node: ts.Node): string | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return stringOf(node.moduleSpecifier)
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return stringOf(node.argument.literal)
  if (ts.isExternalModuleReference(node)) return stringOf(node.expression)
  if (ts.isCallExpression(node) && /^(import|require)$/.test(node.expression.getText()))
    return stringOf(node.arguments[0])
  return
}

/** `process.platform`, `os.platform()`, their bracketed and destructured forms, and the named imports. */
function asksPlatform(node: ts.Node): boolean {
  if (ts.isPropertyAccessExpression(node)) return node.name.text === 'platform' && isHost(node.expression)
  if (ts.isElementAccessExpression(node))
    return stringOf(node.argumentExpression) === 'platform' && isHost(node.expression)
  if (ts.isVariableDeclaration(node) && ts.isObjectBindingPattern(node.name)) {
    return (
      isHost(node.initializer) && node.name.elements.some((e) => (e.propertyName ?? e.name).getText() === 'platform')
    )
  }
  if (ts.isImportDeclaration(node) && /^(node:)?(os|process)$/.test(stringOf(node.moduleSpecifier) ?? '')) {
    const names = node.importClause?.namedBindings
    return (
      !!names && ts.isNamedImports(names) && names.elements.some((e) => (e.propertyName ?? e.name).text === 'platform')
    )
  }
  return false
}

const isHost = (node: ts.Node | undefined): boolean => !!node && /^(globalThis\.)?(process|os)$/.test(node.getText())

const stringOf = (node: ts.Node | undefined): string | undefined =>
  node && ts.isStringLiteralLike(node) ? node.text : undefined
