import { readdirSync, readFileSync, statSync } from 'node:fs'
import { codeOf } from '../../errors.js'

/** Reads a project. Tests pass their own. */
export interface Files {
  /** The text of a file, or why it cannot be read. Undefined if the path does not exist. */
  read(path: string): FileText | undefined
  /** The files and folders of a folder, without links. Empty if the folder cannot be read. */
  list(folder: string): Listing
}

export type FileText = { readonly text: string } | { readonly problem: string; readonly isFolder?: true }

export interface Listing {
  readonly files: readonly string[]
  readonly folders: readonly string[]
}

/** Reads the disk of this machine. */
export const diskFiles: Files = { read: readText, list }

const MEGABYTE = 1_000_000
/** A handwritten configuration is far smaller. */
const MOST_BYTES = MEGABYTE

function readText(path: string): FileText | undefined {
  try {
    const stats = statSync(path)
    if (stats.isDirectory()) return { problem: 'is a directory', isFolder: true }
    // Reading a named pipe would never return.
    if (!stats.isFile()) return { problem: 'is not a regular file' }
    if (stats.size > MOST_BYTES) {
      return { problem: `has ${(stats.size / MEGABYTE).toFixed(1)} MB: portside reads up to 1 MB` }
    }
    return textOf(readFileSync(path, 'utf8'))
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    return { problem: `cannot be read: ${code ?? String(error)}` }
  }
}

/** Editors on Windows begin a file with a byte order mark, which JSON.parse rejects. */
function textOf(text: string): FileText {
  const content = text.replace(/^\uFEFF/, '')
  if (content.trim() === '') return { problem: 'is empty' }
  return content.includes('\0') ? { problem: 'is not UTF-8 text' } : { text: content }
}

function list(folder: string): Listing {
  try {
    const entries = readdirSync(folder, { withFileTypes: true })
    return {
      files: entries.filter((entry) => entry.isFile()).map(({ name }) => name),
      folders: entries.filter((entry) => entry.isDirectory()).map(({ name }) => name),
    }
  } catch {
    // The folder is gone, or permission is denied.
    return { files: [], folders: [] }
  }
}
