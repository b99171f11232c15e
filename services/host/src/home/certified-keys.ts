import { createHash, createPublicKey } from 'node:crypto'
import type { CarriedKey } from '@strongroom/contract'
import { RateLimit, ServiceError, type InstallationAuthority } from '@strongroom/platform'
import { certifyAttestationKey, certifyEndorsementKey, hoursAtEpoch } from '@strongroom/paravisor/tpm'

/**
 * Keys of one kind of a VM while a certificate lasts. A VM that keeps its vTPM has one; one that does not has another
 * with each restart.
 */
const mostKeys = 64

/** Certifies the keys of vTPMs on joined hosts: for one epoch, for hours, and few at a time. */
export class CertifiedKeys {
  readonly #authority: InstallationAuthority
  /** By VM and kind: epoch and SHA-256 of the last one. A restart of the server forgets it. */
  readonly #latest = new Map<string, string>()
  readonly #limit = new RateLimit({ windowMs: hoursAtEpoch * 3_600_000 })

  constructor(authority: InstallationAuthority) {
    this.#authority = authority
  }

  /** @returns PEM. @throws ServiceError InvalidRequestContent, TooManyKeys */
  async certify(ask: CarriedKey): Promise<string> {
    const spki = rsaKey(ask.publicKey)
    this.#count(ask, createHash('sha256').update(spki).digest('hex'))
    const { vmId, epoch } = ask
    const key = { authority: this.#authority, vmId, spki, epoch }
    return await (ask.usage === 'attestationKey' ? certifyAttestationKey(key) : certifyEndorsementKey(key))
  }

  /** The same key again is a renewal. */
  #count({ vmId, epoch, usage }: CarriedKey, digest: string): void {
    const [of, latest] = [`${vmId} ${usage}`, `${epoch} ${digest}`]
    if (this.#latest.get(of) === latest) return
    const excess = this.#limit.take(of, mostKeys)
    if (excess !== undefined) throw tooMany(excess.retryAfter)
    this.#latest.set(of, latest)
  }
}

/** A vTPM's, encoded again so that one key has one digest. */
function rsaKey(publicKey: string): Uint8Array {
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' })
    if (key.asymmetricKeyType === 'rsa') return Uint8Array.from(key.export({ format: 'der', type: 'spki' }))
  } catch {
    // Reported below.
  }
  throw new ServiceError({
    code: 'InvalidRequestContent',
    message: 'The key of the vTPM cannot be certified.',
    target: 'publicKey',
    expected: 'SubjectPublicKeyInfo of an RSA key, DER, base64',
    found: 'another key, or none',
  })
}

const tooMany = (retryAfter: number): ServiceError =>
  new ServiceError({
    code: 'TooManyKeys',
    message: 'No further key of this virtual machine is certified now.',
    expected: `at most ${mostKeys} keys of one kind in ${hoursAtEpoch} hours`,
    found: 'one more',
    headers: { 'retry-after': String(retryAfter) },
  })
