import { describe, expect, it } from 'vitest'
import { toBase64Url } from '../core/bytes/base64.ts'
import { utf8 } from '../core/bytes/bytes.ts'
import { openBackedUpState, sealBackedUpState, signBackup, verifyBackup } from './seal.ts'

const dataKey = Uint8Array.from({ length: 32 }, (_, index) => index)
const other = dataKey.map((byte) => byte ^ 1)
const payload = '{"version":1,"vm":"a"}'
const refused = (code: string): unknown => expect.objectContaining({ code })

describe('the manifest of a backup', () => {
  it('is the same under the data key that it was signed with', async () => {
    expect(await verifyBackup({ jws: await signBackup({ payload, dataKey }), dataKey })).toBe(payload)
  })

  it('is refused under another key, with another payload, or with another algorithm', async () => {
    const jws = await signBackup({ payload, dataKey })
    await expect(verifyBackup({ jws, dataKey: other })).rejects.toEqual(refused('TokenSignatureInvalid'))
    const [header = '', , mac = ''] = jws.split('.')
    const changed = `${header}.${toBase64Url(utf8('{"version":1,"vm":"b"}'))}.${mac}`
    await expect(verifyBackup({ jws: changed, dataKey })).rejects.toEqual(refused('TokenSignatureInvalid'))
    const claimed = (members: object): string =>
      `${toBase64Url(utf8(JSON.stringify(members)))}.${jws.split('.').slice(1).join('.')}`
    for (const [members, code] of [
      [{ alg: 'none', typ: 'strongroom-backup+jws' }, 'AlgorithmNotAllowed'],
      [{ alg: 'HS256', typ: 'JWT' }, 'TokenOfAnotherKind'],
      [{ alg: 'HS256', typ: 'strongroom-backup+jws', crit: ['x'] }, 'TokenOfAnotherKind'],
    ] as const)
      await expect(verifyBackup({ jws: claimed(members), dataKey })).rejects.toEqual(refused(code))
  })

  it('takes no key of another length', async () => {
    await expect(signBackup({ payload, dataKey: dataKey.subarray(1) })).rejects.toEqual(refused('WrongLength'))
  })
})

describe('the guest state of a backup', () => {
  const state = { tpm: utf8('the vTPM'), variables: utf8('UEFI variables'), variableRecord: utf8('updates of dbx') }

  it('opens with the data key, and shows nothing without it', async () => {
    const sealed = await sealBackedUpState(state, dataKey)
    expect(await openBackedUpState(sealed, dataKey)).toEqual(state)
    const { variableRecord: _, ...unbooted } = state
    expect(await openBackedUpState(await sealBackedUpState(unbooted, dataKey), dataKey)).toEqual(unbooted)
    expect(Buffer.from(sealed).includes('vTPM')).toBe(false)
    await expect(openBackedUpState(sealed, other)).rejects.toEqual(refused('TokenSignatureInvalid'))
  })

  it('is refused where any byte was changed, or some are missing', async () => {
    const sealed = await sealBackedUpState(state, dataKey)
    for (let index = 0; index < sealed.length; index++) {
      const changed = Uint8Array.from(sealed, (byte, at) => (at === index ? byte ^ 1 : byte))
      await expect(openBackedUpState(changed, dataKey), `byte ${index}`).rejects.toEqual(
        refused('TokenSignatureInvalid'),
      )
    }
    await expect(openBackedUpState(sealed.subarray(0, 20), dataKey)).rejects.toEqual(refused('Truncated'))
  })
})
