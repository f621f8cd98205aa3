import type { CodeMeaning } from './codes.js'
import { TIMEOUT } from './socket-failure.js'

/** What the resolver and Node decide by themselves. */
export const NODE_CODES: Readonly<Record<string, CodeMeaning>> = {
  // ---- the resolver ----------------------------------------------------------------------------------------------
  ENOTFOUND: {
    decided: 'the resolver knows no address for the name',
    cause: 'the name is misspelt, or nobody has told this host of it; a private network has no DNS',
    hints: ['dial an address: server.url has one', 'look at /etc/hosts, which the resolver asks first'],
  },
  EAI_AGAIN: {
    decided: 'the resolver got no answer, this time',
    cause: 'its server cannot be reached: no network, or a sandbox without DNS',
    hints: ['dial an address: tests on loopback need no names', 'try again where the name is needed'],
  },
  EAI_FAIL: {
    decided: 'the resolver failed for good',
    cause: 'its server answered with an error',
    hints: ['dial an address', 'look at the server in /etc/resolv.conf'],
  },
  ENODATA: {
    decided: 'the resolver knows the name, and no address of this family for it',
    cause: 'the name has addresses of the other family only',
    hints: ['leave the family out'],
  },
  // ---- Node ------------------------------------------------------------------------------------------------------
  ERR_SOCKET_BAD_PORT: {
    decided: 'Node was given something that is no port',
    cause: 'a port is an integer from 0 to 65535; undefined often means that the server was not awaited',
    hints: ['await the server before its port is read', 'convert a port from the environment with Number()'],
  },
  ERR_SERVER_ALREADY_LISTEN: {
    decided: 'Node found that the server listens already',
    cause: 'listen() was called twice on one server',
    hints: ['make a server for each test', 'close it and await that before it listens again'],
  },
  ERR_SERVER_NOT_RUNNING: {
    decided: 'Node found that the server does not listen',
    cause: 'close() was called twice, or before listen()',
    hints: ['close it once: the close() of portside may be called again', 'look at server.listening first'],
  },
  ERR_SOCKET_CLOSED: {
    decided: 'Node found the socket closed',
    cause: 'it was used after its close',
    hints: ['stop using it at "close"'],
  },
  ERR_SOCKET_CLOSED_BEFORE_CONNECTION: {
    decided: 'Node found the socket closed before it was connected',
    cause: 'destroy() was called while it was connecting',
    hints: ['await "connect" before it is destroyed'],
  },
  ERR_SOCKET_CONNECTION_TIMEOUT: {
    decided: 'Node gave up: not one of the addresses has answered',
    cause: 'none answered within autoSelectFamilyAttemptTimeout, 250 ms for each unless set',
    hints: ['dial the address that answers', 'raise it: net.setDefaultAutoSelectFamilyAttemptTimeout()'],
  },
  ERR_SOCKET_ALREADY_BOUND: {
    decided: 'Node found the datagram socket bound',
    cause: 'bind() was called twice, or after send(), which binds',
    hints: ['make a socket for each bind'],
  },
  ERR_SOCKET_DGRAM_NOT_RUNNING: {
    decided: 'Node found the datagram socket closed',
    cause: 'it was used after close()',
    hints: ['stop using it at "close"'],
  },
  ERR_SOCKET_DGRAM_IS_CONNECTED: {
    decided: 'Node found the datagram socket connected',
    cause: 'connect() was called twice, or send() was given an address',
    hints: ['call disconnect() first, or send() without an address'],
  },
  ERR_SOCKET_DGRAM_NOT_CONNECTED: {
    decided: 'Node found the datagram socket not connected',
    cause: 'it was asked for a peer that it does not have',
    hints: ['connect() it first'],
  },
  ERR_STREAM_DESTROYED: {
    decided: 'Node found the stream destroyed',
    cause: 'it was written to after destroy(), or after an error had ended it',
    hints: ['look for the first error of this socket: it tells why'],
  },
  ERR_STREAM_PREMATURE_CLOSE: {
    decided: 'Node saw the stream close before its end',
    cause: 'the other end, or a destroy() here, cut it',
    hints: ['look for the first error of this socket: it tells why'],
  },
  ERR_STREAM_WRITE_AFTER_END: {
    decided: 'Node takes no bytes after end()',
    cause: 'it was written to after end() was called at this end',
    hints: ['write before end()'],
  },
  ERR_INVALID_IP_ADDRESS: {
    decided: 'Node was given a string that is no IP address',
    cause: 'a name where localAddress needs an address',
    hints: ['pass an address'],
  },
  ERR_INVALID_HANDLE_TYPE: {
    decided: 'Node cannot do this with a socket of this kind',
    cause: 'a unix socket or a pipe knows no reset',
    hints: ['destroy() it instead'],
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    decided: 'Node found a certificate for another name',
    cause: 'the client dialled a name or address that the certificate does not have',
    hints: ['dial localhost, 127.0.0.1 or ::1: the certificates of portside have these'],
  },
  ERR_TLS_HANDSHAKE_TIMEOUT: {
    decided: 'Node gave up on the TLS handshake',
    cause: 'the client connected and then said nothing, or no TLS',
    hints: ['see whether the client speaks TLS'],
  },
  ABORT_ERR: {
    decided: 'the operation was aborted',
    cause: 'its AbortSignal was aborted by this program; see .cause for the reason that was given',
    hints: ['look for who aborts it'],
  },
  [TIMEOUT]: {
    decided: 'the client gave up waiting',
    cause:
      'no answer came within its own time-out: packets dropped, a full accept queue, or a server that says nothing',
    hints: ['see whether the listener accepts and answers', 'give the client a longer time-out'],
  },
  EPROTO: {
    decided: 'the two ends do not speak the same protocol',
    cause: 'most often TLS at one end and none at the other',
    hints: ['dial https: where the server speaks TLS, and http: where it does not'],
  },
}
