import { settingsClaim } from '@strongroom/contract'
import { forUpdate, ServiceError, type DatabaseTransaction, type Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import { shown } from '../core/errors.ts'
import type { Tables } from '../store/migrations.ts'
import { attestedMember, attestedVmId, isBoot } from './attested.ts'

type Claims = Record<string, unknown>

/**
 * The settings (account, SSH keys, data) of platform keys' VMs, as attested at each VM's first release. A host that has a VM boot with
 * others gets no key for it, whether or not it compares them itself. Both keys of a VM that is being converted use one row.
 */
export class VmSettings {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * Records the settings of a VM's first release that states any; from then on each boot has to state the same. A VM whose disk brings
   * its own states none.
   * @throws ServiceError 403 Forbidden (SettingsChanged)
   */
  async admit(transaction: DatabaseTransaction, claims: Claims): Promise<void> {
    const tx = transaction as Kysely<Tables>
    const vmId = attestedVmId(claims)
    const stated = attestedMember(claims, settingsClaim)
    const query = tx.selectFrom('vm_settings').selectAll().where('vm_id', '=', vmId)
    const row = await forUpdate(this.#store, query).executeTakeFirst()
    if (stated === undefined && (row === undefined || !isBoot(claims))) return
    if (typeof stated !== 'string' || !/^[0-9a-f]{64}$/.test(stated)) throw changed(row?.sha256, stated)
    // Of two concurrent first rows the second fails: nothing is overwritten unseen.
    if (row === undefined) await tx.insertInto('vm_settings').values({ vm_id: vmId, sha256: stated }).execute()
    else if (row.sha256 !== stated) throw changed(row.sha256, stated)
  }

  /** Of a deleted VM. Idempotent. */
  async forget(vmId: string): Promise<void> {
    await this.#store.transaction(async (tx) => {
      await (tx as Kysely<Tables>).deleteFrom('vm_settings').where('vm_id', '=', vmId).execute()
    })
  }
}

const changed = (sha256: string | undefined, stated: unknown): ServiceError =>
  new ServiceError({
    code: 'Forbidden',
    reason: 'SettingsChanged',
    message: 'The key is released only to boots with the settings (account, SSH keys, data) that its VM was made with.',
    target: `x-ms-runtime.vm-configuration.${settingsClaim}`,
    expected: sha256 ?? 'SHA-256, hexadecimal',
    found: stated === undefined ? 'no such claim' : shown(stated),
    remedy: 'Start the VM with the settings that it was made with, on a host of this release.',
  })
