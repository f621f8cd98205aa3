import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { type HostFacts, judge } from '../../src/cli/doctor.js'
import { loopbackFamilies } from '../../src/loopback/probe.js'
import { PrivateHost } from '../../src/namespaces/host.js'
import type { HostProfile } from '../../src/namespaces/profile.js'
import { ephemeralRange } from '../../src/platform/ephemeral-range.js'
import { openFiles } from '../../src/platform/open-files.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { whyNoNamespace } from '../support/namespace.js'
import { ended, PORTSIDE, portside, start } from './command-line.js'

leavesNothingOpen()

describe('portside doctor', () => {
  it('tells of this host what portside and the system know, as JSON', async () => {
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
      'problems',
    ])
    expect(told.loopback.families).toEqual(loopbackFamilies())
    expect(told.ephemeralPorts).toMatchObject(ephemeralRange())
    expect(told.openFiles.limit).toBe(openFiles().limit)
    expect(told.privateNetworks.supported).toBe(whyNoNamespace === undefined)
  })

  it('tells it in lines for people, without colours where that is no terminal', async () => {
    const { stdout } = await ended(start(['doctor'], { env: { ...process.env, NO_COLOR: '', FORCE_COLOR: '1' } }))
    expect(stdout).toMatch(/^(ok|warn|bad) +IPv4 +/m)
    expect(stdout).toMatch(/^ok +first unprivileged port +\d+$/m)
    expect(stdout).not.toContain('\u001b')
  })

  it('says nothing where its reader has gone', async () => {
    const child = start(['doctor'])
    child.stdout?.destroy()
    expect(await text(child.stderr!)).toBe('')
  })

  const problemsOf = async (profile: HostProfile): Promise<{ code: number | null; problems: string[] }> => {
    await using host = await PrivateHost.start(profile)
    const child = host.spawn(process.execPath, [PORTSIDE, 'doctor', '--json'], { stdio: ['ignore', 'pipe', 'pipe'] })
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
    [{ openFiles: 64 }, 1, ['bad open files']],
    [{ ipv6: false, localhost: ['::1'] }, 1, ['warn IPv6', 'bad localhost']],
    [{ ipv6: false, localhost: ['127.0.0.1', '::1'] }, 0, ['warn IPv6', 'warn localhost']],
  ])(`ends, on a host of %j, with %i (${whyNoNamespace ?? 'possible here'})`, async (profile, code, problems) => {
    const seen = await problemsOf(profile)
    expect(seen).toEqual({ code, problems })
  })

  it('judges what a host may be like that cannot be had here', () => {
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
