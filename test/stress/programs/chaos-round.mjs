// One round, in its own network: several users of portside at once, each ended in another way, at a random moment. Then it asks
// the process table, the file system and the kernel what is left, and prints it.
// Settings: { folder, users: [{ seed, subjects, by, ending, after, files, allowed }] }
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import * as portside from '../../../dist/index.js'
import { filesOf, processesOf, socketsOfNetwork } from './what-is-left.mjs'

const { folder, users } = JSON.parse(process.argv[2])
const USER = fileURLToPath(new URL('chaos-user.mjs', import.meta.url))
/** Longest time for a user and its leftovers to end, in milliseconds. */
const ENDING = 40_000
const GONE = 10_000

const temporary = `${folder}/tmp`
const claims = `${folder}/claims`
for (const path of [temporary, claims]) mkdirSync(path)

const found = { done: 0, faults: [], collisions: [], hangs: [], leaks: [] }
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function play({ files, ending, after, ...rest }) {
  const limit = files === undefined ? [] : ['sh', '-c', `ulimit -n ${files}; exec "$@"`, 'sh']
  const settings = JSON.stringify({ ...rest, ending, after, claims })
  const [command, ...args] = [...limit, process.execPath, USER, settings]
  const env = { ...process.env, TMPDIR: temporary }
  // Its own group, for signals to the whole group.
  const user = spawn(command, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(user, 'exit')
  let complaint = ''
  user.stderr.on('data', (text) => {
    complaint = `${complaint}${text}`.slice(-600)
  })
  let last = 'nothing'
  const hang = setTimeout(() => {
    found.hangs.push(`${rest.subjects} does not end by ${ending}, said ${last} (seed ${rest.seed})`)
    process.kill(-user.pid, 'SIGKILL')
  }, ENDING)
  for await (const line of linesUntil(user.stdout, exited)) {
    const { kind, text } = line
    last = kind
    if (kind === 'ready') void end(user, ending, after)
    else if (kind === 'done') found.done += Number(text)
    else if (kind !== 'left') found[`${kind}s`].push(`${text} (seed ${rest.seed})`)
  }
  const [code, signal] = await exited
  clearTimeout(hang)
  const expected = { exit: 3, throw: 3, return: 0 }[ending]
  if (code !== null && code !== expected && signal === null && !rest.allowed.includes('EMFILE')) {
    found.faults.push(`ended with ${code} for ${ending} (seed ${rest.seed}): ${complaint}`)
  }
}

async function* linesUntil(stdout, exited) {
  const lines = createInterface({ input: stdout })
  // A process that it left may hold the pipe open.
  void exited.then(() => setTimeout(() => lines.close(), 100))
  for await (const line of lines) {
    try {
      yield JSON.parse(line)
    } catch {
      // A line that the kill cut off.
    }
  }
}

async function end(user, ending, after) {
  await wait(after)
  const [, whom, signal] = /^(process|group) (SIG\w+)$/.exec(ending) ?? []
  if (signal === undefined || user.exitCode !== null || user.signalCode !== null) return
  process.kill(whom === 'group' ? -user.pid : user.pid, signal)
}

await Promise.all(users.map(play))
const gone = (ask) => until(() => ask().length === 0).then(() => ask())

const processes = await gone(() => processesOf(temporary))
found.leaks.push(...processes.map((text) => `process ${text}`))
for (const text of processes) {
  try {
    process.kill(Number(text.split(':')[0]), 'SIGKILL')
  } catch {}
}
const promised = users.every(({ ending }) => ending === 'return')
const sockets = () => socketsOfNetwork().filter((text) => promised || !/TIME_WAIT|tcp6? 0\w /.test(text))
found.leaks.push(...(processes.length > 0 ? [] : await gone(sockets)))
// The next process that calls listenUnix() removes the directory of a killed one; an empty one a minute later.
process.env.TMPDIR = temporary
await (await portside.listenUnix()).close()
const isNew = (name) => /^portside-\w{6}$/.test(name) && filesOf(`${temporary}/${name}`).length === 0
const files = () => filesOf(temporary).filter((name) => !isNew(name))
found.leaks.push(...(await gone(files)).map((text) => `file ${text}`))
process.stdout.write(JSON.stringify(found), () => process.exit())

async function until(condition) {
  const end = performance.now() + GONE
  while (!condition() && performance.now() < end) await wait(20)
}
