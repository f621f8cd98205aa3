import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { howToClose, nearestPackage } from '../../src/leaks/how-to-close.js'
import type { StackFrame } from '../../src/leaks/stack-frame.js'

const USER = 'open /project/test/orders.test.ts'

/** Frames of the form `function file`, innermost first; a file of a package begins with its name. */
const stack = (...lines: string[]): StackFrame[] =>
  lines.map((line) => {
    const [name, path = ''] = line.split(' ')
    const file = /^(\/|\w:\\)/.test(path) ? path : `/project/node_modules/${path}`
    return { function: name === '-' ? undefined : name, file, line: 1, column: 1 }
  })

const client = (...lines: string[]): string | undefined => howToClose({ kind: 'client', openedAt: stack(...lines) })
const listener = (...lines: string[]): string | undefined => howToClose({ kind: 'listener', openedAt: stack(...lines) })

const PG_CLIENT = ['Connection.connect pg/lib/connection.js', 'Client.connect pg/lib/client.js']
const PG_POOL = [...PG_CLIENT, 'BoundPool.newClient pg-pool/index.js', 'BoundPool.connect pg-pool/index.js']
const MYSQL = ['Connection mysql2/lib/base/connection.js', 'Connection mysql2/lib/connection.js']
const MONGODB = ['Object.connect mongodb/lib/cmap/connect.js', 'MongoClient.connect mongodb/lib/mongo_client.js']

describe('a socket of a package closes by the call of that package', () => {
  test.each<[string, string[], string]>([
    ['a client of pg', [...PG_CLIENT, USER], 'client.end()'],
    ['a pool of pg', [...PG_POOL, USER], 'pool.end()'],
    ['a connection of mysql2', [...MYSQL, 'createConnection mysql2/promise.js', USER], 'connection.end()'],
    ['a pool of mysql2', [...MYSQL, 'Pool.getConnection mysql2/lib/base/pool.js', USER], 'pool.end()'],
    ['a pool of mysql2, by promises', [...MYSQL, 'PromisePool.query mysql2/lib/promise/pool.js', USER], 'pool.end()'],
    [
      'a cluster of mysql2',
      [
        ...MYSQL,
        'Pool.getConnection mysql2/lib/base/pool.js',
        'PoolNamespace.getConnection mysql2/lib/pool_cluster.js',
        USER,
      ],
      'cluster.end()',
    ],
    ['ioredis, which connects late', ['- ioredis/built/connectors/StandaloneConnector.js'], 'redis.quit()'],
    ['a client of ws', ['initAsClient ws/lib/websocket.js', 'WebSocket ws/lib/websocket.js', USER], 'ws.terminate()'],
    [
      'a connection of mariadb',
      ['- mariadb/lib/connection.js', 'createConnection mariadb/promise.js', USER],
      'connection.end()',
    ],
    ['a pool of mariadb', ['- mariadb/lib/connection.js', 'Pool._managePoolSize mariadb/lib/pool.js'], 'pool.end()'],
    ['a connection of mysql', ['Connection.connect mysql/lib/Connection.js', USER], 'connection.end()'],
    [
      'a pool of mysql',
      ['PoolConnection.connect mysql/lib/Connection.js', 'Pool.query mysql/lib/Pool.js', USER],
      'pool.end()',
    ],
    ['postgres, which connects late', ['Timeout.connect postgres/src/connection.js'], 'sql.end()'],
    [
      'a producer of kafkajs',
      ['Broker.connect kafkajs/src/broker/index.js', 'connect kafkajs/src/producer/index.js', USER],
      'producer.disconnect()',
    ],
    [
      'a consumer of kafkajs',
      ['Broker.connect kafkajs/src/broker/index.js', 'connect kafkajs/src/consumer/index.js', USER],
      'consumer.disconnect()',
    ],
    [
      'an admin of kafkajs',
      ['Broker.connect kafkajs/src/broker/index.js', 'connect kafkajs/src/admin/index.js', USER],
      'admin.disconnect()',
    ],
    [
      'kafkajs that reconnects',
      ['Broker.connect kafkajs/src/broker/index.js'],
      'disconnect() of its producer, consumer or admin',
    ],
    [
      'request() of undici',
      ['Client.dispatch undici/lib/dispatcher/client.js', 'Agent.request undici/lib/api/api-request.js', USER],
      'body.dump(), or read the body to its end',
    ],
    [
      'fetch() of undici',
      ['dispatch undici/lib/web/fetch/index.js', 'fetch undici/index.js', USER],
      'response.body.cancel(), or read the body to its end',
    ],
    [
      'upgrade() of undici',
      ['Client.dispatch undici/lib/dispatcher/client.js', 'Agent.upgrade undici/lib/api/api-upgrade.js', USER],
      'dispatcher.destroy()',
    ],
  ])('%s', (_name, lines, call) => {
    expect(client(...lines)).toBe(call)
  })

  test('a connection that the agent of undici keeps', () => {
    const openedAt = stack('Agent.request undici/lib/api/api-request.js', USER)
    expect(howToClose({ kind: 'client', openedAt, idle: true })).toBe('dispatcher.close()')
  })

  test.each<[string, string[], string]>([
    ['a server of ws', ['WebSocketServer ws/lib/websocket-server.js', USER], 'wss.close()'],
    ['a server of socket.io', ['Server.listen socket.io/dist/index.js', USER], 'io.close()'],
    ['fastify', ['- fastify/lib/server.js', USER], 'app.close()'],
    ['a server of gRPC', ['Server.bindOneAddress @grpc/grpc-js/src/server.ts'], 'server.forceShutdown()'],
    [
      'Nest on fastify',
      [
        '- fastify/lib/server.js',
        'FastifyAdapter.listen @nestjs/platform-fastify/a.js',
        'NestApplication.listen @nestjs/core/nest-application.js',
        USER,
      ],
      'app.close()',
    ],
  ])('%s', (_name, lines, call) => {
    expect(listener(...lines)).toBe(call)
  })
})

describe('the package nearest to the user decides', () => {
  test.each<[string, string[], string]>([
    ['knex on pg', [...PG_CLIENT, 'create knex/lib/client.js'], 'knex.destroy()'],
    ['knex on mysql2', [...MYSQL, 'create knex/lib/client.js', USER], 'knex.destroy()'],
    [
      'typeorm on pg',
      [...PG_POOL, 'DataSource.initialize typeorm/data-source/DataSource.js', USER],
      'dataSource.destroy()',
    ],
    [
      'sequelize on pg',
      [...PG_CLIENT, 'ConnectionManager.connect sequelize/lib/dialects/postgres/connection-manager.js'],
      'sequelize.close()',
    ],
    ['mongoose on mongodb', [...MONGODB, 'Mongoose.connect mongoose/lib/mongoose.js', USER], 'mongoose.disconnect()'],
    [
      'a connection of mongoose',
      [...MONGODB, 'Mongoose.createConnection mongoose/lib/mongoose.js', USER],
      'connection.close()',
    ],
    [
      'socket.io-client on ws',
      [
        'WebSocket engine.io-client/node_modules/ws/lib/websocket.js',
        'Socket engine.io-client/build/cjs/socket.js',
        'Manager.open socket.io-client/build/cjs/manager.js',
        USER,
      ],
      'socket.disconnect()',
    ],
    ['a socket of engine.io-client', ['Socket engine.io-client/build/cjs/socket.js', USER], 'socket.close()'],
    [
      'a later socket of socket.io-client',
      ['Socket._probe engine.io-client/build/cjs/socket.js', '- xmlhttprequest-ssl/lib/XMLHttpRequest.js'],
      'socket.disconnect()',
    ],
    ['an unknown package, on pg', [...PG_POOL, 'Orm.query some-orm/index.js', USER], 'pool.end()'],
  ])('%s', (_name, lines, call) => {
    expect(client(...lines)).toBe(call)
  })

  test('and not a package that has called the user', () => {
    const consumer = 'eachMessage kafkajs/src/consumer/runner.js'
    expect(client(...PG_POOL, 'handle /project/src/handle.ts', consumer, USER)).toBe('pool.end()')
    expect(client('dial /project/src/dial.ts', consumer, USER)).toBe(undefined)
  })

  test('but a pool that calls the user closes the socket that the user opens for it', () => {
    const create = ['create /project/src/pool.ts', 'Pool._createResource generic-pool/lib/Pool.js', USER]
    expect(client(...create)).toBe('pool.drain().then(() => pool.clear())')
    expect(client(...PG_CLIENT, ...create)).toBe('pool.drain().then(() => pool.clear())')
  })

  test('and is named, unless it is an unknown helper', () => {
    expect(nearestPackage(stack(...PG_CLIENT, 'create knex/lib/client.js'))?.name).toBe('knex')
    expect(nearestPackage(stack('- engine.io-client/build/cjs/socket.js', '- some-helper/index.js'))?.name).toBe(
      'engine.io-client',
    )
    expect(nearestPackage(stack('- some-client/index.js', '- some-helper/index.js', USER))?.name).toBe('some-helper')
    expect(nearestPackage(stack(USER))).toBe(undefined)
  })

  test('by kind: a server of fastify is not a client', () => {
    expect(client(...PG_POOL, 'inject fastify/lib/server.js', USER)).toBe('pool.end()')
    expect(listener(...PG_POOL, USER)).toBe(undefined)
  })
})

describe('a package is recognized by the folder of its file', () => {
  test.each([
    ['/project/node_modules/pg-pool/index.js', 'pg-pool', 'index.js'],
    ['/project/node_modules/.pnpm/pg@8.23.1/node_modules/pg/lib/client.js', 'pg', 'lib/client.js'],
    ['/project/node_modules/engine.io-client/node_modules/ws/lib/websocket.js', 'ws', 'lib/websocket.js'],
    ['C:\\project\\node_modules\\@grpc\\grpc-js\\build\\src\\server.js', '@grpc/grpc-js', 'build/src/server.js'],
    ['/cache/pg-npm-8.23.1-5b8.zip/node_modules/pg/lib/client.js', 'pg', 'lib/client.js'],
  ])('%s', (file, name, path) => {
    expect(nearestPackage([{ file, line: 1, column: 1 }])).toMatchObject({ name, path })
  })

  test('and its call is the same in each folder', () => {
    const pnpm = '/project/node_modules/.pnpm/pg-pool@3.14.0_pg@8.23.1/node_modules/pg-pool/index.js'
    expect(client(...PG_CLIENT, `connect ${pnpm}`, USER)).toBe('pool.end()')
    const windows = 'C:\\project\\node_modules\\mysql2\\lib\\base\\pool.js'
    expect(client(`connect ${windows}`, 'open C:\\project\\test\\orders.test.ts')).toBe('pool.end()')
  })

  test('but not by a folder of the user with the name of a package', () => {
    expect(client('connect /project/src/pg/lib/client.js', USER)).toBe(undefined)
  })
})

describe('by the version of the package', () => {
  test.each([
    ['1.6.1', 'client.quit()'],
    ['5.8.2', 'client.close()'],
    ['6.3.1', 'client.close()'],
  ])('redis with @redis/client %s', (version, call) => {
    const root = mkdtempSync(join(tmpdir(), 'portside-redis-'))
    onTestFinished(() => rmSync(root, { recursive: true }))
    const folder = join(root, 'node_modules/@redis/client')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ version }))
    expect(client(`- ${folder}/dist/lib/client/socket.js`, USER)).toBe(call)
  })

  test('and the newest call applies if the version is unknown', () => {
    expect(client('- @redis/client/dist/lib/client/socket.js', USER)).toBe('client.close()')
    expect(client('- @redis/client/dist/lib/client/socket.js', '- @redis/client/dist/lib/client/pool.js')).toBe(
      'pool.close()',
    )
  })
})

test('a socket that no known package opened has no such call', () => {
  expect(client()).toBe(undefined)
  expect(client(USER)).toBe(undefined)
  expect(client('connect some-client/index.js', USER)).toBe(undefined)
  expect(listener('Function.listen express/lib/application.js', USER)).toBe(undefined)
})
