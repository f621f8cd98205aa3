import { join } from 'node:path'
import { Application, Logger, LogLevel, type ProjectReflection, type TypeDocOptions } from 'typedoc'
import type { PluginOptions } from 'typedoc-plugin-markdown'
import { publicEntries, root } from './entries.js'
import { FlatRouter } from './router.js'
import { linkPages } from './see.js'

const OUT = join(root, 'docs/reference')

const OPTIONS: Partial<TypeDocOptions & PluginOptions> = {
  name: 'API reference',
  tsconfig: join(import.meta.dirname, 'tsconfig.json'),
  plugin: ['typedoc-plugin-markdown'],
  logLevel: 'Warn',
  readme: 'none',
  disableGit: true,
  disableSources: true,
  // The members that a type has from Node or from a runner are documented there.
  excludeExternals: true,
  sortEntryPoints: false,
  validation: { notExported: true, invalidLink: true, rewrittenLink: true, notDocumented: false },
  outputs: [{ name: 'markdown', path: OUT }],
  // A page for each entry.
  outputFileStrategy: 'modules',
  router: 'flat',
  entryFileName: 'index',
  hidePageHeader: true,
  hideBreadcrumbs: true,
  groupOrder: ['Functions', 'Variables', 'Classes', 'Interfaces', 'Type Aliases', 'References'],
  pageTitleTemplates: { module: ({ name }) => name },
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  typeDeclarationFormat: 'table',
  tableColumnSettings: { hideModifiers: true, hideInherited: true, hideOverrides: true },
  useCodeBlocks: true,
  useCustomAnchors: true,
  useHTMLEncodedBrackets: true,
  sanitizeComments: true,
}

/** The public API, as TypeDoc reads it from the sources. */
export interface Reference {
  readonly project: ProjectReflection
  /** Warnings and errors of TypeDoc. `write()` adds its own. */
  readonly warnings: readonly string[]
  /** Internal types in public signatures, one a line. */
  readonly internalTypes: readonly string[]
  /** Writes the pages into docs/reference. */
  write(): Promise<void>
}

export async function readReference(): Promise<Reference> {
  const entries = publicEntries()
  const app = await Application.bootstrapWithPlugins({
    ...OPTIONS,
    entryPoints: entries.map(({ source }) => join(root, source)),
  })
  const logger = new Collector()
  app.logger = logger
  linkPages(app)
  app.renderer.defineRouter('flat', FlatRouter)
  const project = await app.convert()
  if (!project) throw new Error(`TypeDoc cannot read the sources:\n${logger.warnings.join('\n')}`)
  for (const [index, entry] of entries.entries()) project.children![index]!.name = entry.name
  app.validate(project)
  return {
    project,
    warnings: logger.warnings,
    internalTypes: logger.internalTypes,
    async write() {
      await app.generateOutputs(project)
    },
  }
}

class Collector extends Logger {
  readonly warnings: string[] = []
  readonly internalTypes: string[] = []

  override log(message: string, level: LogLevel): void {
    if (level < LogLevel.Warn) return
    const isInternalType = /is referenced by .+ but not included/.test(message)
    if (isInternalType) this.internalTypes.push(message)
    else this.warnings.push(message)
  }
}
