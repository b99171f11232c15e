import { toHex } from '@strongroom/evidence'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unsignedPolicyJws } from './policy/stored-policy.ts'
import { tpmIsThere } from './testing/guest-tpm.ts'
import { firmwarePcrs, guestBody, guestPath, TestGuest, testAuthority, type RequestParts } from './testing/guest.ts'
import {
  firmwareIsThere,
  openService,
  ownerObjectId,
  serveCollateral,
  silicon,
  type Answer,
  type TestService,
} from './testing/harness.ts'

const volume = 15

/** Registers beyond those that Azure's library quotes: the authors of a guest's program and of the policy may require them. */
describe.skipIf(!firmwareIsThere || !tpmIsThere)('policies over the registers of a guest', () => {
  let test: TestService
  let authority: Awaited<ReturnType<typeof testAuthority>>
  let guest: TestGuest

  const set = async (text: string): Promise<void> => {
    const payload = unsignedPolicyJws(text)
    const put = { token: ownerObjectId, contentType: 'text/plain', payload }
    expect((await test.call('PUT', '/policies/AzureGuest?api-version=2022-08-01', put)).status).toBe(200)
  }
  const attest = async (registers?: readonly number[]): Promise<{ parts: RequestParts; answer: Answer }> => {
    const parts = await guest.parts(registers === undefined ? {} : { registers })
    return { parts, answer: await test.post(guestPath, guestBody(parts)) }
  }

  beforeAll(async () => {
    const processor = await silicon()
    authority = await testAuthority()
    test = await openService({ anchors: processor.anchors, attestationKeyAuthorities: [authority.caPem] })
    await serveCollateral(test.collateral, processor)
    guest = await TestGuest.boot({ authority, vmId: 'AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE' })
  }, 240_000)
  afterAll(async () => {
    await guest?.close()
    await test?.close()
    await authority?.remove()
  })

  it('ask for one that the quote has to cover', async () => {
    await set(`version=1.1;configurationrules{=>issueproperty(type="required_pcr_mask", value=0x80FF);};
      authorizationrules{=>permit();};`)
    const { answer } = await attest()
    expect(answer.body.error).toMatchObject({
      code: 'PolicyEvaluationError',
      target: 'required_pcr_mask',
      innererror: { found: 'a quote over PCR 0, 1, 2, 3, 4, 5, 6, 7' },
    })
    expect((await attest([...firmwarePcrs, volume])).answer.status).toBe(200)
  })

  it('permit by a value, which no token shows, until the register has another', async () => {
    await guest.tpm.measure([{ pcr: volume, type: 13, data: Uint8Array.of(0) }])
    const known = toHex((await guest.tpm.registers([volume])).get(volume)!)
    await set(`version=1.2;authorizationrules{
        c:[type=="pcrs", issuer=="AttestationService"] =>
          add(type="known", value=JsonToClaimValue(JmesPath(c.value, "PCRs[?Index == \`${volume}\`].Digests.SHA256 | @[0] == '${known}'")));
        [type=="known", value==true] => permit();
      };issuancerules{ c:[type=="pcrs"] => issue(type="registers", value=c.value); };`)
    const { parts, answer } = await attest([...firmwarePcrs, volume])
    const claims = decodeJwt(await guest.tpm.open(answer.body.token, parts.key))
    expect(claims['x-ms-azurevm-attested-pcrs']).toEqual([...firmwarePcrs, volume])
    expect(claims).not.toHaveProperty('registers')
    expect(claims).not.toHaveProperty('pcrs')
    expect(JSON.stringify(claims)).not.toContain(known)
    expect((await attest()).answer.body.error.code).toBe('PolicyEvaluationError')
    await guest.tpm.measure([{ pcr: volume, type: 13, data: Uint8Array.of(1) }])
    expect((await attest([...firmwarePcrs, volume])).answer.body.error.code).toBe('PolicyEvaluationError')
  })
})
