import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { HostProfile } from '../../src/namespaces/profile.js'
import { until } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { whyNoNamespace } from '../support/namespace.js'
import { whyNotNobody } from '../support/nobody.js'
import { pidsWith } from '../support/processes.js'
import { node } from '../support/program.js'
import { runAs, USERS, type User } from '../support/users.js'

leavesNothingOpen()

/** Starts a nested network namespace, a session, and circles of processes, and exits when they run. */
const ESCAPE = `
  hop() { [ "$1" = 0 ] && exit; hop $(($1 - 1)) & exit; }
  for circle in 1 2 3 4 5 6 7 8; do hop 30000 >/dev/null & done
  setsid sleep 1000 >/dev/null &
  unshare --user --net sleep 1000 >/dev/null &
  sleep 0.1
  echo up`

/** Prints what the program sees of its host. */
const SEE = `
const { readFileSync: read } = require('node:fs'), net = require('node:net'), os = require('node:os')
const outcome = (emitter, good) => new Promise((resolve) =>
  emitter.once('error', (error) => resolve(error.code)).once(good, () => { emitter.close?.(); emitter.destroy?.(); resolve('ok') }))
;(async () => {
  console.log(JSON.stringify({
    uid: process.getuid(),
    addresses: (os.networkInterfaces().lo ?? []).map(({ address }) => address),
    localhost: await new Promise((resolve) => require('node:dns').lookup('localhost', { all: true }, (error, found) => resolve(error?.code ?? found.map(({ address }) => address)))),
    range: read('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\\s+/).map(Number),
    bindV6Only: read('/proc/sys/net/ipv6/bindv6only', 'utf8').trim(),
    openFiles: /Max open files +(\\d+) +(\\d+)/.exec(read('/proc/self/limits', 'utf8')).slice(1, 3).map(Number),
    port79: await outcome(net.createServer().listen(79, process.argv[1]), 'listening'),
    port80: await outcome(net.createServer().listen(80, process.argv[1]), 'listening'),
    mtu: Number(/lo: .* mtu (\\d+)/.exec(require('node:child_process').execFileSync('ip', ['link', 'show', 'lo'], { encoding: 'utf8' }))[1]),
    cwd: process.cwd(),
    rights: /CapEff:\\s*(\\w+)/.exec(read('/proc/self/status', 'utf8'))[1],
  }))
})()`

interface Seen {
  uid: number
  addresses: string[]
  localhost: string[]
  range: [number, number]
  bindV6Only: string
  openFiles: [number, number]
  port79: string
  port80: string
  mtu: number
  cwd: string
  rights: string
}

/** Code for `runAs`: starts a program, waits for its exit, and prints the result. */
const launched = (profile: HostProfile, [command, ...args]: readonly string[], options: object = {}): string => `
  const { text } = await import('node:stream/consumers')
  const [profile, command, args, options] = ${JSON.stringify([profile, command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options }])}
  const child = await portside.spawnInNamespace(profile, command, args, options)
  const [stdout, stderr, [code, signal]] = await Promise.all([text(child.stdout), text(child.stderr), new Promise((resolve) => child.once('exit', (...how) => resolve(how)))])
  console.log(JSON.stringify({ stdout, stderr, code, signal }))`

interface Ended {
  stdout: string
  stderr: string
  code: number | null
  signal: string | null
}

const PROFILES: ReadonlyArray<[string, HostProfile, Partial<Seen>]> = [
  ['a number of ephemeral ports', { ephemeralPorts: 16 }, { range: [32_768, 32_783] }],
  ['a range of ephemeral ports', { ephemeralPorts: [5000, 5009] }, { range: [5000, 5009] }],
  ['no IPv4', { ipv4: false }, { addresses: ['::1'], localhost: ['::1'], cwd: process.cwd() }],
  ['no IPv6', { ipv6: false }, { addresses: ['127.0.0.1'], localhost: ['127.0.0.1'], cwd: process.cwd() }],
  ['IPv6 listeners that leave IPv4 alone', { bindV6Only: true }, { bindV6Only: '1' }],
  ['few privileged ports', { firstUnprivilegedPort: 80 }, { port80: 'ok' }],
  ['many privileged ports', { firstUnprivilegedPort: 40_000 }, { range: [40_000, 65_535] }],
  ['low ports for all', { firstUnprivilegedPort: 50, ephemeralPorts: [100, 200] }, { range: [100, 200], port79: 'ok' }],
  ['a small MTU', { mtu: 1280 }, { mtu: 1280 }],
  ['an MTU below the least of IPv6', { mtu: 68, ipv6: false }, { mtu: 68 }],
  ['localhost of IPv4 first', { localhost: ['127.0.0.1', '::1'] }, { localhost: ['127.0.0.1', '::1'] }],
  ['localhost of IPv6 first', { localhost: ['::1', '127.0.0.1'] }, { localhost: ['::1', '127.0.0.1'] }],
  ['another address for localhost', { localhost: ['127.0.0.9'] }, { localhost: ['127.0.0.9'] }],
  ['localhost of an absent family', { ipv6: false, localhost: ['::1'] }, { localhost: ['::1'] }],
  ['few open files', { openFiles: 128 }, { openFiles: [128, 128] }],
  [
    'few open files and its own /etc/hosts',
    { openFiles: 64, ipv4: false },
    { openFiles: [64, 64], localhost: ['::1'] },
  ],
]

describe.skipIf(whyNoNamespace !== undefined)(`spawnInNamespace (${whyNoNamespace ?? 'possible here'})`, () => {
  describe.each(USERS)('started by $name', (user) => {
    const uid = user.become.length > 0 ? 1000 : process.getuid?.()
    const see = async (profile: HostProfile, options: object = {}): Promise<Seen> => {
      const address = profile.ipv4 === false ? '::1' : '127.0.0.1'
      const ended = await runAs<Ended>(user, launched(profile, [process.execPath, '-e', SEE, address], options))
      expect(ended).toMatchObject({ code: 0, stderr: '' })
      return JSON.parse(ended.stdout) as Seen
    }

    it('is a host as Linux makes it, for the current user', async () => {
      const seen = await see({})
      expect(seen).toMatchObject({
        uid,
        addresses: ['127.0.0.1', '::1'],
        range: [32_768, 60_999],
        bindV6Only: '0',
        mtu: 65_536,
        cwd: process.cwd(),
      })
      if (uid !== 0) expect(seen).toMatchObject({ port80: 'EACCES', rights: '0000000000000000' })
    })

    let all: Promise<Seen[]> | undefined

    it.each(PROFILES.map((row, index) => ({ what: row[0], expected: row[2], index })))(
      'has $what',
      async ({ expected, index }) => {
        all ??= seeAll()
        expect((await all)[index]).toMatchObject(expected)
      },
    )

    /** One process starts all of them, because starting processes takes most of the time. */
    const seeAll = (): Promise<Seen[]> =>
      runAs(
        user,
        `
        const { text } = await import('node:stream/consumers')
        const see = async (profile) => {
          const address = profile.ipv4 === false ? '::1' : '127.0.0.1'
          const child = await portside.spawnInNamespace(profile, process.execPath, ['-e', ${JSON.stringify(SEE)}, address], { stdio: ['ignore', 'pipe', 'inherit'] })
          return JSON.parse(await text(child.stdout))
        }
        console.log(JSON.stringify(await Promise.all(${JSON.stringify(PROFILES.map(([, profile]) => profile))}.map(see))))`,
      )

    it('makes the user root inside only if requested', async () => {
      const seen = await see({}, { root: true })
      expect(seen).toMatchObject({ uid: 0, port80: 'ok' })
    })

    it('does not let its user bind privileged ports', async () => {
      const { port79, port80 } = await see({ firstUnprivilegedPort: 80 })
      expect(port80).toBe('ok')
      expect(port79).toBe(uid === 0 ? 'ok' : 'EACCES')
    })

    it('refuses destinations by its routes, and destinations without a route', async () => {
      const routes = {
        '192.0.2.0/24': 'unreachable',
        '198.51.100.7': 'prohibit',
        '203.0.113.0/24': 'blackhole',
        '2001:db8:1::/48': 'unreachable',
        '2001:db8:2::/48': 'prohibit',
        '2001:db8:3::/48': 'blackhole',
      } as const
      const addresses = [
        '192.0.2.1',
        '198.51.100.7',
        '203.0.113.1',
        '198.51.100.8',
        '2001:db8:1::1',
        '2001:db8:2::1',
        '2001:db8:3::1',
        '2001:db8:4::1',
      ]
      const dial = `const net = require('node:net')
        Promise.all(${JSON.stringify(addresses)}.map((host) => new Promise((resolve) => net.connect(9, host).once('error', (error) => resolve(error.code))))).then((codes) => console.log(codes.join()))`
      const { stdout } = await runAs<Ended>(user, launched({ routes }, [process.execPath, '-e', dial]))
      expect(stdout.trim().split(',')).toEqual([
        'EHOSTUNREACH',
        'EACCES',
        'EINVAL',
        'ENETUNREACH',
        'EHOSTUNREACH',
        'EACCES',
        'EINVAL',
        'ENETUNREACH',
      ])
    })

    it('refuses all destinations by a default route', async () => {
      const dial = `const net = require('node:net')
        Promise.all(['192.0.2.1', '2001:db8::1'].map((host) => new Promise((resolve) => net.connect(9, host).once('error', (error) => resolve(error.code))))).then((codes) => console.log(codes.join()))`
      const { stdout } = await runAs<Ended>(
        user,
        launched({ routes: { default: 'prohibit' } }, [process.execPath, '-e', dial]),
      )
      expect(stdout.trim()).toBe('EACCES,EACCES')
    })

    it('passes arguments without a shell, the environment and the directory', async () => {
      const args = [
        '$(echo no)',
        '`id`',
        "it's",
        '"',
        'two words',
        'line\nbreak',
        '--',
        '-x',
        '',
        '*',
        '; exit 3',
        '$HOME',
      ]
      const code =
        'console.log(JSON.stringify({ args: process.argv.slice(1), odd: process.env["odd-name"], cwd: process.cwd() }))'
      const env = { PATH: process.env.PATH, 'odd-name': '$(echo no)\n', LC_ALL: 'C' }
      const options = { cwd: '/tmp', env }
      for (const profile of [{}, { ipv4: false, openFiles: 100 }]) {
        const { stdout } = await runAs<Ended>(
          user,
          launched(profile, [process.execPath, '-e', code, '--', ...args], options),
        )
        expect(JSON.parse(stdout)).toEqual({ args, odd: env['odd-name'], cwd: '/tmp' })
      }
    })

    it.each<[string, number | null, string | null]>([
      ['process.exit(0)', 0, null],
      ['process.exit(7)', 7, null],
      ['process.kill(process.pid, "SIGTERM")', null, 'SIGTERM'],
      ['process.kill(process.pid, "SIGKILL")', null, 'SIGKILL'],
      ['throw new Error("it")', 1, null],
    ])('exits as the program does: %s', async (code, status, signal) => {
      expect(await runAs<Ended>(user, launched({}, [process.execPath, '-e', code]))).toMatchObject({
        code: status,
        signal,
      })
    })

    it('has the signals, the standard input and the IPC channel of the program', async () => {
      const code = `
        process.on('SIGUSR2', () => process.send({ got: 'SIGUSR2' }))
        process.on('message', (message) => process.send({ echoed: message }))
        let input = ''
        process.stdin.on('data', (chunk) => { input += chunk }).on('end', () => process.send({ input }))
        process.send({ pid: process.pid })`
      const said = await runAs<unknown[]>(
        user,
        `
        const child = await portside.spawnInNamespace({}, process.execPath, ['-e', ${JSON.stringify(code)}], { stdio: ['pipe', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' })
        const next = () => new Promise((resolve) => child.once('message', resolve))
        const { readFileSync: read } = await import('node:fs')
        const inner = (pid) => Number(/^NSpid:.*\\s(\\d+)$/m.exec(read('/proc/' + pid + '/status', 'utf8'))[1])
        const said = [(await next()).pid === inner(child.pid)]
        child.kill('SIGUSR2')
        said.push(await next())
        process.kill(child.pid, 'SIGUSR2')
        said.push(await next())
        child.send(new Map([[1, 2n]]))
        said.push([...(await next()).echoed].map(String))
        child.stdin.end('all of it')
        said.push(await next())
        child.kill()
        const [, signal] = await new Promise((resolve) => child.once('exit', (...how) => resolve(how)))
        console.log(JSON.stringify([...said, signal]))`,
      )
      const got = { got: 'SIGUSR2' }
      expect(said).toEqual([true, got, got, ['1,2'], { input: 'all of it' }, 'SIGTERM'])
    })

    it('ends processes that the program left, and nothing outside', async () => {
      const leave = `require('node:child_process').spawn('setsid', ['sleep', '1000'], { detached: true, stdio: 'ignore' }).unref()`
      const outside = spawn('sleep', ['1000'], { stdio: 'ignore' })
      const mark = marked()
      await runAs<Ended>(user, launched({}, [process.execPath, '-e', leave]), { PORTSIDE_TEST: mark })
      await until(() => pidsWith(mark).length === 0)
      expect(outside.exitCode ?? outside.signalCode).toBeNull()
      outside.kill()
      await once(outside, 'close')
    })

    it('ends processes in nested namespaces, in other sessions, and in circles that start each other', async () => {
      const mark = marked()
      const { stdout } = await runAs<Ended>(user, launched({}, ['sh', '-c', ESCAPE]), { PORTSIDE_TEST: mark })
      expect(stdout).toBe('up\n')
      await until(() => pidsWith(mark).length === 0)
    })

    it('begins its own process group if detached', async () => {
      const signal = await runAs(
        user,
        `
        const child = await portside.spawnInNamespace({}, 'sh', ['-c', 'echo; sleep 1000; :'], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
        await new Promise((resolve) => child.stdout.once('data', resolve))
        process.kill(-child.pid, 'SIGTERM')
        console.log(JSON.stringify(await new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal)))))`,
      )
      expect(signal).toBe('SIGTERM')
    })

    it('delivers a signal sent before the program runs, and continues after a stop', async () => {
      const signals = await runAs(
        user,
        `
        const exit = (child) => new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal)))
        const network = await portside.createNetwork({ hosts: { a: {} } })
        const early = network.host('a').spawn('sleep', ['1000'])
        const signals = [early.kill('SIGTERM'), await exit(early)]
        const stopped = network.host('a').spawn('sleep', ['1000'])
        process.kill(stopped.pid, 'SIGSTOP')
        stopped.kill('SIGCONT')
        stopped.kill('SIGTERM')
        signals.push(await exit(stopped))
        await network.close()
        console.log(JSON.stringify(signals))`,
      )
      expect(signals).toEqual([true, 'SIGTERM', 'SIGTERM'])
    })

    it.each(['SIGCONT and SIGTERM to its pid', 'kill(SIGKILL)'])('exits by %s after a stop', async (how) => {
      const signal = await runAs(
        user,
        `
        const { readFileSync } = await import('node:fs')
        const stat = (pid) => readFileSync('/proc/' + pid + '/stat', 'utf8').split(') ')[1].split(' ')
        const child = await portside.spawnInNamespace({}, 'sleep', ['1000'])
        const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal)))
        const { pid } = child
        process.kill(pid, 'SIGSTOP')
        // With a pid namespace, nsenter stops as well.
        const parent = Number(stat(pid)[1])
        const both = parent === process.pid ? [pid] : [pid, parent]
        while (both.some((each) => stat(each)[0] !== 'T')) await new Promise((resolve) => setTimeout(resolve, 1))
        if (${JSON.stringify(how)} === 'kill(SIGKILL)') child.kill('SIGKILL')
        else for (const signal of ['SIGCONT', 'SIGTERM']) process.kill(pid, signal)
        console.log(JSON.stringify(await ended))`,
      )
      expect(signal).toBe(how === 'kill(SIGKILL)' ? 'SIGKILL' : 'SIGTERM')
    })

    it('sees its own processes in /proc, and no zombies', async () => {
      const see = `
        const { readdirSync, readFileSync } = require('node:fs')
        require('node:child_process').execFileSync('sh', ['-c', '(true &); (true &)'])
        const pids = () => readdirSync('/proc').filter(Number)
        const zombie = (pid) => { try { return / Z /.test(readFileSync('/proc/' + pid + '/stat', 'utf8')) } catch { return false } }
        const look = () => pids().some(zombie) ? setImmediate(look) : console.log(pids().includes(String(process.pid)), process.ppid)
        look()`
      const { stdout } = await runAs<Ended>(user, launched({}, [process.execPath, '-e', see]))
      expect(stdout).toBe('true 0\n')
    })

    it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)('leaves no process if its parent ends by %s', async (signal) => {
      const { parent, members } = await parentOf(user, { localhost: ['127.0.0.1', '::1'] })
      parent.kill(signal)
      await once(parent, 'exit')
      await until(() => members().length === 0)
    })

    it('leaves no process if its parent exits', async () => {
      const { parent, members } = await parentOf(user, {})
      parent.stdin?.write('exit')
      await once(parent, 'exit')
      await until(() => members().length === 0)
    })

    it('leaves neither mounts nor files', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'portside-test-'))
      onTestFinished(() => rmSync(folder, { recursive: true }))
      const mounts = mountPoints()
      await runAs<Ended>(user, launched({ ipv4: false }, ['true']), { TMPDIR: folder })
      expect(mountPoints()).toEqual(mounts)
      expect(readdirSync(folder)).toEqual([])
    })

    it('names the step that the system rejects', async () => {
      const error = await failureAs(user, `{ routes: { '192.0.2.7/24': 'unreachable' } }, 'true'`)
      expect(error).toMatchObject({
        code: 'ERR_PORTSIDE_NAMESPACE',
        message: expect.stringMatching(
          /^Cannot make a private network: run 'ip route add unreachable 192\.0\.2\.7\/24'\.\n {2}got {8}Invalid/,
        ),
      })
    })

    it('rejects for a program that does not exist or is not executable', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'portside-test-'))
      onTestFinished(() => rmSync(folder, { recursive: true }))
      writeFileSync(join(folder, 'text'), '', { mode: 0o644 })
      const [missing, text, noFolder, before] = await Promise.all([
        failureAs(user, `{}, 'no-such-program'`),
        failureAs(user, `{}, ${JSON.stringify(join(folder, 'text'))}`),
        failureAs(user, `{}, 'true', [], { cwd: '/no/such/folder' }`),
        failureAs(user, `{}, 'true', [], { signal: AbortSignal.abort() }`),
      ])
      expect(missing).toMatchObject({
        code: 'ENOENT',
        message: expect.stringContaining('start no-such-program in a private network'),
      })
      expect(text).toMatchObject({
        code: 'EACCES',
        message: expect.stringContaining('a file that is not executable'),
      })
      expect(noFolder).toMatchObject({
        code: 'ENOENT',
        message: expect.stringContaining('/no/such/folder, which does not exist'),
      })
      expect(before).toMatchObject({ code: 'ABORT_ERR' })
    })

    it('names the missing tool', async () => {
      for (const tool of ['ip', 'unshare', 'nsenter']) {
        const PATH = pathWithout(tool)
        const error = await failureAs(user, `{}, process.execPath`, { PATH })
        expect(error).toMatchObject({
          code: 'ERR_PORTSIDE_UNSUPPORTED',
          message: expect.stringMatching(
            new RegExp(
              `^Cannot make a private network\\.\n {2}cause {6}${tool} is not in PATH\n {2}fix {8}install (iproute2|util-linux)`,
            ),
          ),
        })
        const support = await runAs(user, 'console.log(JSON.stringify(await portside.namespaceSupport()))', { PATH })
        expect(support).toEqual({ supported: false, reason: `${tool} is not in PATH` })
      }
    })
  })

  it('rejects with the reason when user namespaces are forbidden, as does namespaceSupport()', async () => {
    const forbidden = {
      name: 'forbidden',
      become: [
        'unshare',
        '--user',
        '--map-root-user',
        '--',
        'sh',
        '-c',
        'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"',
        'sh',
      ],
    }
    const { error, support } = await runAs<{ error: object; support: object }>(
      forbidden,
      `
      const error = await portside.spawnInNamespace({}, 'true').catch(({ code, message }) => ({ code, message }))
      console.log(JSON.stringify({ error, support: await portside.namespaceSupport() }))`,
    )
    expect(support).toEqual({
      supported: false,
      reason: 'unshare: unshare failed: No space left on device; user.max_user_namespaces is 0',
    })
    expect(error).toMatchObject({
      code: 'ERR_PORTSIDE_UNSUPPORTED',
      message: expect.stringMatching(
        /^Cannot make a private network\.\n {2}cause {6}.*user\.max_user_namespaces is 0\n {2}fix {8}allow user namespaces/,
      ),
    })
  })

  it('names the step that could not start another process', async (context) => {
    // The limit does not apply to root (setrlimit(2)), so this user has no other process, and may read the checkout.
    if (whyNotNobody !== undefined) context.skip(whyNotNobody)
    const code = `
      const portside = await import(process.env.PORTSIDE)
      process.on('message', async () => {
        const child = await portside.spawnInNamespace({}, 'true').catch(({ code, message }) => process.send({ code, message }))
        child.once?.('exit', (code) => process.send({ ended: code }))
      })
      process.send('ready')`
    const reading = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search']
    const become = ['--reuid=65533', '--regid=65533', '--clear-groups', ...reading, '--', ...node(code)]
    const child = spawn('setpriv', become, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], cwd: '/' })
    await once(child, 'message')
    const failures: unknown[] = []
    for (let limit = 1; limit < 64; limit++) {
      spawnSync('prlimit', ['--pid', String(child.pid), `--nproc=${limit}:64`], { uid: 65_533, gid: 65_533 })
      child.send('go')
      const [said] = await once(child, 'message')
      if ('ended' in said) break
      failures.push(said)
    }
    child.kill()
    await once(child, 'close')
    expect(failures.length).toBeGreaterThan(1)
    const message = expect.stringMatching(
      /^Cannot make a private network: (start a shell|run 'ip link set lo up'|start nsenter)\.\n {2}got {8}.*\n {2}fix {8}end other programs/,
    )
    expect(failures).toEqual(failures.map(() => ({ code: 'ERR_PORTSIDE_NAMESPACE', message })))
  })

  it('ends remaining processes even without a pid namespace', async () => {
    const { PrivateHost } = await import('../../src/namespaces/host.js')
    const mark = marked()
    const host = await PrivateHost.start({}, { pids: false })
    const options = { env: { ...process.env, PORTSIDE_TEST: mark }, stdio: 'ignore' } as const
    const child = host.spawn('sh', ['-c', 'setsid sleep 1000 & sleep 1000 & :'], options)
    await once(child, 'exit')
    // While a process calls execve(), /proc shows no environment of it.
    await until(() => pidsWith(mark).length === 2)
    await host.close()
    await until(() => pidsWith(mark).length === 0)
  })

  it('rejects if the signal aborts during the set-up', async () => {
    const { spawnInNamespace } = await import('../../src/namespaces/spawn-in-namespace.js')
    const controller = new AbortController()
    const started = spawnInNamespace({}, 'sleep', ['1000'], { signal: controller.signal })
    setImmediate(() => controller.abort(new Error('enough')))
    await expect(started.then((child) => once(child, 'error'))).rejects.toMatchObject({ code: 'ABORT_ERR' })
  })

  it.each<[unknown[], string]>([
    [[{ ports: 1 }, 'true'], 'ERR_PORTSIDE_UNKNOWN_OPTION'],
    [[{}, 7], 'ERR_INVALID_ARG_TYPE'],
    [[{}, ''], 'ERR_INVALID_ARG_VALUE'],
    [[{}, 'a\0b'], 'ERR_INVALID_ARG_VALUE'],
    [[{}, 'true', 'x'], 'ERR_INVALID_ARG_TYPE'],
    [[{}, 'true', ['a\0b']], 'ERR_INVALID_ARG_VALUE'],
    [[{}, 'true', [], null], 'ERR_INVALID_ARG_TYPE'],
    [[{}, 'true', [], { shell: true }], 'ERR_INVALID_ARG_VALUE'],
    [[{}, 'true', [], { uid: 1 }], 'ERR_INVALID_ARG_VALUE'],
    [[{}, 'true', [], { env: 1 }], 'ERR_INVALID_ARG_TYPE'],
    [[{}, 'true', [], { signal: {} }], 'ERR_INVALID_ARG_TYPE'],
    [[{}, 'true', [], { root: 'yes' }], 'ERR_INVALID_ARG_TYPE'],
  ])('rejects %j with %s', async (args, code) => {
    const { spawnInNamespace } = await import('../../src/namespaces/spawn-in-namespace.js')
    await expect((spawnInNamespace as (...args: unknown[]) => Promise<unknown>)(...args)).rejects.toMatchObject({
      code,
    })
  })
})

/** The reason of the failure. */
function failureAs(user: User, args: string, env: NodeJS.ProcessEnv = {}): Promise<object> {
  const code = `
    const error = await portside.spawnInNamespace(${args}).then(() => ({ message: 'none' }), (thrown) => thrown)
    console.log(JSON.stringify({ code: error.code, message: error.message }))`
  return runAs(user, code, env)
}

/** A mark for the environment of started processes. The test ends the remaining ones. */
function marked(): string {
  const mark = randomUUID()
  onTestFinished(() => {
    for (const pid of pidsWith(mark)) process.kill(pid, 'SIGKILL')
  })
  return mark
}

/** A process that has started a process in a private network, which has started another. */
async function parentOf(
  { become }: User,
  profile: HostProfile,
): Promise<{ parent: ChildProcess; members(): number[] }> {
  const inside = `require('node:child_process').spawn('sleep', ['1000'], { detached: true }); console.log('up'); process.on('SIGINT', () => {}).on('SIGTERM', () => {})`
  const code = `
    const portside = await import(process.env.PORTSIDE)
    await portside.spawnInNamespace(${JSON.stringify(profile)}, process.execPath, ['-e', ${JSON.stringify(inside)}], { stdio: ['ignore', 'inherit', 'inherit'] })
    process.stdin.once('data', () => process.exit())`
  const [program = '', ...args] = [...become, ...node(code)]
  // The holder has only PATH of the environment.
  const mark = `/${marked()}`
  const env = { ...process.env, PATH: `${process.env.PATH}:${mark}` }
  const parent = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env })
  for await (const chunk of parent.stdout) if (String(chunk).includes('\n')) break
  // The parent, the program and its child, nsenter, and the holder.
  const members = (): number[] => pidsWith(mark)
  expect(members().length).toBeGreaterThanOrEqual(5)
  return { parent, members }
}

const mountPoints = (): string[] => readFileSync('/proc/self/mounts', 'utf8').split('\n')

/** A PATH that has all tools except one. */
function pathWithout(missing: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'portside-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const tool of ['ip', 'unshare', 'nsenter', 'sh', 'mktemp', 'mount'].filter((name) => name !== missing)) {
    const place = (process.env.PATH ?? '').split(delimiter).find((directory) => existsSync(join(directory, tool)))
    if (place !== undefined) symlinkSync(join(place, tool), join(folder, tool))
  }
  return folder
}
