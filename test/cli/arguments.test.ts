import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { portside } from './command-line.js'

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'))

describe('portside', () => {
  it.each(['--version', '-v'])('prints the version of the package: %s', async (option) => {
    expect(await portside(option)).toEqual({ stdout: `${version}\n`, stderr: '', code: 0, signal: null })
  })

  const ALL =
    /^Usage: portside COMMAND \[options\]\n[\s\S]*doctor[\s\S]*run[\s\S]*start[\s\S]*wait[\s\S]*who[\s\S]*-v, --version/
  const DOCTOR = /^Usage: portside doctor \[--json\]\n[\s\S]*--json .*Default: lines for people/
  const RUN_HELP =
    /^Usage: portside run \[options\] \[--\] COMMAND \[ARGUMENT\.\.\.\]\n[\s\S]*--ephemeral-ports N\|FIRST-LAST .*Default: 32768-60999[\s\S]*--no-ipv6[\s\S]*--root/
  const WHO_HELP = /^Usage: portside who PORT\|ADDR:PORT \[--json\]\n[\s\S]*--json .*Default: a table/

  const START_HELP =
    /^Usage: portside start \[options\] \[--\] COMMAND \[ARGUMENT\.\.\.\] \[--then TEST \[ARGUMENT\.\.\.\]\]\n[\s\S]*--ready READY .*Default: listening[\s\S]*--then TEST/
  const WAIT_HELP = /^Usage: portside wait TARGET \[options\]\n[\s\S]*--pid N[\s\S]*--timeout MS .*Default: 60000/

  it.each([
    [[], ALL],
    [['--help'], ALL],
    [['-h'], ALL],
    [['help'], ALL],
    [['help', 'doctor'], DOCTOR],
    [['doctor', '--help'], DOCTOR],
    [['doctor', '--json', '-h'], DOCTOR],
    [['help', 'run'], RUN_HELP],
    [['run', '--help'], RUN_HELP],
    [['help', 'who'], WHO_HELP],
    [['who', '-h'], WHO_HELP],
    [['help', 'start'], START_HELP],
    [['wait', '--help'], WAIT_HELP],
    [['help', '--help'], /^Usage: portside help \[COMMAND\]\n/],
  ])('prints the help for %j', async (args, help) => {
    const { stdout, stderr, code } = await portside(...args)
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
    expect(stdout).toMatch(help)
  })

  it.each([[], ['doctor'], ['run'], ['start'], ['wait'], ['who'], ['help']])(
    'shows examples and a page that exists: help %s',
    async (...names) => {
      const { stdout } = await portside('help', ...names)
      expect(stdout).toMatch(/^Examples:\n {2}npx portside /m)
      const [, page = ''] = /^Documentation: (.*)$/m.exec(stdout) ?? []
      expect(readFileSync(page, 'utf8')).toMatch(/^# portside/)
    },
  )

  const RUN = '(usage: portside run [options] [--] COMMAND [ARGUMENT...])'
  const WHO = '(usage: portside who PORT|ADDR:PORT [--json])'
  const PLACE = 'portside who: expected a port from 1 to 65535, or ADDR:PORT, with an IPv6 address in brackets, got'
  const ANY = '(usage: portside doctor|run|start|wait|who|help)'

  it.each<[string[], string]>([
    [['--'], `portside: missing command ${ANY}`],
    [['nope'], `portside: unknown command 'nope' ${ANY}`],
    [['wiat', '80'], `portside: unknown command 'wiat'; did you mean 'wait'? ${ANY}`],
    [['docter'], `portside: unknown command 'docter'; did you mean 'doctor'? ${ANY}`],
    [['--nope'], `portside: unknown option '--nope' ${ANY}`],
    [['--versoin'], `portside: unknown option '--versoin'; did you mean '--version'? ${ANY}`],
    [['-x'], `portside: unknown option '-x' ${ANY}`],
    [[''], `portside: unknown command '' ${ANY}`],
    [['a\nb'], `portside: unknown command 'a b' ${ANY}`],
    [['\u001b[31m\u009b'], `portside: unknown command '\\u001b[31m\\u009b' ${ANY}`],
    [['help', 'foo'], "portside help: unknown command 'foo' (usage: portside help [COMMAND])"],
    [['help', 'wo'], "portside help: unknown command 'wo'; did you mean 'who'? (usage: portside help [COMMAND])"],
    [['doctor', '--nope'], "portside doctor: unknown option '--nope' (usage: portside doctor [--json])"],
    [
      ['doctor', '--jsn'],
      "portside doctor: unknown option '--jsn'; did you mean '--json'? (usage: portside doctor [--json])",
    ],
    [
      ['doctor', '--json=yes'],
      "portside doctor: option '--json' takes no value, got 'yes' (usage: portside doctor [--json])",
    ],
    [['doctor', 'x'], "portside doctor: unexpected argument 'x' (usage: portside doctor [--json])"],
    [['who'], `portside who: missing argument PORT|ADDR:PORT ${WHO}`],
    [['who', '80', '81'], `portside who: unexpected argument '81' ${WHO}`],
    [['who', '--nope', '80'], `portside who: unknown option '--nope' ${WHO}`],
    [['who', '0'], `${PLACE} '0' ${WHO}`],
    [['who', '65536'], `${PLACE} '65536' ${WHO}`],
    [['who', 'http'], `${PLACE} 'http' ${WHO}`],
    [['who', '::1:80'], `${PLACE} '::1:80' ${WHO}`],
    [['who', '[127.0.0.1]:80'], `${PLACE} '[127.0.0.1]:80' ${WHO}`],
    [['who', ':80'], `${PLACE} ':80' ${WHO}`],
    [['run'], `portside run: missing argument [--] COMMAND [ARGUMENT...] ${RUN}`],
    [['run', '--no-ipv6', '--'], `portside run: missing argument [--] COMMAND [ARGUMENT...] ${RUN}`],
    [['run', '--', ''], `portside run: the name of the command is empty ${RUN}`],
    [['run', '--nope', 'true'], `portside run: unknown option '--nope' ${RUN}`],
    [['run', '--no-ip6', 'true'], `portside run: unknown option '--no-ip6'; did you mean '--no-ipv6'? ${RUN}`],
    [['run', '--mtu'], `portside run: option '--mtu' needs a value: --mtu N ${RUN}`],
    [['run', '--mtu', '--root', 'true'], `portside run: option '--mtu' needs a value: --mtu N ${RUN}`],
    [['run', '--mtu', 'x', 'true'], `portside run: invalid --mtu: expected an integer, got 'x' ${RUN}`],
    [['run', '--mtu=', 'true'], `portside run: invalid --mtu: expected an integer, got '' ${RUN}`],
    [
      ['run', '--mtu', '12', 'true'],
      `portside run: invalid --mtu: expected an integer from 1280 to 65536, got 12 ${RUN}`,
    ],
    [
      ['run', '--open-files', '0', 'true'],
      `portside run: invalid --open-files: expected an integer from 1 to 1048576, got 0 ${RUN}`,
    ],
    [
      ['run', '--first-unprivileged-port', '65536', 'true'],
      `portside run: invalid --first-unprivileged-port: expected an integer from 0 to 65535, got 65536 ${RUN}`,
    ],
    [
      ['run', '--ephemeral-ports', '0', 'true'],
      `portside run: invalid --ephemeral-ports: expected an integer from 1 to 64512, got 0 ${RUN}`,
    ],
    [
      ['run', '--ephemeral-ports', '9-8', 'true'],
      `portside run: invalid --ephemeral-ports: expected [first, last], ports from 1024 to 65535, the first not above the last, got '[9, 8]' ${RUN}`,
    ],
    [
      ['run', '--ephemeral-ports', 'few', 'true'],
      `portside run: invalid --ephemeral-ports: expected a number of ports, or FIRST-LAST, got 'few' ${RUN}`,
    ],
    [
      ['run', '--localhost', 'here', 'true'],
      `portside run: invalid --localhost: expected addresses, separated by commas, got 'here' ${RUN}`,
    ],
    [
      ['run', '--localhost', '127.0.0.1,127.0.0.2', 'true'],
      `portside run: invalid --localhost: expected one address of each family at most, got '127.0.0.1, 127.0.0.2' ${RUN}`,
    ],
    [
      ['run', '--no-ipv4', '--no-ipv6', 'true'],
      `portside run: invalid --no-ipv4 --no-ipv6: expected a host with IPv4, IPv6 or both, got 'neither' ${RUN}`,
    ],
  ])('exits with 2 and prints one line for %j', async (args, line) => {
    expect(await portside(...args)).toEqual({ stdout: '', stderr: `${line}\n`, code: 2, signal: null })
  })

  it('shortens a very long argument', async () => {
    const { stderr, code } = await portside('x'.repeat(100_000))
    expect(code).toBe(2)
    expect(stderr).toMatch(
      /^portside: unknown command 'x+ \[\.\.\. 9\d{4} characters \.\.\.\] x+' \(usage: [^\n]*\)\n$/,
    )
    expect(stderr.length).toBeLessThan(1200)
  })
})
