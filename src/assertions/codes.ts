import { TIMEOUT } from './socket-failure.js'

/** What is known of an error code before anything is asked about the one error that has it. */
export interface CodeMeaning {
  /** What the kernel, the resolver, Node or the client decided. */
  readonly decided: string
  /** Why, most of the time. */
  readonly cause: string
  /** What to do about it, the likeliest first. */
  readonly hints: readonly [string, ...string[]]
}

/**
 * The codes that a Node socket can raise (`docs/errors.md` has the sources). Where one code has several causes, this is
 * the commonest; `explain.ts` tells them apart.
 */
export const CODES: Readonly<Record<string, CodeMeaning>> = {
  // ---- the kernel, of a bind -------------------------------------------------------------------------------------
  EADDRINUSE: {
    decided: 'the kernel refused to bind the address',
    cause: 'another socket has it, on this address or on a wildcard that covers it',
    hints: [
      'leave the port out, so that the kernel picks one that nobody has',
      'close the server that had the port before, and await that: assertReleased() tells when it is free',
    ],
  },
  EADDRNOTAVAIL: {
    decided: 'the kernel refused to use the local address',
    cause: 'no interface of this host, or of this network namespace, has it',
    hints: ['use an address of this host: os.networkInterfaces() lists them', 'leave the local address out'],
  },
  EACCES: {
    decided: 'the kernel forbade it to this process',
    cause: 'a rule of this host: a privileged port, a prohibited route, a firewall, or the mode of a file',
    hints: ['leave the port out, or take one that everybody may bind'],
  },
  EPERM: {
    decided: 'the kernel forbade it to this process',
    cause: 'a firewall rule for outgoing packets, or a capability that the process lacks',
    hints: ['look at the rules (nft list ruleset, iptables -S OUTPUT)'],
  },
  EINVAL: {
    decided: 'the kernel found an argument that makes no sense here',
    cause:
      'the socket is bound or connected already, the route is a blackhole, or the address belongs to another family or scope',
    hints: ['use a new socket for each bind and each connect', 'give a link-local address its zone: fe80::1%eth0'],
  },
  EAFNOSUPPORT: {
    decided: 'the kernel does not have this address family',
    cause: 'IPv6 is not built in, or switched off',
    hints: ['run the test for each of loopbackFamilies()', 'skip it with the reason from probeLoopback()'],
  },
  // ---- the kernel, of a connect ----------------------------------------------------------------------------------
  ECONNREFUSED: {
    decided: 'the kernel of the other end answered that nobody listens there',
    cause: 'the server is not up yet, is gone, or listens on another address or port',
    hints: [
      'await the server before dialling it: waitForListening(), or the listen*() functions, which resolve once bound',
      'dial the address that the server tells: server.url, server.endpoint',
    ],
  },
  ETIMEDOUT: {
    decided: 'no answer came in time',
    cause:
      'packets are dropped on the way, the accept queue of the listener is full, or the peer does not acknowledge what was sent',
    hints: [
      'see whether the listener accepts: readSocketTable() shows its accept queue as receiveQueue',
      'give the client a time-out of its own: the kernel gives up after minutes',
    ],
  },
  EHOSTUNREACH: {
    decided: 'the kernel, or a router, knows no way to the host',
    cause: 'a route says unreachable, or nobody on the link answers for the address (ARP, neighbour discovery)',
    hints: ['look at the route (ip route get ADDRESS)', 'see whether the host is up and on this link'],
  },
  ENETUNREACH: {
    decided: 'the kernel knows no route to the network',
    cause: 'there is no default route, or the family has no address here: a private network, a container without IPv6',
    hints: ['look at the routes (ip route, ip -6 route)', 'dial the other family'],
  },
  EHOSTDOWN: {
    decided: 'the kernel found that the host is down',
    cause: 'nobody on the link answered for the address',
    hints: ['see whether the host is up'],
  },
  ENETDOWN: {
    decided: 'the kernel found the interface down',
    cause: 'the interface that the socket is to use is not up',
    hints: ['bring it up (ip link set dev NAME up)'],
  },
  EALREADY: {
    decided: 'the kernel is connecting this socket already',
    cause: 'connect() was called twice on one socket',
    hints: ['use a new socket for each connect'],
  },
  EISCONN: {
    decided: 'the kernel has this socket connected already',
    cause: 'connect() was called twice on one socket',
    hints: ['use a new socket for each connect'],
  },
  ENOTCONN: {
    decided: 'the kernel has no connection for this socket',
    cause: 'the peer reset it before, or it never was connected',
    hints: ['await "connect", and handle "error" from then on'],
  },
  EDESTADDRREQ: {
    decided: 'the kernel was given nowhere to send to',
    cause: 'a datagram without an address, on a socket that is not connected',
    hints: ['pass port and address to send(), or connect() the socket first'],
  },
  EMSGSIZE: {
    decided: 'the kernel takes no datagram of this size',
    cause: 'it is longer than UDP allows (65,507 bytes over IPv4), or than the path where fragments are not allowed',
    hints: ['send smaller datagrams'],
  },
  // ---- the kernel, of a connection -------------------------------------------------------------------------------
  ECONNRESET: {
    decided: 'the other end cut the connection',
    cause:
      'its process ended or crashed, it closed with unread bytes, or it reset on purpose; where there is no syscall, Node saw an end before the answer',
    hints: [
      'look for what closes it: a server time-out, a crash, a close() with requests in flight',
      'retry where the request may be repeated',
    ],
  },
  ECONNABORTED: {
    decided: 'the connection was given up at this end',
    cause:
      'the client of the other end was gone before it was accepted, or this client gave up (axios says so for time-outs)',
    hints: ['look at the message for which of the two it is'],
  },
  EPIPE: {
    decided: 'the kernel takes no more bytes for this connection',
    cause:
      'it was written to after the other end had closed: a first write is answered by a reset, the next one finds EPIPE',
    hints: ['stop writing at "end" and "close"', 'handle "error" of what is written to'],
  },
  ENOBUFS: {
    decided: 'the kernel has no memory for the socket',
    cause: 'too many sockets or too large buffers at once; on macOS also a full queue of the interface',
    hints: ['open fewer sockets at once'],
  },
  ENOMEM: {
    decided: 'the kernel has no memory for the socket',
    cause: 'the host, or the cgroup of the process, is short of memory',
    hints: ['open fewer sockets at once, or raise the limit of the container'],
  },
  ENOPROTOOPT: {
    decided: 'the kernel does not know the option',
    cause: 'the option is not one of this protocol or system',
    hints: ['leave the option out here'],
  },
  ENOTSUP: {
    decided: 'the system cannot do this',
    cause: 'the kind of socket does not have it here',
    hints: ['leave it out here'],
  },
  // ---- the kernel, of descriptors --------------------------------------------------------------------------------
  EMFILE: {
    decided: 'the kernel gives this process no further descriptor',
    cause: 'it has as many as its limit allows (ulimit -n); leaked sockets are the usual reason',
    hints: ['close what is open: socketDescriptors() lists it', 'raise the limit (ulimit -n)'],
  },
  ENFILE: {
    decided: 'the kernel has no descriptor left for anybody',
    cause: 'all processes of the host together have as many as fs.file-max allows',
    hints: ['find out which process holds them', 'raise fs.file-max'],
  },
  EBADF: {
    decided: 'the kernel has no such descriptor',
    cause: 'it was closed already, or closed by somebody else who used the same number',
    hints: ['look for a descriptor that is closed twice'],
  },
  ENOTSOCK: {
    decided: 'the kernel has something else than a socket under this descriptor',
    cause: 'the descriptor was closed and its number is another file now',
    hints: ['look for a descriptor that is closed twice'],
  },
  // ---- the kernel, of unix sockets -------------------------------------------------------------------------------
  ENOENT: {
    decided: 'the kernel found no file of this name',
    cause: 'no server listens on this path, or its directory is gone',
    hints: [
      'await the server first: waitForListening({ path })',
      'look at the path: the directory must exist to listen there',
    ],
  },
  ENOTDIR: {
    decided: 'the kernel found a file where the path needs a directory',
    cause: 'a part of the path is no directory',
    hints: ['look at the path'],
  },
  ENAMETOOLONG: {
    decided: 'the path is too long for a socket',
    cause: 'it has more than 107 bytes (103 on macOS)',
    hints: ['use a shorter directory: listenUnix() makes one'],
  },
  EPROTOTYPE: {
    decided: 'the kernel has a socket of another type under this path',
    cause: 'a datagram socket listens where a stream is asked for, or the reverse',
    hints: ['look at what listens there'],
  },
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
  // ---- other clients
  ERR_CANCELED: {
    decided: 'axios was told to give up',
    cause: 'the signal of the request was aborted; axios does not keep its reason, be it a time-out',
    hints: ['give axios a timeout of its own: its error says that it was one', 'look for who aborts it'],
  },
  PROTOCOL_CONNECTION_LOST: {
    decided: 'mysql2 lost the connection',
    cause: 'the server closed it without a word',
    hints: ['look for what closes it'],
  },
  // ---- undici, and so fetch --------------------------------------------------------------------------------------
  UND_ERR_CONNECT_TIMEOUT: {
    decided: 'undici gave up on the connect',
    cause: 'no answer within its connect time-out, 10 s unless set: packets dropped, or a full accept queue',
    hints: ['see whether the listener accepts', 'set connect.timeout of the Agent'],
  },
  UND_ERR_HEADERS_TIMEOUT: {
    decided: 'undici gave up waiting for the head of the response',
    cause: 'the server accepted the connection and did not answer within headersTimeout',
    hints: ['look for the handler that does not answer', 'set headersTimeout of the Agent'],
  },
  UND_ERR_BODY_TIMEOUT: {
    decided: 'undici gave up waiting for more of the body',
    cause: 'the server began to answer and then said nothing for bodyTimeout',
    hints: ['look for the handler that does not end its response', 'set bodyTimeout of the Agent'],
  },
  UND_ERR_SOCKET: {
    decided: 'undici lost the connection',
    cause: 'the other end closed it before the response was complete; a reset has ECONNRESET instead',
    hints: ['look for what closes it: a server time-out, a crash, a close() with requests in flight'],
  },
  UND_ERR_ABORTED: {
    decided: 'undici aborted the request',
    cause: 'its signal was aborted, or its body destroyed',
    hints: ['look for who aborts it'],
  },
  UND_ERR_CLOSED: {
    decided: 'undici takes no request',
    cause: 'the client, or the Agent, was closed before',
    hints: ['make a request before close(), or with another dispatcher'],
  },
  UND_ERR_DESTROYED: {
    decided: 'undici takes no request',
    cause: 'the client, or the Agent, was destroyed before',
    hints: ['make a request before destroy(), or with another dispatcher'],
  },
  UND_ERR_INFO: {
    decided: 'undici ended a connection by itself',
    cause: 'the message says which: an idle connection, a reset by its own design, an answer that it did not ask for',
    hints: ['see the message; the next request opens another connection'],
  },
  UND_ERR_HEADERS_OVERFLOW: {
    decided: 'undici takes no head of this size',
    cause: 'the head of the response is longer than maxHeaderSize',
    hints: ['send fewer headers'],
  },
  UND_ERR_INVALID_ARG: {
    decided: 'undici was given an argument that will not do',
    cause: 'the message names it',
    hints: ['see the message'],
  },
  UND_ERR_NOT_SUPPORTED: {
    decided: 'undici does not do this',
    cause: 'the message names it',
    hints: ['see the message'],
  },
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: {
    decided: 'undici did not send a body of another length than was said',
    cause: 'the content-length header and the body differ',
    hints: ['leave the header out'],
  },
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: {
    decided: 'undici got a body of another length than was said',
    cause: 'the server sent more or less than its content-length',
    hints: ['look at what the handler writes'],
  },
  UND_ERR_RES_EXCEEDED_MAX_SIZE: {
    decided: 'undici takes no response of this size',
    cause: 'the body is longer than maxResponseSize',
    hints: ['raise maxResponseSize, or send less'],
  },
  UND_ERR_RESPONSE: {
    decided: 'undici got a response that its interceptors take for an error',
    cause: 'the status is 400 or above',
    hints: ['look at the handler'],
  },
  UND_ERR_REQ_RETRY: {
    decided: 'undici cannot retry the request',
    cause: 'what came the second time does not continue what came the first time',
    hints: ['look at the handler: it must answer a range'],
  },
}
