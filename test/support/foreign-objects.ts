import { AsyncResource } from 'node:async_hooks'
import childProcess from 'node:child_process'
import dgram from 'node:dgram'
import http from 'node:http'
import net from 'node:net'
import tls from 'node:tls'
import ts from 'typescript'

/**
 * Finds code that replaces a method of a foreign object without `patch()`, or reads a private member of a Node object outside
 * `platform/node-internals.ts`. Each finding is `file:line what`. Keys are paths below src/.
 *
 * It reads only the syntax. A method belongs to a foreign object if it is set on a prototype, or is a function that is set on
 * anything except `this`. So does a method whose name a method of Node has.
 */
export function foreignAccess(sources: Readonly<Record<string, string>>): string[] {
  return Object.entries(sources).flatMap(([file, text]) => {
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
    const found: string[] = []
    const visit = (node: ts.Node): void => {
      const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1
      if (file !== 'platform/patches.ts' && replacesMethod(node)) {
        found.push(`${file}:${line} replaces a method without patch(): ${firstLine(node)}`)
      }
      const name = file === 'platform/node-internals.ts' ? undefined : privateMember(node)
      if (name !== undefined) found.push(`${file}:${line} reads ${name} outside platform/node-internals.ts`)
      ts.forEachChild(node, visit)
    }
    visit(source)
    return found
  })
}

function replacesMethod(node: ts.Node): boolean {
  if (ts.isBinaryExpression(node) && node.operatorToken.kind >= ts.SyntaxKind.FirstAssignment) {
    if (node.operatorToken.kind > ts.SyntaxKind.LastAssignment) return false
    const { left } = node
    if (!ts.isPropertyAccessExpression(left) && !ts.isElementAccessExpression(left)) return false
    if (left.expression.kind === ts.SyntaxKind.ThisKeyword) return false
    const name = nameOf(left)
    return isPrototype(left.expression) || isFunction(node.right) || (name !== undefined && METHODS.has(name))
  }
  if (!ts.isCallExpression(node) || !/^(Object|Reflect)\.(defineProperty|set)$/.test(node.expression.getText()))
    return false
  const [target, name] = node.arguments
  return (
    target !== undefined &&
    name !== undefined &&
    (isPrototype(target) || (ts.isStringLiteralLike(name) && METHODS.has(name.text)))
  )
}

/** Methods of objects that tests open and that portside might want to change. */
const METHODS: ReadonlySet<string> = new Set(
  [
    net.Server.prototype,
    net.Socket.prototype,
    tls.Server.prototype,
    http.Server.prototype,
    http.Agent.prototype,
    dgram.Socket.prototype,
    AsyncResource.prototype,
    childProcess,
  ]
    .flatMap((object) => methodsOf(object))
    // Streams have `find`, `map` and other methods of arrays, so such a name does not prove a method of Node.
    .filter((name) => !(name in Array.prototype)),
)

function methodsOf(object: object): string[] {
  const inherited = Object.getPrototypeOf(object) as object | null
  const names = Object.entries(Object.getOwnPropertyDescriptors(object)).flatMap(([name, { value }]) =>
    typeof value === 'function' && name !== 'constructor' ? [name] : [],
  )
  return inherited === null || inherited === Object.prototype ? names : [...names, ...methodsOf(inherited)]
}

/** The members that only `platform/node-internals.ts` may read. */
const PRIVATE: ReadonlySet<string> = new Set([
  '_handle',
  '_connectionKey',
  '_connections',
  '_httpMessage',
  '_parent',
  '_final',
  '_writableState',
  '_readableState',
  'resetAndClosing',
  'writelen',
])

function privateMember(node: ts.Node): string | undefined {
  const name =
    ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node)
      ? nameOf(node)
      : ts.isBindingElement(node)
        ? (node.propertyName ?? node.name).getText()
        : ts.isPropertySignature(node)
          ? node.name.getText()
          : undefined
  return name !== undefined && PRIVATE.has(name) ? name : undefined
}

const isPrototype = (node: ts.Node): boolean => /\.prototype$/.test(node.getText())

function isFunction(node: ts.Node): boolean {
  if (ts.isAsExpression(node) || ts.isParenthesizedExpression(node)) return isFunction(node.expression)
  return ts.isFunctionExpression(node) || ts.isArrowFunction(node)
}

function nameOf(node: ts.PropertyAccessExpression | ts.ElementAccessExpression): string | undefined {
  if (ts.isPropertyAccessExpression(node)) return node.name.text
  return ts.isStringLiteralLike(node.argumentExpression) ? node.argumentExpression.text : undefined
}

const firstLine = (node: ts.Node): string => node.getText().split('\n')[0] ?? ''
