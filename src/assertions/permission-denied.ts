import { type AssertOutcome, assertionOf, type Outcome } from './outcome.js'

export const permissionDenied: Outcome = {
  name: 'a denied permission (EACCES, EPERM)',
  phase: 'bind',
  is: ({ code }) => code === 'EACCES' || code === 'EPERM',
  next: 'use a port that this process may not bind: privilegedEndpoint()',
}

/**
 * Asserts that the action fails because this host forbids it: EACCES for a privileged port (ip(7)), a prohibited route or the
 * mode of a socket's file, EPERM for a firewall. That it is policy and not somebody else's socket is what tells it from
 * `assertAddressInUse()`.
 */
export const assertPermissionDenied: AssertOutcome = assertionOf(permissionDenied)
