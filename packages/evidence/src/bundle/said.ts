import { isZero } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { parseHclReport } from '../azure/hcl-report.ts'
import { type CcaToken, parseCcaToken } from '../cca/token.ts'
import { type NitroDocument, parseNitroDocument } from '../nitro/document.ts'
import { readEndorsement } from '../snp/endorse.ts'
import { productOfCpu, type SnpProduct } from '../snp/products.ts'
import { parseSnpReport, type SnpReport } from '../snp/report.ts'
import { decodeTcb, describeTcb } from '../snp/tcb.ts'
import { parseTdxQuote } from '../tdx/quote.ts'
import { tdAttributes, type TdBody } from '../tdx/td-body.ts'
import { parseTdReport } from '../tdx/td-report.ts'
import { earVerifier } from '../tokens/ear.ts'
import { guestClaims } from '../tokens/guest-claims.ts'
import { readJsonObject } from '../tokens/json.ts'
import { parseJws } from '../tokens/jws.ts'
import { parseTpmsAttest } from '../tpm/attest.ts'
import { snpPlatform, type SnpPlatform } from '../snp/platform.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { timeText } from './explain/field.ts'
import type { Piece } from './pieces/piece.ts'
import { attempt, type Pool } from './pieces/pool.ts'

/** What a piece of evidence states about its machine, in words: only as trustworthy as the verdict over it. */
export interface Said {
  /** File, and place in it. */
  of: string
  /** For example `launch measurement`. */
  what: string
  value: string
}

/** Everything that the statements among the pieces state; unreadable ones are left out. */
export function whatIsSaid(pieces: readonly Piece[], pool: Pool): Said[] {
  return pieces.flatMap((piece) => {
    const rows = attempt(() => rowsOf(piece, pool)) ?? []
    return rows.map(([what, value]) => ({ of: piece.name.trim(), what, value }))
  })
}

/** Platform of each SNP report among the pieces whose processor line is known. */
export function platformsIn(pieces: readonly Piece[], pool: Pool): { of: string; platform: SnpPlatform }[] {
  return pieces.flatMap((piece) => {
    const platform = attempt(() => platformOf(piece, pool))
    return platform === undefined ? [] : [{ of: piece.name.trim(), platform }]
  })
}

function platformOf(piece: Piece, pool: Pool): SnpPlatform | undefined {
  if (piece.kind !== 'snp-report' && piece.kind !== 'hcl-report') return undefined
  const bytes = piece.kind === 'snp-report' ? piece.bytes : parseHclReport(piece.bytes).hardwareReport
  const report = parseSnpReport(bytes)
  const product = (report.cpu && productOfCpu(report.cpu)) ?? productBeside(bytes, pool)
  return product && snpPlatform(report, product)
}

type Row = [what: string, value: string]

function rowsOf(piece: Piece, pool: Pool): Row[] {
  const { kind } = piece
  if (kind === 'snp-report') return snpRows(parseSnpReport(piece.bytes), productBeside(piece.bytes, pool))
  if (kind === 'tdx-quote') return tdRows(parseTdxQuote(piece.bytes).body)
  if (kind === 'td-report') return tdRows(parseTdReport(piece.bytes).body)
  if (kind === 'tpm-quote') return tpmRows(piece.message)
  if (kind === 'tpm-attest') return tpmRows(piece.bytes)
  if (kind === 'token') return tokenRows(readJsonObject(parseJws(piece.text).payload, 'claims'))
  if (kind === 'nitro-document') return nitroRows(parseNitroDocument(piece.bytes))
  if (kind === 'cca-token') return ccaRows(parseCcaToken(piece.bytes))
  if (kind !== 'hcl-report') return []
  const { reportType, hardwareReport: hardware } = parseHclReport(piece.bytes)
  if (reportType === 'TDX') return tdRows(parseTdReport(hardware).body)
  return snpRows(parseSnpReport(hardware), productBeside(hardware, pool))
}

/** Reports before version 3 do not name their processor line; the key's certificate does. */
function productBeside(report: Uint8Array, pool: Pool): SnpProduct | undefined {
  const chain = pool.snpChain(report)
  return chain && attempt(() => readEndorsement(parseCertificate(chain.vcek)).product)
}

const levels = ['the highest', 'below a paravisor or SVSM', 'below two others', 'the lowest']

function snpRows(report: SnpReport, beside: SnpProduct | undefined): Row[] {
  const { policy, vmpl, cpu } = report
  const product = (cpu && productOfCpu(cpu)) ?? beside
  const tcb = product && attempt(() => describeTcb(decodeTcb(report.reportedTcb, product)))
  return [
    ['launch measurement', toHex(report.measurement)],
    ['report data', dataText(report.reportData)],
    ...(isZero(report.hostData) ? [] : [['host data', toHex(report.hostData)] satisfies Row]),
    ['privilege level', `VMPL ${vmpl}, ${levels[vmpl] ?? 'not known'}`],
    ['TCB', tcb === undefined ? `${toHexNumber(report.reportedTcb)}; the product is not known` : `${product}: ${tcb}`],
    ['debugging', debugText(policy.debugAllowed)],
    ['migration', policy.migrationAgentAllowed ? 'ALLOWED: an agent can move the memory elsewhere' : 'not allowed'],
    ['chip', isZero(report.chipId) ? 'hidden by the host' : toHex(report.chipId)],
  ]
}

function tdRows(body: TdBody): Row[] {
  return [
    ['launch measurement', `MRTD ${toHex(body.mrTd)}`],
    ...body.rtmrs.map((value, index): Row => [`register RTMR${index}`, dataText(value)]),
    ['report data', dataText(body.reportData)],
    ['TCB', `TDX module and platform ${toHex(body.teeTcbSvn)}`],
    ['debugging', debugText((body.attributes & tdAttributes.debug) !== 0n)],
    ['migration', (body.attributes & tdAttributes.migratable) === 0n ? 'not allowed' : 'ALLOWED: the TD can be moved'],
  ]
}

function tpmRows(message: Uint8Array): Row[] {
  const attest = parseTpmsAttest(message)
  const challenge: Row = ['challenge answered', dataText(attest.extraData)]
  if (attest.type === 'creation') return [['key that the TPM made', toHex(attest.name)]]
  if (attest.type !== 'quote') return [challenge]
  const quoted = attest.pcrSelections.map(({ bank, pcrs }) => `${bank}: ${pcrs.join(' ')}`).join('; ')
  return [['registers quoted', quoted], challenge]
}

function tokenRows(claims: Readonly<Record<string, unknown>>): Row[] {
  const rows: Row[] = []
  if (typeof claims['iss'] === 'string') rows.push(['issuer', claims['iss']])
  const verifier = earVerifier(claims)
  if (verifier !== undefined) rows.push(['verifier', verifier])
  for (const [name, what] of [
    ['iat', 'issued'],
    ['exp', 'valid until'],
  ] as const) {
    const time = timeText(claims[name])
    if (time !== undefined) rows.push([what, time])
  }
  for (const { about, path, value, holds } of guestClaims(claims)) {
    const text = (JSON.stringify(value) ?? '').slice(0, 200)
    rows.push([about, `${holds ? '' : 'NOT AS REQUIRED: '}${path} ${text}`])
  }
  return rows
}

function nitroRows({ pcrs, nonce, userData, timestamp, kind }: NitroDocument): Row[] {
  const image = pcrs.get(0)
  const debugging = kind === 'enclave' && (image === undefined || isZero(image))
  return [
    ...[...pcrs]
      .filter(([, value]) => !isZero(value))
      .map(([index, value]): Row => [`register ${index}`, toHex(value)]),
    ['issued', timestamp.toISOString()],
    ['challenge answered', dataText(nonce ?? new Uint8Array())],
    ['user data', dataText(userData ?? new Uint8Array())],
    ['debugging', debugText(debugging)],
  ]
}

function ccaRows({ realm, platform }: CcaToken): Row[] {
  return [
    ['launch measurement', toHex(realm.initialMeasurement)],
    ['challenge answered', dataText(realm.challenge)],
    ['debugging', debugText(platform.lifecycle < 0x3000 || platform.lifecycle > 0x30ff)],
  ]
}

const debugText = (allowed: boolean): string =>
  allowed ? 'ALLOWED: the host can read the memory, nothing is confidential' : 'not allowed'
const dataText = (bytes: Uint8Array): string =>
  bytes.length === 0 ? 'none' : isZero(bytes) ? 'zero: nothing is bound' : toHex(bytes)
const toHexNumber = (value: bigint): string => `0x${value.toString(16)}`
