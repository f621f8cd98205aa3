import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '../../generated')

/**
 * Makes a folder below generated/ hold exactly these files, by their relative paths. Correct files are not touched. Others are
 * replaced atomically, because another run may be reading them.
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
    // Not in the folder itself, where another run would remove it as an extra file.
    const draft = join(root, `${process.pid}.draft`)
    writeFileSync(draft, text)
    renameSync(draft, file)
  }
}
