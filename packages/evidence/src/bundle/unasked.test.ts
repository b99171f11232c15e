import { describe, expect, it } from 'vitest'
import { buildHclReport } from '../azure/hcl-report.ts'
import { utf8 } from '../core/bytes/bytes.ts'
import { creationMessage, quoteMessage } from '../testing/software-tpm.ts'
import type { EvidencePolicy } from './evidence-policy.ts'
import type { Piece, PieceOf } from './pieces/piece.ts'
import { unasked } from './unasked.ts'
import { unusedRules } from './unused-rules.ts'

const bytes = new Uint8Array()
const hcl = (reportType: 'SNP' | 'TDX'): Piece => {
  const hardwareReport = new Uint8Array(reportType === 'SNP' ? 1184 : 1024)
  return { name: '', kind: 'hcl-report', bytes: buildHclReport({ hardwareReport, reportType, claims: utf8('{}') }) }
}
const pieces = {
  snp: { name: '', kind: 'snp-report', bytes },
  snpHcl: hcl('SNP'),
  tdx: { name: '', kind: 'tdx-quote', bytes },
  tdReport: { name: '', kind: 'td-report', bytes },
  tdxHcl: hcl('TDX'),
  unreadHcl: { name: '', kind: 'hcl-report', bytes },
  quote: { name: '', kind: 'tpm-quote', message: bytes, signature: bytes, pcrs: new Map() },
  loggedQuote: { name: '', kind: 'tpm-quote', message: bytes, signature: bytes, pcrs: new Map(), eventLog: bytes },
  attest: { name: '', kind: 'tpm-attest', bytes: quoteMessage(new Map()) },
  creation: { name: '', kind: 'tpm-attest', bytes: creationMessage(new Uint8Array(34)) },
  heldCreation: {
    name: '',
    kind: 'tpm-quote',
    message: creationMessage(new Uint8Array(34)),
    signature: bytes,
    pcrs: new Map(),
  },
  token: { name: '', kind: 'token', text: '' },
  nitro: { name: '', kind: 'nitro-document', bytes },
  cca: { name: '', kind: 'cca-token', bytes },
  svsm: { name: '', kind: 'svsm-manifest', bytes },
  claims: { name: '', kind: 'runtime-claims', bytes },
  vaultRelease: { name: '', kind: 'release', text: '' },
  log: { name: '', kind: 'event-log', bytes },
  certificates: { name: '', kind: 'certificates', certificates: [] },
  // The kind is already known; its bytes are not checked for other kinds.
  likeHcl: { name: '', kind: 'crl', bytes: (hcl('SNP') as PieceOf<'hcl-report'>).bytes },
} satisfies Record<string, Piece>
type Named = keyof typeof pieces
const [zero, registers] = [new Uint8Array(48), new Map([[0, new Uint8Array(32)]])]
const given = (names: readonly Named[]): Piece[] => names.map((name) => pieces[name])

describe('reference values that nobody gave', () => {
  /** Their names in a policy, per line. */
  const lines = (policy: EvidencePolicy, ...names: Named[]): string[] =>
    unasked(policy, given(names)).map((line) => /\(([^)]*)\)/.exec(line)![1]!)
  const quoted = ['--nonce, tpm.nonce', 'tpm.pcrs']

  it('are named for each kind of evidence', () => {
    const snp = ['snp.measurements', 'snp.reportData', 'snp.tcb']
    const tdx = ['tdx.mrTds', 'tdx.rtmrs', 'tdx.reportData']
    const wanted: [Named, string[]][] = [
      ['snp', snp],
      ['snpHcl', ['snp.measurements', 'snp.tcb']],
      ['tdx', tdx],
      ['tdReport', tdx],
      ['tdxHcl', ['tdx.mrTds']],
      ['quote', quoted],
      ['attest', quoted],
      ['token', ['token.issuer', 'token.claims']],
      ['nitro', quoted],
      ['cca', ['--nonce, tpm.nonce', 'cca.initialMeasurements']],
      ...(['creation', 'heldCreation', 'unreadHcl', 'svsm', 'claims', 'log', 'certificates', 'likeHcl'] as const).map(
        (name): [Named, string[]] => [name, []],
      ),
    ]
    for (const [name, names] of wanted) expect([name, lines({}, name)]).toEqual([name, names])
    expect(lines({}, 'certificates', 'snp', 'token')).toEqual([...snp, 'token.issuer', 'token.claims'])
    expect(lines({})).toEqual([])
  })

  it('are not named where a policy has them', () => {
    const any = { measurements: 'any', reportData: 'any' } as const
    for (const [policy, name, left] of [
      [{ snp: any }, 'snp', ['snp.measurements', 'snp.reportData', 'snp.tcb']],
      [{ snp: { ...any, measurements: [zero] } }, 'snp', ['snp.reportData', 'snp.tcb']],
      [{ snp: { ...any, reportData: new Uint8Array(64) } }, 'snp', ['snp.measurements', 'snp.tcb']],
      [{ snp: { ...any, tcb: {} } }, 'snp', ['snp.measurements', 'snp.reportData']],
      [{ tdx: { mrTds: ['00'] } }, 'tdx', ['tdx.rtmrs', 'tdx.reportData']],
      [{ tdx: { rtmrs: {} } }, 'tdx', ['tdx.mrTds', 'tdx.reportData']],
      [{ boot: {} }, 'tdx', ['tdx.mrTds', 'tdx.reportData']],
      [{ tdx: { reportData: new Uint8Array(64) } }, 'tdx', ['tdx.mrTds', 'tdx.rtmrs']],
      [{ tpm: { nonce: bytes } }, 'quote', ['tpm.pcrs']],
      [{ tpm: { pcrs: registers } }, 'quote', ['--nonce, tpm.nonce']],
      [{ boot: {} }, 'quote', ['--nonce, tpm.nonce']],
      [{ tpm: { nonce: bytes } }, 'nitro', ['tpm.pcrs']],
      [{ tpm: { pcrs: registers } }, 'nitro', ['--nonce, tpm.nonce']],
      [{ tpm: { nonce: bytes } }, 'cca', ['cca.initialMeasurements']],
      [{ cca: { initialMeasurements: [zero] } }, 'cca', ['--nonce, tpm.nonce']],
      [{ token: { issuer: 'x' } }, 'token', ['token.claims']],
      [{ token: { claims: {} } }, 'token', ['token.issuer']],
      [{ token: { keys: [] } }, 'token', ['token.claims']],
      [{ token: { roots: [] } }, 'token', ['token.claims']],
    ] as [EvidencePolicy, Named, string[]][]) {
      expect([Object.keys(policy), name, lines(policy, name)]).toEqual([Object.keys(policy), name, left])
    }
  })
})

describe('a part of a policy', () => {
  const parts: Record<string, EvidencePolicy> = {
    snp: { snp: { measurements: [zero], reportData: 'any' } },
    tdx: { tdx: { mrTds: ['00'] } },
    'snp and tdx': { snp: { measurements: [zero], reportData: 'any' }, tdx: { mrTds: ['00'] } },
    hcl: { hcl: {} },
    boot: { boot: {} },
    'tpm.nonce': { tpm: { nonce: bytes } },
    'tpm.pcrs': { tpm: { pcrs: registers } },
    token: { token: {} },
    cca: { cca: { initialMeasurements: [zero] } },
    'tpm.roots': { tpm: { roots: [] } },
    keys: { keys: [] },
    release: { release: { roots: [], signer: 'any' } },
  }
  const met: Record<string, Named[]> = {
    snp: ['snp', 'snpHcl'],
    tdx: ['tdx', 'tdReport', 'tdxHcl'],
    'snp and tdx': ['snp', 'snpHcl', 'tdx', 'tdReport', 'tdxHcl'],
    hcl: ['snpHcl', 'tdxHcl', 'unreadHcl', 'claims'],
    boot: ['log', 'loggedQuote'],
    'tpm.nonce': ['quote', 'loggedQuote', 'attest', 'nitro', 'cca', 'svsm'],
    'tpm.pcrs': ['quote', 'loggedQuote', 'attest', 'nitro'],
    token: ['token'],
    cca: ['cca'],
    'tpm.roots': ['quote', 'loggedQuote', 'attest', 'creation', 'heldCreation'],
    keys: ['quote', 'loggedQuote', 'attest', 'creation', 'heldCreation', 'cca'],
    release: ['vaultRelease'],
  }
  /** Of a part: what the policy's author wrote. */
  const membersOf: Record<string, string> = {
    snp: 'snp.measurements',
    tdx: 'tdx.mrTds',
    'snp and tdx': 'snp.measurements, tdx.mrTds',
    cca: 'cca.initialMeasurements',
  }
  /** Evidence to which the part cannot apply. */
  const wrong: Record<string, Named[]> = {
    snp: ['tdx', 'tdReport', 'tdxHcl', 'nitro', 'cca'],
    tdx: ['snp', 'snpHcl', 'nitro', 'cca'],
    'snp and tdx': ['nitro', 'cca'],
    cca: ['snp', 'snpHcl', 'tdx', 'tdReport', 'tdxHcl', 'nitro'],
    'tpm.pcrs': ['cca', 'svsm'],
    'tpm.roots': ['nitro', 'cca', 'svsm'],
  }

  it.each(Object.keys(parts))(
    '%s keeps the verdict open where nothing is held to it, and refuses what it cannot apply to',
    (name) => {
      for (const piece of Object.keys(pieces) as Named[]) {
        const found = unusedRules(parts[name]!, given([piece]))
        const cannotApply = wrong[name]?.includes(piece) === true
        const unmet = cannotApply
          ? ['policy.used', 'failed', 'RuleNotApplicable']
          : ['policy.used', 'skipped', undefined]
        expect([piece, found.map(({ id, outcome, code }) => [id, outcome, code])]).toEqual([
          piece,
          met[name]!.includes(piece) ? [] : [unmet],
        ])
        expect(found.every(({ optional }) => optional === undefined)).toBe(true)
        expect([piece, unusedRules(parts[name]!, given(['certificates', piece]))]).toEqual([piece, found])
        const words = cannotApply ? `The policy’s ${membersOf[name] ?? name} cannot apply` : `part ${name} was `
        if (found.length > 0) expect(found[0]!.message).toContain(words)
      }
      expect(unusedRules(parts[name]!, given(['certificates', ...met[name]!]))).toEqual([])
    },
  )

  it('that only permits keeps the verdict open also beside other hardware', () => {
    const open: EvidencePolicy[] = [
      { snp: { measurements: 'any', reportData: 'any', allow: { debug: true } } },
      { cca: {} },
    ]
    for (const policy of open) {
      expect(unusedRules(policy, given(['tdx'])).map(({ outcome }) => outcome)).toEqual(['skipped'])
    }
    const permitted: EvidencePolicy = { tdx: { tcbStatuses: ['OutOfDate'], debugAllowed: true } }
    expect(unusedRules(permitted, given(['snp'])).map(({ outcome }) => outcome)).toEqual(['skipped'])
  })

  it('that is not there asks for nothing', () => {
    expect(unusedRules({}, given(Object.keys(pieces) as Named[]))).toEqual([])
    expect(unusedRules({ tpm: {} }, [])).toEqual([])
    expect(unusedRules({ ...parts['hcl'], ...parts['boot'], ...parts['token'] }, [])).toHaveLength(3)
  })
})
