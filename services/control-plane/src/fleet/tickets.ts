import { createHmac, type KeyObject } from 'node:crypto'
import type { KeyPlacement } from '../host/host.ts'
import type { Placement } from './placements.ts'

/** Proves to the vault that a VM was given to the requester of its key; derived when needed, and never stored. */
export class Tickets {
  readonly #key: KeyObject

  /** @param key of the installation, for this purpose only */
  constructor(key: KeyObject) {
    this.#key = key
  }

  /** Undefined for a VM without a host. */
  of({ vm_id, epoch, host }: Placement): KeyPlacement | undefined {
    if (host === null) return undefined
    const ticket = createHmac('sha256', this.#key)
      .update(JSON.stringify([vm_id, epoch, host]))
      .digest('base64url')
    return { epoch, ticket }
  }
}
