import { trackSockets } from './tracking.js'

// For `node --import portside/register`: tracking from the start of the process.
trackSockets()
