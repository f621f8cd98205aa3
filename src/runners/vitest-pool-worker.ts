import { init, runBaseTests, setupEnvironment } from 'vitest/worker'

// A worker process of Vitest, as documented: https://vitest.dev/guide/advanced/pool. It takes functions of `process` before a test can
// replace them. It imports nothing else, because each test file would wait for that.
const send = process.send?.bind(process) as (message: unknown) => boolean
const on: NodeJS.EventEmitter['on'] = process.on.bind(process)
const off: NodeJS.EventEmitter['off'] = process.off.bind(process)
const removeAllListeners = process.removeAllListeners.bind(process)
const { exit } = process

// The parent is gone. Reporting an error to it would be the next error.
on('error', giveUp)

init({
  post: (message) => void send(message),
  on: (listener) => void on('message', listener),
  off: (listener) => void off('message', listener),
  teardown: () => {
    removeAllListeners('message')
    off('error', giveUp)
  },
  runTests: (state, traces) => execute('run', state, traces),
  collectTests: (state, traces) => execute('collect', state, traces),
  setup: setupEnvironment,
})

async function execute(...[method, state, traces]: Parameters<typeof runBaseTests>): Promise<void> {
  try {
    await runBaseTests(method, state, traces)
  } finally {
    // While tests run, Vitest replaces process.exit() to report a test that calls it.
    process.exit = exit
  }
}

function giveUp({ code }: NodeJS.ErrnoException): void {
  if (code === 'ERR_IPC_CHANNEL_CLOSED' || code === 'EPIPE') exit.call(process, 1)
}
