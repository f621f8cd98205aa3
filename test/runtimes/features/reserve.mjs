// `reserve.mjs DIST PORT` exits with 42 if the port cannot be reserved.
import { join } from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'

const [, , dist, port] = process.argv
const { reservePort } = await import(pathToFileURL(join(dist, 'index.js')).href)
try {
  await reservePort({ port: [Number(port)] })
  process.exit(0)
} catch (error) {
  if (error.code !== 'EADDRINUSE') console.error(error)
  process.exit(error.code === 'EADDRINUSE' ? 42 : 1)
}
