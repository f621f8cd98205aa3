import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { must } from './run-program.js'
import type { Wine } from './wine.js'

const COMPILER = 'x86_64-w64-mingw32-gcc'
const SOURCES = join(import.meta.dirname, '../../fixtures/programs/windows')

/** The programs of Windows that portside runs and Wine lacks: its netstat has no pids, and its tasklist writes UTF-16. */
const PROGRAMS = ['netstat', 'tasklist', 'powershell'] as const

/** The environment in which Wine runs the stand-ins, or the reason why it cannot. */
export async function standIns({ drive, version }: Wine): Promise<Readonly<Record<string, string>> | string> {
  if (spawnSync(COMPILER, ['--version']).error)
    return `there is no ${COMPILER} for the stand-ins of ${PROGRAMS.join(', ')}`
  const folder = join(drive, 'stand-ins')
  mkdirSync(folder, { recursive: true })
  for (const name of PROGRAMS) {
    const program = join(folder, `${name}.exe`)
    await must(
      [COMPILER, '-O1', '-D_WIN32_WINNT=0x0601', '-o', program, join(SOURCES, `${name}.c`), '-liphlpapi', '-lws2_32'],
      60,
    )
    // portside runs them by their full path in Windows.
    if (name !== 'powershell')
      copyFileSync(program, join(drive, `prefix-${version}`, 'drive_c/windows/system32', `${name}.exe`))
  }
  return { WINEPATH: 'W:\\stand-ins', WINEDLLOVERRIDES: `${PROGRAMS.map((name) => `${name}.exe`).join(',')}=n` }
}
