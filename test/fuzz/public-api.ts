import { join } from 'node:path'
import ts from 'typescript'

const SOURCES = join(import.meta.dirname, '../../src')

/**
 * The names of all public functions that take arguments, and of all such methods of the objects that they return, such as `listenTcp`
 * and `TestServer.connect`. They are read from the types of `src/index.ts`.
 */
export function publicCalls(): string[] {
  const index = join(SOURCES, 'index.ts')
  const { config } = ts.readConfigFile(join(SOURCES, '../tsconfig.json'), ts.sys.readFile)
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, SOURCES)
  const program = ts.createProgram([index], options)
  const checker = program.getTypeChecker()
  const module = checker.getSymbolAtLocation(program.getSourceFile(index) as ts.SourceFile) as ts.Symbol
  const names = new Set<string>()
  const seen = new Set<ts.Type>()

  const takesArguments = (type: ts.Type): boolean =>
    type.getCallSignatures().some((signature) => signature.getParameters().length > 0)

  const visit = (type: ts.Type): void => {
    const own = checker.getAwaitedType(type) ?? type
    if (seen.has(own)) return
    seen.add(own)
    for (const member of own.isUnion() ? [] : own.getProperties()) {
      const declaration = member.declarations?.[0]
      // Types of Node are not part of the API of portside.
      if (declaration === undefined || !declaration.getSourceFile().fileName.startsWith(SOURCES)) continue
      const memberType = checker.getTypeOfSymbol(member)
      const { parent } = declaration
      if (takesArguments(memberType) && ts.isInterfaceDeclaration(parent)) {
        names.add(`${parent.name.text}.${member.name}`)
      }
      visitResults(memberType)
      visit(memberType)
      for (const element of checker.getTypeArguments(memberType as ts.TypeReference)) visit(element)
    }
  }
  const visitResults = (type: ts.Type): void => {
    for (const signature of type.getCallSignatures()) visit(signature.getReturnType())
  }

  for (const exported of checker.getExportsOfModule(module)) {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
    const type = symbol.flags & ts.SymbolFlags.Value ? checker.getTypeOfSymbol(symbol) : undefined
    if (type === undefined) continue
    if (takesArguments(type)) names.add(exported.name)
    visitResults(type)
  }
  return [...names].sort()
}
