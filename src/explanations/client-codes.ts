import type { CodeMeaning } from './code-meaning.js'

/** The codes of clients. */
export const CLIENT_CODES: Readonly<Record<string, CodeMeaning>> = {
  // ---- other clients
  ERR_CANCELED: {
    decided: 'axios aborted the request',
    cause: 'the signal of the request was aborted; axios drops the reason, even if it is a timeout',
    hints: ['set the timeout of axios: its error then says that it was one', 'look for the code that aborts it'],
  },
  PROTOCOL_CONNECTION_LOST: {
    decided: 'mysql2 lost the connection',
    cause: 'the server closed it without an error message',
    hints: ['look for what closes it'],
  },
  // ---- undici, and so fetch --------------------------------------------------------------------------------------
  UND_ERR_CONNECT_TIMEOUT: {
    decided: 'undici gave up on the connect',
    cause:
      'no answer came within its connect timeout, 10 s unless set. One of: packets are dropped; the accept queue of the listener is full',
    hints: ['see whether the listener accepts', 'set connect.timeout of the Agent'],
  },
  UND_ERR_HEADERS_TIMEOUT: {
    decided: 'undici gave up waiting for the head of the response',
    cause: 'the server accepted the connection and did not answer within headersTimeout',
    hints: ['look for the handler that does not answer', 'set headersTimeout of the Agent'],
  },
  UND_ERR_BODY_TIMEOUT: {
    decided: 'undici gave up waiting for more of the body',
    cause: 'the server began to answer and then sent nothing for bodyTimeout',
    hints: ['look for the handler that does not end its response', 'set bodyTimeout of the Agent'],
  },
  UND_ERR_SOCKET: {
    decided: 'undici lost the connection',
    cause: 'the other end closed it before the response was complete; a reset has ECONNRESET instead',
    hints: ['look for what closes it: a server timeout, a crash, a close() with requests in flight'],
  },
  UND_ERR_ABORTED: {
    decided: 'undici aborted the request',
    cause: 'its signal was aborted, or its body destroyed',
    hints: ['look for the code that aborts it'],
  },
  UND_ERR_CLOSED: {
    decided: 'undici accepts no request',
    cause: 'the client, or the Agent, is closed',
    hints: ['make a request before close(), or with another dispatcher'],
  },
  UND_ERR_DESTROYED: {
    decided: 'undici accepts no request',
    cause: 'the client, or the Agent, is destroyed',
    hints: ['make a request before destroy(), or with another dispatcher'],
  },
  UND_ERR_INFO: {
    decided: 'undici closed a connection',
    cause:
      'the message names the reason: the socket was idle for keepAliveTimeout, or the server announced that it would close it',
    hints: ['see the message; the next request opens another connection'],
  },
  UND_ERR_HEADERS_OVERFLOW: {
    decided: 'undici does not accept headers of this size',
    cause: 'the head of the response is longer than maxHeaderSize',
    hints: ['send fewer headers'],
  },
  UND_ERR_INVALID_ARG: {
    decided: 'undici got an invalid argument',
    cause: 'the message names it',
    hints: ['see the message'],
  },
  UND_ERR_NOT_SUPPORTED: {
    decided: 'undici does not support this',
    cause: 'the message names it',
    hints: ['see the message'],
  },
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: {
    decided: 'undici did not send a body that differs in length from content-length',
    cause: 'the content-length header and the body differ',
    hints: ['leave the header out'],
  },
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: {
    decided: 'undici got a body that differs in length from content-length',
    cause: 'the server sent more or less than its content-length',
    hints: ['look at what the handler writes'],
  },
  UND_ERR_RES_EXCEEDED_MAX_SIZE: {
    decided: 'undici does not accept a response of this size',
    cause: 'the body is longer than maxResponseSize',
    hints: ['raise maxResponseSize, or send less'],
  },
  UND_ERR_RESPONSE: {
    decided: 'undici got a response that its interceptors treat as an error',
    cause: 'the status is 400 or above',
    hints: ['look at the handler'],
  },
  UND_ERR_REQ_RETRY: {
    decided: 'undici cannot retry the request',
    cause: 'the second response does not continue the first',
    hints: ['look at the handler: it must answer range requests'],
  },
}
