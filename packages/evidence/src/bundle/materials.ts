import { checkCertificates, checkCollateral, checkCrl } from '../checks/check-certificates.ts'
import { checkEventLog } from '../checks/check-log.ts'
import { type Check, skipped } from '../checks/check.ts'
import type { TrustAnchors } from '../x509/trust-anchors.ts'
import { parseCertificate } from '../x509/certificate.ts'
import type { VerifyContext } from '../x509/verify-context.ts'
import { sameName } from '../x509/name.ts'
import type { EvidencePolicy } from './evidence-policy.ts'
import { named, type Piece, type PieceKind, type PieceOf } from './pieces/piece.ts'
import { attempt, type Pool } from './pieces/pool.ts'

interface MaterialInput extends VerifyContext {
  pieces: readonly Piece[]
  pool: Pool
  anchors: TrustAnchors
  at: Date
  policy: EvidencePolicy
}

/**
 * Judges what serves to verify evidence, each piece on its own: certificates, lists, Intel's texts, event logs. None of
 * it makes a statement about a machine.
 */
export async function judgeMaterials(o: MaterialInput): Promise<Check[]> {
  const { pool, at } = o
  const context: VerifyContext = { primitives: o.primitives, cache: o.cache }
  const of = <K extends PieceKind>(kind: K): PieceOf<K>[] =>
    o.pieces.filter((piece): piece is PieceOf<K> => piece.kind === kind)
  const anchors = [...o.anchors.amd, ...o.anchors.intel]
  const checks: Check[] = []
  for (const piece of of('certificates')) {
    for (const der of piece.certificates) {
      const certificate = attempt(() => parseCertificate(der))
      const chain = certificate === undefined ? [der] : pool.chainFrom(certificate).map(({ raw }) => raw)
      checks.push(named(piece, await checkCertificates({ chain, anchors, at, ...context })))
    }
  }
  for (const piece of of('crl')) {
    const crl = pool.crls.find(({ raw }) => raw === piece.bytes)
    const issuer = crl && pool.certificates.find(({ subject }) => sameName(subject, crl.issuer))
    const issuerChain = issuer && pool.chainFrom(issuer).map(({ raw }) => raw)
    checks.push(named(piece, await checkCrl({ crl: piece.bytes, anchors, at, ...context, issuerChain })))
  }
  for (const piece of [...of('tcb-info'), ...of('qe-identity')]) {
    const member = piece.kind === 'tcb-info' ? 'tcbInfo' : 'enclaveIdentity'
    const issuerChainPem = pool.signerChain()
    const rootCrl = pool.crlOf(pool.signerRoot())
    const check = await checkCollateral({
      member,
      text: piece.text,
      anchors: o.anchors.intel,
      at,
      ...context,
      issuerChainPem,
      rootCrl,
    })
    checks.push(named(piece, check))
  }
  for (const piece of o.pieces.filter(
    ({ kind }) =>
      kind === 'jwks' ||
      kind === 'runtime-claims' ||
      kind === 'signature' ||
      kind === 'tpm-public' ||
      kind === 'public-key' ||
      kind === 'tpm-signature',
  )) {
    checks.push(named(piece, skipped('file.kind', `${piece.kind} proves nothing on its own`)))
  }
  for (const log of of('event-log')) {
    checks.push(named(log, (await checkEventLog({ log: log.bytes, policy: o.policy.boot })).check))
  }
  return checks
}
