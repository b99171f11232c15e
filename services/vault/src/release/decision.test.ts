import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { failedConditions } from '@strongroom/release-policy'
import { parseReleasePolicy } from './policy.ts'
import { wrappingKeyOf } from './wrapping-key.ts'

const published = '/work/shared/evidence/ThomVanL-blog-2022-12-azure-confidential-computing-secure-key-release'
const read = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(`${published}/${name}`, 'utf8')) as Record<string, unknown>

describe.skipIf(!existsSync(published))('a release that Azure made', () => {
  const claims = (): Record<string, unknown> => read('maa-token-body.json')
  const policy = (): ReturnType<typeof parseReleasePolicy> =>
    parseReleasePolicy(Buffer.from(JSON.stringify(read('cvm-release-policy.json'))).toString('base64url'))

  it('is one by our reading of its policy and token too', () => {
    expect(policy().anyOf.map((entry) => failedConditions(entry, claims()))).toEqual([[]])
  })

  it('goes to the key that Azure wrapped to', () => {
    const { header } = read('key_hsm-decoded.json') as { header: { kid: string } }
    expect(wrappingKeyOf(claims()).kid).toBe(header.kid)
  })

  it('is refused for a policy that was written for the flat token of the boot path', () => {
    const [entry] = parseReleasePolicy(
      Buffer.from(
        JSON.stringify({
          anyOf: [
            {
              authority: 'https://sharedweu.weu.attest.azure.net',
              allOf: [{ claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }],
            },
          ],
        }),
      ).toString('base64url'),
    ).anyOf
    expect(failedConditions(entry!, claims())).toMatchObject([{ claim: 'x-ms-compliance-status', actual: undefined }])
  })
})
