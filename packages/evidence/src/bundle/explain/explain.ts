import { utf8 } from '../../core/bytes/bytes.ts'
import { toHex } from '../../core/bytes/hex.ts'
import { parseHclReport } from '../../azure/hcl-report.ts'
import { parseEventLog } from '../../eventlog/event-log.ts'
import { EvidenceError, ParseError } from '../../core/errors.ts'
import { parseSnpReport } from '../../snp/report.ts'
import { parseTdxQuote } from '../../tdx/quote.ts'
import { parseTdReport } from '../../tdx/td-report.ts'
import { readJsonObject } from '../../tokens/json.ts'
import { parseJws } from '../../tokens/jws.ts'
import { parseTpmsAttest } from '../../tpm/attest.ts'
import { parseTpm2bPublic } from '../../tpm/public.ts'
import { parseTpmtSignature } from '../../tpm/signature.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { parseCrl } from '../../x509/crl.ts'
import { parsePublicKey } from '../../x509/public-key.ts'
import { explainClaims, explainJson } from './explain-json.ts'
import { explainEventLog } from './explain-log.ts'
import { parseCcaToken } from '../../cca/token.ts'
import { parseNitroDocument } from '../../nitro/document.ts'
import { parseSvsmManifest } from '../../svsm/manifest.ts'
import { explainCca, explainNitro, explainSvsm } from './explain-cbor.ts'
import { explainSnp } from './explain-snp.ts'
import { explainQuote, explainTdReport } from './explain-tdx.ts'
import { explainAttest, explainHcl, explainPublic, explainSignature } from './explain-tpm.ts'
import { explainCertificate, explainCrl } from './explain-x509.ts'
import { bytesText, type Explanation, type Field } from './field.ts'
import type { Piece, Unused } from '../pieces/piece.ts'

const titles: Record<Piece['kind'], string> = {
  'snp-report': 'SEV-SNP attestation report (AMD 56860, ATTESTATION_REPORT)',
  'tdx-quote': 'TD quote (Intel DCAP, appendix A)',
  'td-report': 'TDREPORT (Intel TDX module ABI)',
  'hcl-report': 'Attestation report of Azure’s paravisor (OpenVMM)',
  'event-log': 'TCG event log (PC Client Platform Firmware Profile, section 10)',
  'tpm-attest': 'TPMS_ATTEST (TPM 2.0 part 2, section 10.12.12)',
  'tpm-signature': 'TPMT_SIGNATURE (TPM 2.0 part 2, section 11.3.4)',
  'tpm-public': 'TPM2B_PUBLIC (TPM 2.0 part 2, section 12.2.5)',
  'public-key': 'Public key (RFC 5280, SubjectPublicKeyInfo)',
  'tpm-quote': 'Quote of a TPM, with its registers',
  'nitro-document': 'Attestation document of AWS Nitro (COSE_Sign1, RFC 9052)',
  'cca-token': 'Attestation token of an Arm CCA realm (RMM, A.7)',
  'svsm-manifest': 'Services of an SVSM (AMD 58019, table 12)',
  crl: 'X.509 certificate revocation list (RFC 5280, section 5)',
  certificates: 'X.509 certificates (RFC 5280, section 4)',
  'tcb-info': 'TDX TCB info, signed by Intel (PCS API 4)',
  'qe-identity': 'Identity of the TD quoting enclave, signed by Intel (PCS API 4)',
  token: 'JSON web token (RFC 7519)',
  release: 'Signed answer of a key release (Key Vault)',
  'image-measurements': 'What an image measures, signed by an installation',
  jwks: 'Key set (RFC 7517)',
  'runtime-claims': 'Runtime claims of Azure’s paravisor (OpenVMM)',
  signature: 'A signature without its scheme',
  unused: 'Parts of the file that no check uses',
  unknown: 'Not a known kind of evidence',
  unreadable: 'Declared as evidence, but unreadable',
}

/**
 * Every field of a piece of evidence, with its meaning. Nothing is verified: the fields are unverified claims.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { explain } from '@strongroom/evidence/explain'
 * import { detect } from '@strongroom/evidence/files'
 *
 * const [piece] = detect('report.bin', await readFile('report.bin'))
 * if (piece === undefined) throw new Error('a piece is expected')
 * const { title, fields } = explain(piece)
 * title // => 'SEV-SNP attestation report (AMD 56860, ATTESTATION_REPORT)'
 * fields.find(({ name }) => name === 'vmpl')?.value // => '0'
 */
export function explain(piece: Piece): Explanation {
  const head = { name: piece.name.trim(), kind: piece.kind, title: titles[piece.kind] }
  try {
    return { ...head, fields: piece.kind === 'unused' ? unusedFields(piece.parts) : fieldsOf(piece) }
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error
    const found = error.found === undefined ? '' : ` (found ${error.found}, expected ${error.expected ?? 'another'})`
    return { ...head, fields: [], fault: `${error.message}${found}` }
  }
}

const unusedFields = (parts: readonly Unused[]): Field[] =>
  parts.map(({ of, what }) => ({ name: of.trim(), value: what, meaning: 'Nothing reads this' }))

function fieldsOf(piece: Exclude<Piece, { kind: 'unused' }>): Field[] {
  switch (piece.kind) {
    case 'snp-report':
      return explainSnp(parseSnpReport(piece.bytes))
    case 'tdx-quote':
      return explainQuote(parseTdxQuote(piece.bytes))
    case 'td-report':
      return explainTdReport(parseTdReport(piece.bytes))
    case 'hcl-report':
      return explainHcl(parseHclReport(piece.bytes))
    case 'event-log':
      return explainEventLog(parseEventLog(piece.bytes))
    case 'tpm-attest':
      return explainAttest(parseTpmsAttest(piece.bytes))
    case 'tpm-signature':
      return explainSignature(parseTpmtSignature(piece.bytes))
    case 'tpm-public':
      return explainPublic(parseTpm2bPublic(piece.bytes))
    case 'tpm-quote':
      return [
        ...explainAttest(parseTpmsAttest(piece.message)),
        ...explainSignature(
          piece.signature instanceof Uint8Array ? parseTpmtSignature(piece.signature) : piece.signature,
        ),
        ...[...piece.pcrs].map(([index, value]): Field => ({
          name: `pcr ${index}`,
          value: toHex(value),
          meaning: 'Value claimed for this register; worth what the digest in the quote says',
        })),
      ]
    case 'nitro-document':
      return explainNitro(parseNitroDocument(piece.bytes))
    case 'cca-token':
      return explainCca(parseCcaToken(piece.bytes))
    case 'svsm-manifest':
      return explainSvsm(parseSvsmManifest(piece.bytes))
    case 'crl':
      return explainCrl(parseCrl(piece.bytes))
    case 'certificates':
      return piece.certificates.flatMap((der, index) =>
        explainCertificate(parseCertificate(der), index, piece.certificates.length),
      )
    case 'tcb-info':
    case 'qe-identity':
      return explainJson(readJsonObject(utf8(piece.text), piece.kind))
    case 'token':
    case 'image-measurements':
    case 'release': {
      const jws = parseJws(piece.text)
      return [...explainClaims('header', jws.header), ...explainClaims('', readJsonObject(jws.payload, 'claims'))]
    }
    case 'jwks':
      return explainJson(piece.value)
    case 'runtime-claims':
      return explainJson(readJsonObject(piece.bytes, 'runtime claims'))
    case 'public-key': {
      const key = parsePublicKey(piece.spki)
      const size = key.kind === 'EC' ? key.curve : `RSA-${key.modulusBits}`
      return [
        { name: 'key', value: size, meaning: 'Kind and size of the key' },
        { name: 'spki', value: bytesText(piece.spki), meaning: 'SubjectPublicKeyInfo, DER' },
      ]
    }
    case 'signature':
      return [{ name: 'signature', value: bytesText(piece.bytes), meaning: 'RSA signature of the length of its key' }]
    case 'unreadable':
      throw new ParseError({ code: piece.code, message: piece.reason })
    case 'unknown':
      return [{ name: 'reason', value: piece.reason, meaning: 'Why nothing can be said' }]
  }
}
