import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** A folder in the cache of the user for everything that takes long to make: a system, a Wine, Node. */
export const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'portside-windows')

/** Makes a folder once. `make` fills a folder with another name, so an interrupted run leaves nothing that looks complete. */
export async function once(folder: string, what: string, make: (folder: string) => Promise<void>): Promise<string> {
  if (existsSync(folder)) return folder
  const started = performance.now()
  const unfinished = `${folder}-unfinished`
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished, { recursive: true })
  try {
    await make(unfinished)
    renameSync(unfinished, folder)
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
  console.log(`made ${what}, once: ${((performance.now() - started) / 1000).toFixed(1)} s`)
  return folder
}

/** Keeps other runs out until this process exits, because two Wines cannot share a prefix. */
export function lock(): void {
  mkdirSync(CACHE, { recursive: true })
  const file = join(CACHE, 'lock')
  const holder = existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined
  if (holder !== undefined && existsSync(`/proc/${holder}`))
    throw new Error(`process ${holder} runs Wine: wait for its end`)
  writeFileSync(file, String(process.pid))
  process.once('exit', () => rmSync(file, { force: true }))
}
