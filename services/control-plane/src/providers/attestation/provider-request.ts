import type { PolicySigningCertificate } from '@strongroom/contract'
import { Fields } from '../../arm/fields.ts'
import { requireLocation } from '../../arm/regions.ts'

export interface ProviderRequest {
  location: string
  tags: Record<string, string> | undefined
  /** Undefined if the request does not mention them. */
  certificates: PolicySigningCertificate[] | undefined
}

/** Reads a PUT's body. @throws ServiceError with every problem */
export function readProviderRequest(body: unknown, fallbackLocation: string): ProviderRequest {
  const fields = new Fields(body)
  const location = requireLocation(fields, fields.text('location') ?? fallbackLocation)
  const tags = fields.textMap('tags')
  const properties = fields.object('properties')
  readSettings(properties)
  const keys = properties.object('policySigningCertificates')
  const certificates = keys.present ? keys.list('keys', 100).map(readCertificate) : undefined
  fields.assertSound()
  return { location, tags, certificates }
}

/** Settings with a single supported value. Read so that other values are refused rather than ignored. */
export function readSettings(properties: Fields): void {
  refuseOther(properties, 'publicNetworkAccess', ['Enabled', 'Disabled'], 'Enabled', 'There are no private endpoints.')
  refuseOther(
    properties,
    'tpmAttestationAuthentication',
    ['Enabled', 'Disabled'],
    'Disabled',
    'TPM attestation is anonymous, like all attestation.',
  )
}

function refuseOther(fields: Fields, name: string, values: string[], offered: string, why: string): void {
  const value = fields.oneOf(name, values)
  if (value === undefined || value === offered) return
  fields.problem({
    code: 'NotOffered',
    status: 400,
    message: `${name} '${value}' is not offered. ${why}`,
    target: fields.at(name),
    expected: offered,
    found: value,
    remedy: 'Leave the property out.',
  })
}

function readCertificate(fields: Fields): PolicySigningCertificate {
  const kty = fields.text('kty') ?? ''
  const x5c = fields.texts('x5c', 10)
  if (kty === '' || x5c.length === 0)
    fields.invalid(fields.path, 'A policy signing certificate is a key of type kty with its certificates in x5c.', {
      expected: '{ "kty": "RSA", "x5c": ["…"] }',
      remedy: 'Send the certificate chain as a JWK (RFC 7517).',
    })
  return { kty, x5c }
}
