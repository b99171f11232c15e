import {
  decodeTcb,
  parseSnpReport,
  tdAttributes,
  type TdBody,
  type VerifiedSnp,
  type VerifiedTdx,
} from '@strongroom/evidence'

/** Length of ATTESTATION_REPORT (AMD 56860); each field is filled with a different byte. */
const reportLength = 1184

/** A verified report of a machine that passes every rule, to be changed in one place. */
export function verifiedSnp(
  o: { edit?: (bytes: Uint8Array) => void; product?: VerifiedSnp['product'] } = {},
): VerifiedSnp {
  const { product = 'Milan' } = o
  const bytes = new Uint8Array(reportLength)
  // Version 3, guest SVN 7; guest policy: ABI 0.31, SMT, and the bit that is always set.
  bytes.set([3, 0, 0, 0, 7])
  bytes.set([31, 0, 3], 8)
  bytes.fill(0x10, 0x10, 0x20).fill(0x20, 0x20, 0x30)
  bytes[0x34] = 1
  bytes[0x40] = 0x20
  const tcb = [4, 0, 0, 0, 0, 0, 0x1d, 0xdb]
  for (const at of [0x38, 0x180, 0x1e0, 0x1f0]) bytes.set(tcb, at)
  bytes.fill(0x50, 0x50, 0x90).fill(0x90, 0x90, 0xc0).fill(0xc0, 0xc0, 0xe0).fill(0xe0, 0xe0, 0x110)
  bytes.fill(0x11, 0x110, 0x140).fill(0x14, 0x140, 0x160).fill(0xff, 0x160, 0x180)
  bytes.set([0x19, 1, 1], 0x188)
  bytes.fill(0x1a, 0x1a0, 0x1e0)
  bytes.set([40, 55, 1, 0, 40, 55, 1], 0x1e8)
  o.edit?.(bytes)
  const report = parseSnpReport(bytes)
  const [reportedTcb, currentTcb, committedTcb, launchTcb] = [
    report.reportedTcb,
    report.currentTcb,
    report.committedTcb,
    report.launchTcb,
  ].map((raw) => decodeTcb(raw, product)) as [VerifiedSnp['reportedTcb'], ...VerifiedSnp['reportedTcb'][]]
  return {
    report,
    product,
    endorsement: {
      signer: 'VCEK',
      product,
      productName: `${product}-B0`,
      tcb: reportedTcb,
      hardwareId: report.chipId,
      providerId: undefined,
    },
    anchor: { name: 'root', spkiSha256: '00' },
    reportedTcb,
    currentTcb: currentTcb!,
    committedTcb: committedTcb!,
    launchTcb: launchTcb!,
    revocationChecked: true,
  }
}

/** A TD quote body that passes every rule, each field filled with a different byte. */
export const tdBody = (change: Partial<TdBody> = {}): TdBody => ({
  teeTcbSvn: Uint8Array.of(5, 1, 6, ...new Uint8Array(13)),
  mrSeam: new Uint8Array(48).fill(0x21),
  mrSignerSeam: new Uint8Array(48),
  seamAttributes: new Uint8Array(8),
  attributes: tdAttributes.septVeDisable,
  xfam: 0xe7n,
  mrTd: new Uint8Array(48).fill(0x22),
  mrConfigId: new Uint8Array(48).fill(0x23),
  mrOwner: new Uint8Array(48).fill(0x24),
  mrOwnerConfig: new Uint8Array(48).fill(0x25),
  rtmrs: [0x30, 0x31, 0x32, 0x33].map((byte) => new Uint8Array(48).fill(byte)) as unknown as TdBody['rtmrs'],
  reportData: new Uint8Array(64).fill(0x26),
  ...change,
})

/** A verified quote, as far as claims and compliance use it. */
export function verifiedTdx(
  change: Partial<Pick<VerifiedTdx, 'body' | 'tcbStatus' | 'advisoryIds'>> = {},
): VerifiedTdx {
  const body = change.body ?? tdBody()
  const assessment = { status: 'UpToDate', advisoryIds: [], tcbDate: new Date('2026-01-01T00:00:00Z') } as const
  const { tcbStatus = 'UpToDate', advisoryIds = [] } = change
  return {
    quote: { body },
    body,
    tcbStatus,
    advisoryIds,
    platform: assessment,
    quotingEnclave: assessment,
    pck: {},
    tcbEvaluationDataNumber: 1,
    validUntil: new Date('2100-01-01T00:00:00Z'),
    root: { name: 'root', spkiSha256: '00' },
    simulated: true,
  } as unknown as VerifiedTdx
}
