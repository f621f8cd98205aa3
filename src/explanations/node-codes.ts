import { hostsFile } from '../platform/hosts-file.js'
import { type CodeMeaning, TIMEOUT } from './code-meaning.js'

const UNTRUSTED: CodeMeaning = {
  decided: 'OpenSSL does not trust the certificate',
  cause:
    'one of: the client does not have the certificate of the authority that signed it; the certificate is self-signed',
  hints: [
    'give the client the authority: { ca: server.ca } of listenTls() and listenHttps(), or connect({ tls: { ca } })',
  ],
}

const TWO_PROTOCOLS: CodeMeaning = {
  decided: 'the two ends do not speak the same protocol',
  cause: 'most often, only one end speaks TLS',
  hints: ['use https: if the server speaks TLS, and http: if it does not'],
}

/** The codes of the resolver, OpenSSL and Node. */
export const NODE_CODES: Readonly<Record<string, CodeMeaning>> = {
  // ---- the resolver ----------------------------------------------------------------------------------------------
  ENOTFOUND: {
    decided: 'the resolver knows no address for the name',
    cause:
      'one of: the name is misspelt; no resolver of this host has it; the host has no DNS, as in a private network',
    hints: ['connect to an address: server.url has one', `look at ${hostsFile()}, which the resolver asks first`],
  },
  EAI_AGAIN: {
    decided: 'the resolver got no answer this time',
    cause: 'one of: its server cannot be reached (no network, a sandbox without DNS); the server failed',
    hints: ['connect to an address: tests on loopback need no names', 'try again if you need the name'],
  },
  EAI_FAIL: {
    decided: 'the resolver failed permanently',
    cause: 'its server answered with an error',
    hints: ['connect to an address', 'look at the server in /etc/resolv.conf'],
  },
  ENODATA: {
    decided: 'the resolver knows the name, but no address of this family',
    cause: 'the name has addresses of the other family only',
    hints: ['leave the family out'],
  },
  ESERVFAIL: {
    decided: 'the resolver got a failure from its server',
    cause: 'the name server cannot answer for this name',
    hints: ['connect to an address: tests on loopback need no names', 'look at the server in /etc/resolv.conf'],
  },
  ETIMEOUT: {
    decided: 'the resolver got no answer in time',
    cause: 'the name server cannot be reached: no network, or a sandbox without DNS',
    hints: ['connect to an address: tests on loopback need no names', 'look at the server in /etc/resolv.conf'],
  },
  // ---- Node ------------------------------------------------------------------------------------------------------
  ERR_SOCKET_BAD_PORT: {
    decided: 'Node got an invalid port',
    cause: 'a port is an integer from 0 to 65535; undefined often means that the server was not awaited',
    hints: ['await the server before you read its port', 'convert a port from the environment with Number()'],
  },
  ERR_INVALID_ARG_TYPE: {
    decided: 'Node or portside got a value of the wrong type',
    cause: 'the message says which argument; undefined often means that something was not awaited',
    hints: ['pass what the message says'],
  },
  ERR_INVALID_ARG_VALUE: {
    decided: 'Node or portside got an invalid value',
    cause: 'the message says which argument',
    hints: ['pass what the message says'],
  },
  ERR_OUT_OF_RANGE: {
    decided: 'Node or portside got a number outside the range',
    cause: 'the message says which argument, and the range',
    hints: ['pass what the message says'],
  },
  ERR_SERVER_ALREADY_LISTEN: {
    decided: 'Node found that the server is already listening',
    cause: 'listen() was called twice on one server',
    hints: ['create a server for each test', 'close it and await that before you call listen() again'],
  },
  ERR_SERVER_NOT_RUNNING: {
    decided: 'Node found that the server does not listen',
    cause: 'close() was called twice, or before listen()',
    hints: ['close it once; calling the close() of portside again is safe', 'check server.listening first'],
  },
  ERR_SOCKET_CLOSED: {
    decided: 'Node found that the socket is closed',
    cause: 'it was used after its close',
    hints: ['stop using it at "close"'],
  },
  ERR_SOCKET_CLOSED_BEFORE_CONNECTION: {
    decided: 'Node found that the socket closed before it connected',
    cause: 'destroy() was called while it was connecting',
    hints: ['await "connect" before you destroy it'],
  },
  ERR_SOCKET_CONNECTION_TIMEOUT: {
    decided: 'Node gave up: none of the addresses answered',
    cause: 'none answered within autoSelectFamilyAttemptTimeout, 250 ms for each unless set',
    hints: ['connect to the address that answers', 'raise the limit: net.setDefaultAutoSelectFamilyAttemptTimeout()'],
  },
  ERR_SOCKET_ALREADY_BOUND: {
    decided: 'Node found that the datagram socket is already bound',
    cause: 'bind() was called twice, or after send(), which binds',
    hints: ['create a socket for each bind'],
  },
  ERR_SOCKET_DGRAM_NOT_RUNNING: {
    decided: 'Node found that the datagram socket is closed',
    cause: 'it was used after close()',
    hints: ['stop using it at "close"'],
  },
  ERR_SOCKET_DGRAM_IS_CONNECTED: {
    decided: 'Node found that the datagram socket is connected',
    cause: 'connect() was called twice, or send() was given an address',
    hints: ['call disconnect() first, or send() without an address'],
  },
  ERR_SOCKET_DGRAM_NOT_CONNECTED: {
    decided: 'Node found that the datagram socket is not connected',
    cause: 'the call needs a peer, and the socket has none',
    hints: ['connect() it first'],
  },
  ERR_STREAM_DESTROYED: {
    decided: 'Node found that the stream is destroyed',
    cause: 'the write came after destroy(), or after an error had destroyed it',
    hints: ['look for the first error of this socket: it says why'],
  },
  ERR_STREAM_PREMATURE_CLOSE: {
    decided: 'Node saw the stream close before its end',
    cause: 'the other end, or a destroy() here, cut it',
    hints: ['look for the first error of this socket: it says why'],
  },
  ERR_STREAM_WRITE_AFTER_END: {
    decided: 'Node accepts no bytes after end()',
    cause: 'the write came after end() at this end',
    hints: ['write before end()'],
  },
  ERR_INVALID_IP_ADDRESS: {
    decided: 'Node got a string that is not an IP address',
    cause: 'localAddress is a name, and must be an address',
    hints: ['pass an address'],
  },
  ERR_INVALID_HANDLE_TYPE: {
    decided: 'Node cannot do this with a socket of this kind',
    cause: 'a unix socket or a pipe has no reset',
    hints: ['destroy() it instead'],
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    decided: 'Node found a certificate for another name',
    cause: 'the client connected to a name or address that is not in the certificate',
    hints: ['connect to localhost, 127.0.0.1 or ::1: the certificates of portside have these'],
  },
  ERR_TLS_HANDSHAKE_TIMEOUT: {
    decided: 'Node gave up on the TLS handshake',
    cause: 'the client connected, and then sent nothing, or no TLS',
    hints: ['see whether the client speaks TLS'],
  },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  CERT_HAS_EXPIRED: {
    decided: 'OpenSSL found a certificate that is no longer valid',
    cause: 'it was made long ago, or the clock of this process is faked',
    hints: ['make the certificate for the run, as listenTls() and listenHttps() do', 'look at Date under fake timers'],
  },
  'ERR_SSL_*': TWO_PROTOCOLS,
  'ERR_SSL_*_ALERT_*': {
    decided: 'the other end ended the TLS handshake with an alert',
    cause:
      'the end of the code is the alert (RFC 8446 §6.2). UNKNOWN_CA and BAD_CERTIFICATE: the other end does not trust the certificate of this one. CERTIFICATE_REQUIRED: it wants one. HANDSHAKE_FAILURE and PROTOCOL_VERSION: the two have no cipher or version in common',
    hints: [
      'give the other end the authority of the certificate: server.ca of listenTls() and listenHttps()',
      'look at the options cert, key, minVersion and ciphers of both ends',
    ],
  },
  ERR_SSL_KEY_VALUES_MISMATCH: {
    decided: 'OpenSSL rejected the key',
    cause: 'it is not the key of this certificate',
    hints: ['pass the key and the certificate of one pair, or let listenTls() make both'],
  },
  EPROTO: TWO_PROTOCOLS,
  'HPE_*': {
    decided: "Node's HTTP parser rejected its input",
    cause:
      'one of: the other end speaks another protocol, such as TLS or HTTP/2; it sends HTTP that breaks the rule in the code',
    hints: ['see what listens on this port', 'use https: if the server speaks TLS'],
  },
  HPE_HEADER_OVERFLOW: {
    decided: "Node's HTTP parser rejected the headers",
    cause: 'they are longer than maxHeaderSize, 16 KiB unless set',
    hints: [
      'send shorter headers, such as fewer cookies',
      'raise maxHeaderSize of the client or server that reads them',
    ],
  },
  ERR_HTTP2_GOAWAY_SESSION: {
    decided: 'Node sends no more requests on an HTTP/2 session after the other end has sent GOAWAY',
    cause:
      'the server closes the session: it is shutting down, or has served as many requests as it allows (RFC 9113 §6.8)',
    hints: ['make a new session and send the request again: it was not processed', 'look for what closes the server'],
  },
  'ERR_HTTP2_INVALID_*': {
    decided: 'Node rejected a header, a setting or a session of HTTP/2, and sent nothing',
    cause: 'the message says which; a session or stream is invalid after it was destroyed',
    hints: ['look at the first call of the stack'],
  },
  'ERR_HTTP2_*': {
    decided: 'Node ended the HTTP/2 session or stream',
    cause:
      'one of: the other end ended it, with the error code in the message (RFC 9113 §7); it was ended at this end; the other end speaks HTTP/1',
    hints: ['look for the first error of the session', 'see whether the server speaks HTTP/2: listenHttp2()'],
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    decided: 'Node gave up waiting for the rest of a request',
    cause: 'the client did not send all of it within headersTimeout or requestTimeout of the server',
    hints: ['end() the request', 'raise requestTimeout of the server'],
  },
  ERR_SOCKET_BAD_TYPE: {
    decided: 'Node got an unknown type of datagram socket',
    cause: "it is neither 'udp4' nor 'udp6'",
    hints: ["pass 'udp4' or 'udp6'"],
  },
  ERR_SOCKET_BUFFER_SIZE: {
    decided: 'Node could not get or set the size of a buffer of the socket',
    cause: 'the datagram socket is not bound yet, or is closed',
    hints: ['bind() it first, and await that'],
  },
  ERR_INVALID_FD_TYPE: {
    decided: 'Node cannot use this descriptor as a socket',
    cause: 'it is neither a pipe nor a TCP socket, but for example a file',
    hints: ['look at the code that passes the descriptor'],
  },
  ERR_INVALID_ADDRESS_FAMILY: {
    decided: 'Node got an unknown address family',
    cause: 'a lookup function returned a family that is neither 4 nor 6',
    hints: ['look at the lookup option'],
  },
  ERR_IP_BLOCKED: {
    decided: 'Node does not connect to an address of the blockList',
    cause: 'it is in the blockList of the socket or server',
    hints: ['look at the blockList option'],
  },
  ERR_ACCESS_DENIED: {
    decided: 'the permission model of Node denied the call',
    cause: 'Node runs with --permission and without the flag that the message names',
    hints: ['start Node with that flag, or without --permission'],
  },
  ABORT_ERR: {
    decided: 'the operation was aborted',
    cause: 'this program aborted its AbortSignal; .cause is the reason',
    hints: ['look for the code that aborts it'],
  },
  [TIMEOUT]: {
    decided: 'the client gave up waiting',
    cause:
      'no answer came within its own timeout. One of: the server sends nothing; the accept queue is full; packets are dropped',
    hints: ['see whether the listener accepts and answers', 'give the client a longer timeout'],
  },
}
