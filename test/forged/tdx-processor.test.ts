import { collateralPaths } from '@strongroom/contract'
import { toBase64Url, utf8 } from '@strongroom/evidence'
import { expect, it, onTestFinished } from 'vitest'
import { toPem } from '../../packages/silicon/src/pki/pem-writer.ts'
import {
  issueCollateral,
  issueIntelChain,
  issueIntelList,
  issueQuote,
} from '../../packages/silicon/src/testing/intel-hierarchy.ts'
import { now } from '../../packages/silicon/src/testing/times.ts'
import { FakeCollateral, openService, serveTdxCollateral } from '../../services/attestation/src/testing/harness.ts'
import { fmspcOf } from '../../services/attestation/src/testing/vendor-server.ts'
import { openMakers } from './support/makers.ts'

/** Serial number of the hierarchy's PCK certificates. */
const pckNumber = 3n

// No policy permits the empty TD: one that only the policy refuses was found genuine.
it.each([
  ['processor', 'Intel SGX PCK Processor CA'],
  ['platform', 'Intel SGX PCK Platform CA'],
] as const)('a quote of a %s is held to the revocation list of the authority that certified it', async (kind, ca) => {
  const { intel, anchors } = await openMakers()
  const { pck, ca: authority, root } = await issueIntelChain(intel, { ca })
  const data = utf8(toPem([pck, authority, root]))
  const quote = await issueQuote(intel, { certification: { kind: 5, data } })
  const chain = { 'sgx-pck-crl-issuer-chain': encodeURIComponent(toPem([authority, root])) }
  for (const [revoked, found] of [
    [undefined, ['InvalidParameter', 'CollateralMissing']],
    [[], ['PolicyEvaluationError', 'NotCompliant']],
    [[pckNumber], ['InvalidParameter', 'CertificateRevoked']],
  ] as const) {
    const collateral = new FakeCollateral()
    const test = await openService({ anchors, collateral })
    onTestFinished(() => test.close())
    test.clock.set(now)
    await serveTdxCollateral(collateral, await issueCollateral(intel), fmspcOf(quote))
    collateral.answers.delete(collateralPaths.tdxPckRevocationList('platform'))
    if (revoked !== undefined) {
      const body = await issueIntelList(intel, { of: 'ca', ca, revoked: [...revoked] })
      collateral.answers.set(collateralPaths.tdxPckRevocationList(kind), { body, headers: chain })
    }
    const { body } = await test.post('/attest/TdxVm?api-version=2022-08-01', { quote: toBase64Url(quote) })
    expect([body.error.code, body.error.details[0].code]).toEqual(found)
  }
})
