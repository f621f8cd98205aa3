// Prints a line, starts a program that starts others, and ends with it.
// Usage: start-family.mjs '{"how":"descriptor","signal":"KILL","python":"/usr/bin/python3"}'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { spawnInNamespace, spawnListening } from '../../../dist/index.js'

const { how, signal, python } = JSON.parse(process.argv[2])
const fixture = (name) => fileURLToPath(new URL(`../../../fixtures/programs/${name}`, import.meta.url))
const args = [fixture('kill-parent.sh'), signal]
const SERVER = [process.execPath, fixture('serve-port.mjs')]

const WAYS = {
  descriptor: () => spawnListening('/bin/sh', args, { by: 'descriptor' }),
  port: () => spawnListening('/bin/sh', args, { by: 'port' }),
  sessions: () => spawnListening('/bin/sh', [fixture('leave-session.sh'), ...SERVER]),
  detached: () => spawnListening(process.execPath, [fixture('start-detached.mjs'), ...SERVER]),
  daemon: () => spawnListening(python, [fixture('fork-twice.py')]),
}
process.stdout.write('starting')
if (how === 'network') await once(await spawnInNamespace({ ipv6: false }, '/bin/sh', args, { stdio: 'ignore' }), 'exit')
else await (await WAYS[how]()).exited
