import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TdxCollateral } from '@strongroom/evidence'
import { snpLines } from '@strongroom/evidence/advisories'
import type { Silicon } from '@strongroom/silicon'
import { decodeJwt, type JWTPayload } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tcbMinimumFile } from './evidence/tcb-minimum.ts'
import { unsignedPolicyJws } from './policy/stored-policy.ts'
import { ForgedGuest, withBytes } from './testing/forged-guest.ts'
import { eventLog, type LogRecord } from './testing/guest-log.ts'
import { tpmIsThere } from './testing/guest-tpm.ts'
import { firmwarePcrs, guestBody, guestPath, TestGuest, testAuthority, type RequestParts } from './testing/guest.ts'
import {
  FakeCollateral,
  firmwareIsThere,
  openService,
  ownerObjectId,
  serveCollateral,
  serveTdxCollateral,
  sharedKeys,
  silicon,
  type Answer,
  type TestService,
} from './testing/harness.ts'
import { otherWords, resigned } from './testing/tdx-evidence.ts'

const vmId = 'AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE'
const simulatedFmspc = '53494d000001'
/** SNP guest policy with bit 19: debugging allowed. */
const debugPolicy = 0xb001fn
/** With bit 18: a migration agent may be associated. */
const migrationPolicy = 0x7001fn

/** An attacker with root inside a guest, or on its host, sends anything to /attest/AzureGuest. */
describe.skipIf(!firmwareIsThere || !tpmIsThere)('an attacker inside a guest', () => {
  let processor: Silicon
  let authority: Awaited<ReturnType<typeof testAuthority>>
  let test: TestService
  let guest: TestGuest
  let forged: ForgedGuest

  const open = async (collateral: FakeCollateral, stateDir?: string): Promise<TestService> =>
    await openService({
      anchors: processor.anchors,
      attestationKeyAuthorities: [authority.caPem],
      collateral,
      ...(stateDir !== undefined && { stateDir }),
    })
  const post = async (parts: RequestParts, at = test): Promise<Answer> => await at.post(guestPath, guestBody(parts))
  const claimsFor = async (parts: RequestParts): Promise<JWTPayload> => {
    const answer = await post(parts)
    expect(answer.body).toEqual({ token: expect.any(String) })
    return decodeJwt(await guest.tpm.open(answer.body.token, parts.key))
  }
  const refusal = async (parts: RequestParts): Promise<unknown[]> => {
    const { status, body } = await post(parts)
    return [status, body.error?.code, body.error?.target, body.error?.details?.[0]?.code]
  }
  const refused = (target: string, reason: string): unknown[] => [400, 'InvalidParameter', target, reason]
  const setPolicy = async (at: TestService, text: string): Promise<void> => {
    const put = { token: ownerObjectId, contentType: 'text/plain', payload: unsignedPolicyJws(text) }
    expect((await at.call('PUT', '/policies/AzureGuest?api-version=2022-08-01', put)).status).toBe(200)
  }

  beforeAll(async () => {
    processor = await silicon()
    authority = await testAuthority()
    const collateral = new FakeCollateral()
    await serveCollateral(collateral, processor)
    await serveTdxCollateral(collateral, await processor.intel.collateral(), simulatedFmspc)
    test = await open(collateral)
    guest = await TestGuest.boot({ authority, vmId })
    forged = await ForgedGuest.of(guest, authority)
  }, 240_000)
  afterAll(async () => {
    await guest?.close()
    await test?.close()
    await authority?.remove()
  })

  it('who could sign statements himself is found out by nothing but what is wrong with them', async () => {
    expect((await post(await forged.parts())).status).toBe(200)
  })

  it.each([
    ['magic', 0, [0xff, 0x54, 0x43, 0x46], 'WrongMagic'],
    ['type', 4, [0x80, 0x19], 'UnknownType'],
  ] as const)(
    'passes no statement of another %s, though the key signed it (attack V3)',
    async (_what, at, bytes, reason) => {
      const change = (message: Uint8Array): Uint8Array => withBytes(message, at, bytes)
      expect(await refusal(await forged.parts({ quote: change }))).toEqual(refused('TpmInfo.PcrQuote', reason))
      expect(await refusal(await forged.parts({ certify: change }))).toEqual(
        refused('TpmInfo.EncKeyCertifyInfo', reason),
      )
    },
  )

  it('passes no quote for a certified key and no certified key for a quote, though the key signed it (attack V3)', async () => {
    const other = await forged.parts()
    expect(await refusal(await forged.parts({ quote: () => other.key.message }))).toEqual(
      refused('TpmInfo.PcrQuote', 'TpmTypeMismatch'),
    )
    expect(await refusal(await forged.parts({ certify: () => other.quote.message }))).toEqual(
      refused('TpmInfo.EncKeyCertifyInfo', 'TpmTypeMismatch'),
    )
  })

  it('has no hardware report of the same VM vouch for another attestation key (attack V2)', async () => {
    // Certificate, VM and statements all belong to the forged key; the report binds the TPM's.
    const parts = await forged.parts()
    const { isolation } = await guest.parts()
    expect(await refusal({ ...parts, isolation })).toEqual(
      refused('IsolationInfo.Evidence.RunTimeData', 'BindingMismatch'),
    )
  })

  const windowsOptions = ['bootdebug-enabled', 'kerneldebug-enabled', 'testsigning-enabled', 'signingdisabled'].map(
    (name) => `x-ms-azurevm-${name}`,
  )

  it('has no boot options of Windows vouched for by a log that no register covers (attack W7)', async () => {
    const started = await TestGuest.boot({ authority, vmId })
    try {
      // How Windows measures its options: EV_EVENT_TAG in registers 12 and 13.
      const options: LogRecord[] = [12, 13].map((pcr) => ({ pcr, type: 6, data: Uint8Array.of(1, 2, 3) }))
      await started.tpm.measure(options)
      const withOptions = [...firmwarePcrs, 12, 13]
      for (const [name, registers, log] of [
        ['the records left out', firmwarePcrs, eventLog(started.records)],
        ['the records left out, their registers shown', withOptions, eventLog(started.records)],
        ['the records there', firmwarePcrs, eventLog([...started.records, ...options])],
        ['no log', firmwarePcrs, new Uint8Array()],
      ] as const) {
        const parts = await started.parts({ registers })
        const answer = await post({ ...parts, log })
        expect([name, answer.status]).toEqual([name, 200])
        const claims = decodeJwt(await started.tpm.open(answer.body.token, parts.key))
        expect([name, windowsOptions.filter((option) => option in claims)]).toEqual([name, []])
      }
    } finally {
      await started.close()
    }
  })

  it('is said to have no boot options of Windows where the registers for them were never extended', async () => {
    const claims = await claimsFor(await guest.parts({ registers: [...firmwarePcrs, 12, 13] }))
    expect(claims).toMatchObject({
      'x-ms-azurevm-testsigning-enabled': false,
      'x-ms-azurevm-kerneldebug-enabled': false,
      'x-ms-azurevm-bootdebug-enabled': false,
    })
    const half = await claimsFor(await guest.parts({ registers: [...firmwarePcrs, 12] }))
    expect(windowsOptions.filter((option) => option in half)).toEqual([])
    const parts = await guest.parts({ registers: [...firmwarePcrs, 12, 13] })
    const windows = await claimsFor({ ...parts, osType: 'Windows' })
    expect(windowsOptions.filter((option) => option in windows)).toEqual([])
  })

  const permitting = (query?: string): string => {
    const looks =
      query === undefined ? 'value=true' : `value=JsonToClaimValue(JmesPath(c.value, ${JSON.stringify(query)}))`
    return `version=1.2;authorizationrules{
      c:[type=="x-ms-isolation-tee", issuer=="AttestationService"] => add(type="looked", ${looks});
      [type=="x-ms-isolation-tee"] => permit();
    };`
  }

  const outdated = async (): Promise<TdxCollateral> => {
    const collateral = await processor.intel.collateral()
    const words = otherWords({
      issued: new Date(),
      until: new Date(Date.now() + 20 * 24 * 3600_000),
      status: 'OutOfDate',
    })
    return {
      ...collateral,
      tcbInfo: resigned(collateral.tcbInfo, sharedKeys.get('simulated-intel-tcb-signing')!, words),
    }
  }

  it.each([
    ['debugging', 'x-ms-sevsnpvm-is-debuggable', { policy: debugPolicy }],
    ['a migration agent', 'x-ms-sevsnpvm-migration-allowed', { policy: migrationPolicy }],
    ['an unchecked revocation', 'x-strongroom-revocation-checked', {}],
    ['an out-of-date TCB', 'attester_tcb_status', { isolation: 'Tdx' }],
    ['an AMD TCB below the least', 'x-strongroom-tcb-status', {}],
  ] as const)(
    'has %s accepted by no policy that does not name it, be it for its hardware’s claims (attack W8)',
    async (what, claim, form) => {
      const collateral = new FakeCollateral()
      if (what !== 'an unchecked revocation') await serveCollateral(collateral, processor)
      await serveTdxCollateral(collateral, await outdated(), simulatedFmspc)
      const stateDir = await mkdtemp(join(tmpdir(), 'strongroom-weak-'))
      if (what === 'an AMD TCB below the least') {
        const raised = Object.fromEntries(snpLines.map((line) => [line, { microcode: 255 }]))
        await writeFile(join(stateDir, tcbMinimumFile), JSON.stringify(raised))
      }
      const weak = await open(collateral, stateDir)
      try {
        for (const query of [
          undefined,
          'length(keys(@))',
          '"x-ms-attestation-type"',
          `'${claim}'`,
          `type == '${claim}'`,
        ]) {
          await setPolicy(weak, permitting(query))
          const { status, body } = await post(await guest.parts(form), weak)
          expect([query, status, body.error?.code]).toEqual([query, 400, 'PolicyEvaluationError'])
          expect(body.error.innererror.expected).toContain(claim)
        }
        await setPolicy(weak, permitting(`"${claim}"`))
        expect((await post(await guest.parts(form), weak)).status).toBe(200)
        // Naming one does not name the other.
        await setPolicy(weak, permitting('"tdx_td_attributes_debug" || "x-ms-sevsnpvm-vmpl"'))
        expect((await post(await guest.parts(form), weak)).status).toBe(400)
      } finally {
        await weak.close()
        await rm(stateDir, { recursive: true, force: true })
      }
    },
    60_000,
  )
})
