import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CACHE, once } from './cache.js'
import { must } from './run-program.js'

/** The Debian whose Wine is new enough for Node 24 and for Vitest. */
const RELEASE = 'trixie'
const FOLDER = join(CACHE, RELEASE)

/**
 * The words before a command that runs it in the folder as root directory. Its processes have their own pid namespace, whose end is
 * their end (pid_namespaces(7)), and their mounts go with them.
 */
export const inside = (folder: string): readonly [string, ...string[]] => [
  'unshare',
  '--mount',
  '--pid',
  '--fork',
  '--kill-child',
  `--root=${folder}`,
  '--mount-proc',
]

/** Why a Debian cannot be made here. Undefined if it can, or exists. */
export function whyNoChroot(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can make a root directory for it'
  const { status, stderr } = spawnSync('unshare', ['--mount', '--pid', '--fork', '--mount-proc', 'true'], {
    encoding: 'utf8',
  })
  if (status !== 0) return `this process cannot mount: ${stderr?.trim() || 'there is no unshare'}`
  if (existsSync(FOLDER)) return undefined
  if (spawnSync('debootstrap', ['--version']).error) return 'there is no debootstrap'
  return mirror() === undefined ? 'apt names no mirror of Debian' : undefined
}

/** The folder of a Debian with Wine, which is made once. */
export const chrootWithWine = (): Promise<string> =>
  once(FOLDER, `a Debian ${RELEASE} with Wine`, async (folder) => {
    await must(['debootstrap', '--variant=minbase', RELEASE, folder, mirror() as string], 900)
    writeFileSync(join(folder, 'etc/hosts'), '127.0.0.1 localhost\n::1 localhost ip6-localhost\n')
    // A proxy, and whether this machine checks the dates of the lists.
    writeFileSync(join(folder, 'etc/apt/apt.conf.d/99machine'), aptOptions())
    await must([...inside(folder), 'apt-get', 'update', '-q'], 300)
    await must([...inside(folder), 'apt-get', 'install', '-qy', '--no-install-recommends', 'wine', 'wine64'], 900)
    await must([...inside(folder), 'apt-get', 'clean'], 60)
    mkdirSync(join(folder, 'drive'))
  })

/** The mirror of Debian that the apt of this machine uses. */
function mirror(): string | undefined {
  const { stdout } = spawnSync(
    'apt-get',
    ['indextargets', '--format', '$(ORIGIN) $(COMPONENT) $(CODENAME) $(REPO_URI)'],
    {
      encoding: 'utf8',
    },
  )
  // The mirrors of updates have a suffix in their names.
  return /^Debian main [a-z]+ (\S+)$/m.exec(stdout ?? '')?.[1]
}

function aptOptions(): string {
  const { stdout } = spawnSync('apt-config', ['dump'], { encoding: 'utf8' })
  return `${(stdout.match(/^Acquire::(?:https?::|Check-).*$/gim) ?? []).join('\n')}\n`
}
