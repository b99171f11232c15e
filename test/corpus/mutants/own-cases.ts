import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { releaseSigningUsage } from '@strongroom/contract'
import { parseCertificate, parsePem, spkiSha256, utf8 } from '@strongroom/evidence'
import { sevTestdata, tdxTestdata } from '../../judges/go-judge.ts'
import { type Boot, makeBoot, makeSilicon } from '../boot.ts'
import { anchors } from '../corpus.ts'
import { type Case, everyGenuine, type File } from './case.ts'

/** A simulated boot as its host stores it, and the parts of it as files: without the corpus, these are what is changed. */
export async function ownCases(): Promise<Case[]> {
  const silicon = await makeSilicon()
  const [snp, tdx] = [await makeBoot('SNP', silicon), await makeBoot('TDX', silicon)]
  return [...(await bootCases('SNP', snp)), ...(await bootCases('TDX', tdx)), ...debianCases()]
}

const json = (name: string, value: unknown): File => [name, utf8(JSON.stringify(value))]
const text = (name: string, value: string): File => [name, utf8(value)]
const binary = (name: string, value: string): File => [name, new Uint8Array(Buffer.from(value, 'base64url'))]

async function bootCases(tee: 'SNP' | 'TDX', { evidence, jwks, anchors: roots, ca, at }: Boot): Promise<Case[]> {
  const own = await Promise.all(
    parsePem(ca).map(async (der) => ({ name: 'ca', spkiSha256: await spkiSha256(parseCertificate(der)) })),
  )
  const authority: Case['authority'] = { roots: own, signer: 'any', usage: releaseSigningUsage }
  const common = { at, anchors: roots, policy: {}, authority }
  const { silicon, vtpm, measuredBoot, runtimeClaims } = evidence
  const parts: File[] =
    silicon.kind === 'SNP'
      ? [
          binary('report.bin', silicon.report),
          text('chain.pem', silicon.vcekChainPem),
          ...(silicon.crl === undefined ? [] : [binary('root.crl', silicon.crl)]),
        ]
      : [
          binary('quote.bin', silicon.quote),
          text('tcb.json', silicon.collateral.tcbInfo),
          text('identity.json', silicon.collateral.qeIdentity),
          text('signer.pem', silicon.collateral.tcbInfoIssuerChainPem),
          binary('pck.crl', silicon.collateral.pckCrl),
          binary('root.crl', silicon.collateral.rootCaCrl),
          ...(silicon.tdReport === undefined ? [] : [binary('td-report.bin', silicon.tdReport)]),
        ]
  const hcl = vtpm?.hclReport
  return [
    { name: `${tee} boot`, files: [json('boot.json', evidence), json('certs.json', jwks)], ...common },
    { name: `${tee} parts`, files: [...parts, binary('claims.json', runtimeClaims ?? '')], ...common },
    ...(hcl === undefined || measuredBoot === undefined || tee === 'TDX'
      ? []
      : [
          {
            name: `${tee} paravisor`,
            files: [
              binary('hcl.bin', hcl),
              ...parts.slice(1),
              json('quote.json', { ...measuredBoot, eventLog: undefined }),
              binary('log.bin', measuredBoot.eventLog ?? ''),
            ],
            ...common,
          },
        ]),
  ]
}

/** Genuine evidence of Debian's packages, where they are installed. */
function debianCases(): Case[] {
  const read = (folder: string, name: string): File => [name, new Uint8Array(readFileSync(join(folder, name)))]
  const cases: Case[] = []
  if (existsSync(sevTestdata)) {
    const files = ['attestation.bin', 'vcek.testcer', 'milan.testcer'].map((name) => read(sevTestdata, name))
    cases.push({ name: 'Debian SNP', files, at: new Date('2023-07-01T00:00:00Z'), anchors, policy: everyGenuine })
  }
  if (existsSync(tdxTestdata)) {
    const names = [
      'tdx_prod_quote_SPR_E4.dat',
      'sample_tcbInfo_response',
      'sample_qeIdentity_response',
      'pckcrl',
      'rootcrl.der',
    ]
    const chain = /tcbInfoIssuerChain = \[\]string\{\s*"([^"]+)"/.exec(
      readFileSync(join(tdxTestdata, '../test_cases.go'), 'utf8'),
    )?.[1]
    const files = [
      ...names.map((name) => read(tdxTestdata, name)),
      text('signer.pem', decodeURIComponent((chain ?? '').replaceAll('\\n', '\n'))),
    ]
    cases.push({ name: 'Debian TDX', files, at: new Date('2023-07-01T01:00:00Z'), anchors, policy: everyGenuine })
  }
  return cases
}
