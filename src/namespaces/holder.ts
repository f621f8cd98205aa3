import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { abortError, codeOf, portsideError } from '../errors.js'
import { isRootOfTheMachine, whyNoPrivateNetworks, whyNoUserNamespaces } from '../platform/private-networks.js'
import { onAbort, refuseAborted } from '../signals.js'
import { infrastructure } from '../sockets/infrastructure.js'
import { describeStep, hasOwnFiles, type Step } from './set-up.js'
import { toolPath } from './tools.js'

export interface HolderOptions {
  /** Whether the user of this process is root in there. */
  readonly root?: boolean
  /** Whose user namespace it is made in, so that the two can be joined. Default: that of this process. */
  readonly within?: Holder
  readonly signal?: AbortSignal | undefined
}

/**
 * A shell in a network namespace, with the rights to set it up: it keeps the namespace while nobody else is in it, and ends
 * what is left in it when it is told to, or when its standard input ends, which it does however this process ends.
 */
export class Holder {
  readonly #shell: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #answers: Answers
  /** What nsenter(1) has to be told to join it. */
  readonly entrance: readonly string[]
  #closing: Promise<void> | undefined
  #asking: Promise<unknown> = Promise.resolve()

  private constructor(shell: ChildProcess, answers: Answers, entrance: readonly string[]) {
    this.#shell = shell
    this.#answers = answers
    this.entrance = entrance
    this.#exited = new Promise((resolve) => void shell.once('close', resolve))
  }

  get pid(): number {
    return this.#shell.pid as number
  }

  /** Rejects with ERR_PORTSIDE_UNSUPPORTED where no namespace can be made, ERR_PORTSIDE_NAMESPACE for a step, ABORT_ERR. */
  static async start(steps: readonly Step[], options: HolderOptions = {}): Promise<Holder> {
    const { within, signal } = options
    const why = whyNoPrivateNetworks()
    if (why !== undefined) throw unsupported(why)
    const ownUsers = !isRootOfTheMachine()
    const ownFiles = hasOwnFiles(steps)
    toolPath('ip')
    const join = within === undefined ? [] : [toolPath('nsenter'), ...within.joinUsers(), '--']
    const kinds = [...(ownUsers ? users(options) : []), '--net', ...(ownFiles ? ['--mount'] : [])]
    const [program = '', ...args] = [
      ...join,
      toolPath('unshare'),
      ...kinds,
      '--',
      '/bin/sh',
      '-c',
      SCRIPT,
      'portside-host',
    ]
    refuseAborted(signal, ASKED)
    const shell = started(program, [...args, ...steps.flatMap(argumentsOf)])
    const answers = new Answers(shell, steps)
    const forget = onAbort(signal, () => void shell.kill('SIGKILL'))
    try {
      await answers.ready()
    } catch (error) {
      shell.kill('SIGKILL')
      throw signal?.aborted ? abortError(signal, ASKED) : error
    } finally {
      forget()
    }
    letGo(shell)
    const entrance = [
      '--target',
      String(shell.pid),
      ...(ownUsers ? ['--user', '--preserve-credentials'] : []),
      '--net',
      ...(ownFiles ? ['--mount'] : []),
    ]
    return new Holder(shell, answers, entrance)
  }

  /** Runs a command of ip(8) in it. Rejects with ERR_PORTSIDE_NAMESPACE. */
  ip(command: string): Promise<void> {
    const asked = this.#asking.then(async () => {
      if (this.#closing !== undefined) throw failed(`run 'ip ${command}'`, 'a private network that is closed')
      // Until it has answered, this process does not end for want of anything to do.
      this.#shell.ref()
      ;(this.#shell.stdin as Writable).write(`${command}\n`)
      await this.#answers.done(`run 'ip ${command}'`)
      this.#shell.unref()
    })
    this.#asking = asked.catch(() => {})
    return asked
  }

  /** Ends everything in it, and gives it up. Later calls share the promise. */
  close(): Promise<void> {
    this.#closing ??= this.#asking.then(async () => {
      this.#shell.ref()
      ;(this.#shell.stdin as Writable).end('end\n')
      await this.#exited
    })
    return this.#closing
  }

  private joinUsers(): string[] {
    return this.entrance.includes('--user') ? ['--target', String(this.pid), '--user', '--preserve-credentials'] : []
  }
}

const ASKED = 'make a private network'

/**
 * Each step is announced before it is taken, so that the last one is the one that failed; the tool has said why on standard
 * error. Signals are not for it: Ctrl-C goes to the whole process group. It is told from others in proc(5) who is in its
 * namespace; a process that is about to end others may still start some, so it looks until it finds none. When its input
 * ends without a word, this process may have been ended while a program was about to enter: it looks again.
 *
 * A file in the place of another is on a file system that only this namespace sees, which stays with the file: over one that
 * had been removed, a host within this host could not mount its own.
 */
const SCRIPT = `
trap '' HUP INT QUIT TERM PIPE USR1 USR2
sweep() {
  found=1
  while [ $found = 1 ]; do
    found=0
    for place in /proc/[0-9]*; do
      pid=\${place#/proc/}
      [ "$pid" != $$ ] && [ "$place/ns/net" -ef /proc/$$/ns/net ] && kill -KILL "$pid" && found=1
    done
  done 2>/dev/null
}
step=0
while [ $# -gt 0 ]; do
  printf 'step %s\\n' $step
  step=$((step + 1))
  case $1 in
    ip) printf '%s\\n' "$2" | ip -batch - || exit; shift 2 ;;
    write) printf '%s\\n' "$3" > "$2" || exit; shift 3 ;;
    replace)
      folder=$(mktemp -d) || exit
      mount -t tmpfs -o size=64k,mode=755 portside "$folder" &&
        printf '%s' "$3" > "$folder/file" && mount --bind "$folder/file" "$2" && umount -l "$folder"
      failed=$?
      rmdir "$folder"
      [ $failed = 0 ] || exit $failed
      shift 3 ;;
  esac
done
printf 'ready\\n'
while IFS= read -r line; do
  if [ "$line" = end ]; then sweep; exit 0; fi
  if printf '%s\\n' "$line" | ip -batch -; then printf 'done\\n'; else printf 'failed\\n'; fi
done
sweep
sleep 0.2
sweep`

function argumentsOf(step: Step): string[] {
  if (step.kind === 'ip') return ['ip', step.commands.join('\n')]
  return [step.kind, step.file, step.kind === 'write' ? step.value : step.text]
}

/** The user keeps the id that it has, or is root; the shell keeps the rights of whoever makes a user namespace. */
function users({ root = false }: HolderOptions): string[] {
  const [uid, gid] = root ? [0, 0] : [process.geteuid?.() ?? 0, process.getegid?.() ?? 0]
  return ['--user', `--map-user=${uid}`, `--map-group=${gid}`, '--keep-caps']
}

function started(program: string, args: readonly string[]): ChildProcess {
  const { PATH, TMPDIR } = process.env
  const env = { LC_ALL: 'C', ...(PATH === undefined ? {} : { PATH }), ...(TMPDIR === undefined ? {} : { TMPDIR }) }
  try {
    const shell = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env, cwd: '/' })
    for (const stream of shell.stdio) if (stream) infrastructure(stream)
    // One that is gone takes no words any more; what it has left to say is in its exit.
    shell.stdin?.on('error', () => {})
    return infrastructure(shell)
  } catch (error) {
    throw failed(ASKED, `${codeOf(error) ?? 'an error'} from spawn(2)`, error)
  }
}

/** This process may end while there are private networks: they end with it. */
function letGo(shell: ChildProcess): void {
  shell.unref()
  for (const stream of shell.stdio) (stream as (Readable & { unref?(): void }) | null)?.unref?.()
}

/** What the shell says, line by line. */
class Answers {
  readonly #steps: readonly Step[]
  readonly #lines: string[] = []
  #stderr = ''
  #step: number | undefined
  #ended: { error?: Error } | undefined
  #wake: () => void = () => {}

  constructor(shell: ChildProcess, steps: readonly Step[]) {
    this.#steps = steps
    let rest = ''
    shell.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      this.#lines.push(...lines)
      this.#wake()
    })
    shell.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4096)
    })
    shell.once('error', (error) => this.#end({ error }))
    shell.once('close', () => this.#end({}))
  }

  /** Until everything is set up. */
  async ready(): Promise<void> {
    for (;;) {
      const line = await this.#next()
      if (line === 'ready') return
      if (line === undefined) throw this.#failure()
      this.#step = Number(line.replace('step ', ''))
    }
  }

  async done(asked: string): Promise<void> {
    const line = await this.#next()
    if (line === 'done') return
    const said = this.#said()
    this.#stderr = ''
    throw failed(asked, line === undefined ? 'a private network that is gone' : said)
  }

  async #next(): Promise<string | undefined> {
    while (this.#lines.length === 0 && this.#ended === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.#lines.shift()
  }

  #end(how: { error?: Error }): void {
    this.#ended ??= how
    this.#wake()
  }

  #failure(): Error {
    const { error } = this.#ended ?? {}
    if (error !== undefined) return failed(`${ASKED}: start a shell`, `${codeOf(error) ?? error.message}`, error)
    const step = this.#step === undefined ? undefined : this.#steps[this.#step]
    const said = this.#said()
    if (step !== undefined) return failed(`${ASKED}: ${describeStep(step, lineOf(this.#stderr))}`, said)
    return /Cannot fork|Resource temporarily unavailable/.test(said)
      ? failed(`${ASKED}: start unshare`, said)
      : unsupported([said, whyNoUserNamespaces()].filter(Boolean).join('; '))
  }

  #said(): string {
    const lines = this.#stderr.split('\n').filter((line) => line !== '' && !/^Command failed -:\d+$/.test(line))
    const words = lines.map((line) => line.replace(/^(sh: \d+: |Error: |RTNETLINK answers: )+/, '').replace(/\.$/, ''))
    return words.join('; ') || 'no answer'
  }
}

/** ip(8) says in which line of its batch it failed. */
const lineOf = (stderr: string): number => Number(/^Command failed -:(\d+)$/m.exec(stderr)?.[1] ?? 1)

function failed(asked: string, actual: string, cause?: unknown): Error {
  return portsideError('ERR_PORTSIDE_NAMESPACE', {
    headline: `Cannot ${asked}`,
    actual,
    next: /Read-only file system/.test(actual)
      ? 'give the container a /proc/sys that can be written, or leave this out of the profile'
      : /Unknown device type|not supported/.test(actual)
        ? 'load the module of the kernel that it needs on the machine (modprobe veth bridge), or skip the test'
        : /fork|EAGAIN|EMFILE|unavailable/.test(actual)
          ? 'end other programs, or raise the limit of processes or open files'
          : 'look it up in ip(8) and ip-sysctl, or leave it out of the profile',
    cause,
  })
}

function unsupported(because: string): Error {
  return portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline: `Cannot ${ASKED}`,
    because,
    next: 'allow user namespaces to this user or container, or skip the test with this reason',
  })
}
