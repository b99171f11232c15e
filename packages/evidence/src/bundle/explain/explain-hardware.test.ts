import { describe, expect, it } from 'vitest'
import { toHex } from '../../core/bytes/hex.ts'
import type { SnpReport } from '../../snp/report.ts'
import type { TdxQuote } from '../../tdx/quote.ts'
import { tdAttributes } from '../../tdx/td-body.ts'
import type { TdReport } from '../../tdx/td-report.ts'
import { tdBody } from '../../testing/td-body.ts'
import { explainSnp } from './explain-snp.ts'
import { explainQuote, explainTdReport } from './explain-tdx.ts'
import type { Field } from './field.ts'

const of = (value: number): Uint8Array => new Uint8Array(4).fill(value)
const hex = (value: number): string => toHex(of(value))
/** What each row shows; every row must have a meaning. */
const shown = (fields: readonly Field[]): Record<string, string> => {
  expect(fields.filter(({ meaning }) => meaning.length < 3)).toEqual([])
  return Object.fromEntries(fields.map(({ name, value }) => [name, value]))
}

describe('a report of SEV-SNP', () => {
  const report = {
    version: 5,
    guestSvn: 6,
    policy: {
      raw: 0x3001fn,
      abiMajor: 1,
      abiMinor: 55,
      smtAllowed: true,
      migrationAgentAllowed: false,
      debugAllowed: true,
      singleSocketRequired: false,
      cxlAllowed: true,
      aes256XtsRequired: false,
      raplDisabledRequired: true,
      ciphertextHidingRequired: false,
      pageSwapDisabled: true,
    },
    familyId: of(1),
    imageId: of(2),
    vmpl: 3,
    currentTcb: 0xde1d000000000104n,
    reportedTcb: 0xde1d000000000204n,
    committedTcb: 0xde1d000000000304n,
    launchTcb: 0xde1d00ff00000404n,
    platformInfo: {
      raw: 0x25n,
      smtEnabled: true,
      tsmeEnabled: false,
      eccEnabled: true,
      raplDisabled: false,
      ciphertextHidingEnabled: true,
      aliasCheckComplete: false,
    },
    authorKeyEnabled: true,
    chipKeyMasked: false,
    signingKey: 'VLEK',
    reportData: of(4),
    measurement: of(5),
    hostData: of(6),
    idKeyDigest: of(7),
    authorKeyDigest: of(8),
    reportId: of(9),
    reportIdMa: of(10),
    cpu: { family: 0x19, model: 1, stepping: 2 },
    chipId: of(11),
    currentVersion: { major: 1, minor: 2, build: 3 },
    committedVersion: { major: 4, minor: 5, build: 6 },
    launchMitigations: 10n,
    currentMitigations: 11n,
    signatureR: of(12),
    signatureS: of(13),
  } as SnpReport

  it('shows every field by its name', () => {
    const tcb = (tee: number): string =>
      `de1d00000000${toHex(Uint8Array.of(tee)).slice(0, 2)}04 (fmc 0, bootLoader 4, tee ${tee}, snp 29, microcode 222)`
    expect(shown(explainSnp(report))).toEqual({
      version: '5',
      guestSvn: '6',
      policy: '0x3001f',
      'policy.abi': '1.55',
      'policy.smtAllowed': 'yes',
      'policy.migrationAgentAllowed': 'no',
      'policy.debugAllowed': 'yes',
      'policy.singleSocketRequired': 'no',
      'policy.cxlAllowed': 'yes',
      'policy.aes256XtsRequired': 'no',
      'policy.raplDisabledRequired': 'yes',
      'policy.ciphertextHidingRequired': 'no',
      'policy.pageSwapDisabled': 'yes',
      familyId: hex(1),
      imageId: hex(2),
      vmpl: '3',
      signatureAlgorithm: '1',
      currentTcb: tcb(1),
      platformInfo: '0x25',
      'platformInfo.smtEnabled': 'yes',
      'platformInfo.tsmeEnabled': 'no',
      'platformInfo.eccEnabled': 'yes',
      'platformInfo.raplDisabled': 'no',
      'platformInfo.ciphertextHidingEnabled': 'yes',
      'platformInfo.aliasCheckComplete': 'no',
      'platformInfo.tioEnabled': 'no',
      authorKeyEnabled: 'yes',
      chipKeyMasked: 'no',
      signingKey: 'VLEK',
      reportData: hex(4),
      measurement: hex(5),
      hostData: hex(6),
      idKeyDigest: hex(7),
      authorKeyDigest: hex(8),
      reportId: hex(9),
      reportIdMa: hex(10),
      reportedTcb: tcb(2),
      cpu: 'family 25, model 1, stepping 2 (Milan)',
      chipId: hex(11),
      committedTcb: tcb(3),
      currentVersion: '1.2.3',
      committedVersion: '4.5.6',
      // Bytes that Milan does not use are not reported as component versions.
      launchTcb: 'de1d00ff00000404',
      launchMitigations: '0xa',
      currentMitigations: '0xb',
      'signature.r': hex(12),
      'signature.s': hex(13),
    })
  })

  it.each([
    ['chipKeyMasked', 'MASK_CHIP_KEY'],
    ['signatureAlgorithm', 'SIGNATURE_ALGO'],
    ['launchMitigations', 'LAUNCH_MIT_VECTOR'],
    ['currentMitigations', 'CURRENT_MIT_VECTOR'],
    ['platformInfo.smtEnabled', 'SMT_EN'],
    ['platformInfo.tsmeEnabled', 'TSME_EN'],
    ['platformInfo.eccEnabled', 'ECC_EN'],
    ['platformInfo.raplDisabled', 'RAPL_DIS'],
    ['platformInfo.ciphertextHidingEnabled', 'CIPHERTEXT_HIDING_DRAM_EN'],
    ['platformInfo.aliasCheckComplete', 'ALIAS_CHECK_COMPLETE'],
    ['policy.migrationAgentAllowed', 'MIGRATE_MA'],
    ['policy.pageSwapDisabled', 'PAGE_SWAP_DISABLE'],
  ])('shows %s with AMD’s name, %s', (name, amd) => {
    const meaning = explainSnp(report).find((field) => field.name === name)?.meaning
    expect(meaning?.split(': ')[0]).toBe(amd)
  })

  it('of an earlier version lacks what later ones say, and is read as Milan’s', () => {
    const earlier = { ...report, cpu: undefined, launchMitigations: undefined, currentMitigations: undefined }
    const found = shown(explainSnp({ ...earlier, currentTcb: 4n }))
    expect(found).toMatchObject({
      cpu: 'not in this version',
      launchMitigations: 'not in this version',
      currentMitigations: 'not in this version',
      currentTcb: '0000000000000004 (fmc 0, bootLoader 4, tee 0, snp 0, microcode 0)',
    })
    const strange = shown(explainSnp({ ...report, cpu: { family: 1, model: 2, stepping: 3 } }))
    expect(strange['cpu']).toBe('family 1, model 2, stepping 3 (Milan)')
    const turin = shown(explainSnp({ ...report, cpu: { family: 0x1a, model: 2, stepping: 0 }, currentTcb: 1n }))
    expect(turin['currentTcb']).toBe('0000000000000001 (fmc 1, bootLoader 0, tee 0, snp 0, microcode 0)')
  })
})

describe('a TD', () => {
  const body = tdBody({
    teeTcbSvn: of(1),
    mrSeam: of(2),
    mrSignerSeam: of(3),
    seamAttributes: of(4),
    attributes: tdAttributes.debug | tdAttributes.migratable | tdAttributes.perfmon,
    xfam: 0xe7n,
    mrTd: of(5),
    mrConfigId: of(6),
    mrOwner: of(7),
    mrOwnerConfig: of(8),
    rtmrs: [of(9), of(10), of(11), of(12)],
    reportData: of(13),
  })
  const bodyRows = {
    teeTcbSvn: hex(1),
    mrSeam: hex(2),
    mrSignerSeam: hex(3),
    seamAttributes: hex(4),
    attributes: '0x8000000020000001',
    'attributes.debug': 'yes',
    'attributes.lass': 'no',
    'attributes.septVeDisable': 'no',
    'attributes.migratable': 'yes',
    'attributes.pks': 'no',
    'attributes.keyLocker': 'no',
    'attributes.perfmon': 'yes',
    xfam: '0xe7',
    mrTd: hex(5),
    mrConfigId: hex(6),
    mrOwner: hex(7),
    mrOwnerConfig: hex(8),
    rtmr0: hex(9),
    rtmr1: hex(10),
    rtmr2: hex(11),
    rtmr3: hex(12),
    reportData: hex(13),
  }

  it('shows every field of its TDREPORT', () => {
    const report = {
      tdxVersion: '1.5',
      cpuSvn: of(20),
      teeTcbInfoHash: of(21),
      teeInfoHash: of(22),
      mac: of(23),
      body,
    } as TdReport
    const rows = {
      tdxVersion: '1.5',
      cpuSvn: hex(20),
      teeTcbInfoHash: hex(21),
      teeInfoHash: hex(22),
      ...bodyRows,
      mac: hex(23),
    }
    expect(shown(explainTdReport(report))).toEqual(rows)
    const later = { ...body, teeTcbSvn2: of(14), mrServiceTd: of(15) }
    expect(shown(explainTdReport({ ...report, body: later }))).toEqual({
      ...rows,
      teeTcbSvn2: hex(14),
      mrServiceTd: hex(15),
    })
  })

  it('shows every field of its quote', () => {
    const quote = {
      version: 4,
      tdxVersion: '1.0',
      qeVendorId: of(20),
      userData: of(21),
      body,
      signature: of(22),
      attestationKey: of(23),
      qeReport: {
        raw: new Uint8Array(384).fill(24),
        attributes: of(25),
        mrSigner: of(26),
        isvProdId: 27,
        isvSvn: 28,
        reportData: of(29),
      },
      qeReportSignature: of(30),
      qeAuthenticationData: of(31),
      certification: { type: 'ppid', kind: 3, ppid: of(32), cpuSvn: of(33), pceSvn: 34, pceId: of(35) },
      trailing: new Uint8Array(36),
    } as unknown as TdxQuote
    expect(shown(explainQuote(quote))).toEqual({
      version: '4',
      tdxVersion: '1.0',
      qeVendorId: hex(20),
      userData: hex(21),
      ...bodyRows,
      signature: hex(22),
      attestationKey: hex(23),
      'qeReport.cpuSvn': '18'.repeat(16),
      'qeReport.attributes': hex(25),
      'qeReport.mrSigner': hex(26),
      'qeReport.isvProdId': '27',
      'qeReport.isvSvn': '28',
      'qeReport.reportData': hex(29),
      qeReportSignature: hex(30),
      qeAuthenticationData: hex(31),
      certification: 'type 3: PPID',
      trailing: '36 bytes',
    })
    // Anything but a certificate is skipped: the quote reader refuses it.
    const chain = { ...quote, certification: { type: 'pckChain', chain: [of(1)] } } as TdxQuote
    expect(shown(explainQuote(chain))['certification']).toBe('type 5: certificate chain')
  })
})
