import { equal, isZero } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { verifyCoseSign1 } from '../cbor/cose-sign1.ts'
import { type NitroDocument, parseNitroDocument } from '../nitro/document.ts'
import { parseCertificate, type Certificate } from '../x509/certificate.ts'
import type { VerifyContext } from '../x509/verify-context.ts'
import { describeName } from '../x509/name.ts'
import { verifyPath } from '../x509/path.ts'
import { appraised, type Check } from './check.ts'
import { Checklist } from './checklist.ts'
import type { Failure } from '../core/failure.ts'
import type { TrustAnchor } from '../x509/trust-anchors.ts'

/**
 * Verifies an attestation document of AWS Nitro: chain to a pinned root at a given time, signature, then the
 * requirements.
 * @param o.nonce the verifier's challenge; absent: freshness is not checked
 * @param o.pcrs values that registers must have
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { firstFailure } from '@strongroom/evidence'
 * import { checkNitro, genuineAwsAnchors } from '@strongroom/evidence/files'
 *
 * const document = await readFile('nitro.cbor') // its certificate is not AWS's
 * const check = await checkNitro({ document, anchors: genuineAwsAnchors, at: new Date('2026-06-01') })
 * check.outcome // => 'failed'
 * check.children.find(({ id }) => id === 'nitro.format')?.outcome // => 'passed'
 * firstFailure(check)?.id // => 'nitro.path'
 */
export async function checkNitro(
  o: VerifyContext & {
    document: Uint8Array
    anchors: readonly TrustAnchor[]
    at: Date
    nonce?: Uint8Array | undefined
    pcrs?: ReadonlyMap<number, Uint8Array> | undefined
  },
): Promise<Check> {
  const list = new Checklist()
  const context: VerifyContext = { primitives: o.primitives, cache: o.cache }
  const document = await list.run(
    'nitro.format',
    [],
    () => parseNitroDocument(o.document),
    ({ kind, timestamp }) => `of an ${kind}, ${timestamp.toISOString()}`,
  )
  const chain = await list.run(
    'nitro.path',
    [document],
    async ({ certificate, cabundle }: NitroDocument): Promise<Certificate[]> => {
      const given = [certificate, ...cabundle.toReversed()].map((der) => parseCertificate(der))
      await verifyPath({ chain: given, anchors: o.anchors, at: o.at, ...context })
      return given
    },
    (given) => describeName((given.at(-1) as Certificate).subject),
  )
  await list.run('nitro.signature', [document, chain], ({ sign1 }: NitroDocument, [leaf]: Certificate[]) =>
    verifyCoseSign1({ sign1, key: (leaf as Certificate).publicKey, subject: 'Nitro document', ...context }),
  )
  if (document === undefined) list.skip('nitro.policy', 'The document cannot be read')
  else list.add(appraised('nitro.policy', appraise(document, o)))
  return list.all('nitro')
}

function appraise(
  document: NitroDocument,
  o: { nonce?: Uint8Array | undefined; pcrs?: ReadonlyMap<number, Uint8Array> | undefined },
): Failure[] {
  const failures: Failure[] = []
  // An enclave started in debug mode has a zero image measurement.
  const image = document.pcrs.get(0)
  if (document.kind === 'enclave' && (image === undefined || isZero(image))) {
    failures.push({
      path: 'debug',
      code: 'Forbidden',
      expected: 'a measured image',
      actual: 'register 0 is zero: debug mode',
    })
  }
  const same = (path: string, found: Uint8Array | undefined, wanted: Uint8Array): void => {
    if (found !== undefined && equal(found, wanted)) return
    const code = found === undefined ? 'Missing' : 'NotEqual'
    failures.push({ path, code, expected: toHex(wanted), actual: found === undefined ? 'none' : toHex(found) })
  }
  if (o.nonce !== undefined) same('nonce', document.nonce, o.nonce)
  for (const [index, value] of o.pcrs ?? []) same(`pcrs.${index}`, document.pcrs.get(index), value)
  return failures
}
