import type { ImageRecord, InstanceSpec } from '@strongroom/contract'
import { equal, toHex } from '@strongroom/evidence'
import {
  parseVariableStore,
  predictPcr7,
  secureBootState,
  variablesOfState,
  type BootRegisters,
} from '@strongroom/evidence/expected'
import type { Logger } from '@strongroom/platform'
import { authorityOf, dbCertificates, expectedPcrs, initrdReadsUnderFirmware } from '../expected/boot-files.ts'
import { admitBoots, type Content } from '../tpm/disk-key.ts'
import type { TpmDirectory } from '../tpm/tpm-directory.ts'
import type { GuestState } from '../vmgs/guest-state.ts'
import { judgeUpdates, type AdmittedUpdate } from './judge-updates.ts'
import { settleVariables } from '../variables/settle-variables.ts'
import { decodeVariableRecord, encodeVariableRecord, type VariableRecord } from '../variables/variable-record.ts'

interface AdmitRequest {
  o: { spec: InstanceSpec; image: ImageRecord; logger: Logger; now(): Date }
  state: GuestState
  tpmState: TpmDirectory
  /** Flash of the VM's UEFI variables. */
  flash: Uint8Array
  /** PCR 0 and PCR 1 of the boot. */
  firmware: Uint8Array
  machine: Uint8Array
}

/** Secure Boot variables of a boot, and the PCR 7 of those that the VM was created with and of those of now. */
export interface BootVariables {
  record: VariableRecord
  base: { 7: Uint8Array }
  now: { 7: Uint8Array }
}

/** What the disk's key may be read by at the boot that is about to start. */
export interface Admitted {
  /** That the boot starts with. */
  flash: Uint8Array
  updates: AdmittedUpdate[]
  /** See OpenedGuest. */
  opensFor: Record<string, string>[]
  /** Secure Boot variables of the boot; absent where the VM takes no updates of them. */
  variables?: BootVariables
  notices: string[]
}

/** Lets this machine's boots, and the updates that count, read the disk's key. Settles the Secure Boot variables before. */
export async function admitGuest(i: AdmitRequest): Promise<Admitted> {
  const { o, firmware, machine } = i
  let updates: AdmittedUpdate[] = []
  let settled: Settled = { flash: i.flash, notices: [] }
  const boots = await admitBoots({
    directory: i.tpmState,
    machine,
    firmware: (await initrdReadsUnderFirmware(o.image)) ? firmware : undefined,
    settle: async (bound) => {
      if (!o.spec.security.secureBoot) return undefined
      settled = await settle(i, bound)
      return settled.variables?.now[7]
    },
    judge: async (found) => {
      const variables = settled.flash
      const judged = await judgeUpdates(found, {
        certificates: await dbCertificates(o.image),
        predict: async (update) => await expectedPcrs({ image: o.image, variables, firmware, machine, update }),
        logger: o.logger,
      })
      updates = judged.updates
      return judged.admitted
    },
  })
  for (const notice of settled.notices) o.logger.warn({ vmId: o.spec.vmId }, notice)
  return { updates, opensFor: boots.map(inHex), ...settled }
}

type Settled = Pick<Admitted, 'flash' | 'variables' | 'notices'>

async function settle({ o, state, flash }: AdmitRequest, bound: Content): Promise<Settled> {
  const kept = state.variableRecord()
  const before = kept === undefined ? await firstRecord(o.image, flash) : decodeVariableRecord(kept)
  // What the key was made for is what all updates begin with.
  const begins = before && (await registerOf(before.base, before.authority))
  if (before === undefined || begins === undefined || !equal(begins, bound.image[7])) return { flash, notices: [] }
  const settled = await settleVariables({
    record: before,
    flash,
    volumeKey: bound.key.volumeKey,
    owner: (o.spec.secureBootUpdates ?? []).map(({ variable, update }) => ({
      variable,
      signed: Uint8Array.from(Buffer.from(update, 'base64')),
    })),
    at: o.now(),
  })
  const record = kept === undefined || settled.recordChanged ? encodeVariableRecord(settled.record) : undefined
  const changed = settled.flash === flash ? undefined : settled.flash
  await state.save({ ...(changed && { variables: changed }), ...(record && { variableRecord: record }) })
  const now = await registerOf(settled.record.now, settled.record.authority)
  const variables = { record: settled.record, base: { 7: begins }, now: { 7: now } }
  return { flash: settled.flash, variables, notices: settled.notices }
}

/** Of a VM whose variables nobody has taken down yet: those in its store, where they are those that its key was made for. */
async function firstRecord(image: ImageRecord, flash: Uint8Array): Promise<VariableRecord | undefined> {
  const found = parseVariableStore(flash)
  const authority = await authorityOf(image, found)
  const base = secureBootState(found)
  return authority && { base, authority, updates: [], now: base }
}

/** PCR 7 of boots with these variables. */
export const registerOf = async (state: VariableRecord['base'], authority: Uint8Array): Promise<Uint8Array> =>
  await predictPcr7({ variables: variablesOfState(state), authority })

export const inHex = (registers: Partial<BootRegisters>): Record<string, string> =>
  Object.fromEntries(Object.entries(registers).map(([index, value]) => [index, toHex(value)]))
