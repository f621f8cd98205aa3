import { expect, it } from 'vitest'
import { spawnListening } from '../../src/index.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen({ lingers: true })

// Redis answers this while it loads its data, and keeps the connection open.
const LOADING = `
  let clients = 0
  const answer = () => clients++ < 2 ? '-LOADING Redis is loading the dataset in memory\\r\\n' : '+PONG\\r\\n'
  require('node:net').createServer((socket) => socket.once('data', () => socket.write(answer()))).listen(process.env.PORT)`

it('sends again if the answer does not match and the connection stays open', async () => {
  const ready = { send: 'PING\r\n', expect: /PONG/ }
  await using child = await spawnListening(process.execPath, ['-e', LOADING], { ready, timeout: 4500 })
  expect(await child.stop()).toMatchObject({ signal: 'SIGTERM' })
})

// The pause before each byte is longer than the first attempts wait.
const SLOW = `
  require('node:net').createServer((socket) => {
    const text = [...'+PONG']
    const timer = setInterval(() => text.length > 0 ? socket.write(text.shift()) : clearInterval(timer), 150)
    socket.on('error', () => {}).once('close', () => clearInterval(timer)).resume()
  }).listen(process.env.PORT)`

it('reads an answer that comes in pieces until it ends', async () => {
  const ready = { send: 'PING\r\n', expect: /PONG/ }
  await using child = await spawnListening(process.execPath, ['-e', SLOW], { ready })
  expect(await child.stop()).toMatchObject({ signal: 'SIGTERM' })
})
