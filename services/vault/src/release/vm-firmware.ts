import {
  cpuModels,
  firmwareTags,
  firmwareUpdates,
  mostVCPUs,
  platformKeyName,
  platformVault,
  type FirmwareUpdates,
  type VmFirmware as VmFirmwareRule,
} from '@strongroom/contract'
import { findFirmware, firmwareRefusal, type FirmwareRelease, type RanFirmware } from '@strongroom/evidence/expected'
import { forUpdate, ServiceError, type Caller, type DatabaseTransaction, type Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import type { LogEntry } from '../log/entry.ts'
import type { OperationLog } from '../log/operation-log.ts'
import { whoOf } from '../log/who.ts'
import type { Tables } from '../store/migrations.ts'
import type { VmFirmwareRow } from '../store/tables.ts'
import { attestedVmId } from './attested.ts'
import type { SignedFirmwareList } from './firmware-list.ts'

type Claims = Record<string, unknown>

/** A launch to which a VM's key is released. */
export interface AdmittedFirmware {
  /** For the answer: what the decision used. */
  tags: Record<string, string>
  /** Records that the VM runs it from now on. @throws as VmFirmware.admit, after a concurrent change */
  ran(transaction: DatabaseTransaction): Promise<void>
}

/**
 * Which firmware VMs of platform keys are launched with. Their hosts do not decide it: the launch is in the token as
 * the hardware measured
 * it, and the VM's last firmware is stored here. Both keys of a VM that is being converted use one row.
 */
export class VmFirmware {
  readonly #store: Store
  readonly #list: SignedFirmwareList
  readonly #log: OperationLog

  constructor(o: { store: Store; list: SignedFirmwareList; log: OperationLog }) {
    this.#store = o.store
    this.#list = o.list
    this.#log = o.log
  }

  /**
   * Decides whether a VM's key is released to this launch.
   * @throws ServiceError 403 Forbidden (FirmwareNotListed, FirmwarePinned, FirmwareSuperseded); as
   * SignedFirmwareList.read
   */
  async admit(claims: Claims): Promise<AdmittedFirmware> {
    const vmId = attestedVmId(claims)
    const { jws, list } = await this.#list.read()
    const launch = launchOf(claims)
    const found = await findFirmware(list, { ...launch, vcpuType: cpuModels[launch.tee], vCPUs: mostVCPUs })
    const require = (row: VmFirmwareRow | undefined): FirmwareRelease => {
      const refusal = firmwareRefusal({ list, found, ...launch, updates: updatesOf(row), ran: ranOf(row) })
      if (found !== undefined && refusal === undefined) return found
      const { code: reason, ...said } = refusal!
      throw new ServiceError({ code: 'Forbidden', reason, target: 'firmware', ...said })
    }
    const row = await this.#of(this.#store.db as Kysely<Tables>, vmId).executeTakeFirst()
    require(row)
    const before = ranOf(row)
    return {
      tags: {
        [firmwareTags.list]: jws,
        [firmwareTags.updates]: updatesOf(row),
        ...(before !== undefined && { [firmwareTags.before]: JSON.stringify(before) }),
      },
      ran: async (transaction) => {
        const tx = transaction as Kysely<Tables>
        const now = await this.#lock(tx, vmId)
        const { version, securityVersion: security_version, sha256 } = require(now)
        const ran = { version, security_version, sha256: Buffer.from(sha256).toString('hex') }
        await this.#write(tx, { vm_id: vmId, updates: updatesOf(now), ...ran }, now)
      },
    }
  }

  /** The owner's setting, from the resource manager. Idempotent. */
  async set(caller: Caller, vmId: string, { updates }: VmFirmwareRule): Promise<void> {
    await this.#store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      const row = await this.#lock(tx, vmId)
      const unknown = { sha256: null, version: null, security_version: null }
      await this.#write(tx, { ...(row ?? { vm_id: vmId, ...unknown }), updates }, row)
      await this.#log.appendIn(tx, entryOf(caller, 'setFirmwareUpdates', vmId, updates))
    })
  }

  /** Removes a deleted VM's setting and its last firmware. Idempotent. */
  async forget(caller: Caller, vmId: string): Promise<void> {
    await this.#store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      const removed = await tx.deleteFrom('vm_firmware').where('vm_id', '=', vmId).executeTakeFirst()
      if (Number(removed.numDeletedRows) > 0)
        await this.#log.appendIn(tx, entryOf(caller, 'forgetFirmware', vmId, undefined))
    })
  }

  async #lock(tx: Kysely<Tables>, vmId: string): Promise<VmFirmwareRow | undefined> {
    return await forUpdate(this.#store, this.#of(tx, vmId)).executeTakeFirst()
  }

  #of(db: Kysely<Tables>, vmId: string) {
    return db.selectFrom('vm_firmware').selectAll().where('vm_id', '=', vmId)
  }

  async #write(tx: Kysely<Tables>, row: VmFirmwareRow, before: VmFirmwareRow | undefined): Promise<void> {
    // Of two concurrent first rows the second fails: nothing is overwritten unseen.
    if (before === undefined) await tx.insertInto('vm_firmware').values(row).execute()
    else {
      const { vm_id, ...change } = row
      await tx.updateTable('vm_firmware').set(change).where('vm_id', '=', vm_id).execute()
    }
  }
}

/** The hardware's measurement, from a token that satisfied a platform key's policy. */
function launchOf(claims: Claims): { tee: 'SNP' | 'TDX'; measurement: Uint8Array } {
  const [snp, tdx] = [claims['x-ms-sevsnpvm-launchmeasurement'], claims['tdx_mrtd']]
  const tee = claims['x-ms-attestation-type'] === 'tdxvm' ? 'TDX' : 'SNP'
  const measurement = tee === 'TDX' ? tdx : snp
  return { tee, measurement: Buffer.from(typeof measurement === 'string' ? measurement : '', 'hex') }
}

const updatesOf = (row: VmFirmwareRow | undefined): FirmwareUpdates =>
  firmwareUpdates.find((each) => each === row?.updates) ?? 'Listed'

function ranOf(row: VmFirmwareRow | undefined): RanFirmware | undefined {
  const { sha256 = null, version = null, security_version: securityVersion = null } = row ?? {}
  return sha256 === null || version === null || securityVersion === null
    ? undefined
    : { version, securityVersion, sha256 }
}

function entryOf(caller: Caller, operation: string, vmId: string, updates: FirmwareUpdates | undefined): LogEntry {
  const about = { vault: platformVault, keyName: platformKeyName(vmId), verdict: 'allowed' as const }
  return { ...whoOf(caller), operation, ...about, ...(updates !== undefined && { subject: updates }) }
}
