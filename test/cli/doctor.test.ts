import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type HostFacts, judge } from '../../src/cli/doctor.js'
import { loopbackFamilies } from '../../src/loopback/probe.js'
import { PrivateHost } from '../../src/namespaces/host.js'
import type { HostProfile } from '../../src/namespaces/profile.js'
import { ephemeralRange } from '../../src/platform/ephemeral-range.js'
import { openFiles } from '../../src/platform/open-files.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { whyNoNamespace } from '../support/namespace.js'
import { type Ended, ended, PORTSIDE, portside, start } from './command-line.js'

leavesNothingOpen()

describe('portside doctor', () => {
  it('prints the facts about this machine as JSON', async () => {
    const { stdout, stderr, code } = await portside('doctor', '--json')
    const told = JSON.parse(stdout)
    expect(stderr).toBe('')
    expect(code).toBe(told.ok ? 0 : 1)
    expect(Object.keys(told)).toEqual([
      'ok',
      'loopback',
      'ephemeralPorts',
      'openFiles',
      'firstUnprivilegedPort',
      'privateNetworks',
      'project',
      'problems',
    ])
    expect(told.loopback.families).toEqual(loopbackFamilies())
    expect(told.ephemeralPorts).toMatchObject(ephemeralRange())
    expect(told.openFiles.limit).toBe(openFiles().limit)
    expect(told.privateNetworks.supported).toBe(whyNoNamespace === undefined)
    expect(told.project).toMatchObject({ format: 1, name: 'portside' })
  })

  it('prints lines for people, without colours if standard output is not a terminal', async () => {
    const { stdout } = await ended(start(['doctor'], { env: { ...process.env, NO_COLOR: '', FORCE_COLOR: '1' } }))
    expect(stdout).toMatch(/^(ok|warn|bad) +IPv4 +/m)
    expect(stdout).toMatch(/^ok +first unprivileged port +\d+$/m)
    expect(stdout).not.toContain('\u001b')
  })

  it('prints no message when its reader has closed the pipe', async () => {
    const child = start(['doctor'])
    child.stdout?.destroy()
    expect(await text(child.stderr!)).toBe('')
  })

  describe('in a project', () => {
    let folder: string
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'portside-doctor-'))
      writeFileSync(join(folder, 'package.json'), '{"devDependencies":{"vitest":"4"}}')
    })
    afterEach(() => rmSync(folder, { recursive: true, force: true }))

    const configure = (setupFile: string): void =>
      writeFileSync(join(folder, 'vitest.config.mjs'), `export default { test: { setupFiles: ['${setupFile}'] } }`)
    const env = { ...process.env, PORTSIDE_LEAKS: '' }
    const doctor = (args: string[] = [], more: object = {}): Promise<Ended> =>
      ended(start(['doctor', ...args], { cwd: folder, env: { ...env, ...more } }))
    /** The findings about the machine have an exit code, too. */
    const isHostFine = async (): Promise<boolean> => {
      const { problems } = JSON.parse((await portside('doctor', '--json')).stdout)
      return !problems.some(({ verdict }: { verdict: string }) => verdict === 'bad')
    }

    it('prints the lines to add and keeps the exit code', async () => {
      const { stdout, code } = await doctor()
      expect(stdout).toMatch(/^hint +Vitest +the leak check is not set up\n +add to vitest\.config\.mjs:$/m)
      expect(stdout).not.toContain('This project')
      expect(code).toBe((await isHostFine()) ? 0 : 1)
    })

    it('says that the check is on', async () => {
      configure('portside/vitest/setup')
      const { stdout, code } = await doctor()
      expect(stdout).toMatch(
        /^ok +Vitest +the leak check is on: setupFiles in vitest\.config\.mjs has 'portside\/vitest\/setup'$/m,
      )
      expect(code).toBe((await isHostFine()) ? 0 : 1)
    })

    it('exits with 1 when the check is set up but off', async () => {
      configure('portside/jest')
      const { stdout, code } = await doctor()
      expect(stdout).toMatch(/^bad +Vitest +setupFiles in vitest\.config\.mjs has 'portside\/jest'/m)
      expect(stdout).toMatch(/\nThis project sets the leak check up, but the check is off\.\n$/)
      expect(code).toBe(1)
    })

    it('exits with 1 when PORTSIDE_LEAKS is off in the environment, and prints that as JSON', async () => {
      configure('portside/vitest/setup')
      const { stdout, code } = await doctor(['--json'], { PORTSIDE_LEAKS: 'off' })
      const { ok, project, problems } = JSON.parse(stdout)
      expect({ ok, code }).toEqual({ ok: false, code: 1 })
      expect(project.runners).toMatchObject([{ name: 'vitest', check: 'off' }])
      expect(problems).toContainEqual({
        check: 'Vitest',
        found: 'PORTSIDE_LEAKS is off in the environment',
        verdict: 'bad',
        next: 'remove PORTSIDE_LEAKS, or set it to warn',
      })
    })

    it('does not run the configuration', async () => {
      writeFileSync(join(folder, 'vitest.config.mjs'), "console.log('run'); process.exit(7)")
      const { stdout } = await doctor()
      expect(stdout).toContain('the leak check is not set up')
      expect(stdout).not.toMatch(/^run$/m)
    })
  })

  it.skipIf(process.platform === 'win32')('checks the machine when the current folder is gone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'portside-doctor-'))
    const child = spawn('sh', ['-c', 'rmdir "$PWD" && exec "$0" "$@"', process.execPath, PORTSIDE, 'doctor'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { stdout, stderr } = await ended(child)
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^hint +project +the current folder does not exist$/m)
  })

  const problemsOf = async (profile: HostProfile): Promise<{ code: number | null; problems: string[] }> => {
    await using host = await PrivateHost.start(profile)
    // A folder without a project saves time.
    const child = host.spawn(process.execPath, [PORTSIDE, 'doctor', '--json'], {
      cwd: tmpdir(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { stdout, code } = await ended(child)
    const { problems } = JSON.parse(stdout) as { problems: Array<{ check: string; verdict: string; next: string }> }
    return {
      code,
      problems: problems.map(({ check, verdict, next }) => `${verdict} ${check}${next ? '' : ' (no next step)'}`),
    }
  }

  it.skipIf(whyNoNamespace !== undefined).each<[HostProfile, number, string[]]>([
    [{}, 0, []],
    [{ ipv6: false }, 0, ['warn IPv6']],
    [{ ipv4: false }, 0, ['warn IPv4']],
    [{ ephemeralPorts: 1000 }, 0, ['warn ephemeral ports']],
    [{ ephemeralPorts: 16 }, 1, ['bad ephemeral ports']],
    [{ openFiles: 512 }, 0, ['warn open files']],
    [{ openFiles: 100 }, 1, ['bad open files']],
    [{ ipv6: false, localhost: ['::1'] }, 1, ['warn IPv6', 'bad localhost']],
    [{ ipv6: false, localhost: ['127.0.0.1', '::1'] }, 0, ['warn IPv6', 'warn localhost']],
  ])(`ends, on a host of %j, with %i (${whyNoNamespace ?? 'possible here'})`, async (profile, code, problems) => {
    const seen = await problemsOf(profile)
    expect(seen).toEqual({ code, problems })
  })

  it('judges machines that cannot be made here', () => {
    const facts: HostFacts = {
      loopback: {
        ipv4: false,
        ipv6: false,
        families: [],
        dualStackWildcard: false,
        localhost: [],
        reasons: { ipv4: 'it is down' },
      },
      ephemeralPorts: { first: 1, last: 3000, size: 3000, inUse: 0, timeWait: 1600, available: 1400 },
      openFiles: { open: undefined, limit: undefined },
      firstUnprivilegedPort: 1024,
      privateNetworks: { supported: false, reason: 'no Linux' },
    }
    expect(judge(facts).map(({ check, verdict }) => `${verdict} ${check}`)).toEqual([
      'bad IPv4',
      'bad IPv6',
      'bad localhost',
      'ok ::',
      'warn ephemeral ports',
      'warn TIME_WAIT',
      'ok open files',
      'ok first unprivileged port',
      'warn private networks',
    ])
  })
})
