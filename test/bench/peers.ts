import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { npm } from '../support/npm.js'

const fixture = join(import.meta.dirname, '../../fixtures/projects/bench-peers')

/** The packages that portside is measured beside, each in the version that fixtures/projects/bench-peers pins. */
export interface Peers {
  readonly folder: string
  readonly versions: Readonly<Record<string, string>>
  /** The pinned Node. */
  readonly node: string
}

/** Installs them once for each lock file, into a folder of the user's cache. */
export async function installPeers(): Promise<Peers> {
  const { dependencies } = JSON.parse(readFileSync(join(fixture, 'package.json'), 'utf8'))
  const lock = readFileSync(join(fixture, 'package-lock.json'))
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'portside-bench')
  const folder = join(cache, createHash('sha256').update(lock).digest('hex').slice(0, 16))
  if (!existsSync(folder)) {
    console.log('installing the peers, once')
    const unfinished = `${folder}-${process.pid}`
    try {
      mkdirSync(unfinished, { recursive: true })
      cpSync(fixture, unfinished, { recursive: true })
      await npm(['ci', '--no-audit', '--no-fund'], unfinished)
      renameSync(unfinished, folder)
    } finally {
      rmSync(unfinished, { recursive: true, force: true })
    }
  }
  return { folder, versions: dependencies, node: join(folder, 'node_modules/node/bin/node') }
}
