/**
 * Tracks the sockets of the process from its start, for a leak check by hand: `node --import portside/register`. It exports nothing.
 *
 * @see `docs/leaks.md#by-hand`
 * @module
 */
import { trackSockets } from './tracking.js'

trackSockets()
