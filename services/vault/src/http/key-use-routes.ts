import { bundleOf } from '../keys/bundles.ts'
import { randomBytesFor } from '../keys/crypto-operations.ts'
import type { CryptoOperation } from '../keys/operation-input.ts'
import { badParameter } from '../core/errors.ts'
import { backupBytes } from '../objects/backup.ts'
import { admit, admitChange, type App, type AppParts } from './admission.ts'
import { apiVersionOf } from './request.ts'

const operations: Record<string, CryptoOperation> = {
  encrypt: 'encrypt',
  decrypt: 'decrypt',
  sign: 'sign',
  verify: 'verify',
  wrapkey: 'wrapKey',
  unwrapkey: 'unwrapKey',
}

/** Uses of keys, rotation, backup, random bytes. */
export function addKeyUseRoutes(app: App, parts: AppParts): void {
  const { keys, crypto, rotation, keyBackups, attestations } = parts

  for (const [verb, operation] of Object.entries(operations)) {
    for (const path of [`/keys/:name/${verb}`, `/keys/:name/:version/${verb}`]) {
      app.post(path, async (request) => {
        const place = await admit(parts, request, operation)
        apiVersionOf(request.query)
        return crypto.perform(request.caller, operation, place, place.version, request.body)
      })
    }
  }

  app.post('/keys/:name/rotate', (request) =>
    admitChange(parts, request, 'rotate', async (place) =>
      bundleOf(await rotation.rotate(request.caller, place), place.vault),
    ),
  )

  app.get('/keys/:name/rotationpolicy', async (request) => {
    const place = await admit(parts, request, 'getRotationPolicy')
    apiVersionOf(request.query)
    return rotation.policy(place)
  })

  app.put('/keys/:name/rotationpolicy', (request) =>
    admitChange(parts, request, 'setRotationPolicy', async (place) =>
      rotation.setPolicy(request.caller, place, request.body),
    ),
  )

  app.post('/keys/:name/backup', (request) =>
    admitChange(parts, request, 'backup', async (place) => keyBackups.backup(request.caller, place)),
  )

  app.post('/keys/restore', { bodyLimit: backupBytes }, (request) =>
    admitChange(parts, request, 'restore', async ({ vault }) =>
      bundleOf(await keyBackups.restore(request.caller, vault, request.body), vault),
    ),
  )

  app.post('/rng', async (request) => {
    await admit(parts, request, 'getRandomBytes')
    apiVersionOf(request.query)
    return randomBytesFor(request.body)
  })

  for (const path of ['/keys/:name/attestation', '/keys/:name/:version/attestation']) {
    app.get(path, async (request) => {
      const place = await admit(parts, request, 'get')
      apiVersionOf(request.query)
      const key = await keys.get(place, place.version)
      const bundle = bundleOf(key, place.vault)
      if (!key.kty.endsWith('-HSM')) {
        throw badParameter('Only HSM-backed keys are attested.', {
          target: 'kty',
          expected: 'RSA-HSM, EC-HSM or oct-HSM',
          found: key.kty,
        })
      }
      const attestation = await attestations.attest(request.caller, key, place.vault)
      return { ...bundle, attributes: { ...bundle.attributes, attestation } }
    })
  }
}
