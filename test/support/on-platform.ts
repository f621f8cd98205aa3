import { onTestFinished } from 'vitest'

/** Lets this process look like one on another system until the test ends. For code that reads `process.platform` by default. */
export function onPlatform(platform: NodeJS.Platform): void {
  const own = Object.getOwnPropertyDescriptor(process, 'platform') as PropertyDescriptor
  Object.defineProperty(process, 'platform', { ...own, value: platform })
  onTestFinished(() => void Object.defineProperty(process, 'platform', own))
}
