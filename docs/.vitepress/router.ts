import type { Reflection } from 'typedoc'
import { ModuleRouter } from 'typedoc-plugin-markdown'
import { fileOfEntry } from './entries.js'

/**
 * Puts all pages of the reference into one folder. A file `portside.md` beside a folder `portside` would have one address for both, of
 * which each server makes something else.
 */
export class FlatRouter extends ModuleRouter {
  override getIdealBaseName(reflection: Reflection): string {
    return fileOfEntry(super.getIdealBaseName(reflection))
  }
}
