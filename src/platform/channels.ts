import diagnostics from 'node:diagnostics_channel'

/**
 * Hears a diagnostics channel until the process ends (https://nodejs.org/api/diagnostics_channel.html). The channel is held here: Bun
 * collects a channel that no code refers to, with its subscribers.
 */
export function hear<T>(name: string, listener: (message: T) => void): void {
  held.add(diagnostics.channel(name))
  diagnostics.subscribe(name, (message) => listener(message as T))
}

const held = new Set<diagnostics.Channel>()
