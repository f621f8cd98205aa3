import { trackSockets } from './tracking.js'

// For `node --import portside/register`: tracking begins with the process.
trackSockets()
