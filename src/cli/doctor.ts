import { type LoopbackSupport, probeLoopback } from '../loopback/probe.js'
import { type NamespaceSupport, namespaceSupport } from '../namespaces/support.js'
import { rangeSetting } from '../platform/ephemeral-range.js'
import { hostsFile } from '../platform/hosts-file.js'
import { type OpenFiles, openFiles } from '../platform/open-files.js'
import { everyUserMayBind, firstUnprivilegedPort } from '../platform/privileged-ports.js'
import { type EphemeralPorts, ephemeralPorts } from '../socket-table/ephemeral-ports.js'
import type { Command } from './command.js'
import { describeFindings, type Finding } from './finding.js'
import { type JudgedProject, lookAndJudge } from './project/judge.js'
import { paint } from './table.js'

/** The facts about a machine that matter to tests, as far as the system reports them. */
export interface HostFacts {
  readonly loopback: LoopbackSupport
  /** Or the reason why the system does not report them. */
  readonly ephemeralPorts: EphemeralPorts | { readonly reason: string }
  readonly openFiles: OpenFiles
  readonly firstUnprivilegedPort: number
  readonly privateNetworks: NamespaceSupport
}

export const doctorCommand: Command<{ json?: boolean }> = {
  name: 'doctor',
  summary: 'Check this machine for problems that break parallel tests, and the set-up of the leak check.',
  operands: { usage: '', least: 0, most: 0 },
  options: [{ flag: 'json', text: 'Print one JSON object.', default: 'lines for people', key: 'json' }],
  examples: ['npx portside doctor || exit 1', 'npx portside doctor --json'],
  run: doctor,
}

/**
 * Prints the findings about this machine and the project of this folder. Returns the exit code: 1 if something will break parallel tests,
 * or if the project sets the leak check up but the check is off.
 */
async function doctor({ json = false }: { json?: boolean }): Promise<number> {
  const [facts, { project, findings: ofProject }] = await Promise.all([factsOfThisHost(), thisProject()])
  const ofHost = judge(facts)
  const problems = [...ofHost, ...ofProject].filter(({ verdict }) => verdict === 'warn' || verdict === 'bad')
  const ok = !problems.some(({ verdict }) => verdict === 'bad')
  process.stdout.write(json ? `${JSON.stringify({ ok, ...facts, project, problems })}\n` : describe(ofHost, ofProject))
  return ok ? 0 : 1
}

function thisProject(): JudgedProject {
  return lookAndJudge(currentFolder(), process.env)
}

function currentFolder(): string | undefined {
  try {
    return process.cwd()
  } catch {
    // The folder has been removed.
    return undefined
  }
}

async function factsOfThisHost(): Promise<HostFacts> {
  const [loopback, ports, privateNetworks] = await Promise.all([
    probeLoopback(),
    ephemeralPorts().catch(({ message }: Error) => ({ reason: message })),
    namespaceSupport(),
  ])
  return {
    loopback,
    ephemeralPorts: ports,
    openFiles: openFiles(),
    firstUnprivilegedPort: firstUnprivilegedPort(),
    privateNetworks,
  }
}

/** Below the first number tests fail, below the second they may fail. */
const FEW_PORTS = [100, 2000] as const
const FEW_FILES = [256, 1024] as const

export function judge(facts: HostFacts): Finding[] {
  return [
    ...families(facts.loopback),
    localhost(facts.loopback),
    {
      check: '::',
      found: facts.loopback.dualStackWildcard ? 'accepts IPv4 too' : 'does not accept IPv4',
      verdict: 'ok',
    },
    ...ports(facts.ephemeralPorts),
    files(facts.openFiles),
    {
      check: 'first unprivileged port',
      found: `${facts.firstUnprivilegedPort}${everyUserMayBind('::') ? ', but 0 on 0.0.0.0 and ::' : ''}`,
      verdict: 'ok',
    },
    facts.privateNetworks.supported
      ? { check: 'private networks', found: 'possible', verdict: 'ok' }
      : {
          check: 'private networks',
          found: `not possible: ${facts.privateNetworks.reason}`,
          verdict: 'warn',
          next: 'see docs/private-networks-in-ci.md for what a machine or container must allow',
        },
  ]
}

function families({ families: found, reasons }: LoopbackSupport): Finding[] {
  const none = found.length === 0
  return (['IPv4', 'IPv6'] as const).map((family): Finding => {
    if (found.includes(family)) return { check: family, found: 'on loopback', verdict: 'ok' }
    const reason = (family === 'IPv4' ? reasons.ipv4 : reasons.ipv6) ?? 'missing'
    return {
      check: family,
      found: reason,
      verdict: none ? 'bad' : 'warn',
      next: none
        ? 'bring the loopback interface up (ip link set lo up)'
        : `tests that name ${family} fail here: let portside pick the family, or skip them with loopbackFamilies()`,
    }
  })
}

function localhost({ localhost: found, families: here }: LoopbackSupport): Finding {
  const check = 'localhost'
  const addresses = found.map(({ address }) => address).join(', ')
  if (found.length === 0) {
    return { check, found: 'resolves to nothing', verdict: 'bad', next: `add a line for localhost to ${hostsFile()}` }
  }
  const absent = found.filter(({ family }) => !here.includes(family)).map(({ address }) => address)
  if (absent.length === 0) return { check, found: addresses, verdict: 'ok' }
  return {
    check,
    found: `${addresses}; this machine lacks ${absent.join(', ')}`,
    verdict: absent.length === found.length ? 'bad' : 'warn',
    next: `remove the line of the missing family from ${hostsFile()}, or connect to addresses instead of names`,
  }
}

function ports(found: HostFacts['ephemeralPorts']): Finding[] {
  if ('reason' in found) {
    return [{ check: 'ephemeral ports', found: `cannot be counted: ${found.reason}`, verdict: 'warn' }]
  }
  const { first, last, size, inUse, timeWait, available } = found
  const [fail, may] = FEW_PORTS
  const count = `${available} of ${size} available (${first} to ${last}), ${inUse} in use`
  const verdict = available < fail ? 'bad' : available < may ? 'warn' : 'ok'
  const next = `close the sockets that hold them (portside who PORT), or widen the range (${rangeSetting()})`
  const waiting = timeWait > size / 2
  return [
    { check: 'ephemeral ports', found: count, verdict, ...(verdict === 'ok' ? {} : { next }) },
    {
      check: 'TIME_WAIT',
      found: `${timeWait} ports`,
      verdict: waiting ? 'warn' : 'ok',
      ...(waiting
        ? { next: 'close test servers with portside, which leaves none; each TIME_WAIT lasts a minute' }
        : {}),
    },
  ]
}

function files({ open, limit }: OpenFiles): Finding {
  const found = `${limit ?? 'no known limit'}${open === undefined ? '' : `, ${open} open in this process`}`
  const [fail, may] = FEW_FILES
  if (limit === undefined || limit >= may) return { check: 'open files', found, verdict: 'ok' }
  return {
    check: 'open files',
    found,
    verdict: limit < fail ? 'bad' : 'warn',
    next: 'raise the limit (ulimit -n 4096)',
  }
}

function describe(ofHost: readonly Finding[], ofProject: readonly Finding[]): string {
  const isBad = ({ verdict }: Finding): boolean => verdict === 'bad'
  const last = [
    ofHost.some(isBad)
      ? paint('red', 'The lines marked bad will break parallel tests.')
      : 'Nothing on this machine will break parallel tests.',
    ...(ofProject.some(isBad) ? [paint('red', 'This project sets the leak check up, but the check is off.')] : []),
  ]
  return `${[...describeFindings([ofHost, ofProject]), '', ...last].join('\n')}\n`
}
