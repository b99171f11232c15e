import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BootEvidence } from '@strongroom/contract'
import type { Silicon } from '@strongroom/silicon'
import { type Boot, makeBoot, makeSilicon } from './boot.ts'

/** Milliseconds: generating 4096-bit keys takes seconds, and longer on a busy machine. */
const making = 120_000

const strongroom = join(import.meta.dirname, '../../strongroom')

interface Check {
  id: string
  outcome: string
  code?: string
  actual?: string
  children: Check[]
}

interface Answer {
  exit: number
  verdict?: string
  code?: string
  check: Check
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'E-boot-evidence-'))
}, making)
afterAll(async () => {
  await rm(folder, { recursive: true })
})

/** Runs the command as a user does. */
async function verify(args: readonly string[]): Promise<Answer> {
  return new Promise((resolve, reject) => {
    execFile(
      strongroom,
      ['evidence', 'verify', ...args, '--output', 'json'],
      { maxBuffer: 1 << 24 },
      (error, stdout, stderr) => {
        const exit = error === null ? 0 : Number((error as { code?: number }).code)
        try {
          resolve({ exit, ...(JSON.parse(stdout) as Omit<Answer, 'exit'>) })
        } catch (cause) {
          reject(new Error(`exit ${exit}: ${stderr}`, { cause }))
        }
      },
    )
  })
}

const found = (check: Check, id: string): Check[] => [
  ...(check.id === id ? [check] : []),
  ...check.children.flatMap((child) => found(child, id)),
]

describe.each(['SNP', 'TDX'] as const)('the stored evidence of a boot on %s', { timeout: making }, (tee) => {
  let boot: Boot
  let silicon: Silicon
  const file = (name: string): string => join(folder, `${tee}-${name}`)
  const own = (): string[] => ['--anchors', file('anchors.json'), '--ca', file('ca.pem'), '--at', boot.at.toISOString()]
  const judge = async (evidence: BootEvidence, ...more: string[]): Promise<Answer> => {
    await writeFile(file('boot.json'), JSON.stringify(evidence))
    return verify([file('boot.json'), file('certs.json'), ...own(), ...more])
  }
  /** The same evidence with one part rewritten. */
  const changed = (change: (evidence: BootEvidence) => void): BootEvidence => {
    const copy = structuredClone(boot.evidence)
    change(copy)
    return copy
  }

  beforeAll(async () => {
    silicon = await makeSilicon()
    boot = await makeBoot(tee, silicon)
    await writeFile(file('anchors.json'), JSON.stringify(boot.anchors))
    await writeFile(file('certs.json'), JSON.stringify(boot.jwks))
    await writeFile(file('ca.pem'), boot.ca)
  }, making)

  it('is judged whole from one file, and exits 0', async () => {
    const policy = {
      hcl: { configuration: { 'secure-boot': true, vmUniqueId: boot.evidence.vmId } },
      boot: { secureBoot: true },
      tpm: { pcrs: boot.evidence.expected.pcrs },
      token: { issuer: boot.evidence.attestation.issuer, claims: { 'x-ms-compliance-status': 'azure-compliant-cvm' } },
      ...(tee === 'SNP'
        ? { snp: { measurements: [boot.evidence.expected.launchMeasurement], require: { revocation: true } } }
        : { tdx: { mrTds: [boot.evidence.expected.launchMeasurement] } }),
    }
    await writeFile(file('policy.json'), JSON.stringify(policy))
    const answer = await judge(boot.evidence, '--policy', file('policy.json'))
    expect([answer.exit, answer.verdict, answer.code]).toEqual([0, 'accepted', undefined])
    const hardware =
      tee === 'SNP'
        ? ['snp.signature', 'snp.chain.revocation', 'snp.policy']
        : ['tdx.signature', 'tdx.platform', 'tdx.pck.revocation', 'tdReport.quoted', 'tdReport.sibling', 'tdx.policy']
    for (const id of [
      ...hardware,
      'claims.binding',
      'claims.policy',
      'hcl.binding',
      'hcl.samekey',
      'tpm.signature',
      'tpm.registers',
      'tpm.expected',
      'log.replay',
      'log.claims',
      'log.policy',
      'token.signature',
      'token.evidence',
      'token.claims',
      'release.signer',
      'release.signature',
      'image.measurements',
    ]) {
      const checks = found(answer.check, id)
      expect([id, checks.length > 0, checks.every(({ outcome }) => outcome === 'passed')]).toEqual([id, true, true])
    }
    expect(found(answer.check, 'log.replay')[0]?.actual).toContain('11 through ready')
    // The machine itself reports the challenge: a quote that answers it proves no freshness.
    expect(found(answer.check, 'tpm.nonce')[0]?.outcome).toBe('skipped')
  })

  it('exits 2 without the provider’s keys: those in the file could be anybody’s', async () => {
    await writeFile(file('boot.json'), JSON.stringify(boot.evidence))
    const answer = await verify([file('boot.json'), ...own()])
    expect([answer.exit, answer.verdict]).toEqual([2, 'unjudged'])
    expect(found(answer.check, 'token.key')[0]?.outcome).toBe('skipped')
  })

  it('exits 2 without the key that signs what images measure', async () => {
    await writeFile(file('boot.json'), JSON.stringify(boot.evidence))
    const { images: _, ...anchors } = boot.anchors
    await writeFile(file('no-images.json'), JSON.stringify(anchors))
    const options = own().map((each) => (each === file('anchors.json') ? file('no-images.json') : each))
    const answer = await verify([file('boot.json'), file('certs.json'), ...options])
    expect([answer.exit, answer.verdict]).toEqual([2, 'unjudged'])
    expect(found(answer.check, 'image.measurements')[0]?.outcome).toBe('skipped')
  })

  it('exits 1 under AMD’s and Intel’s own roots, and after its time', async () => {
    await writeFile(file('boot.json'), JSON.stringify(boot.evidence))
    const files = [file('boot.json'), file('certs.json')]
    const genuine = await verify([...files, '--ca', file('ca.pem'), '--at', boot.at.toISOString()])
    expect([genuine.exit, genuine.code]).toEqual([1, 'UntrustedRoot'])
    const late = await verify([
      ...files,
      '--anchors',
      file('anchors.json'),
      '--ca',
      file('ca.pem'),
      '--at',
      '2060-01-01',
    ])
    expect([late.exit, late.code]).toEqual([1, expect.stringMatching(/Expired$/)])
  })

  it.each([
    ['runtime claims', 'claims.binding', (e: BootEvidence, o: BootEvidence) => (e.runtimeClaims = o.runtimeClaims)],
    ['a token', 'token.signature', (e: BootEvidence, o: BootEvidence) => (e.attestation.token = o.attestation.token)],
    ['a release', 'release.signer', (e: BootEvidence, o: BootEvidence) => (e.release.jws = o.release.jws)],
    [
      'vTPM and measured boot',
      'claims.key',
      (e: BootEvidence, o: BootEvidence) => Object.assign(e, { vtpm: o.vtpm, measuredBoot: o.measuredBoot }),
    ],
    ['a measured boot', 'tpm.signature', (e: BootEvidence, o: BootEvidence) => (e.measuredBoot = o.measuredBoot!)],
    ['an event log', 'log', (e: BootEvidence) => (e.measuredBoot!.eventLog = shortened(e.measuredBoot!.eventLog))],
    ['registers', 'tpm.registers', (e: BootEvidence) => (e.measuredBoot!.pcrs['7'] = '00'.repeat(32))],
    [
      'measurements of an image, signed',
      'image.measurements',
      (e: BootEvidence, o: BootEvidence) => (e.measurements = o.measurements!),
    ],
    ['a challenge', 'tpm.nonce', (e: BootEvidence) => (e.measuredBoot!.nonce = 'AAAA')],
  ] as const)('with %s of another machine on the same silicon is refused', async (_, id, exchange) => {
    const other = await makeBoot(tee, silicon)
    const answer = await judge(changed((evidence) => exchange(evidence, other.evidence)))
    expect([answer.exit, answer.verdict]).toEqual([1, 'refused'])
    const failed = (check: Check): string[] =>
      check.outcome === 'failed' ? [check.id, ...check.children.flatMap(failed)] : []
    expect(failed(answer.check).some((each) => each.startsWith(id))).toBe(true)
  })
})

/** An event log without its last record: it ends in four section measurements of equal size. */
function shortened(log: string): string {
  const bytes = Buffer.from(log, 'base64url')
  return bytes.subarray(0, bytes.length - (4 + 4 + 4 + 2 + 32 + 4 + '.cmdline'.length)).toString('base64url')
}
