import type { CodeMeaning } from './code-meaning.js'

/** The codes of the kernel. If a code has several causes, this is the commonest; `circumstances.ts` distinguishes them. */
export const KERNEL_CODES: Readonly<Record<string, CodeMeaning>> = {
  // ---- the kernel, of a bind -------------------------------------------------------------------------------------
  EADDRINUSE: {
    decided: 'the kernel refused to bind the address',
    cause: 'another socket has it, on this address or on a wildcard that covers it',
    hints: [
      'leave the port out: the kernel then picks a free one',
      'close the socket that has it and await that; assertReleased() checks that the address is free',
    ],
  },
  EADDRNOTAVAIL: {
    decided: 'the kernel refused to use the local address',
    cause: 'no interface of this host, or of this network namespace, has it',
    hints: ['use an address of this host: os.networkInterfaces() lists them', 'leave the local address out'],
  },
  EACCES: {
    decided: 'the kernel denied permission to this process',
    cause: 'one of: a privileged port; a prohibited route; a firewall; the mode of a file',
    hints: ['leave the port out, or use one that every user may bind'],
  },
  EPERM: {
    decided: 'the kernel denied permission to this process',
    cause: 'one of: a firewall rule for outgoing packets; a capability that the process lacks',
    hints: ['look at the rules (nft list ruleset, iptables -S OUTPUT)'],
  },
  EINVAL: {
    decided: 'the kernel rejected an argument as invalid',
    cause:
      'one of: the socket is bound or connected already; the address belongs to another family or scope; an option has a value that the kernel does not accept',
    hints: [
      'use a new socket for each bind and each connect',
      'compare the address with those of this host: os.networkInterfaces()',
    ],
  },
  EAFNOSUPPORT: {
    decided: 'the kernel does not support this address family',
    cause: 'one of: IPv6 is not built into the kernel; it is switched off',
    hints: ['run the test for each of loopbackFamilies()', 'skip it with the reason from probeLoopback()'],
  },
  // ---- the kernel, of a connect ----------------------------------------------------------------------------------
  ECONNREFUSED: {
    decided: 'the kernel of the other end answered that nothing listens there',
    cause: 'one of: the server is not up yet; it is gone; it listens on another address or port',
    hints: [
      'await the server before you connect: waitForListening(), or the listen*() functions, which resolve once bound',
      'connect to the address that the server reports: server.url, server.endpoint',
    ],
  },
  ETIMEDOUT: {
    decided: 'no answer came in time',
    cause:
      'one of: packets are dropped on the way; the accept queue of the listener is full; the peer does not acknowledge what was sent',
    hints: [
      'see whether the listener accepts: readSocketTable() shows its accept queue as receiveQueue',
      'set a timeout on the client: the kernel gives up only after minutes',
    ],
  },
  EHOSTUNREACH: {
    decided: 'the kernel, or a router, knows no route to the host',
    cause: 'one of: a route says unreachable; no host on the link answers for the address (ARP, neighbour discovery)',
    hints: ['look at the route (ip route get ADDRESS)', 'see whether the host is up and on this link'],
  },
  ENETUNREACH: {
    decided: 'the kernel knows no route to the network',
    cause:
      'one of: there is no default route, as in a private network; the family has no address here, as in a container without IPv6',
    hints: ['look at the routes (ip route, ip -6 route)', 'connect to an address of the other family'],
  },
  EHOSTDOWN: {
    decided: 'the kernel found that the host is down',
    cause: 'no host on the link answered for the address',
    hints: ['see whether the host is up'],
  },
  ENETDOWN: {
    decided: 'the kernel found that the interface is down',
    cause: 'the interface for this socket is not up',
    hints: ['bring it up (ip link set dev NAME up)'],
  },
  EALREADY: {
    decided: 'the kernel is already connecting this socket',
    cause: 'connect() was called twice on one socket',
    hints: ['use a new socket for each connect'],
  },
  EISCONN: {
    decided: 'this socket is already connected',
    cause: 'connect() was called twice on one socket',
    hints: ['use a new socket for each connect'],
  },
  ENOTCONN: {
    decided: 'the kernel has no connection for this socket',
    cause: 'one of: the peer has reset it; it was never connected',
    hints: ['await "connect", and handle "error" from then on'],
  },
  EDESTADDRREQ: {
    decided: 'the kernel got no destination for the datagram',
    cause: 'a datagram without an address, on a socket that is not connected',
    hints: ['pass port and address to send(), or connect() the socket first'],
  },
  EMSGSIZE: {
    decided: 'the kernel does not send a datagram of this size',
    cause:
      'one of: it is longer than UDP allows (65,507 bytes over IPv4); it is longer than the MTU of a path that allows no fragments',
    hints: ['send smaller datagrams'],
  },
  // ---- the kernel, of a connection -------------------------------------------------------------------------------
  ECONNRESET: {
    decided: 'the other end cut the connection',
    cause:
      'one of: its process ended or crashed; it closed with unread bytes; it reset on purpose; its listener closed before accepting; it closed a kept-alive connection as your request came',
    hints: [
      'look for what closes it: a server timeout, a crash, a close() with requests in flight',
      'retry if the request may be repeated',
    ],
  },
  ECONNABORTED: {
    decided: 'this end gave up the connection',
    cause:
      'one of: the client was gone before the server accepted it; this client gave up (axios uses this code for timeouts)',
    hints: [
      'if the message names a timeout, check whether the server answers, or raise the timeout',
      'otherwise look for the client that closes early',
    ],
  },
  EAGAIN: {
    decided: 'the kernel has no room for it now',
    cause: 'the accept queue of the unix listener is full, and a connect does not wait for room (connect(2))',
    hints: ['see what keeps the event loop of the listener busy', 'try again, or give the listener a longer backlog'],
  },
  EPIPE: {
    decided: 'the kernel accepts no more bytes for this connection',
    cause:
      'the write came after the other end had closed: the peer answers a first write with a reset, and the next one fails with EPIPE',
    hints: ['stop writing at "end" and "close"', 'handle "error" of the stream that you write to'],
  },
  ENOBUFS: {
    decided: 'the kernel has no memory for the socket',
    cause: 'one of: too many sockets or too large buffers at once; on macOS a full queue of the interface',
    hints: ['open fewer sockets at once'],
  },
  ENOMEM: {
    decided: 'the kernel has no memory for the socket',
    cause: 'one of: the host is short of memory; the cgroup of the process is short of memory',
    hints: ['open fewer sockets at once, or raise the limit of the container'],
  },
  ENODEV: {
    decided: 'the kernel found no interface for the multicast group',
    cause: 'no interface was named, and the host has no multicast route from which the kernel could pick one',
    hints: ["name the interface: socket.addMembership(group, '127.0.0.1') for loopback"],
  },
  ENOPROTOOPT: {
    decided: 'the kernel does not know the option',
    cause: 'this protocol or system does not have the option',
    hints: ['leave the option out on this system'],
  },
  ENETRESET: {
    decided: 'the network dropped the connection',
    cause: 'one of: the host at the other end has restarted; keep-alive found that it is gone',
    hints: ['see whether the host is up'],
  },
  ESHUTDOWN: {
    decided: 'the kernel sends nothing more on this socket',
    cause: 'this end is already shut down',
    hints: ['write before end()'],
  },
  ECANCELED: {
    decided: 'this end cancelled the operation',
    cause: 'the socket was destroyed during the operation',
    hints: ['look for the code that destroys it'],
  },
  ENOTSUP: {
    decided: 'the system cannot do this',
    cause: 'this kind of socket does not have it on this system',
    hints: ['leave it out on this system'],
  },
  // ---- the kernel, of descriptors --------------------------------------------------------------------------------
  EMFILE: {
    decided: 'the kernel gives this process no more descriptors',
    cause: 'this process has as many open files as its limit allows (ulimit -n); leaked sockets are the usual reason',
    hints: ['close what is open: socketDescriptors() lists it', 'raise the limit (ulimit -n)'],
  },
  ENFILE: {
    decided: 'the kernel has no descriptor left for any process',
    cause: 'all processes of the host together have as many as fs.file-max allows',
    hints: ['find out which process holds them', 'raise fs.file-max'],
  },
  EBADF: {
    decided: 'the kernel has no such descriptor',
    cause: 'one of: it was closed already; other code closed it under the same number',
    hints: ['look for a descriptor that is closed twice'],
  },
  ENOTSOCK: {
    decided: 'this descriptor is not a socket',
    cause: 'the descriptor was closed, and its number now belongs to another file',
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
    cause: 'a part of the path is not a directory',
    hints: ['look at the path'],
  },
  EISDIR: {
    decided: 'the kernel found a directory instead of a socket',
    cause: 'the path names a directory',
    hints: ['use a path inside it, or let listenUnix() choose one'],
  },
  ELOOP: {
    decided: 'the kernel found symbolic links that form a loop',
    cause: 'a symbolic link in the path leads back to itself',
    hints: ['look at the path (namei -l PATH)'],
  },
  EROFS: {
    decided: 'the kernel cannot create the file of the socket',
    cause: 'its file system is mounted read-only',
    hints: ['let listenUnix() choose the path: it uses the directory for temporary files'],
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
    decided: 'the socket at this path is of another type',
    cause: 'one of: the socket there is a datagram socket, and the client opens a stream; the reverse',
    hints: ['look at what listens there'],
  },
}
