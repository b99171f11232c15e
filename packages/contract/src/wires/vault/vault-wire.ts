import { anyText, count, integer, named, object, optional, text, type TypeOf } from '../../shape/index.ts'
import { quoteChallenge } from '../guest/fresh-quote.ts'
import type { Wire } from '../elements/wire.ts'

/** `target`: a token of an attestation provider named by the key's release policy. */
export const guestStateGenerationRequest = named(
  'GuestStateGenerationRequest',
  object({
    target: anyText,
    generation: count,
    /** For a VM carried by a fleet: its epoch, and the requesting host's ticket. */
    placement: optional(object({ epoch: count, ticket: anyText })),
  }),
)
export type GuestStateGenerationRequest = TypeOf<typeof guestStateGenerationRequest>
const guestStateGeneration = named('GuestStateGeneration', object({ generation: count }))
export type GuestStateGeneration = TypeOf<typeof guestStateGeneration>

/**
 * Compact JWS of `{ latestLaunch }` (LatestLaunch), by the key that signs releases.
 */
const signedLatestLaunch = named('SignedLatestLaunch', object({ value: anyText }))
export type SignedLatestLaunch = TypeOf<typeof signedLatestLaunch>

export const keyPlacementRequest = named(
  'KeyPlacementRequest',
  object({
    /** One above the last, or the last again. */
    epoch: integer(1, Number.MAX_SAFE_INTEGER),
    ticketSha256: text(/^[0-9a-f]{64}$/, 'SHA-256 of the ticket, hexadecimal'),
  }),
)
const keyPlacement = named('KeyPlacement', object({ epoch: count }))

/** Additions of vaults and managed HSMs to Key Vault's wire. */
export const vaultWire: Wire = {
  name: 'vault',
  version: '1',
  title: 'Operations log and guest states',
  about:
    'In addition to Key Vault’s wire, at every vault and managed HSM: its operations log as C2SP tlog-tiles ' +
    '(docs/explanation/vault.md), and the counter that prevents older guest states from being used.',
  server: 'https://{vault}.vault.strongroom.internal',
  security: 'bearer',
  owns: /^\w+ \/(operationlog|.*\/(guest-state-generation|latest-launch|placement)$)/,
  operations: [
    {
      method: 'GET',
      path: '/operationlog/checkpoint',
      summary: 'The signed head of the log',
      status: 200,
      answer: anyText,
      answerType: 'text/plain',
    },
    {
      method: 'GET',
      path: '/operationlog/key',
      summary: 'The key that signs the log',
      status: 200,
      answer: anyText,
      answerType: 'text/plain',
    },
    {
      method: 'GET',
      path: '/operationlog/tile/*',
      summary: 'A tile of hashes or entries',
      status: 200,
      answer: anyText,
      answerType: 'application/octet-stream',
      errors: ['TileNotFound'],
    },
    {
      method: 'POST',
      path: '/keys/:name/:version/guest-state-generation',
      summary: 'Raises the counter of a key',
      body: guestStateGenerationRequest,
      status: 200,
      answer: guestStateGeneration,
      errors: ['BadParameter', 'GuestStateGenerationTooOld', 'GuestStateGenerationTaken', 'Forbidden'],
    },
    {
      method: 'POST',
      path: '/keys/:name/:version/latest-launch',
      summary: 'The launch that raised the counter last, signed; only for the resource manager',
      body: quoteChallenge,
      status: 200,
      answer: signedLatestLaunch,
      errors: ['BadParameter', 'Forbidden'],
    },
    {
      method: 'PUT',
      path: '/keys/:name/:version/placement',
      summary: 'Records the placement of a platform key’s VM; only for the resource manager',
      body: keyPlacementRequest,
      status: 200,
      answer: keyPlacement,
      errors: ['BadParameter', 'PlacementOver', 'Forbidden'],
    },
  ],
}
