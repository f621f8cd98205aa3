import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { until } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { whyNoNamespace } from '../support/namespace.js'
import { pidsWith } from '../support/processes.js'
import { ended, portside, start } from './command-line.js'

leavesNothingOpen()

const RANGE = '/proc/sys/net/ipv4/ip_local_port_range'

describe.skipIf(whyNoNamespace !== undefined)(`portside run (${whyNoNamespace ?? 'possible here'})`, () => {
  it.each<[string[], string[], string]>([
    [['--ephemeral-ports', '16'], ['cat', RANGE], '32768\t32783\n'],
    [['--ephemeral-ports', '5000-5009'], ['cat', RANGE], '5000\t5009\n'],
    [['--first-unprivileged-port', '80'], ['cat', '/proc/sys/net/ipv4/ip_unprivileged_port_start'], '80\n'],
    [['--no-ipv6'], ['cat', '/proc/sys/net/ipv6/conf/all/disable_ipv6'], '1\n'],
    [['--open-files', '100'], ['sh', '-c', 'ulimit -Sn; ulimit -Hn'], '100\n100\n'],
    [['--root'], ['id', '-u'], '0\n'],
    [['--localhost', '::1,127.0.0.1'], ['grep', 'localhost$', '/etc/hosts'], '::1 localhost\n127.0.0.1 localhost\n'],
    [[], ['sh', '-c', 'ip -o link show lo | grep -o UP,LOWER_UP'], 'UP,LOWER_UP\n'],
    [['--mtu', '1300'], ['sh', '-c', 'ip -o link show lo | grep -o "mtu [0-9]*"'], 'mtu 1300\n'],
  ])('makes a host with %j', async (options, command, stdout) => {
    expect(await portside('run', ...options, '--', ...command)).toEqual({ stdout, stderr: '', code: 0, signal: null })
  })

  it('passes all arguments after the command on, even without --', async () => {
    const code = 'console.log(JSON.stringify(process.argv.slice(1)))'
    const args = ['--json', '--', '$(id)', "it's", 'a\nb', '']
    const { stdout } = await portside('run', '--no-ipv6', process.execPath, '-e', code, '--', ...args)
    expect(JSON.parse(stdout)).toEqual(args)
  })

  it('passes options of the command on, even after its own options', async () => {
    const args = ['run', '--mtu', '1280', '--', 'echo', '--json', '--help']
    expect(await portside(...args)).toMatchObject({ stdout: '--json --help\n', stderr: '', code: 0 })
  })

  it('passes standard input, the directory and the environment on', async () => {
    const child = start(['run', 'sh', '-c', 'cat; pwd; echo "$NAME"'], {
      stdio: ['pipe', 'pipe', 'pipe'],
      cwd: '/tmp',
      env: { ...process.env, NAME: 'of mine' },
    })
    child.stdin?.end('said\n')
    expect(await ended(child)).toMatchObject({ stdout: 'said\n/tmp\nof mine\n', code: 0 })
  })

  it.each([0, 1, 7, 255])('exits with the code of the command: %i', async (code) => {
    expect(await portside('run', 'sh', '-c', `exit ${code}`)).toMatchObject({ code, signal: null, stderr: '' })
  })

  it.each(['SIGTERM', 'SIGINT', 'SIGKILL', 'SIGHUP'])(
    'ends by the signal that has ended the command: %s',
    async (signal) => {
      expect(await portside('run', 'sh', '-c', `kill -${signal.slice(3)} $$`)).toMatchObject({
        code: null,
        signal,
        stderr: '',
      })
    },
  )

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const)(
    'passes %s on, and waits for what the command makes of it',
    async (signal) => {
      const code = `process.on('${signal}', () => { console.log('got ${signal}'); process.exit(9) }); setInterval(() => {}, 1000); console.log('up')`
      const child = start(['run', process.execPath, '-e', code])
      const whole = ended(child)
      await once(child.stdout!, 'data')
      child.kill(signal)
      expect(await whole).toMatchObject({ code: 9, signal: null })
    },
  )

  it('exits with 127 when the command does not exist, and with 126 when it cannot be executed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'portside-test-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'text')
    writeFileSync(file, '', { mode: 0o644 })
    expect(await portside('run', 'no-such-command')).toMatchObject({
      code: 127,
      stderr: expect.stringMatching(
        /^portside run: Cannot start no-such-command in a private network\.\n(?: {2}.+\n)+$/,
      ),
    })
    expect(await portside('run', file)).toMatchObject({
      code: 126,
      stderr: expect.stringMatching(
        /^portside run: Cannot start .+\n(?: {2}.+\n)* {2}got {8}a file that is not executable\n(?: {2}.+\n)*$/,
      ),
    })
  })

  it('exits with 125 when a private network is not possible', async () => {
    const child = start(['run', process.execPath], { env: { ...process.env, PATH: '/no/such/folder' } })
    expect(await ended(child)).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(
        /^portside run: Cannot make a private network\.\n {2}cause {6}\S+ is not in PATH\n {2}fix {8}install.*\n$/,
      ),
    })
  })

  it('does not send a signal twice when it goes to the whole group, like Ctrl-C', async () => {
    const code =
      "process.on('SIGINT', () => setTimeout(() => process.exit(console.log('done')))); setInterval(() => {}, 1000); console.log('up')"
    const child = start(['run', process.execPath, '-e', code], { detached: true })
    const whole = ended(child)
    await once(child.stdout!, 'data')
    process.kill(-(child.pid as number), 'SIGINT')
    expect(await whole).toMatchObject({ stdout: 'up\ndone\n', stderr: '' })
  })

  it.each([[], ['--root']])('leaves no process running when it is killed: %j', async (...options) => {
    const mark = randomUUID()
    onTestFinished(() => {
      for (const pid of pidsWith(mark)) process.kill(pid, 'SIGKILL')
    })
    const script = 'sleep 1000 & setsid sleep 1000 & unshare --user --net sleep 1000 & echo up; wait'
    const env = { ...process.env, PORTSIDE_TEST: mark }
    const child = start(['run', ...options, '--', 'sh', '-c', script], { env })
    await once(child.stdout!, 'data')
    child.kill('SIGKILL')
    await once(child, 'close')
    await until(() => pidsWith(mark).length === 0)
  })
})
