import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { attestationManagementHost, principals } from '@strongroom/contract'
import { calculateJwkThumbprint, decodeJwt, type JWK } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unsignedPolicyJws } from './policy/stored-policy.ts'
import { eventLog } from './testing/guest-log.ts'
import { tpmIsThere } from './testing/guest-tpm.ts'
import { TestGuest, testAuthority } from './testing/guest.ts'
import {
  askChallenge,
  openTpm,
  platformClaim,
  sendTpm,
  tpmMessage,
  tpmPath,
  type TpmMessageParts,
} from './testing/tpm-client.ts'
import {
  firmwareIsThere,
  openService,
  ownerObjectId,
  silicon,
  type Answer,
  type TestService,
} from './testing/harness.ts'

describe.skipIf(!firmwareIsThere || !tpmIsThere)('attesting a TPM by challenge and response', () => {
  let test: TestService
  let authority: Awaited<ReturnType<typeof testAuthority>>
  let guest: TestGuest
  let other: TestGuest
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const attestKey = keys.publicKey.export({ format: 'jwk' }) as JWK

  const send = (message: unknown): Promise<Answer> => sendTpm(test, message)
  const request = async (
    o: Partial<TpmMessageParts> & { signer?: KeyObject } = {},
    data: Record<string, unknown> = {},
    tpm: Record<string, unknown> = {},
  ): Promise<unknown> => {
    const { signer, ...rest } = o
    const issued = o.issued ?? (await askChallenge(test))
    return tpmMessage(guest, { ...rest, issued, keys, data, tpm }, signer)
  }
  const refusal = async (message: unknown): Promise<[string, string]> => {
    const answer = await send(message)
    expect(answer.status).toBe(400)
    return [answer.body.error.target, answer.body.error.details?.[0]?.code]
  }

  beforeAll(async () => {
    authority = await testAuthority()
    test = await openService({
      anchors: (await silicon()).anchors,
      attestationKeyAuthorities: [authority.caPem],
    })
    guest = await TestGuest.boot({ authority, vmId: 'AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE' })
    other = await TestGuest.boot({ authority, vmId: 'BBBBBBBB-BBBB-4CCC-8DDD-EEEEEEEEEEEE' })
  })
  afterAll(async () => {
    await guest?.close()
    await other?.close()
    await test?.close()
    await authority?.remove()
  })

  it('answers a quote over its challenge with a report', async () => {
    const { payload } = openTpm(await send(await request()))
    const claims = decodeJwt(payload['report']!)
    const ak = (await guest.tpm.akKey()).export({ type: 'spki', format: 'der' })
    expect(claims).toMatchObject({
      'x-ms-attestation-type': 'tpm',
      aikValidated: true,
      aikPubHash: createHash('sha256').update(ak).digest('base64'),
      rp_data: 'bm9uY2U',
      secureBootEnabled: true,
      tpmVersion: 2,
      'x-strongroom-simulated': true,
      'x-strongroom-vmid': guest.vmId,
    })
    expect(claims['x-ms-compliance-status']).toBeUndefined()
    expect(claims['events']).toBeUndefined()
    // A key that only the sender vouches for is not the machine's.
    expect(claims['cnf']).toBeUndefined()
  })

  it('speaks the messages without the wrapping of the SDKs too', async () => {
    const answer = openTpm(await send({ type: 'aikcert' })) as unknown as Record<string, string>
    expect(Object.keys(answer).toSorted()).toEqual(['challenge', 'service_context'])
  })

  it('confirms the sender’s key where the TPM signed it with the challenge', async () => {
    const issued = await askChallenge(test)
    const thumbprint = Buffer.from(await calculateJwkThumbprint(attestKey), 'base64url')
    const signed = createHash('sha256').update(Buffer.from(issued.challenge, 'base64url')).update(thumbprint).digest()
    const { payload } = openTpm(await send(await request({ issued, signed })))
    expect(decodeJwt(payload['report']!)['cnf']).toEqual({ jwk: { kty: 'RSA', n: attestKey.n, e: attestKey.e } })
  })

  it('shows policies the verified log and the registers, as Azure’s examples query them', async () => {
    const policy = `version=1.2;
      configurationrules{};
      authorizationrules{
        c:[type=="events", issuer=="AttestationService"] => add(type="efi", value=JmesPath(c.value,
          "Events[?EventTypeString == 'EV_EFI_VARIABLE_DRIVER_CONFIG' && \
ProcessedData.VariableGuid == '8BE4DF61-93CA-11D2-AA0D-00E098032B8C']"));
        c:[type=="efi"] => add(type="on", value=JsonToClaimValue(JmesPath(c.value,
          "[?ProcessedData.UnicodeName == 'SecureBoot'] | length(@) == \`1\` && @[0].ProcessedData.VariableData == 'AQ'")));
        [type=="on", value==true] => permit();
      };
      issuancerules{};`
    const route = '/policies/Tpm?api-version=2022-08-01'
    const owner = { token: ownerObjectId, contentType: 'text/plain' }
    const set = await test.call('PUT', route, { ...owner, payload: unsignedPolicyJws(policy) })
    expect(set.status).toBe(200)
    const answer = await send(await request())
    await test.call('POST', '/policies/Tpm:reset?api-version=2022-08-01', owner)
    expect(answer.status).toBe(200)
  })

  it('bounds a query by the place of an event in the log, as Azure’s examples do', async () => {
    // If EventSeq does not find the separator, such policies have no bound: later events would count.
    const before = (pcr: number): string => `version=1.2;
      authorizationrules{
        c:[type=="events", issuer=="AttestationService"] =>
          add(type="end", value=JmesPath(c.value, "Events[?EventTypeString == 'EV_SEPARATOR' && PcrIndex == \`${pcr}\`] | @[0].EventSeq"));
        c:[type=="end", value!="null", issuer=="AttestationPolicy"] =>
          add(type="query", value=AppendString(AppendString("Events[?EventSeq < \`", c.value),
            "\` && PcrIndex == \`7\`] | [?ProcessedData.UnicodeName == 'SecureBoot'] | length(@)"));
        q:[type=="query"] && e:[type=="events", issuer=="AttestationService"] =>
          add(type="found", value=JsonToClaimValue(JmesPath(e.value, q.value)));
        [type=="found", value==1] => permit();
      };`
    const route = '/policies/Tpm?api-version=2022-08-01'
    const owner = { token: ownerObjectId, contentType: 'text/plain' }
    const statuses: number[] = []
    for (const pcr of [7, 23]) {
      const set = await test.call('PUT', route, { ...owner, payload: unsignedPolicyJws(before(pcr)) })
      expect(set.status).toBe(200)
      statuses.push((await send(await request())).status)
    }
    await test.call('POST', '/policies/Tpm:reset?api-version=2022-08-01', owner)
    // Register 23 has no separator: nothing is evaluated, and nothing permits.
    expect(statuses).toEqual([200, 400])
  })

  it('takes a challenge once, while it is in force, and no other (attack K1)', async () => {
    const issued = await askChallenge(test)
    const message = await request({ issued })
    expect((await send(message)).status).toBe(200)
    expect(await refusal(message)).toEqual(['request.current_claim', 'StatementReplayed'])
    expect(await refusal(await request({ issued }))).toEqual(['request.current_claim', 'StatementReplayed'])
    const late = await request()
    test.clock.set(new Date(Date.now() + 6 * 60_000))
    expect(await refusal(late)).toEqual(['challenge', 'ChallengeExpired'])
    test.clock.set(new Date())
    const mixed = { ...(await askChallenge(test)), challenge: Buffer.alloc(32, 7).toString('base64url') }
    expect(await refusal(await request({ issued: mixed }))).toEqual(['challenge', 'ChallengeUnknown'])
    const forged = { ...issued, service_context: Buffer.alloc(100, 7).toString('base64url') }
    expect(await refusal(await request({ issued: forged }))).toEqual(['challenge', 'ChallengeUnknown'])
  })

  it('takes the challenge of one provider at no other, whichever way (attack K1)', async () => {
    const host = 'second.weu.attest.strongroom.internal'
    const made = await test.call('PUT', '/providers/weu/second?api-version=2025-06-01', {
      host: attestationManagementHost,
      token: principals.controlPlane.appId,
      contentType: 'application/json',
      payload: JSON.stringify({
        resourceId: '/subscriptions/s/resourceGroups/g/providers/Microsoft.Attestation/attestationProviders/second',
        policySigningCertificates: [],
      }),
    })
    expect(made.status).toBe(201)
    const elsewhere = await request({ issued: await askChallenge(test, host) })
    expect(await refusal(elsewhere)).toEqual(['challenge', 'ChallengeUnknown'])
    const answer = await sendTpm(test, await request(), host)
    expect(answer).toMatchObject({ status: 400, body: { error: { details: [{ code: 'ChallengeUnknown' }] } } })
    expect((await sendTpm(test, elsewhere, host)).status).toBe(200)
  })

  it('refuses a quote over another challenge, of another bank, by another key, or with another log (attacks V2, V3)', async () => {
    expect(await refusal(await request({ signed: Buffer.alloc(32, 1) }))).toEqual([
      'request.current_claim',
      'NonceMismatch',
    ])
    expect(await refusal(await request({ bank: 'sha1' }))).toEqual(['request.current_claim', 'PcrSelectionMismatch'])
    const issued = await askChallenge(test)
    const foreign = Buffer.from(await platformClaim(other, Buffer.from(issued.challenge, 'base64url'))).toString(
      'base64url',
    )
    expect(await refusal(await request({ issued }, {}, { current_claim: foreign }))).toEqual([
      'request.current_claim',
      'TpmSignatureInvalid',
    ])
    const certificate = Buffer.from(other.akCertificate).toString('base64url')
    expect(await refusal(await request({}, {}, { aik_cert: certificate }))).toEqual([
      'request.aik_cert',
      'BindingMismatch',
    ])
    const log = Buffer.from(eventLog(guest.records.slice(1))).toString('base64url')
    expect(await refusal(await request({}, {}, { srtm_boot_log: log }))).toEqual([
      'request.srtm_boot_log',
      'EventLogMismatch',
    ])
  })

  it('refuses a request that its key did not sign, and what is not offered', async () => {
    const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    expect(await refusal(await request({ signer: stranger }))).toEqual(['request', 'RequestSignatureInvalid'])
    const claims = { custom_claims: [{ name: 'a', value: 'b', value_type: 'String' }] }
    expect((await refusal(await request({}, claims)))[0]).toBe('request.custom_claims')
    expect((await refusal({ payload: { type: 'aikpub' } }))[0]).toBe('data')
    for (const body of [{}, { data: 'e30' }, { data: '!' }])
      expect((await test.post(tpmPath, body)).body.error.code).toBe('InvalidParameter')
  })
  it('takes no word of a TPM alone in a hardware installation (attack V7)', async () => {
    const strict = await openService({
      mode: 'hardware',
      anchors: { simulated: false, amd: [], intel: [] },
      attestationKeyAuthorities: [authority.caPem],
    })
    const message = await request({ issued: await askChallenge(strict) })
    expect((await sendTpm(strict, message)).body.error.details[0].code).toBe('HardwareReportMissing')
    await strict.close()
  })
})
