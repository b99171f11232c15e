import { createPublicKey, type KeyObject } from 'node:crypto'
import { restoredClaim, settingsClaim, type InstanceSpec } from '@strongroom/contract'
import { restoredFrom } from '../expected/restored.ts'

interface RsaJwk {
  kid: string
  key_ops: string[]
  kty: 'RSA'
  e: string
  n: string
}

function jwk(kid: string, use: 'sign' | 'encrypt', key: KeyObject): RsaJwk {
  const { n = '', e = '' } = key.export({ format: 'jwk' })
  return { kid, key_ops: [use], kty: 'RSA', e, n }
}

const rsaKey = (spki: Uint8Array): KeyObject => createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })

/** `vm-configuration` of Azure's paravisor (facts section 4.2). */
function configuration(spec: Pick<InstanceSpec, 'vmId' | 'security' | 'placement'>): Record<string, unknown> {
  return {
    'console-enabled': true,
    'secure-boot': spec.security.secureBoot,
    'tpm-enabled': spec.security.vTpm,
    'tpm-persisted': spec.security.encryption !== 'NonPersistedTPM',
    vmUniqueId: spec.vmId,
    ...(spec.placement !== undefined && { 'placement-epoch': spec.placement.epoch }),
  }
}

const encode = (claims: object): Uint8Array => new TextEncoder().encode(JSON.stringify(claims))

/**
 * Claims of the report that opens the guest state. The transfer key comes first, because the key service wraps to the
 * first encryption key. The TPM's keys bind this vTPM to the same report.
 */
export function releaseClaims(o: {
  spec: Pick<InstanceSpec, 'vmId' | 'security' | 'placement' | 'restore'>
  transferKey: KeyObject
  /** Absent if no vTPM runs: the paravisor opens a guest state to copy it. */
  vtpm?: { akSpki: Uint8Array; ekSpki: Uint8Array }
  /** Digest of the settings that the vTPM is bound to. */
  settings?: Uint8Array | undefined
}): Uint8Array {
  const keys = [jwk('HCLTransferKey', 'encrypt', o.transferKey), ...(o.vtpm === undefined ? [] : vtpmKeys(o.vtpm))]
  const restored = restoredFrom(o.spec)
  // Not among the vTPM's claims, because the NV index has no more room.
  const shown = {
    ...configuration(o.spec),
    ...(restored !== undefined && { [restoredClaim]: restored }),
    ...(o.settings !== undefined && { [settingsClaim]: Buffer.from(o.settings).toString('hex') }),
  }
  return encode({ keys, 'vm-configuration': shown })
}

/** Claims of a boot without a key release: the TPM's keys only. */
export function statelessClaims(o: { spec: InstanceSpec; akSpki: Uint8Array; ekSpki: Uint8Array }): Uint8Array {
  return encode({ keys: vtpmKeys(o), 'vm-configuration': configuration(o.spec) })
}

const vtpmKeys = (o: { akSpki: Uint8Array; ekSpki: Uint8Array }): RsaJwk[] => [
  jwk('HCLAkPub', 'sign', rsaKey(o.akSpki)),
  jwk('HCLEkPub', 'encrypt', rsaKey(o.ekSpki)),
]

/** Bytes of guest data that its report may contain (facts section 4.2, NV 0x01400002). */
export const userDataBytes = 64

/**
 * Claims of the report in the vTPM: the attestation key only, because an NV index of swtpm has room for one key.
 * @param o.userData the guest's own, at most 64 bytes; zeros in the report that every boot stores in the vTPM, because
 *   Microsoft's clients read the member of every token
 */
export function vtpmClaims(o: { spec: InstanceSpec; akSpki: Uint8Array; userData?: Uint8Array }): Uint8Array {
  return encode({
    keys: [jwk('HCLAkPub', 'sign', rsaKey(o.akSpki))],
    'vm-configuration': configuration(o.spec),
    'user-data': padded(o.userData ?? new Uint8Array())
      .toString('hex')
      .toUpperCase(),
  })
}

function padded(userData: Uint8Array): Buffer {
  if (userData.length > userDataBytes) throw new TypeError(`user data has at most ${userDataBytes} bytes`)
  return Buffer.concat([userData, Buffer.alloc(userDataBytes - userData.length)])
}
