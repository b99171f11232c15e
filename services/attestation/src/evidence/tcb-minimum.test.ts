import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tcbMinimum } from '@strongroom/evidence/advisories'
import { ServiceError } from '@strongroom/platform'
import { describe, expect, it, onTestFinished } from 'vitest'
import { verifiedSnp } from '../testing/verified-evidence.ts'
import { parseTcbMinimum, readTcbMinimum, TcbMinimum, tcbMinimumFile, tcbStatusClaim } from './tcb-minimum.ts'

const [snp, microcode] = [0x1d, 0xdb]
/** TCB_VERSION of Milan: boot loader, TEE, reserved, SNP firmware, microcode. */
const tcb = (parts: { snp?: number; microcode?: number }): number[] => [
  4,
  0,
  0,
  0,
  0,
  0,
  parts.snp ?? snp,
  parts.microcode ?? microcode,
]
const [reported, launch] = [0x180, 0x1f0]
const withTcb = (at: number[], parts: Parameters<typeof tcb>[0]): ReturnType<typeof verifiedSnp> =>
  verifiedSnp({ edit: (bytes) => at.forEach((offset) => bytes.set(tcb(parts), offset)) })

describe('the TCB that evidence of SNP is held to', () => {
  it('is up to date at the versions of the advisories', () => {
    expect(tcbMinimum('Milan')).toMatchObject({ snp, microcode })
    expect(new TcbMinimum().appraise(verifiedSnp())).toEqual({
      claims: { 'x-strongroom-tcb-status': 'UpToDate' },
      byNameOnly: [],
      shortcomings: [],
    })
  })

  it.each([
    [
      'what signs',
      [reported],
      'reportedTcb.microcode',
      'It is installed: commit it on the host (SNP_COMMIT), and have the VCEK of the new versions fetched.',
    ],
    [
      'what the guest was launched under',
      [launch],
      'launchTcb.microcode',
      'The host has it: restart the VM, which was launched under the older one.',
    ],
  ])('is out of date one version below them, in %s', (_name, at, path, update) => {
    const { claims, byNameOnly, shortcomings } = new TcbMinimum().appraise(withTcb(at, { microcode: microcode - 1 }))
    expect(claims[tcbStatusClaim]).toBe('OutOfDate')
    const ids = claims['attester_advisory_ids'] as string[]
    expect(ids).toContain('AMD-SB-3019')
    expect(ids).toEqual(ids.toSorted())
    expect(byNameOnly).toEqual([
      { claim: tcbStatusClaim, message: expect.stringMatching(/^the TCB of Milan is out of date: AMD-SB-/) },
    ])
    expect(byNameOnly[0]!.message).toContain('AMD-SB-3019 (EntrySign, CVE-2024-56161): microcode 219 wanted, 218 found')
    expect(shortcomings.map(({ path: each }) => each)).toEqual([path, ...ids.map(() => tcbStatusClaim), tcbStatusClaim])
    expect(shortcomings[0]!.message).toBe(`${path}: expected at least 219, found 218.`)
    expect(shortcomings.at(-2)!.message).toMatch(/^AMD-SB-.* found\.$/)
    expect(shortcomings.at(-1)!.message).toBe(`microcode: 218 found, 219 wanted. ${update}`)
  })

  it('counts an advisory without a version in its own right: aliased memory that nobody looked for', () => {
    const { claims, shortcomings } = new TcbMinimum().appraise(verifiedSnp({ edit: (bytes) => void (bytes[0x40] = 0) }))
    expect(claims).toEqual({ [tcbStatusClaim]: 'OutOfDate', attester_advisory_ids: expect.any(Array) })
    expect(shortcomings.every(({ path }) => path === tcbStatusClaim)).toBe(true)
    expect(shortcomings[0]!.message).toContain('no completed check of aliased memory')
  })

  it('has nothing to do with the other rules of an appraisal, which are compliance’s', () => {
    const edit = (bytes: Uint8Array): void => {
      bytes[0x30] = 3
      bytes[10] = 0x0f
    }
    expect(new TcbMinimum().appraise(verifiedSnp({ edit })).claims).toEqual({ [tcbStatusClaim]: 'UpToDate' })
  })

  it('is raised by the operator for one part of one line, and lowered by nobody', () => {
    const raised = new TcbMinimum({ Milan: { snp: snp + 1, microcode: 1 } })
    expect(raised.of('Milan')).toEqual({ ...tcbMinimum('Milan'), snp: snp + 1 })
    expect(raised.of('Genoa')).toEqual(tcbMinimum('Genoa'))
    expect(raised.appraise(withTcb([reported, launch], { snp: snp + 1 })).claims).toEqual({
      [tcbStatusClaim]: 'UpToDate',
    })
    const { claims, byNameOnly, shortcomings } = raised.appraise(verifiedSnp())
    expect(claims).toEqual({ [tcbStatusClaim]: 'OutOfDate' })
    expect(byNameOnly[0]!.message).toBe('the TCB of Milan is out of date: this installation requires more')
    expect(shortcomings.map(({ path }) => path)).toEqual(['reportedTcb.snp', 'launchTcb.snp', tcbStatusClaim])
    expect(shortcomings[2]!.message).toMatch(/^SNP firmware: 29 found, 30 wanted\. Install the newer BIOS/)
  })
})

describe('STATE/tcb-minimum.json', () => {
  /** Expected and found; `read` if the text is accepted. */
  const refusal = (value: unknown): unknown[] => {
    try {
      parseTcbMinimum(typeof value === 'string' ? value : JSON.stringify(value), 'f')
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error
      expect([error.status, error.code, error.target]).toEqual([500, 'TcbMinimumInvalid', tcbMinimumFile])
      return [error.expected, error.found]
    }
    return ['read']
  }
  const lines = 'Milan, Milan-X, Genoa, Genoa-X, Bergamo, Turin, Turin Dense'
  const version = `Milan.snp: a whole number from ${snp}, which the advisories require, to 255`

  it.each<[string, unknown, unknown[]]>([
    ['text that is not JSON', '{', ['JSON', 'another text']],
    ['a list', [], ['an object keyed by processor line', '[]']],
    ['null', null, ['an object keyed by processor line', 'null']],
    ['an unknown line', { Rome: {} }, [lines, 'Rome']],
    ['a line of another case', { milan: {} }, [lines, 'milan']],
    ['a version instead of parts', { Milan: 30 }, ['Milan: an object keyed by part', '30']],
    ['an unknown part', { Milan: { psp: 1 } }, ['Milan: fmc, bootLoader, tee, snp, microcode', 'psp']],
    ['less than the advisories', { Milan: { snp: snp - 1 } }, [version, `${snp - 1}`]],
    ['more than a version can be', { Milan: { snp: 256 } }, [version, '256']],
    ['a part of a number', { Milan: { snp: 30.5 } }, [version, '30.5']],
    ['a text', { Milan: { snp: '30' } }, [version, '30']],
    [
      'a fault in the second line',
      { Milan: { snp: 30 }, Genoa: { snp: null } },
      [expect.stringMatching(/^Genoa\.snp/), 'null'],
    ],
  ])('is refused with %s', (_what, value, expected) => {
    expect(refusal(value)).toEqual(expected)
  })

  it('is read to each of its bounds', () => {
    for (const parts of [{ snp }, { snp: 255 }, { fmc: 0, bootLoader: 0, tee: 255, snp: 30, microcode: 255 }, {}])
      expect(refusal({ Milan: parts })).toEqual(['read'])
    expect(parseTcbMinimum('{"Turin Dense":{"microcode":255}}', 'f')).toEqual({ 'Turin Dense': { microcode: 255 } })
  })

  it('is none where it is not there, and stops the service where it cannot be read', async () => {
    const stateDir = await mkdtemp(join(tmpdir(), 'strongroom-minimum-'))
    onTestFinished(() => rm(stateDir, { recursive: true, force: true }))
    expect((await readTcbMinimum(stateDir)).of('Milan')).toEqual(tcbMinimum('Milan'))
    const path = join(stateDir, tcbMinimumFile)
    await writeFile(path, '{"Milan":{"snp":200}}')
    expect((await readTcbMinimum(stateDir)).of('Milan').snp).toBe(200)
    await writeFile(path, '{')
    await expect(readTcbMinimum(stateDir)).rejects.toMatchObject({ code: 'TcbMinimumInvalid' })
    await expect(readTcbMinimum(path)).rejects.toMatchObject({ code: 'ENOTDIR' })
  })
})
