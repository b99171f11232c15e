import type { KeyObject } from 'node:crypto'
import type { ImageRecord, InstanceSpec } from '@strongroom/contract'
import { equal, toHex } from '@strongroom/evidence'
import { ServiceError } from '@strongroom/platform'
import { expectedPcrs } from '../expected/boot-files.ts'
import { GuestState } from '../vmgs/guest-state.ts'
import { reportGeneration } from '../release/release.ts'
import { unseal, type ParavisorServices, type Unsealed } from './unseal.ts'

const nothing = new Uint8Array()

/** A VM as launched on one side of a conversion. */
export interface ConversionSide {
  spec: InstanceSpec
  vCPUs: number
  /** Container of the guest state. */
  guestStatePath: string
}

export interface ConvertRequest extends ParavisorServices {
  from: ConversionSide
  /** Its guest state is written, replacing an existing one. */
  to: ConversionSide
  /** Public half of the VM's key for the other technology. */
  wrappingKey: KeyObject
  firmware: Uint8Array
  image: ImageRecord
  /** SHA-256 PCRs that the OS disk's key is sealed to, by register; absent without encryption. */
  sealedTo: Record<string, string> | undefined
  step(name: string): void
  signal: AbortSignal
}

/**
 * Creates the guest state of a VM that moves to the other technology, beside the existing one: opened under the old
 * technology as for a boot, wrapped for the new one under a fresh data key, and opened again with the new evidence
 * before anybody relies on it. The vTPM and the UEFI variables in it are unchanged, so what is sealed to this vTPM
 * still opens: a boot's registers (including 4, 7 and 11) measure firmware, variables and boot image, but not the
 * processor. The old guest state is not changed.
 * @returns a function that makes copies of the old guest state worthless, to be called once the new one counts
 * @throws ServiceError AttestationRefused, KeyReleaseRefused, GuestState…, DiskSealWouldNotOpen
 */
export async function convertGuest(o: ConvertRequest): Promise<{ retireOld: () => Promise<void> }> {
  const old = await openFor(o, o.from)
  let kept: {
    tpm: Uint8Array
    variables: Uint8Array
    variableRecord: Uint8Array | undefined
    generation: number
    restored: GuestState['restored']
  }
  try {
    kept = {
      tpm: old.state.tpm(),
      variables: old.state.variables(),
      variableRecord: old.state.variableRecord(),
      generation: old.state.generation + 1,
      restored: old.state.restored,
    }
  } finally {
    await old.state.close()
  }
  await requireSameSeal(o, kept.variables)
  o.step('Wrap guest state for the other technology')
  const { vmId } = o.to.spec
  const { customer } = old
  await GuestState.create({ path: o.to.guestStatePath, vmId, wrappingKey: o.wrappingKey, customer, ...kept })
  o.signal.throwIfAborted()
  const made = await openFor(o, o.to)
  try {
    const whole =
      equal(made.state.tpm(), kept.tpm) &&
      equal(made.state.variables(), kept.variables) &&
      equal(made.state.variableRecord() ?? nothing, kept.variableRecord ?? nothing) &&
      made.state.generation === kept.generation
    if (!whole) throw new TypeError('the guest state read back differs from the one written')
    await reportGeneration({ ...made.access, generation: kept.generation })
  } finally {
    await made.state.close()
  }
  return { retireOld: async () => await reportGeneration({ ...old.access, generation: kept.generation }) }
}

/** No vTPM runs, so that the claims name none: a repeated conversion counts the generation that the first one did. */
const openFor = async (o: ConvertRequest, side: ConversionSide): Promise<Unsealed> =>
  await unseal({ ...o, ...side, step: (name) => o.step(`${name} (${side.spec.tee})`) })

/** The registers predicted for the next boot are those that the disk's key is sealed to, so it need not be sealed again. */
async function requireSameSeal(o: ConvertRequest, variables: Uint8Array): Promise<void> {
  if (o.sealedTo === undefined) return
  const { atUnlock } = await expectedPcrs({ image: o.image, variables })
  const predicted = Object.fromEntries(Object.entries(atUnlock).map(([index, value]) => [index, toHex(value)]))
  // Which machine may read the key is determined at each boot.
  const { 1: _machine, ...sealedTo } = o.sealedTo
  const differing = Object.entries(sealedTo).filter(([index, value]) => predicted[index] !== value)
  if (differing.length === 0) return
  throw new ServiceError({
    code: 'DiskSealWouldNotOpen',
    message:
      "The VM's disk would not unlock after the conversion: " +
      `${differing.map(([index]) => `PCR ${index}`).join(' and ')} will differ from the values it is sealed to.`,
    target: 'osDisk',
    expected: differing.map(([index, value]) => `PCR ${index} = ${value}`).join(', '),
    found: differing.map(([index]) => `PCR ${index} = ${predicted[index] ?? 'not predicted'}`).join(', '),
    remedy: 'Start the VM unconverted and undo the change to its Secure Boot variables, then convert it.',
  })
}
