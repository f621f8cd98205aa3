import { existsSync, readFileSync } from 'node:fs'
import { isIPv4, isIPv6 } from 'node:net'
import { portsideError } from '../errors.js'
import type { Family } from '../loopback/endpoint.js'
import { DEFAULT_RANGE, type HostProfile, rangeOf } from './profile.js'

/** A step that sets up a new network namespace. The holder runs one after the other. */
export type Step =
  /** Commands for one process of ip(8). */
  | { readonly kind: 'ip'; readonly commands: readonly string[] }
  | { readonly kind: 'write'; readonly file: string; readonly value: string }
  /** Replaces the text of a file, in this mount namespace only. */
  | { readonly kind: 'replace'; readonly file: string; readonly text: string; readonly what: string }

/** The names of the other hosts on the network, with their addresses. */
export type Neighbours = Readonly<Record<string, readonly string[]>>

/** The steps that make the host of a profile. Throws ERR_PORTSIDE_UNSUPPORTED if this kernel lacks a feature of it. */
export function stepsOf(profile: HostProfile, neighbours: Neighbours = {}): Step[] {
  return [...sysctls(profile), links(profile), ...names(profile, neighbours)]
}

/** Whether the steps need their own mount namespace. */
export const hasOwnFiles = (steps: readonly Step[]): boolean => steps.some(({ kind }) => kind === 'replace')

/** Describes a step, for its error. */
export function describeStep(step: Step, line = 1): string {
  if (step.kind === 'ip') return `run 'ip ${step.commands[line - 1] ?? step.commands.join('; ')}'`
  if (step.kind === 'write') return `set ${sysctlOf(step.file)} to ${step.value}`
  return step.what
}

const sysctlOf = (file: string): string => file.replace(NET, 'net/').replaceAll('/', '.')

const NET = '/proc/sys/net/'

/** The families that this kernel has. */
export const kernelFamilies = (): Family[] => (existsSync(`${NET}ipv6/`) ? ['IPv4', 'IPv6'] : ['IPv4'])

const lacksIPv6 = (): boolean => !kernelFamilies().includes('IPv6')

function sysctls(profile: HostProfile): Step[] {
  const { ipv4 = true, ipv6 = true, bindV6Only, firstUnprivilegedPort } = profile
  const write = (name: string, value: string): Step => ({ kind: 'write', file: NET + name, value })
  // If the kernel was started without IPv6, it is off already.
  const without = lacksIPv6()
  if (without && (!ipv4 || bindV6Only)) throw noIPv6()
  const off = ipv6 || without ? [] : [write('ipv6/conf/all/disable_ipv6', '1')]
  const only = bindV6Only === undefined || without ? [] : [write('ipv6/bindv6only', bindV6Only ? '1' : '0')]
  const range = rangeOf(profile)
  const ports = range === undefined ? [] : [write('ipv4/ip_local_port_range', range.join(' '))]
  const start =
    firstUnprivilegedPort === undefined ? [] : [write('ipv4/ip_unprivileged_port_start', String(firstUnprivilegedPort))]
  // In this order, because the kernel rejects privileged ports that overlap with the current range.
  const both = (firstUnprivilegedPort ?? 0) <= DEFAULT_RANGE[0] ? [...start, ...ports] : [...ports, ...start]
  return [...off, ...only, ...both]
}

function noIPv6(): Error {
  return portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline: 'Cannot make a host with IPv6',
    because: 'this kernel was started without IPv6',
    next: 'skip the test with this reason',
  })
}

/** A new network has lo, which is down. */
function links({ ipv4 = true, ipv6 = true, mtu, routes = {} }: HostProfile): Step {
  const up = `link set lo ${mtu === undefined ? '' : `mtu ${mtu} `}up`
  const defaults = [...(ipv4 ? ['0.0.0.0/0'] : []), ...(ipv6 && !lacksIPv6() ? ['::/0'] : [])]
  const rules = Object.entries(routes).flatMap(([destination, kind]) =>
    (destination === 'default' ? defaults : [destination]).map((prefix) => `route add ${kind} ${prefix}`),
  )
  // The kernel gives lo the address when it comes up (net/ipv4/devinet.c).
  return { kind: 'ip', commands: [up, ...(ipv4 ? [] : ['addr del 127.0.0.1/8 dev lo']), ...rules] }
}

function names({ ipv4 = true, ipv6 = true, localhost }: HostProfile, neighbours: Neighbours): Step[] {
  const absent = (address: string): boolean => (isIPv4(address) && !ipv4) || (isIPv6(address) && !ipv6)
  if (ipv4 && ipv6 && localhost === undefined && Object.keys(neighbours).length === 0) return []
  const current = hosts().filter(({ address }) => !absent(address))
  const wanted = localhost ?? unique(current.filter(({ names }) => names.includes('localhost')).map(addressOf))
  const addresses = wanted.length > 0 ? wanted : [ipv4 ? '127.0.0.1' : '::1']
  const lines = [
    ...addresses.map((address) => `${address} localhost`),
    ...current.flatMap(({ address, names }) => {
      const others = names.filter((name) => name !== 'localhost')
      return others.length > 0 ? [`${address} ${others.join(' ')}`] : []
    }),
    ...Object.entries(neighbours).flatMap(([name, own]) => own.map((address) => `${address} ${name}`)),
  ]
  const what = `make localhost resolve to ${addresses.join(', ')}`
  const files: Step = { kind: 'replace', file: '/etc/hosts', text: lines.map((line) => `${line}\n`).join(''), what }
  return [files, ...order(addresses, what)]
}

/**
 * getaddrinfo(3) sorts IPv6 before IPv4 unless gai.conf(5) has other rules, which replace all built-in rules (RFC 6724 §2.1).
 */
function order(addresses: readonly string[], what: string): Step[] {
  const first = addresses.findIndex(isIPv4)
  if (first === -1 || !addresses.some(isIPv6)) return []
  const preferred = first < addresses.findIndex(isIPv6)
  const file = '/etc/gai.conf'
  if (!preferred && !existsSync(file)) return []
  const text = [...PRECEDENCES, `precedence ::ffff:0:0/96 ${preferred ? 100 : 10}`].join('\n')
  return [{ kind: 'replace', file, text: `${text}\n`, what: `${what}, in this order (${file})` }]
}

const PRECEDENCES = ['precedence ::1/128 50', 'precedence ::/0 40', 'precedence 2002::/16 30', 'precedence ::/96 20']

interface HostsLine {
  readonly address: string
  readonly names: readonly string[]
}

/** The lines of hosts(5) on this machine. */
function hosts(): HostsLine[] {
  const text = existsSync('/etc/hosts') ? readFileSync('/etc/hosts', 'utf8') : ''
  return text.split('\n').flatMap((line) => {
    const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    return address && names.length > 0 ? [{ address, names }] : []
  })
}

const addressOf = ({ address }: HostsLine): string => address
const unique = (values: readonly string[]): string[] => [...new Set(values)]
