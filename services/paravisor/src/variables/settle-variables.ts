import { createHash } from 'node:crypto'
import { equal } from '@strongroom/evidence'
import {
  efiVendor,
  parseVariableStore,
  secureBootEnabled,
  secureBootState,
  secureBootVariableNames,
  variablesOfState,
  variableVendor,
  type EfiVariable,
} from '@strongroom/evidence/expected'
import { flashOf } from '../firmware/uefi-variables.ts'
import { isOurs, stateVariable } from './variable-consent.ts'
import { judgeVariables, type OwnerUpdate } from './judge-variables.ts'
import type { VariableRecord } from './variable-record.ts'

/** Vendor of the variable by which a setup screen suspends the checks of signatures (EDK II, CustomMode). */
const customMode = 'c076ec0c-7028-4399-a072-71ee5c448b9f'

/** The Secure Boot variables of the boot that is about to start. */
export interface SettledVariables {
  record: VariableRecord
  /** True where there was an update. */
  recordChanged: boolean
  /** Flash that the firmware starts with. */
  flash: Uint8Array
  notices: string[]
}

/**
 * Settles before power-on what the firmware finds: the recorded variables after the updates that count, whatever the store held. Everything
 * else in the store is the guest's and stays, but what it said to the paravisor, which was heard.
 * @param o.flash content of the VM's store
 */
export async function settleVariables(o: {
  record: VariableRecord
  flash: Uint8Array
  volumeKey: Uint8Array
  owner: readonly OwnerUpdate[]
  at: Date
}): Promise<SettledVariables> {
  const found = parseVariableStore(o.flash)
  const { record, notices } = await judgeVariables({ ...o, found })
  const recordChanged = record.updates.length > o.record.updates.length
  const flash = isSettled(found, record) ? o.flash : await settledFlash(found, record)
  return { record, recordChanged, flash, notices }
}

const settledState = ({ now, updates }: VariableRecord): EfiVariable =>
  stateVariable({
    sequence: updates.length,
    dbxSha256: createHash('sha256').update(now.dbx.data).digest('hex'),
  })

/** Whether the firmware finds what is recorded, and the guest what it reads of it. */
function isSettled(found: readonly EfiVariable[], record: VariableRecord): boolean {
  const state = secureBootState(found)
  const [own, second] = found.filter(isOurs)
  return (
    secureBootVariableNames.every((name) => equal(state[name].data, record.now[name].data)) &&
    own !== undefined &&
    second === undefined &&
    equal(own.data, settledState(record).data) &&
    secureBootEnabled([...found]) &&
    !found.some(suspendsChecks)
  )
}

/** Of dbt and dbr no VM has any: PCR 7 would move. */
const suspendsChecks = ({ name, vendor, data }: EfiVariable): boolean =>
  (vendor === customMode && data[0] !== 0) || ((name === 'dbt' || name === 'dbr') && vendor === efiVendor.imageSecurity)

async function settledFlash(found: readonly EfiVariable[], record: VariableRecord): Promise<Buffer> {
  const isSecureBoot = ({ name, vendor }: EfiVariable): boolean =>
    secureBootVariableNames.some((each) => each === name && variableVendor(each) === vendor)
  const kept = found.filter(
    (each) =>
      !isSecureBoot(each) && !isOurs(each) && !suspendsChecks(each) && each.vendor !== efiVendor.secureBootEnable,
  )
  const enable = found.find(({ vendor }) => vendor === efiVendor.secureBootEnable)
  const enabled = enable === undefined ? [] : [{ ...enable, data: Uint8Array.of(1) }]
  return await flashOf([...variablesOfState(record.now), ...enabled, ...kept, settledState(record)])
}
