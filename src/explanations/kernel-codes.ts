import type { CodeMeaning } from './code-meaning.js'

/** What the kernel answers. Where one code has several causes, this is the commonest; `circumstances.ts` tells them apart. */
export const KERNEL_CODES: Readonly<Record<string, CodeMeaning>> = {
  // ---- the kernel, of a bind -------------------------------------------------------------------------------------
  EADDRINUSE: {
    decided: 'the kernel refused to bind the address',
    cause: 'another socket has it, on this address or on a wildcard that covers it',
    hints: [
      'leave the port out, so that the kernel picks one that nobody has',
      'close the socket that has it, and await that: assertReleased() tells when the address is free',
    ],
  },
  EADDRNOTAVAIL: {
    decided: 'the kernel refused to use the local address',
    cause: 'no interface of this host, or of this network namespace, has it',
    hints: ['use an address of this host: os.networkInterfaces() lists them', 'leave the local address out'],
  },
  EACCES: {
    decided: 'the kernel forbade it to this process',
    cause: 'one of: a privileged port; a prohibited route; a firewall; the mode of a file',
    hints: ['leave the port out, or take one that everybody may bind'],
  },
  EPERM: {
    decided: 'the kernel forbade it to this process',
    cause: 'one of: a firewall rule for outgoing packets; a capability that the process lacks',
    hints: ['look at the rules (nft list ruleset, iptables -S OUTPUT)'],
  },
  EINVAL: {
    decided: 'the kernel found an argument that makes no sense here',
    cause:
      'one of: the socket is bound or connected already; the address belongs to another family or scope; an option has a value that the kernel does not take',
    hints: [
      'use a new socket for each bind and each connect',
      'compare the address with those of this host: os.networkInterfaces()',
    ],
  },
  EAFNOSUPPORT: {
    decided: 'the kernel does not have this address family',
    cause: 'one of: IPv6 is not built into the kernel; it is switched off',
    hints: ['run the test for each of loopbackFamilies()', 'skip it with the reason from probeLoopback()'],
  },
  // ---- the kernel, of a connect ----------------------------------------------------------------------------------
  ECONNREFUSED: {
    decided: 'the kernel of the other end answered that nobody listens there',
    cause: 'one of: the server is not up yet; it is gone; it listens on another address or port',
    hints: [
      'await the server before dialling it: waitForListening(), or the listen*() functions, which resolve once bound',
      'dial the address that the server tells: server.url, server.endpoint',
    ],
  },
  ETIMEDOUT: {
    decided: 'no answer came in time',
    cause:
      'one of: packets are dropped on the way; the accept queue of the listener is full; the peer does not acknowledge what was sent',
    hints: [
      'see whether the listener accepts: readSocketTable() shows its accept queue as receiveQueue',
      'give the client a time-out of its own: the kernel gives up after minutes',
    ],
  },
  EHOSTUNREACH: {
    decided: 'the kernel, or a router, knows no way to the host',
    cause: 'one of: a route says unreachable; no host on the link answers for the address (ARP, neighbour discovery)',
    hints: ['look at the route (ip route get ADDRESS)', 'see whether the host is up and on this link'],
  },
  ENETUNREACH: {
    decided: 'the kernel knows no route to the network',
    cause:
      'one of: there is no default route, as in a private network; the family has no address here, as in a container without IPv6',
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
    cause: 'one of: the peer reset it before; it never was connected',
    hints: ['await "connect", and handle "error" from then on'],
  },
  EDESTADDRREQ: {
    decided: 'the kernel was given nowhere to send to',
    cause: 'a datagram without an address, on a socket that is not connected',
    hints: ['pass port and address to send(), or connect() the socket first'],
  },
  EMSGSIZE: {
    decided: 'the kernel takes no datagram of this size',
    cause:
      'one of: it is longer than UDP allows (65,507 bytes over IPv4); it is longer than the path where fragments are not allowed',
    hints: ['send smaller datagrams'],
  },
  // ---- the kernel, of a connection -------------------------------------------------------------------------------
  ECONNRESET: {
    decided: 'the other end cut the connection',
    cause:
      'one of: its process ended or crashed; it closed with unread bytes; it reset on purpose; its listener closed while the connection stood in the accept queue; a kept-alive connection was closed as the request was sent',
    hints: [
      'look for what closes it: a server time-out, a crash, a close() with requests in flight',
      'retry where the request may be repeated',
    ],
  },
  ECONNABORTED: {
    decided: 'the connection was given up at this end',
    cause:
      'one of: the client of the other end was gone before it was accepted; this client gave up (axios says so for time-outs)',
    hints: ['look at the message for which of the two it is'],
  },
  EAGAIN: {
    decided: 'the kernel has no room for it now',
    cause: 'of a unix socket: the accept queue of the listener is full, and a connect is not made to wait (connect(2))',
    hints: ['see what keeps the event loop of the listener busy', 'try again, or give the listener a longer backlog'],
  },
  EPIPE: {
    decided: 'the kernel takes no more bytes for this connection',
    cause:
      'it was written to after the other end had closed: a first write is answered by a reset, the next one finds EPIPE',
    hints: ['stop writing at "end" and "close"', 'handle "error" of what is written to'],
  },
  ENOBUFS: {
    decided: 'the kernel has no memory for the socket',
    cause: 'one of: too many sockets or too large buffers at once; on macOS a full queue of the interface',
    hints: ['open fewer sockets at once'],
  },
  ENOMEM: {
    decided: 'the kernel has no memory for the socket',
    cause: 'one of: the host is short of memory; the cgroup of the process is',
    hints: ['open fewer sockets at once, or raise the limit of the container'],
  },
  ENODEV: {
    decided: 'the kernel found no interface for the multicast group',
    cause: 'the host has no route for multicast, by which the kernel picks the interface, and none was named',
    hints: ["name the interface: socket.addMembership(group, '127.0.0.1') for loopback"],
  },
  ENOPROTOOPT: {
    decided: 'the kernel does not know the option',
    cause: 'the option is not one of this protocol or system',
    hints: ['leave the option out here'],
  },
  ENETRESET: {
    decided: 'the network dropped the connection',
    cause: 'one of: the host at the other end was started anew; keep-alive found it gone',
    hints: ['see whether the host is up'],
  },
  ESHUTDOWN: {
    decided: 'the kernel sends nothing more on this socket',
    cause: 'this end was shut down before',
    hints: ['write before end()'],
  },
  ECANCELED: {
    decided: 'the operation was called off at this end',
    cause: 'the socket was destroyed while it was under way',
    hints: ['look for who destroys it'],
  },
  ENOTSUP: {
    decided: 'the system cannot do this',
    cause: 'the kind of socket does not have it here',
    hints: ['leave it out here'],
  },
  // ---- the kernel, of descriptors --------------------------------------------------------------------------------
  EMFILE: {
    decided: 'the kernel gives this process no further descriptor',
    cause: 'this process has as many open files as its limit allows (ulimit -n); leaked sockets are the usual reason',
    hints: ['close what is open: socketDescriptors() lists it', 'raise the limit (ulimit -n)'],
  },
  ENFILE: {
    decided: 'the kernel has no descriptor left for anybody',
    cause: 'all processes of the host together have as many as fs.file-max allows',
    hints: ['find out which process holds them', 'raise fs.file-max'],
  },
  EBADF: {
    decided: 'the kernel has no such descriptor',
    cause: 'one of: it was closed already; other code closed it under the same number',
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
    cause: 'one of: no server listens on this path; its directory is gone',
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
  EISDIR: {
    decided: 'the kernel found a directory where a socket was to be',
    cause: 'the path names a directory',
    hints: ['take a path in it, or leave it to listenUnix()'],
  },
  ELOOP: {
    decided: 'the kernel found links that lead to each other',
    cause: 'a part of the path is a link that comes back to itself',
    hints: ['look at the path (namei -l PATH)'],
  },
  EROFS: {
    decided: 'the kernel cannot make the file of the socket',
    cause: 'its file system is mounted read-only',
    hints: ['leave the path to listenUnix(), which makes it where temporary files go'],
  },
  ENOSPC: {
    decided: 'the kernel has no room for the file of the socket',
    cause: 'one of: the file system is full; it has no inode left',
    hints: ['make room: df, df -i'],
  },
  ENAMETOOLONG: {
    decided: 'the path is too long for a socket',
    cause: 'it has more than 107 bytes (103 on macOS)',
    hints: ['use a shorter directory: listenUnix() makes one'],
  },
  EPROTOTYPE: {
    decided: 'the kernel has a socket of another type under this path',
    cause: 'one of: a datagram socket listens where a stream is asked for; the reverse',
    hints: ['look at what listens there'],
  },
}
