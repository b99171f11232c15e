import { serviceClaims, type AttestedEvidence } from '../evidence/attested.ts'
import { invalidParameter } from '../core/errors.ts'

/** Profile of the result: draft-ietf-rats-ear-04, section 3. */
export const earProfile = 'tag:ietf.org,2026:rats/ear#04'
/** Media type of an EAT as a JWT (RFC 9782). */
export const earMediaType = 'application/eat+jwt'

/** Tiers of AR4SI (draft-ietf-rats-ar4si, section 3.2), best first, each with its lowest value. */
const tiers = [
  { name: 'affirming', from: 2 },
  { name: 'warning', from: 32 },
  { name: 'contraindicated', from: 96 },
] as const
type Tier = (typeof tiers)[number]['name'] | 'none'

/** Trustworthiness vector of AR4SI, section 3.1; claims that are not appraised are absent. */
type Vector = Partial<
  Record<'instance-identity' | 'configuration' | 'executables' | 'hardware' | 'runtime-opaque', number>
>

/** Values of the vector used here, by AR4SI names. */
const value = {
  trustworthyInstance: 2,
  approvedConfiguration: 2,
  unsafeConfiguration: 32,
  approvedBoot: 3,
  unrecognizedRuntime: 33,
  genuineHardware: 2,
  unsafeHardware: 32,
  encryptedMemory: 2,
} as const

/**
 * Claims of an EAT attestation result for evidence that the policy permitted. Same facts as the other token: each
 * attester's claims, and a vector of why it is trusted or what is wrong with it.
 * @throws ServiceError InvalidParameter for a nonce that no EAT can contain
 */
export function earClaims(o: {
  evidence: AttestedEvidence
  policyHash: string
  /** What the policy issued. */
  issued: Record<string, unknown>
  issuer: string
  nonce: string | undefined
}): Record<string, unknown> {
  const { evidence } = o
  const parts = [evidence, ...(evidence.isolation === undefined ? [] : [evidence.isolation])]
  const submods = Object.fromEntries(
    parts.map((part, index) => [part.attestationType, appraisal(part, o, index === 0 ? o.issued : {})]),
  )
  return {
    eat_profile: earProfile,
    ear_verifier_id: { developer: o.issuer, build: 'strongroom' },
    ear_status: worst(Object.values(submods).map(({ ear_status }) => ear_status)),
    ...(o.nonce === undefined ? {} : { eat_nonce: eatNonce(o.nonce) }),
    submods,
  }
}

/** Whether a client requests this form of result. */
export function wantsEar(accept: string | undefined): boolean {
  return (accept ?? '').split(',').some((range) => range.trim().split(';')[0]?.trim().toLowerCase() === earMediaType)
}

interface Appraisal {
  ear_status: Tier
  ear_trustworthiness_vector: Vector
  ear_appraisal_policy_ids: string[]
  ear_attester_claims: Record<string, unknown>
  ear_verifier_claims: Record<string, unknown>
}

function appraisal(part: AttestedEvidence, o: { policyHash: string }, issued: Record<string, unknown>): Appraisal {
  const vector = vectorOf(part)
  const { 'x-ms-isolation-tee': _nested, ...claims } = serviceClaims(part)
  return {
    ear_status: worst(Object.values(vector).map((one) => tierOf(one))),
    ear_trustworthiness_vector: vector,
    ear_appraisal_policy_ids: [`policy:${o.policyHash}`],
    ear_attester_claims: claims,
    ear_verifier_claims: {
      ...issued,
      ...(part.shortcomings.length === 0 ? {} : { shortcomings: part.shortcomings.map(({ message }) => message) }),
      ...(part.simulated ? { 'x-strongroom-simulated': true } : {}),
    },
  }
}

function vectorOf(part: AttestedEvidence): Vector {
  if (part.type === 'AzureGuest' || part.type === 'Tpm') return tpmVector(part.claims)
  const wrong = (paths: RegExp): boolean => part.shortcomings.some(({ path }) => paths.test(path))
  const hardware = /tcb|revocation|platformInfo|provisional/i
  const executables = /measurement|mrtd|mrseam/i
  const identity = /^x-ms-runtime/
  const rest = part.shortcomings.some(
    ({ path }) => ![hardware, executables, identity].some((known) => known.test(path)),
  )
  return {
    ...(wrong(identity) ? {} : { 'instance-identity': value.trustworthyInstance }),
    configuration:
      rest || part.byNameOnly.some(({ claim }) => !hardware.test(claim))
        ? value.unsafeConfiguration
        : value.approvedConfiguration,
    executables: wrong(executables) ? value.unrecognizedRuntime : value.approvedBoot,
    hardware: wrong(hardware) ? value.unsafeHardware : value.genuineHardware,
    'runtime-opaque': value.encryptedMemory,
  }
}

/** A TPM identifies its machine and what was booted. Without support in the log, the vector is silent on it. */
function tpmVector(claims: Record<string, unknown>): Vector {
  const secureBoot = claims['secureboot'] ?? claims['secureBootEnabled']
  return {
    'instance-identity': value.trustworthyInstance,
    ...(secureBoot === undefined
      ? {}
      : { executables: secureBoot === true ? value.approvedBoot : value.unrecognizedRuntime }),
  }
}

function tierOf(one: number): Tier {
  return tiers.findLast(({ from }) => one >= from)?.name ?? 'none'
}

function worst(found: Tier[]): Tier {
  return tiers.findLast(({ name }) => found.includes(name))?.name ?? 'none'
}

/** RFC 9711, section 4.1: 8 to 88 characters in JSON. */
function eatNonce(nonce: string): string {
  if (nonce.length >= 8 && nonce.length <= 88) return nonce
  throw invalidParameter({
    target: 'nonce',
    message: 'An EAT attestation result cannot carry this nonce.',
    expected: '8 to 88 characters',
    found: `${nonce.length} characters`,
    remedy: 'Send a nonce of that length, or ask for the other form of token.',
  })
}
