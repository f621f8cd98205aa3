import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { CACHE, once } from './cache.js'
import { chrootWithWine, inside, whyNoChroot } from './chroot.js'
import { type Ended, runProgram } from './run-program.js'

/** Wine with its own prefix, in which Windows is 10 and drive W: is a folder of the cache. */
export interface Wine {
  /** `10.0` */
  readonly version: string
  /** Why it is not a newer one. */
  readonly because?: string
  /** The folder that is drive W:. */
  readonly drive: string
  /** Runs a program of the drive by its Windows path. `folder` is its current directory, on the drive. */
  run(program: string, args: readonly string[], options: RunOptions): Promise<Ended>
  /** Ends what still runs in the prefix. */
  close(): Promise<void>
}

export interface RunOptions {
  readonly folder: string
  readonly seconds: number
  readonly env?: Readonly<Record<string, string>>
}

/** The first version whose virtual memory Node 24 can use, and whose system libraries the tools of Vitest find. */
export const NEW = 10

/** The Wine of this machine if it is new enough, else one of a newer Debian, else that of this machine. Without one it returns the reason. */
export async function findWine(): Promise<Wine | string> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return 'Wine runs the Windows build of Node on Linux, on x64'
  const own = wineVersion([])
  if (own !== undefined && Number.parseInt(own, 10) >= NEW) return prepared(onThisMachine(), own)
  const because = whyNoChroot()
  if (because === undefined) {
    const folder = await chrootWithWine()
    const version = wineVersion(inside(folder))
    if (version !== undefined) return prepared(inFolder(folder), version)
  }
  if (own === undefined)
    return `there is no Wine, and Debian's newer one cannot be installed: ${because ?? 'it does not start'}`
  return prepared(onThisMachine(), own, because ?? 'the newer Wine does not start')
}

/** Where Wine runs: the words before each command, and where the drive is, seen from here and from there. */
interface Place {
  readonly before: readonly string[]
  readonly drive: string
  readonly inner: string
}

const onThisMachine = (): Place => ({ before: [], drive: join(CACHE, 'drive'), inner: join(CACHE, 'drive') })
const inFolder = (folder: string): Place => ({ before: inside(folder), drive: join(folder, 'drive'), inner: '/drive' })

function wineVersion(before: readonly string[]): string | undefined {
  const [program = '', ...args] = [...before, 'wine', '--version']
  const { stdout } = spawnSync(program, args, { encoding: 'utf8' })
  return /^wine-(\d+\.\d+)/m.exec(stdout ?? '')?.[1]
}

async function prepared(place: Place, version: string, because?: string): Promise<Wine> {
  mkdirSync(place.drive, { recursive: true })
  const name = `prefix-${version}`
  await once(join(place.drive, name), `a prefix of Wine ${version}`, async (folder) => {
    const prefix = join(place.inner, `${name}-unfinished`)
    const made = await shell(place, prefix, 'wineboot --init && winecfg -v win10 && wineserver --wait', [], {
      seconds: 240,
    })
    if (made.code !== 0) throw new Error(`Wine makes no prefix: ${made.output}`)
    const drive = join(folder, 'dosdevices/w:')
    rmSync(drive, { force: true })
    symlinkSync(place.inner, drive)
  })
  const prefix = join(place.inner, name)
  return {
    version,
    ...(because !== undefined && { because }),
    drive: place.drive,
    run: (program, args, { folder, seconds, env = {} }) => {
      const inner = join(place.inner, folder)
      // Wine 10 does not open a pipe of Linux as standard output.
      const script = 'cd "$1" || exit; shift; wine "$@" > "$OUTPUT" 2>&1'
      return withOutput(place, (output) =>
        shell(place, prefix, script, [inner, program, ...args], { seconds, env: { ...env, OUTPUT: output } }),
      )
    },
    close: async () => {
      // In a namespace of its own, each command has ended with its processes.
      if (place.before.length === 0) await shell(place, prefix, 'wineserver --kill', [], { seconds: 30 })
    },
  }
}

async function withOutput({ drive, inner }: Place, run: (output: string) => Promise<Ended>): Promise<Ended> {
  const name = `output-${process.pid}.txt`
  try {
    const { code, output } = await run(join(inner, name))
    const written = existsSync(join(drive, name)) ? readFileSync(join(drive, name), 'utf8') : ''
    return { code, output: withoutHint(written) + output }
  } finally {
    rmSync(join(drive, name), { force: true })
  }
}

/** Debian's script recommends the 32-bit Wine at each start. */
const withoutHint = (output: string): string =>
  output.replace(/^it looks like wine32 is missing[\s\S]*?apt-get install wine32:i386"\n/m, '')

function shell(
  { before }: Place,
  prefix: string,
  script: string,
  args: readonly string[],
  { seconds, env = {} }: { readonly seconds: number; readonly env?: Readonly<Record<string, string>> },
): Promise<Ended> {
  const environment = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    WINEPREFIX: prefix,
    WINEARCH: 'win64',
    WINEDEBUG: '-all',
    XDG_RUNTIME_DIR: '/tmp',
    NO_COLOR: '1',
    ...env,
  }
  const [program = '', ...words] = [...before, 'sh', '-c', script, 'sh', ...args]
  return runProgram([program, ...words], { seconds, env: environment })
}
