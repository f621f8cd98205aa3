/** For a runner that prints the message itself, and takes each line of the stack that ends in a place for a frame. */
export function framesOnly(error: Error): Error {
  const frames = error.stack?.slice(error.stack.indexOf(error.message) + error.message.length)
  return Object.defineProperty(error, 'stack', { value: `${error.name}${frames}`, configurable: true, writable: true })
}
