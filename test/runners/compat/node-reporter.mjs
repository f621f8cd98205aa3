// For `node --test-reporter`: prints each event as a line of JSON.
export default async function* report(events) {
  for await (const { type, data } of events) {
    const { name = '', message, details } = data
    const error = details?.error
    const said = message ?? error?.cause?.message ?? error?.message ?? ''
    yield `${JSON.stringify({ type, name, message: String(said), suite: details?.type === 'suite' })}\n`
  }
}
