import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { verifyFiles } from '../forged/support/doors.ts'
import { tokenFiles } from '../packages/reader-tokens.ts'

const at = new Date('2026-06-01T12:00:00Z')

describe('a token of an Arm CCA realm', () => {
  let cca: Uint8Array
  let jwk: object
  beforeAll(async () => {
    const files = await tokenFiles()
    cca = files['cca.cbor']!
    jwk = createPublicKey({ key: Buffer.from(files['cpak.der']!), format: 'der', type: 'spki' }).export({
      format: 'jwk',
    })
  })
  const verify = async (key: object, policy?: object): Promise<[number, string]> => {
    const files = { 'cca.cbor': cca, 'cpak.json': JSON.stringify(key) }
    const { exit, reason } = await verifyFiles(files, { at, ...(policy === undefined ? {} : { policy }) })
    return [exit, reason]
  }

  it('is compared with the realm and the platform that the policy wants (attack E32)', async () => {
    const zero = '00'.repeat(32)
    const good = {
      initialMeasurements: ['11'.repeat(48), '03'.repeat(32)],
      extensibleMeasurements: { 0: zero, 3: zero },
      personalization: '00'.repeat(64),
      implementationIds: ['01'.repeat(32)],
      instanceIds: ['01'.repeat(33)],
    }
    expect(await verify(jwk, { cca: good })).toEqual([7, 'unendorsed'])
    for (const [change, reason] of [
      [{ initialMeasurements: ['04'.repeat(32)] }, 'NotEqual policy.initialMeasurement'],
      [{ initialMeasurements: [] }, 'NotAllowed policy.initialMeasurement'],
      [{ extensibleMeasurements: { 2: '01'.repeat(32) } }, 'NotEqual policy.extensibleMeasurements.2'],
      [{ personalization: '01'.repeat(64) }, 'NotEqual policy.personalization'],
      [{ implementationIds: ['02'.repeat(32)] }, 'NotEqual policy.implementationId'],
      [{ instanceIds: ['02'.repeat(33)] }, 'NotEqual policy.instanceId'],
    ] as const)
      expect(await verify(jwk, { cca: { ...good, ...change } })).toEqual([1, reason])
  })

  it('is held by a platform’s key as JWK, and by no private one', async () => {
    expect(await verify(jwk)).toEqual([7, 'unendorsed'])
    const mine = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ format: 'jwk' })
    expect((await verify(mine))[0]).toBe(2)
  })
})
