import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '../../generated')

/**
 * Makes a folder below generated/ hold these files, by their paths in it, and no other. A file that is right already
 * stays untouched, and one is replaced at once: another run may be reading it.
 */
export function writeGenerated(folder: string, files: ReadonlyMap<string, string>): void {
  const place = join(root, folder)
  for (const name of existsSync(place) ? readdirSync(place, { recursive: true, encoding: 'utf8' }) : []) {
    const file = join(place, name)
    if (!files.has(name) && statSync(file, { throwIfNoEntry: false })?.isFile()) rmSync(file, { force: true })
  }
  for (const [name, text] of files) {
    const file = join(place, name)
    if (existsSync(file) && readFileSync(file, 'utf8') === text) continue
    mkdirSync(dirname(file), { recursive: true })
    // Not in the folder, where another run would take it for one file too many.
    const draft = join(root, `${process.pid}.draft`)
    writeFileSync(draft, text)
    renameSync(draft, file)
  }
}
