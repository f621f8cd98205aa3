import { isOfRuntime } from '../caller.js'
import { isRef, type SocketHandle } from '../platform/node-internals.js'
import type { SocketDescriptor } from '../socket-table/socket-descriptors.js'
import { isInfrastructure } from '../sockets/infrastructure.js'

// What the leak check ignores without a rule of the user, and why.

/** A socket that portside keeps for the whole process, or that such a listener accepted: no test can close it. */
export const isOfPortside = ({ socket, listener }: Opened): boolean =>
  isInfrastructure(socket) || isInfrastructure(listener?.socket)

interface Opened {
  readonly socket: object | undefined
  readonly listener?: { readonly socket: object | undefined } | undefined
}

/** A pooled connection between two requests: `fetch` keeps it for the next test too. The option `idlePools` changes this. */
export const isIdleInPool = <T>(record: T, pools: { isIdle(record: T): boolean }): boolean => pools.isIdle(record)

/** A pipe to an unref'd child process: the child is a service for several tests, such as a bundler. */
export const isPipeOfService = (handle: SocketHandle): boolean => !isRef(handle)

/** A unix socket without a name: one end of a pipe, for example to a program of another thread. A report could not describe it. */
export const isNamelessPipe = ({ kind, local }: SocketDescriptor): boolean => kind === 'unix' && !local

/** The inspector of this process, and the connection of a debugger: Node opens them outside of JavaScript. */
export function isInspector({ local }: SocketDescriptor): boolean {
  const port = Number(
    /^--inspect(?:-brk|-port)?=(?:.*:)?(\d+)$/m.exec(process.execArgv.join('\n'))?.[1] ?? process.debugPort,
  )
  return (
    process.execArgv.some((argument) => argument.startsWith('--inspect')) &&
    typeof local === 'object' &&
    local.port === port
  )
}

/** A file of Node or of a test runner. The user cannot change the code of such a frame. */
export const isRunnerOrNode = (file: string): boolean => isOfRuntime(file) || RUNNER.test(file)

const RUNNER =
  /[/\\]node_modules[/\\](?:@vitest|vitest|vite-node|jest-(?:circus|environment-node|jasmine2|runner|runtime|util)|@jest|mocha|tinypool|@playwright|playwright|playwright-core)[/\\]/
