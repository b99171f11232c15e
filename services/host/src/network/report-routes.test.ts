import fc from 'fast-check'
import { ServiceError } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import { readUserData } from './report-routes.ts'

describe('the data that a guest has its report bind', () => {
  it('is 1 to 64 bytes, and each has one text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (bytes) => {
        const userData = Buffer.from(bytes).toString('base64url')
        expect(Buffer.from(readUserData(JSON.stringify({ userData })))).toEqual(Buffer.from(bytes))
      }),
    )
  })

  it('is read or refused as a bad request, whatever is sent', () => {
    const userData = fc.oneof(fc.string(), fc.base64String({ maxLength: 100 }), fc.jsonValue())
    const body = fc.oneof(
      fc.string(),
      userData.map((each) => JSON.stringify({ userData: each })),
      fc.jsonValue(),
    )
    fc.assert(
      fc.property(body, (text) => {
        try {
          const bytes = readUserData(text)
          expect(bytes.length).toBeGreaterThan(0)
          expect(bytes.length).toBeLessThanOrEqual(64)
          expect((JSON.parse(text as string) as { userData: string }).userData).toBe(
            Buffer.from(bytes).toString('base64url'),
          )
        } catch (error) {
          expect(error).toBeInstanceOf(ServiceError)
          expect(error).toMatchObject({ code: 'BadRequest', status: 400, target: 'userData' })
        }
      }),
    )
  })
})
