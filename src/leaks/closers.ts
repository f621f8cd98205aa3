/** The calls that close the sockets of a package, for each kind of socket. */
export interface Closer {
  readonly client?: readonly Way[]
  readonly listener?: readonly Way[]
  /** The package opens nothing itself. It calls a function of the user's that does, and keeps the result. */
  readonly callsUser?: true
}

/** The first way that matches applies. */
export interface Way {
  /** In the names that the documentation of the package uses. */
  readonly call: string
  /** The kind of object that this call closes, if the package has several calls. */
  readonly of?: string
  /** Matches the function and the path below the folder of the package, of one frame: `connect lib/client.js`. */
  readonly on?: RegExp
  /** The first major version of the package that has this call. */
  readonly since?: number
  /** For a connection that a pool keeps for the next request. */
  readonly idle?: true
  /** For a stack on which the user's code has called this package directly. */
  readonly called?: true
}

/** By the name of the package. Made when the first leak is described, because most processes have no leak. */
export function closers(): ReadonlyMap<string, Closer> {
  table ??= makeTable()
  return table
}

let table: ReadonlyMap<string, Closer> | undefined

const client = (...ways: Array<Way | string>): Closer => ({ client: ways.map(asWay) })
const listener = (...ways: Array<Way | string>): Closer => ({ listener: ways.map(asWay) })
const asWay = (way: Way | string): Way => (typeof way === 'string' ? { call: way } : way)

// `npm run clients` opens a socket with each package, and closes it by this text.
function makeTable(): ReadonlyMap<string, Closer> {
  return new Map<string, Closer>([
    ['@apollo/server', listener('server.stop()')],
    ['@grpc/grpc-js', { ...client('client.close()'), ...listener('server.forceShutdown()') }],
    ['@hapi/hapi', listener('server.stop()')],
    ['@nats-io/nats-core', client('nc.close()')],
    ['@nats-io/transport-node', client('nc.close()')],
    ['@nestjs/core', listener('app.close()')],
    [
      '@redis/client',
      client(
        { call: 'pool.close()', of: 'a pool', on: / (dist\/)?lib\/client\/pool\.[jt]s$/ },
        { call: 'client.close()', of: 'a client since redis 5', since: 5 },
        { call: 'client.quit()', of: 'a client of redis 4' },
      ),
    ],
    ['amqp-connection-manager', client('connection.close()')],
    ['amqplib', client('connection.close()')],
    [
      'engine.io-client',
      // socket.io-client opens connections later on its own. Then only engine.io-client is on the stack.
      client(
        { call: 'socket.close()', called: true },
        { call: 'socket.disconnect()', of: 'a socket of socket.io-client' },
      ),
    ],
    ['fastify', listener('app.close()')],
    ['generic-pool', { ...client('pool.drain().then(() => pool.clear())'), callsUser: true }],
    ['ioredis', client('redis.quit()')],
    [
      'kafkajs',
      client(
        { call: 'producer.disconnect()', of: 'a producer', on: / src\/producer\// },
        { call: 'consumer.disconnect()', of: 'a consumer', on: / src\/consumer\// },
        { call: 'admin.disconnect()', of: 'an admin', on: / src\/admin\// },
        { call: 'disconnect() of its producer, consumer or admin', of: 'a client that reconnects' },
      ),
    ],
    ['knex', client('knex.destroy()')],
    [
      'mariadb',
      client({ call: 'pool.end()', of: 'a pool', on: / lib\/pool/ }, { call: 'connection.end()', of: 'a connection' }),
    ],
    ['mongodb', client('client.close()')],
    [
      'mongoose',
      client(
        { call: 'connection.close()', of: 'a connection of `createConnection()`', on: /createConnection / },
        { call: 'mongoose.disconnect()', of: 'the connection of `connect()`' },
      ),
    ],
    ['mqtt', client('client.end()')],
    [
      'mysql',
      client({ call: 'pool.end()', of: 'a pool', on: / lib\/Pool/ }, { call: 'connection.end()', of: 'a connection' }),
    ],
    [
      'mysql2',
      client(
        { call: 'cluster.end()', of: 'a cluster of pools', on: / lib\/pool_cluster/ },
        { call: 'pool.end()', of: 'a pool', on: / lib\/(base\/|promise\/)?pool/ },
        { call: 'connection.end()', of: 'a connection' },
      ),
    ],
    ['nats', client('nc.close()')],
    ['nodemailer', client('transporter.close()')],
    ['pg', client('client.end()')],
    ['pg-pool', client('pool.end()')],
    ['pg-promise', client('db.$pool.end()')],
    ['postgres', client('sql.end()')],
    ['sequelize', client('sequelize.close()')],
    ['socket.io', listener('io.close()')],
    ['socket.io-client', client('socket.disconnect()')],
    ['typeorm', client('dataSource.destroy()')],
    [
      'undici',
      // Once the package is loaded, Node's fetch sends through its dispatcher too. Then none of these frames is on the stack.
      client(
        { call: 'dispatcher.close()', of: 'an idle connection', on: / lib\/(api|web)\//, idle: true },
        { call: 'response.body.cancel(), or read the body to its end', of: '`fetch()`', on: / lib\/web\/fetch\// },
        { call: 'body.dump(), or read the body to its end', of: '`request()`', on: / lib\/api\/api-request\.js$/ },
        { call: 'dispatcher.destroy()', of: 'another request', on: / lib\/api\// },
      ),
    ],
    ['ws', { ...client('ws.terminate()'), ...listener('wss.close()') }],
  ])
}
