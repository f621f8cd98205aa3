// Starts a program that starts others, says so before, and ends with it. Usage: start-family.mjs '{"how":"descriptor","signal":"KILL"}'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { spawnInNamespace, spawnListening } from '../../../dist/index.js'

const { how, signal } = JSON.parse(process.argv[2])
const args = [fileURLToPath(new URL('../../../fixtures/programs/kill-parent.sh', import.meta.url)), signal]
process.stdout.write('starting')
if (how === 'network') await once(await spawnInNamespace({ ipv6: false }, '/bin/sh', args, { stdio: 'ignore' }), 'exit')
else await (await spawnListening('/bin/sh', args, { by: how })).exited
