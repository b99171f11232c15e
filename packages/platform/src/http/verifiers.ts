import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  attestationRegionCodes,
  domain,
  parseVerifiers,
  sharedAttestationHost,
  verifiersFile,
  VerifiersInvalid,
  type VerifierSettings,
} from '@strongroom/contract'
import { ServiceError } from '../errors/errors.ts'

/** An attestation provider of another origin, as the operator allowed it. */
export interface AttestationVerifier extends VerifierSettings {
  /** PEM of the authorities of its TLS certificate; default: the system's. */
  authorityPem?: string
}

/**
 * STATE/attestation-verifiers.json; empty without the file.
 * @throws ServiceError AttestationVerifiersInvalid
 */
export async function readVerifiers(stateDir: string): Promise<AttestationVerifier[]> {
  const path = join(stateDir, verifiersFile)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  try {
    return await Promise.all(parseVerifiers(text).map(withAuthority))
  } catch (cause) {
    if (!(cause instanceof VerifiersInvalid)) throw cause
    throw new ServiceError({
      code: 'AttestationVerifiersInvalid',
      message: `${path} does not name attestation providers of other origins: ${cause.message}`,
      target: verifiersFile,
      expected: cause.expected,
      found: cause.found,
      remedy:
        'Correct the file as described in docs/explanation/trust-report.md, or remove it; then start the server again.',
      cause,
    })
  }
}

/** The verifier whose tokens have this issuer. */
export function findVerifier(
  verifiers: readonly AttestationVerifier[] | undefined,
  issuer: string,
): AttestationVerifier | undefined {
  return verifiers?.find((verifier) => verifier.issuer === issuer)
}

async function withAuthority(settings: VerifierSettings): Promise<AttestationVerifier> {
  const { name, issuer, authority } = settings
  const host = new URL(issuer).hostname
  // Under our own domain only a provider's name may lead elsewhere, and never the installation's fixed ones.
  const ours = host === domain || host.endsWith(`.${domain}`)
  if (ours && (!host.endsWith(`.attest.${domain}`) || attestationRegionCodes.map(sharedAttestationHost).includes(host)))
    throw new VerifiersInvalid({ place: `${name}.issuer`, expected: 'no service of this installation', found: issuer })
  if (ours && settings.connect === undefined)
    throw new VerifiersInvalid({ place: `${name}.connect`, expected: `where ${host} is reached`, found: undefined })
  if (authority === undefined) return settings
  try {
    const authorityPem = await readFile(authority, 'utf8')
    if (authorityPem.includes('-----BEGIN CERTIFICATE-----')) return { ...settings, authorityPem }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === undefined) throw cause
  }
  throw new VerifiersInvalid({ place: `${name}.authority`, expected: 'a readable PEM file', found: authority })
}
