import { once } from 'node:events'
import process from 'node:process'

/** Writes 'ping' and returns the answer. */
export async function echoed(socket) {
  socket.write('ping')
  const [data] = await once(socket, 'data')
  const closed = once(socket, 'close')
  socket.end()
  socket.destroy()
  await closed
  return String(data)
}

/** The body of the answer to a request of node:http or node:https. */
export async function answerTo(request) {
  request.end()
  const [response] = await once(request, 'response')
  response.setEncoding('utf8')
  let text = ''
  for await (const chunk of response) text += chunk
  return text
}

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** The program and its first arguments that run a JavaScript file under this runtime. */
export function ownRuntime() {
  if (process.versions.deno) return [process.execPath, ['run', '-A', '--no-lock']]
  return [process.execPath, []]
}
