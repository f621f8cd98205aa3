import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { portside } from './command-line.js'

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'))

describe('portside', () => {
  it('prints the version of the package', async () => {
    expect(await portside('--version')).toEqual({ stdout: `${version}\n`, stderr: '', code: 0, signal: null })
  })

  it.each([
    [['--help'], /^Usage: portside \[options\] \[command\]\n[\s\S]*doctor[\s\S]*run[\s\S]*who/],
    [['help'], /^Usage: portside/],
    [
      ['help', 'run'],
      /^Usage: portside run \[options\] <command\.\.\.>[\s\S]*--ephemeral-ports[\s\S]*--no-ipv6[\s\S]*--root/,
    ],
    [['run', '--help'], /^Usage: portside run/],
    [['doctor', '--help'], /^Usage: portside doctor[\s\S]*--json/],
    [['who', '--help'], /^Usage: portside who[\s\S]*--json/],
  ])('prints the help that is asked for: %j', async (args, help) => {
    const { stdout, stderr, code } = await portside(...args)
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
    expect(stdout).toMatch(help)
  })

  const RUN = '(usage: portside run [options] -- command...)'
  const WHO = '(usage: portside who PORT|ADDR:PORT [--json])'
  const PLACE = 'portside who: expected a port from 1 to 65535, or ADDR:PORT, with an IPv6 address in brackets, got'

  it.each<[string[], string]>([
    [[], 'portside: what to do is missing (usage: portside doctor|run|who)'],
    [['nope'], "portside: unknown command 'nope' (usage: portside doctor|run|who)"],
    [['--nope'], "portside: unknown option '--nope' (usage: portside doctor|run|who)"],
    [['doctor', '--nope'], "portside doctor: unknown option '--nope' (usage: portside doctor [--json])"],
    [
      ['doctor', 'x'],
      "portside doctor: too many arguments for 'doctor'. Expected 0 arguments but got 1. (usage: portside doctor [--json])",
    ],
    [['who'], `portside who: missing required argument 'port' ${WHO}`],
    [['who', '--nope', '80'], `portside who: unknown option '--nope' ${WHO}`],
    [['who', '0'], `${PLACE} '0' ${WHO}`],
    [['who', '65536'], `${PLACE} '65536' ${WHO}`],
    [['who', 'http'], `${PLACE} 'http' ${WHO}`],
    [['who', '::1:80'], `${PLACE} '::1:80' ${WHO}`],
    [['who', '[127.0.0.1]:80'], `${PLACE} '[127.0.0.1]:80' ${WHO}`],
    [['who', ':80'], `${PLACE} ':80' ${WHO}`],
    [['run'], `portside run: missing required argument 'command' ${RUN}`],
    [['run', '--nope', 'true'], `portside run: unknown option '--nope' ${RUN}`],
    [['run', '--mtu'], `portside run: option '--mtu <N>' argument missing ${RUN}`],
    [
      ['run', '--mtu', 'x', 'true'],
      `portside run: option '--mtu <N>' argument 'x' is invalid. Expected an integer. ${RUN}`,
    ],
    [['run', '--mtu', '12', 'true'], `portside run: --mtu: expected an integer from 1280 to 65536, got 12 ${RUN}`],
    [
      ['run', '--open-files', '0', 'true'],
      `portside run: --open-files: expected an integer from 1 to 1048576, got 0 ${RUN}`,
    ],
    [
      ['run', '--first-unprivileged-port', '65536', 'true'],
      `portside run: --first-unprivileged-port: expected an integer from 0 to 65535, got 65536 ${RUN}`,
    ],
    [
      ['run', '--ephemeral-ports', '0', 'true'],
      `portside run: --ephemeral-ports: expected an integer from 1 to 64512, got 0 ${RUN}`,
    ],
    [
      ['run', '--ephemeral-ports', '9-8', 'true'],
      `portside run: --ephemeral-ports: expected [first, last], ports from 1024 to 65535, the first not above the last, got '[9, 8]' ${RUN}`,
    ],
    [
      ['run', '--ephemeral-ports', 'few', 'true'],
      `portside run: option '--ephemeral-ports <N|FIRST-LAST>' argument 'few' is invalid. Expected a number of ports, or FIRST-LAST. ${RUN}`,
    ],
    [
      ['run', '--localhost', 'here', 'true'],
      `portside run: option '--localhost <ADDR,...>' argument 'here' is invalid. Expected addresses, with commas. ${RUN}`,
    ],
    [
      ['run', '--localhost', '127.0.0.1,127.0.0.2', 'true'],
      `portside run: --localhost: expected one address of each family at most, got '127.0.0.1, 127.0.0.2' ${RUN}`,
    ],
    [
      ['run', '--no-ipv4', '--no-ipv6', 'true'],
      `portside run: --no-ipv4 --no-ipv6: expected a host with IPv4, IPv6 or both, got 'neither' ${RUN}`,
    ],
  ])('ends with 2 and one line about %j', async (args, line) => {
    expect(await portside(...args)).toEqual({ stdout: '', stderr: `${line}\n`, code: 2, signal: null })
  })
})
