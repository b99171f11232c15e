import { attestationManagementAudience } from '../../names/names.ts'
import { anyText, object } from '../../shape/index.ts'
import type { Wire } from '../elements/wire.ts'
import { attestationProviderDefinition, attestationProviderMove, attestationProviderRecord } from './providers.ts'

const one = '/providers/:region/:name'

/** On which the resource manager creates, moves and deletes attestation providers. */
export const attestationManagementWire: Wire = {
  name: 'attestation-management',
  version: '1',
  title: 'Attestation management',
  about:
    'The resource manager informs the attestation service about the existing providers. Only its principal may ' +
    'call, with ?api-version=2025-06-01. Names are compared without case and kept in lower case.',
  server: attestationManagementAudience,
  security: 'bearer',
  operations: [
    {
      method: 'PUT',
      path: one,
      summary: 'Creates a provider; idempotent for one resource',
      body: attestationProviderDefinition,
      status: 'made',
      answer: attestationProviderRecord,
      errors: ['InvalidParameter', 'NameNotAvailable'],
    },
    {
      method: 'GET',
      path: one,
      summary: 'One provider',
      status: 200,
      answer: attestationProviderRecord,
      errors: ['ProviderNotFound'],
    },
    {
      method: 'DELETE',
      path: one,
      summary: 'Deletes it with its policies, certificates and keys; idempotent',
      status: 204,
    },
    {
      method: 'POST',
      path: `${one}/move`,
      summary: 'Changes the id of its resource; idempotent',
      body: attestationProviderMove,
      status: 200,
      answer: attestationProviderRecord,
      errors: ['InvalidParameter', 'ProviderNotFound'],
    },
    {
      method: 'POST',
      path: `${one}/rotateKey`,
      summary: 'Signs with a new key from now on; earlier ones stay in /certs while their tokens are valid',
      status: 200,
      answer: object({ kid: anyText }),
      errors: ['ProviderNotFound'],
    },
  ],
}
