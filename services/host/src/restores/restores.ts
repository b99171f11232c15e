import type { RestoreKey, RestoreOffer } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'

/** A VM that is being restored, and what it waits for. */
export interface PendingRestore {
  offer: RestoreOffer
  /** Where the files of the backup lie once they were written, by name. */
  files: ReadonlyMap<string, string>
  /** Id under which its addresses were given out. */
  id: string
  /** Judges the written files with the key that its owner gives; throws any error, and keeps waiting. */
  complete(key: RestoreKey): Promise<void>
}

/** Restores that wait for their owner, by VM. They end with the server: it begins them again with other keys. */
export class Restores {
  readonly #pending = new Map<string, PendingRestore>()

  set(vmId: string, pending: PendingRestore): void {
    this.#pending.set(vmId, pending)
  }

  delete(vmId: string): void {
    this.#pending.delete(vmId)
  }

  /** @throws ServiceError RestoreNotAwaited */
  get(vmId: string): PendingRestore {
    const found = this.#pending.get(vmId.toUpperCase())
    if (found !== undefined) return found
    throw new ServiceError({
      code: 'RestoreNotAwaited',
      message: 'This VM does not wait for a backup.',
      target: 'vmId',
      expected: 'a VM that is being restored',
      found: vmId,
      remedy: 'Begin with strongroom vm restore, and repeat it if the server was restarted.',
    })
  }

  /** The file behind an address; undefined if it is not a restore's. */
  locate(id: string, part: string): string | undefined {
    for (const pending of this.#pending.values()) if (pending.id === id) return pending.files.get(part)
    return undefined
  }
}
