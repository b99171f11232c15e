import type { KeyObject } from 'node:crypto'
import type { BootEvidence, InstanceSpec } from '@strongroom/contract'
import type { AttestationVerifier, InstallationAuthority, Logger, TokenSource, WireClient } from '@strongroom/platform'
import type { Silicon } from '@strongroom/silicon'
import type { TpmIdentity } from '../tpm/manufacture.ts'
import { GuestState } from '../vmgs/guest-state.ts'
import { attest } from '../release/attest.ts'
import { releaseClaims } from '../release/claims.ts'
import { boundKey, releaseCustomerKey, type CustomerRelease } from '../release/customer-key.ts'
import { releaseKey, reportGeneration, type KeyServiceAccess, type Release } from '../release/release.ts'
import { settingsDigest } from '../expected/settings.ts'
import { launchOnSilicon, type HardwareReport, type LaunchedVm } from '../release/silicon.ts'
import { keyOfGuestState } from '../release/wrapping-key.ts'
import { makeTransferKey, type TransferKey } from '../release/transfer-key.ts'

export interface ParavisorServices {
  silicon: Silicon
  wire: WireClient
  tokens: TokenSource
  authority: InstallationAuthority
  tenantId: string
  now(): Date
  logger: Logger
  /** Attestation providers of other origins that the operator named. */
  verifiers?: readonly AttestationVerifier[]
  /** Where guest states are; default: files of this machine. */
  disks?: { writeState?(vmId: string, bytes: Uint8Array): Promise<void> }
}

/** Whose guest state is opened. */
type UnsealSpec = Pick<
  InstanceSpec,
  | 'vmId'
  | 'tee'
  | 'security'
  | 'guestStateKey'
  | 'attestationProvider'
  | 'customerKey'
  | 'placement'
  | 'restore'
  | 'settings'
> &
  Partial<Pick<InstanceSpec, 'osProfile'>>

export interface UnsealRequest extends ParavisorServices {
  spec: UnsealSpec
  /** Container of the guest state. */
  guestStatePath: string
  firmware: Uint8Array
  vCPUs: number
  /** Absent if no vTPM runs: a guest state is opened to be copied. */
  identity?: Pick<TpmIdentity, 'akSpki' | 'ekSpki'>
  /** Called as each step starts. */
  step(name: string): void
  signal: AbortSignal
}

export interface Unsealed {
  state: GuestState
  launched: LaunchedVm
  claims: Uint8Array
  report: HardwareReport
  attestation: BootEvidence['attestation']
  transferKey: TransferKey
  access: KeyServiceAccess
  release: Release
  /** Present if the VM has a disk-encryption set. */
  customer: CustomerRelease | undefined
}

/**
 * Launch measurement → report over the claims → token → keys → guest state, opened unchanged. The customer's key is
 * released on the same token as the platform's, by the customer's vault under its own policy.
 */
export async function unseal(o: UnsealRequest): Promise<Unsealed> {
  o.step('Launch on silicon')
  const launched = await launchOnSilicon(o)

  o.step('Attest')
  const transferKey = await makeTransferKey()
  const claims = releaseClaims({
    spec: o.spec,
    transferKey: transferKey.publicKey,
    // Of boots: where no vTPM runs, no guest applies any.
    ...(o.identity && { vtpm: o.identity, settings: settingsDigest(o.spec, o.authority.caPem) }),
  })
  const report = await launched.report(claims)
  const attestation = await attest({
    wire: o.wire,
    tokens: o.tokens,
    verifiers: o.verifiers,
    provider: o.spec.attestationProvider,
    report,
    claims,
  })
  o.signal.throwIfAborted()

  o.step('Release key')
  const { placement } = o.spec
  const keyId = keyOfGuestState(o.spec)
  const access = { wire: o.wire, tokens: o.tokens, keyId, target: attestation.token, ...(placement && { placement }) }
  const release = await releaseKey({ ...access, caPem: o.authority.caPem, transferKey, at: o.now() })
  o.signal.throwIfAborted()

  const { customerKey } = o.spec
  let customer: CustomerRelease | undefined
  if (customerKey !== undefined) {
    o.step('Release customer key')
    const bound = await boundKey(o.guestStatePath, customerKey)
    customer = await releaseTo({ ...o, attestation, transferKey }, bound)
    o.signal.throwIfAborted()
  }

  o.step('Open guest state')
  const { disks } = o
  const state = await GuestState.open({
    path: o.guestStatePath,
    vmId: o.spec.vmId,
    releasedKey: release.key,
    customer,
    counter: release.counter,
    mirror: disks?.writeState && (async (bytes) => await disks.writeState?.(o.spec.vmId, bytes)),
  })
  return { state, launched, claims, report, attestation, transferKey, access, release, customer }
}

async function releaseTo(
  o: UnsealRequest & Pick<Unsealed, 'attestation' | 'transferKey'>,
  keyId: string,
): Promise<CustomerRelease> {
  const { customerKey } = o.spec
  if (customerKey === undefined) throw new TypeError('the VM has no disk-encryption set')
  return await releaseCustomerKey({
    ...o,
    customerKey,
    keyId,
    target: o.attestation.token,
    caPem: o.authority.caPem,
    at: o.now(),
  })
}

/** Fresh data key and next generation go to disk first, then to the key service: after a crash in between, the disk is ahead. */
export async function advanceState(
  o: { state: GuestState; access: KeyServiceAccess },
  releasedKey: KeyObject,
  customer: CustomerRelease | undefined,
): Promise<void> {
  await o.state.advance(releasedKey, customer)
  await reportGeneration({ ...o.access, generation: o.state.generation })
}

/**
 * Rewraps a stopped VM's guest state under the first of its set's keys: attested like a boot, without one. The new key
 * is released to the VM before it is used: a key whose policy refuses this VM is rejected. One commit changes the key,
 * so after an interruption the guest state is under one or the other. Idempotent.
 * @returns identifier of the key it is under
 */
export async function rewrap(o: UnsealRequest): Promise<string> {
  const { customerKey } = o.spec
  const keyId = customerKey?.keyIds[0]
  if (customerKey === undefined || keyId === undefined) throw new TypeError('the VM has no disk-encryption set')
  if ((await boundKey(o.guestStatePath, customerKey)) === keyId) return keyId
  const unsealed = await unseal(o)
  try {
    o.step('Release new customer key')
    const next = await releaseTo({ ...o, ...unsealed }, keyId)
    o.signal.throwIfAborted()
    o.step('Rewrap guest state')
    await advanceState(unsealed, unsealed.release.key, next)
    return keyId
  } finally {
    await unsealed.state.close()
  }
}
