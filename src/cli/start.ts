import { codeOf } from '../errors.js'
import { dialAddress } from '../loopback/dial-address.js'
import { type Endpoint, formatEndpoint, toEndpoint } from '../loopback/endpoint.js'
import type { ChildExit } from '../programs/child.js'
import { ForegroundProgram } from '../programs/foreground.js'
import type { ListeningChild } from '../programs/listening-child.js'
import type { PrintedTo } from '../programs/output.js'
import { start as startProgram } from '../programs/start.js'
import { now } from '../timers.js'
import type { Command, CommandOption } from './command.js'
import { Interruption } from './interruption.js'
import { notStarted } from './not-started.js'
import { endBy, isForGroup, isFromTerminal } from './signals.js'
import {
  conditionsIn,
  DEFAULT_GRACE,
  type Programs,
  programsIn,
  START_OPTIONS,
  type StartOptions,
  THEN,
} from './start-options.js'
import { DEFAULT_TIMEOUT } from './values.js'

export const startCommand: Command<StartOptions> = {
  name: 'start',
  summary: 'Start a program, wait until it is ready, and run tests against it.',
  operands: {
    usage: `[--] COMMAND [ARGUMENT...] [${THEN} TEST [ARGUMENT...]]`,
    text: `portside starts COMMAND and runs TEST when COMMAND is ready. All arguments before a bare ${THEN} belong to COMMAND.`,
    least: 1,
    most: Number.POSITIVE_INFINITY,
  },
  passThrough: true,
  options: [...START_OPTIONS, misplacedThen()],
  examples: [
    'npx portside start --ready /health -- npm start --then npx playwright test',
    "npx portside start --port any --ready 'output:ready in' -- npx vite --then npx cypress run",
    'npx portside start --port 3000 -- node server.js',
  ],
  run: (options, operands) => start(programsIn(operands), options),
}

function misplacedThen(): CommandOption {
  return {
    flag: THEN.slice(2),
    value: 'TEST',
    text: 'After COMMAND: the program that runs when COMMAND is ready. Its exit code is that of portside.',
    default: 'none, and COMMAND stays in the foreground',
    key: 'then',
    read: () => {
      throw new Error('expected COMMAND before it')
    },
  }
}

/** The exit status that a shell reports for a program that SIGPIPE ended. */
const BROKEN_PIPE = 128 + 13
const UNWRITTEN = 1

/** Returns the exit code of TEST, or of COMMAND without TEST. A signal that ended that program ends this process. */
async function start(programs: Programs, options: StartOptions): Promise<number> {
  const ready = conditionsIn(options)
  const interruption = new Interruption()
  try {
    if (programs.test) ForegroundProgram.check(programs.test[0], programs.test.slice(1))
    const child = await startCommandOf(programs, { ...options, ready }, interruption)
    return programs.test === undefined
      ? await foreground(child, options, interruption)
      : await tested(child, programs.test, options, interruption)
  } catch (error) {
    interruption.forget()
    if (interruption.signal !== undefined) return interruption.end()
    return interruption.lostOutput ?? notStarted(error)
  } finally {
    interruption.forget()
  }
}

/** Starts COMMAND and resolves when it is ready. */
async function startCommandOf(
  { command: [command, ...args], test }: Programs,
  { ready = [], port, timeout = DEFAULT_TIMEOUT, stopSignal, grace = DEFAULT_GRACE, quiet }: StartOptions,
  interruption: Interruption,
): Promise<ListeningChild> {
  const begun = now()
  const aborting = new AbortController()
  interruption.do(() => aborting.abort())
  if (interruption.signal !== undefined) aborting.abort()
  const child = await startProgram(
    command,
    args,
    {
      ready,
      timeout,
      grace,
      output: quiet ? 'on-failure' : 'inherit',
      signal: aborting.signal,
      ...(port === undefined ? {} : { port }),
      ...(stopSignal === undefined ? {} : { stopSignal }),
    },
    // Only TEST writes to standard output.
    test === undefined ? outputOfCommand(interruption) : ALL_TO_STDERR,
  )
  if (!quiet) say(`ready on ${child.endpoints.map(dialled).join(' and ')} after ${Math.round(now() - begun)} ms`)
  return child
}

const ALL_TO_STDERR: PrintedTo = { stdout: process.stderr, stderr: process.stderr }

/** Stops COMMAND if the reader of its output goes away, as SIGPIPE would. */
function outputOfCommand(interruption: Interruption): PrintedTo {
  process.stdout.removeAllListeners('error').on('error', (error) => {
    if (interruption.lostOutput !== undefined) return
    const isPipe = codeOf(error) === 'EPIPE'
    if (!isPipe) say(`cannot write to standard output: ${error.message}`)
    interruption.outputLost(isPipe ? BROKEN_PIPE : UNWRITTEN)
  })
  return process
}

/** Waits without TEST until COMMAND exits. Returns its exit code. */
async function foreground(
  child: ListeningChild,
  { stopSignal }: StartOptions,
  interruption: Interruption,
): Promise<number> {
  interruption.do((signal, isEnd) => {
    if (!isEnd) child.child.kill(signal)
    else if (stopSignal === undefined && isForGroup(signal)) stopGroup(child, signal)
    else void child.stop(stopSignal ?? signal)
  })
  const { code, signal } = await child.exited
  // This also ends the processes that COMMAND has left running.
  await child.stop()
  if (interruption.lostOutput !== undefined) return interruption.lostOutput
  if (code !== null) return code
  interruption.forget()
  return endBy(interruption.signal ?? (signal as NodeJS.Signals))
}

/**
 * Sends the signal to the whole process group of COMMAND, as a terminal would. npm passes Ctrl-C to a shell only. The shell then
 * waits for a server that never gets the signal.
 */
function stopGroup(child: ListeningChild, signal: NodeJS.Signals): void {
  try {
    process.kill(-(child.child.pid as number), signal)
    // The group has the signal already. SIGCONT changes nothing, but stop() begins the grace.
    void child.stop('SIGCONT')
  } catch {
    // COMMAND has exited, or the system has no process groups.
    void child.stop(signal)
  }
}

/** Runs TEST, then stops COMMAND. Returns the exit code of TEST. */
async function tested(
  child: ListeningChild,
  [name, ...args]: readonly [string, ...string[]],
  { grace = DEFAULT_GRACE, quiet }: StartOptions,
  interruption: Interruption,
): Promise<number> {
  try {
    if (interruption.signal !== undefined) return await child.stop().then(() => interruption.end())
    const test = new ForegroundProgram(name, args, {
      ...process.env,
      PORT: String(child.port),
      PORTSIDE_URL: `http://${dialled(child.endpoint)}`,
    })
    const ending = interrupts(test, grace, interruption)
    const isOver = reportEarlyEnd(child)
    const { code, signal } = await test.exited
    isOver()
    await ending()
    await child.stop()
    if (quiet && code !== 0) process.stderr.write(`${child.stdout}${child.stderr}`)
    if (interruption.signal !== undefined) return interruption.end()
    if (code !== null) return code
    interruption.forget()
    return endBy(signal as NodeJS.Signals)
  } finally {
    await child.stop()
  }
}

/** Passes signals on to TEST. The returned function resolves when no process of an interrupted TEST is left. */
function interrupts(test: ForegroundProgram, grace: number, interruption: Interruption): () => Promise<void> {
  let ending = Promise.resolve()
  interruption.do((signal, isEnd) => {
    if (!isFromTerminal(signal)) test.kill(signal, isForGroup(signal))
    if (isEnd) ending = test.end(signal, grace)
  })
  return () => ending
}

/** Prints that COMMAND has exited, unless the returned function is called first. */
function reportEarlyEnd({ exited }: ListeningChild): () => void {
  let isOver = false
  void exited.then(({ code, signal }: ChildExit) => {
    if (!isOver) say(`COMMAND ended before TEST, ${signal === null ? `with code ${code}` : `by ${signal}`}`)
  })
  return () => {
    isOver = true
  }
}

function say(text: string): void {
  process.stderr.write(`portside: ${text}\n`)
}

/** The address that a client connects to. */
const dialled = (endpoint: Endpoint): string => formatEndpoint(toEndpoint(dialAddress(endpoint), endpoint.port))
