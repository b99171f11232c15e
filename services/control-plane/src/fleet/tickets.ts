import { createHmac, type KeyObject } from 'node:crypto'
import type { KeyPlacement } from '../host/host.ts'
import type { Placement } from './placements.ts'

/** What shows the vault that a VM was given to who asks for its key; recreated wherever it is needed, and kept nowhere. */
export class Tickets {
  readonly #key: KeyObject

  /** @param key of the installation, for this alone */
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
