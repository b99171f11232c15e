import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ServiceError } from '@strongroom/platform'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { acceptedSiliconFile, parseAcceptedSilicon, readAcceptedSilicon } from './accepted-silicon.ts'

const witness = 'witness.weu.attest.strongroom.internal'
const root = { name: 'ARK', spkiSha256: 'ab'.repeat(32) }
const anchors = { simulated: true, amd: [root], intel: [] as (typeof root)[] }
const entry = { providers: [witness], anchors }
/** Expected and found; `read` if the text is accepted. */
const refusal = (value: unknown): unknown[] => {
  try {
    parseAcceptedSilicon(typeof value === 'string' ? value : JSON.stringify(value), 'f')
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error
    expect([error.status, error.code, error.target]).toEqual([500, 'AcceptedSiliconInvalid', acceptedSiliconFile])
    return [error.expected, error.found]
  }
  return ['read']
}
const hostsExpected = 'first.providers: host names of providers, no shared one among them'
const withRoots = (amd: unknown, intel: unknown = []): unknown => ({
  first: { ...entry, anchors: { ...anchors, amd, intel } },
})

describe('STATE/accepted-silicon.json', () => {
  it('names the silicon of other installations and the providers that verify it', () => {
    const second = {
      providers: [witness, 'b-2.eus2.attest.strongroom.internal'],
      anchors: { ...anchors, intel: [root, root] },
    }
    const text = JSON.stringify({ first: entry, second: { ...second, more: 1 } })
    expect(parseAcceptedSilicon(text, 'f')).toEqual([
      { hosts: [witness], anchors },
      { hosts: second.providers, anchors: { simulated: true, amd: [root], intel: [root, root] } },
    ])
    expect(parseAcceptedSilicon('{}', 'f')).toEqual([])
    // Other members that another installation's file has for a root are ignored.
    expect(parseAcceptedSilicon(JSON.stringify(withRoots([{ ...root, more: 1 }])), 'f')[0]?.anchors.amd).toEqual([root])
  })

  it.each<[string, unknown, unknown[]]>([
    ['text that is not JSON', '{', ['JSON', 'another text']],
    ['a list', [entry], ['an object by name', JSON.stringify([entry]).slice(0, 200)]],
    ['null', null, ['an object by name', 'null']],
    ['no anchors', { first: { providers: [witness] } }, ['first.anchors: the content of an anchors.json', 'nothing']],
    ['an entry that is a text', { first: 'a' }, ['first.anchors: the content of an anchors.json', 'nothing']],
    [
      'anchors in a list',
      { first: { ...entry, anchors: [] } },
      ['first.anchors: the content of an anchors.json', '[]'],
    ],
    [
      'roots not marked as simulated',
      { first: { ...entry, anchors: { ...anchors, simulated: 1 } } },
      ['first.anchors.simulated: true', '1'],
    ],
    ['roots that are not a list', withRoots({}), ['first.anchors.amd: a list of at most 32 roots', '{}']],
    ['no roots of Intel', withRoots([root], null), ['first.anchors.intel: a list of at most 32 roots', 'null']],
    [
      'a root that is a text',
      withRoots(['a']),
      ['first.anchors.amd[0]: name and spkiSha256 (64 hexadecimal digits)', 'a'],
    ],
  ])('is refused with %s', (_what, value, expected) => {
    expect(refusal(value)).toEqual(expected)
  })

  it.each<[string, unknown]>([
    ['none', []],
    ['no list', witness],
    ['a number', [7]],
    ['a host in a list of its own', [[witness]]],
    ['the shared provider', ['sharedweu.weu.attest.strongroom.internal']],
    ['the shared one of another region', [witness, 'sharedneu.neu.attest.strongroom.internal']],
    ['a host that is not a provider', ['vault.strongroom.internal']],
    ['a host of upper case', ['Witness.weu.attest.strongroom.internal']],
    ['a name that is too short', ['wi.weu.attest.strongroom.internal']],
    ['a name that is too long', [`${'w'.repeat(41)}.weu.attest.strongroom.internal`]],
    ['a region that is too short', ['witness.w.attest.strongroom.internal']],
    ['a region that is too long', ['witness.westeurop.attest.strongroom.internal']],
    ['a host below a provider', [`a.${witness}`]],
    ['something behind a host', [`${witness}.evil.example`]],
    ['33 of them', Array.from({ length: 33 }, (_, n) => `wit${n}.weu.attest.strongroom.internal`)],
  ])('is refused for its providers: %s', (_what, providers) => {
    expect(refusal({ first: { ...entry, providers } })[0]).toBe(hostsExpected)
  })

  it('is read to each of its bounds', () => {
    const longest = [`${'w'.repeat(40)}.weeeeeee.attest.strongroom.internal`, 'w-1.w1.attest.strongroom.internal']
    const many = Array.from({ length: 32 }, (_, n) => `wit${n}.weu.attest.strongroom.internal`)
    for (const providers of [longest, many]) expect(refusal({ first: { ...entry, providers } })).toEqual(['read'])
    expect(refusal(withRoots(Array(32).fill(root)))).toEqual(['read'])
    expect(refusal(withRoots(Array(33).fill(root)))[0]).toBe('first.anchors.amd: a list of at most 32 roots')
  })

  it.each([
    ['no name', { spkiSha256: root.spkiSha256 }],
    ['no pin', { name: 'ARK' }],
    ['a pin of 63 digits', { name: 'ARK', spkiSha256: 'a'.repeat(63) }],
    ['a pin of 65 digits', { name: 'ARK', spkiSha256: 'a'.repeat(65) }],
    ['a pin of upper case', { name: 'ARK', spkiSha256: 'A'.repeat(64) }],
    ['a number for a pin', { name: 'ARK', spkiSha256: 7 }],
    ['a pin in a list', { name: 'ARK', spkiSha256: [root.spkiSha256] }],
  ])('is refused with a root that has %s, and says which', (_what, wrong) => {
    expect(refusal(withRoots([root, wrong]))[0]).toBe(
      'first.anchors.amd[1]: name and spkiSha256 (64 hexadecimal digits)',
    )
    expect(refusal(withRoots([], [wrong]))[0]).toBe(
      'first.anchors.intel[0]: name and spkiSha256 (64 hexadecimal digits)',
    )
  })

  it('is read or refused, whatever it holds', () => {
    const any = fc.record({ providers: fc.anything(), anchors: fc.anything() })
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.dictionary(fc.string(), any).map((value) => JSON.stringify(value)),
    )
    fc.assert(fc.property(text, (each) => refusal(each).length > 0))
  })

  it('is none where it is not there, and stops the service where it cannot be read', async () => {
    const stateDir = await mkdtemp(join(tmpdir(), 'strongroom-accepted-'))
    onTestFinished(() => rm(stateDir, { recursive: true, force: true }))
    expect(await readAcceptedSilicon(stateDir)).toEqual([])
    const path = join(stateDir, acceptedSiliconFile)
    await writeFile(path, JSON.stringify({ first: entry }))
    expect(await readAcceptedSilicon(stateDir)).toEqual([{ hosts: [witness], anchors }])
    await writeFile(path, '{')
    await expect(readAcceptedSilicon(stateDir)).rejects.toMatchObject({ code: 'AcceptedSiliconInvalid' })
    await expect(readAcceptedSilicon(path)).rejects.toMatchObject({ code: 'ENOTDIR' })
  })
})
