import { type CodeMeaning, TIMEOUT } from './code-meaning.js'

const UNTRUSTED: CodeMeaning = {
  decided: 'OpenSSL found nobody who vouches for the certificate',
  cause:
    'one of: the client does not trust the authority that signed it, because it was not given its certificate; the certificate is signed by itself',
  hints: [
    'give the client the authority: { ca: server.ca } of listenTls() and listenHttps(), or connect({ tls: { ca } })',
  ],
}

const TWO_PROTOCOLS: CodeMeaning = {
  decided: 'the two ends do not speak the same protocol',
  cause: 'most often TLS at one end and none at the other',
  hints: ['dial https: where the server speaks TLS, and http: where it does not'],
}

/** What the resolver, OpenSSL and Node decide by themselves. */
export const NODE_CODES: Readonly<Record<string, CodeMeaning>> = {
  // ---- the resolver ----------------------------------------------------------------------------------------------
  ENOTFOUND: {
    decided: 'the resolver knows no address for the name',
    cause:
      'one of: the name is misspelt; no resolver of this host has it; the host has no DNS, as in a private network',
    hints: ['dial an address: server.url has one', 'look at /etc/hosts, which the resolver asks first'],
  },
  EAI_AGAIN: {
    decided: 'the resolver got no answer, this time',
    cause: 'one of: its server cannot be reached (no network, a sandbox without DNS); the server failed',
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
  ESERVFAIL: {
    decided: 'the resolver got a failure from its server',
    cause: 'the name server cannot answer for this name',
    hints: ['dial an address: tests on loopback need no names', 'look at the server in /etc/resolv.conf'],
  },
  ETIMEOUT: {
    decided: 'the resolver got no answer in time',
    cause: 'the name server cannot be reached: no network, or a sandbox without DNS',
    hints: ['dial an address: tests on loopback need no names', 'look at the server in /etc/resolv.conf'],
  },
  // ---- Node ------------------------------------------------------------------------------------------------------
  ERR_SOCKET_BAD_PORT: {
    decided: 'Node was given something that is no port',
    cause: 'a port is an integer from 0 to 65535; undefined often means that the server was not awaited',
    hints: ['await the server before its port is read', 'convert a port from the environment with Number()'],
  },
  ERR_INVALID_ARG_TYPE: {
    decided: 'Node, or portside, was given a value of another type',
    cause: 'the message says which argument; undefined often means that something was not awaited',
    hints: ['pass what the message says'],
  },
  ERR_INVALID_ARG_VALUE: {
    decided: 'Node, or portside, was given a value that it cannot use',
    cause: 'the message says which argument',
    hints: ['pass what the message says'],
  },
  ERR_OUT_OF_RANGE: {
    decided: 'Node, or portside, was given a number outside of the range',
    cause: 'the message says which argument, and the range',
    hints: ['pass what the message says'],
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
    decided: 'the other end gave up the TLS handshake, and sent an alert',
    cause:
      'the end of the code is the alert (RFC 8446 §6.2): UNKNOWN_CA and BAD_CERTIFICATE if the other end does not trust the certificate of this one, CERTIFICATE_REQUIRED if it wants one, HANDSHAKE_FAILURE and PROTOCOL_VERSION if the two have no cipher or version in common',
    hints: [
      'give the other end the authority of the certificate: server.ca of listenTls() and listenHttps()',
      'look at the options cert, key, minVersion and ciphers of both ends',
    ],
  },
  ERR_SSL_KEY_VALUES_MISMATCH: {
    decided: 'OpenSSL did not take the key',
    cause: 'it is not the key of this certificate',
    hints: ['pass the key and the certificate of one pair, or leave both to listenTls()'],
  },
  EPROTO: TWO_PROTOCOLS,
  'HPE_*': {
    decided: "Node's HTTP parser refused what it read",
    cause:
      'one of: the other end speaks another protocol, such as TLS or HTTP/2; it sends HTTP that breaks the rule which the code names',
    hints: ['see what listens on this port', 'dial https: where the server speaks TLS'],
  },
  HPE_HEADER_OVERFLOW: {
    decided: "Node's HTTP parser refused the headers",
    cause: 'they are longer than maxHeaderSize, 16 KiB unless set',
    hints: ['send less in the headers, such as cookies', 'raise maxHeaderSize of the client or server that reads them'],
  },
  ERR_HTTP2_GOAWAY_SESSION: {
    decided: 'Node takes no further request on an HTTP/2 session whose other end has sent GOAWAY',
    cause:
      'the server closes the session: it is shutting down, or has served as many requests as it wants to (RFC 9113 §6.8)',
    hints: ['make a new session and send the request again: it was not processed', 'look for what closes the server'],
  },
  'ERR_HTTP2_INVALID_*': {
    decided: 'Node refused a header, a setting or a session of HTTP/2, and sent nothing',
    cause: 'the message says which; an invalid session or stream is one that was destroyed before',
    hints: ['look at the call that the stack begins with'],
  },
  'ERR_HTTP2_*': {
    decided: 'Node ended the HTTP/2 session or stream',
    cause:
      'one of: the other end ended it, with the error code in the message (RFC 9113 §7); it was ended at this end; the other end speaks HTTP/1',
    hints: ['look for the first error of the session', 'see whether the server speaks HTTP/2: listenHttp2()'],
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    decided: 'Node gave up on the request that its client had begun',
    cause: 'the client did not send all of it within headersTimeout or requestTimeout of the server',
    hints: ['end() the request', 'raise requestTimeout of the server'],
  },
  ERR_SOCKET_BAD_TYPE: {
    decided: 'Node was given a type of datagram socket that there is not',
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
    cause: 'it is a file, or something else than a pipe or a TCP socket',
    hints: ['look at who passes the descriptor on'],
  },
  ERR_INVALID_ADDRESS_FAMILY: {
    decided: 'Node was given a family that there is not',
    cause: 'a lookup function gave something else than 4 or 6',
    hints: ['look at the lookup option'],
  },
  ERR_IP_BLOCKED: {
    decided: 'Node refused to dial an address of the blockList',
    cause: 'the blockList of the socket or server has it',
    hints: ['look at the blockList option'],
  },
  ABORT_ERR: {
    decided: 'the operation was aborted',
    cause: 'its AbortSignal was aborted by this program; see .cause for the reason that was given',
    hints: ['look for who aborts it'],
  },
  [TIMEOUT]: {
    decided: 'the client gave up waiting',
    cause:
      'no answer came within its own time-out. One of: the server says nothing; the accept queue is full; packets are dropped',
    hints: ['see whether the listener accepts and answers', 'give the client a longer time-out'],
  },
}
