import { X509Certificate } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { creationMessage, measuredLog, quoteMessage, SoftwareTpm } from '../testing/software-tpm.ts'
import { parseTpm2bPublic, requireAttestationKey, tpmName } from '../tpm/public.ts'
import { parseTpmtSignature } from '../tpm/signature.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { spkiSha256 } from '../x509/path.ts'
import type { Check } from './check.ts'
import { checkTpmCreation } from './check-creation.ts'
import { checkTpmQuote, type TpmEvidence } from './check-tpm.ts'

const [separator, action] = [0x4, 0x80000007]
const first = measuredLog([
  [0, 8, utf8('firmware')],
  [7, separator, new Uint8Array(4)],
])
const longer = measuredLog([
  [0, 8, utf8('firmware')],
  [7, separator, new Uint8Array(4)],
  [7, action, utf8('Exit')],
])
const tpm = new SoftwareTpm()
const stranger = new SoftwareTpm()
const at = new Date('2026-06-01T12:00:00Z')

type Changes = { [K in keyof TpmEvidence]?: TpmEvidence[K] | undefined }
const evidence = (changes: Changes = {}, message = quoteMessage(first.pcrs)): TpmEvidence => ({
  message,
  signature: tpm.sign(message),
  akPublic: tpm.akPublic(),
  keyBoundBy: 'claims',
  pcrs: first.pcrs,
  ...(changes as Partial<TpmEvidence>),
})
const object = stranger.akPublic()
const creation = async (o: Changes & { objects?: Uint8Array[] } = {}, given?: Uint8Array): Promise<Check> => {
  const message = given ?? creationMessage(await tpmName(parseTpm2bPublic(object)))
  return await checkTpmCreation({ objects: [Uint8Array.of(1), object], ...evidence(o, message) })
}
const check = async (changes: Changes = {}, message?: Uint8Array): ReturnType<typeof checkTpmQuote> =>
  await checkTpmQuote(evidence(changes, message))
/** Each check as its id and outcome: its code, or whether it was requested. */
const shown = ({ children }: Check): [string, string][] =>
  children.map(({ id, outcome, code, optional }) => [id, optional === true ? 'not asked' : (code ?? outcome)])
const notPassed = (tree: Check): [string, string][] => shown(tree).filter(([, outcome]) => outcome !== 'passed')
const find = (tree: Check, id: string): Check | undefined =>
  tree.id === id ? tree : tree.children.map((child) => find(child, id)).find((found) => found !== undefined)

describe('a quote of a TPM', () => {
  it('passes, and says what it found at each check', async () => {
    const { check: tree, value } = await check({ eventLog: first.log })
    expect([tree.id, tree.outcome, value?.bank, value?.pcrs]).toEqual(['tpm', 'passed', 'sha256', first.pcrs])
    expect(tree.children.map(({ id, outcome, actual }) => [id, outcome, actual])).toEqual([
      ['tpm.key', 'passed', undefined],
      ['tpm.binding', 'passed', expect.any(String)],
      ['tpm.signature', 'passed', 'ecdsa with sha256'],
      ['tpm.format', 'passed', 'sha256: 0 7'],
      ['tpm.nonce', 'skipped', undefined],
      ['tpm.registers', 'passed', undefined],
      ['log', 'passed', undefined],
    ])
    const key = requireAttestationKey(tpm.akPublic())
    const parts = parseTpmtSignature(evidence().signature as Uint8Array)
    expect((await check({ akPublic: key, signature: parts })).value?.pcrs).toEqual(first.pcrs)
  })

  it.each<[what: string, changes: Changes, message: Uint8Array | undefined, wanted: [string, string][]]>([
    [
      'a key for anything',
      { akPublic: tpm.akPublic(0x40000) },
      undefined,
      [
        ['tpm.key', 'TpmKeyNotAllowed'],
        ['tpm.signature', 'skipped'],
      ],
    ],
    ['another’s signature', { akPublic: stranger.akPublic() }, undefined, [['tpm.signature', 'TpmSignatureInvalid']]],
    ['a signature that is none', { signature: Uint8Array.of(1) }, undefined, [['tpm.signature', 'Truncated']]],
    [
      'what no TPM made',
      {},
      quoteMessage(first.pcrs, { magic: 1 }),
      [
        ['tpm.format', 'TpmMagicInvalid'],
        ['tpm.registers', 'skipped'],
      ],
    ],
    [
      'what is not a quote',
      {},
      creationMessage(new Uint8Array(34)),
      [
        ['tpm.format', 'TpmTypeMismatch'],
        ['tpm.registers', 'skipped'],
      ],
    ],
    [
      'what ends early',
      {},
      quoteMessage(first.pcrs).subarray(0, 60),
      [
        ['tpm.format', 'Truncated'],
        ['tpm.registers', 'skipped'],
      ],
    ],
    ['another challenge', { nonce: utf8('other') }, undefined, [['tpm.nonce', 'NonceMismatch']]],
    ['another challenge beside it', { statedNonce: utf8('other') }, undefined, [['tpm.nonce', 'NonceMismatch']]],
    ['other registers', { pcrs: longer.pcrs }, undefined, [['tpm.registers', 'PcrDigestMismatch']]],
    [
      'more registers',
      { pcrs: new Map([...first.pcrs, [8, new Uint8Array(32)]]) },
      undefined,
      [['tpm.registers', 'PcrSelectionMismatch']],
    ],
    ['another bank', { bank: 'sha384' }, undefined, [['tpm.registers', 'PcrSelectionMismatch']]],
  ])('fails with %s, at that check', async (_, changes, message, wanted) => {
    const { check: tree, value } = await check(changes, message)
    expect([notPassed(tree).filter(([, outcome]) => outcome !== 'not asked'), tree.outcome, value]).toEqual([
      wanted,
      'failed',
      undefined,
    ])
    expect(tree.children.filter(({ id }) => id === 'tpm.registers')).toHaveLength(1)
  })

  it('says what it expected and found', async () => {
    expect(find((await check({ nonce: utf8('o') })).check, 'tpm.nonce')).toMatchObject({
      expected: '6f',
      actual: toHex(utf8('challenge')),
    })
    expect(find((await check({}, creationMessage(new Uint8Array(34)))).check, 'tpm.format')).toMatchObject({
      expected: 'quote',
      actual: 'creation',
    })
  })

  it('is fresh only where the verifier’s own challenge is answered', async () => {
    const own = await check({ nonce: utf8('challenge') })
    expect([find(own.check, 'tpm.nonce')?.outcome, own.value !== undefined]).toEqual(['passed', true])
    const kept = await check({ statedNonce: utf8('challenge') })
    expect([notPassed(kept.check), kept.value !== undefined]).toEqual([[['tpm.nonce', 'not asked']], true])
    // The verifier's challenge counts, whatever was stored beside the quote.
    const both = await check({ nonce: utf8('challenge'), statedNonce: utf8('other') })
    expect(find(both.check, 'tpm.nonce')?.outcome).toBe('passed')
    const message = (tree: Check): string | undefined => find(tree, 'tpm.nonce')?.message
    expect(message((await check()).check)).toContain(toHex(utf8('challenge')))
    const silent = quoteMessage(first.pcrs, { nonce: new Uint8Array() })
    expect(message((await check({}, silent)).check)).toMatch(/ none$/)
    expect(message((await check({}, utf8('x'))).check)).toMatch(/ none$/)
    const unread = await check({ statedNonce: utf8('challenge') }, utf8('x'))
    expect(shown(unread.check)).toContainEqual(['tpm.nonce', 'skipped'])
  })

  it('has no verdict without its key, or where nothing binds that', async () => {
    const keyless = await check({ akPublic: undefined })
    expect([notPassed(keyless.check), keyless.check.outcome, keyless.value]).toEqual([
      [
        ['tpm.key', 'skipped'],
        ['tpm.signature', 'skipped'],
        ['tpm.nonce', 'not asked'],
      ],
      'skipped',
      undefined,
    ])
    // Nothing is reported about what binds an invalid key.
    for (const akPublic of [undefined, tpm.akPublic(0x40000)])
      for (const { check: tree } of [await check({ akPublic }), { check: await creation({ akPublic }) }])
        expect(shown(tree).map(([id]) => id)).not.toContain('tpm.binding')
    const binding = async (keyBoundBy: TpmEvidence['keyBoundBy']): Promise<unknown[]> => {
      const { check: tree, value } = await check({ keyBoundBy, eventLog: first.log })
      return [shown(tree).find(([id]) => id === 'tpm.binding')?.[1], find(tree, 'log')?.outcome, value !== undefined]
    }
    // The log is judged even without a verdict on the key.
    expect(await binding(undefined)).toEqual(['skipped', 'passed', false])
    expect(await binding({ chain: [], roots: undefined, at })).toEqual(['skipped', 'passed', false])
    expect(await binding('file')).toEqual(['not asked', 'passed', true])
    expect(await binding('caller')).toEqual(['passed', 'passed', true])
    expect(await binding('claims')).toEqual(['passed', 'passed', true])
    const [junk, root] = [Uint8Array.of(1), { name: 'x', spkiSha256: '00'.repeat(32) }]
    expect(await binding({ chain: [junk], roots: [root], at })).toEqual(['UnknownType', 'skipped', false])
    const known = rootCertificates
      .map((pem) => new X509Certificate(pem))
      .find(({ subject }) => subject.includes('DigiCert Global Root G2'))!
    const chain = [new Uint8Array(known.raw)]
    const roots = [{ ...root, spkiSha256: await spkiSha256(parseCertificate(chain[0]!)) }]
    const within = new Date(known.validFrom)
    expect(await binding({ chain, roots, at: within })).toEqual(['passed', 'passed', true])
    expect(await binding({ chain, roots: [root], at: within })).toEqual(['UntrustedRoot', 'skipped', false])
  })

  it('shows registers, which may be left out and may be asked for', async () => {
    const bare = await check({ pcrs: undefined })
    expect([notPassed(bare.check).map(([id]) => id), bare.check.outcome, bare.value]).toEqual([
      ['tpm.nonce', 'tpm.registers'],
      'passed',
      undefined,
    ])
    expect(notPassed((await check({ pcrs: undefined, expectedPcrs: new Map() })).check)).toContainEqual([
      'tpm.expected',
      'skipped',
    ])
    const expected = async (wanted: [number, Uint8Array][]): Promise<unknown[]> => {
      const { check: tree } = await check({ expectedPcrs: new Map(wanted) })
      const found = find(tree, 'tpm.expected')!
      return [found.outcome, ...found.children.map(({ id, code, actual }) => [id, code, actual])]
    }
    expect(await expected([[7, first.pcrs.get(7)!]])).toEqual(['passed'])
    expect(
      await expected([
        [7, new Uint8Array(32)],
        [9, new Uint8Array(32)],
        [0, first.pcrs.get(0)!],
      ]),
    ).toEqual([
      'failed',
      ['policy.pcrs.7', 'NotEqual', toHex(first.pcrs.get(7)!)],
      ['policy.pcrs.9', 'Missing', 'not quoted'],
    ])
  })

  it('is held to every log that is given with it', async () => {
    const logs = async (o: Partial<TpmEvidence>): Promise<unknown> =>
      (await check(o)).check.children.filter(({ id }) => id === 'log').map(({ outcome }) => outcome)
    expect(await logs({ eventLog: first.log })).toEqual(['passed'])
    expect(await logs({ eventLog: longer.log })).toEqual(['failed'])
    expect(await logs({ eventLog: first.log, furtherLogs: [longer.log] })).toEqual(['passed', 'failed'])
    expect(await logs({ furtherLogs: [first.log, first.log] })).toEqual(['passed', 'passed'])
    // Registers without a quote bind no log.
    expect(await logs({ eventLog: first.log, pcrs: undefined })).toEqual(['skipped'])
    expect(await logs({ eventLog: first.log, akPublic: undefined })).toEqual(['skipped'])
    expect(await logs({ bootPolicy: { secureBoot: true } })).toEqual(['skipped'])
    expect(await logs({ bootPolicy: { secureBoot: true }, eventLog: first.log })).toEqual(['failed'])
    expect(await logs({})).toEqual([])
  })
})

describe('a TPM’s statement that it made an object', () => {
  it('passes with the object that it names', async () => {
    const tree = await creation()
    const name = toHex(await tpmName(parseTpm2bPublic(object)))
    expect([tree.id, tree.outcome]).toEqual(['tpm', 'passed'])
    expect(tree.children.map(({ id, actual }) => [id, actual])).toEqual([
      ['tpm.key', undefined],
      ['tpm.binding', expect.any(String)],
      ['tpm.signature', 'ecdsa with sha256'],
      ['tpm.format', name],
      ['tpm.created', name],
    ])
    const known = { akPublic: requireAttestationKey(tpm.akPublic()) }
    expect((await creation(known)).outcome).toBe('passed')
    const message = creationMessage(await tpmName(parseTpm2bPublic(object)))
    expect((await creation({ signature: parseTpmtSignature(tpm.sign(message)) })).outcome).toBe('passed')
  })

  it('has no verdict without key, binding or object, and fails where one of them is another', async () => {
    for (const [tree, outcome, wanted] of [
      [
        await creation({ akPublic: undefined }),
        'skipped',
        [
          ['tpm.key', 'skipped'],
          ['tpm.signature', 'skipped'],
        ],
      ],
      [await creation({ keyBoundBy: undefined }), 'skipped', [['tpm.binding', 'skipped']]],
      [await creation({ objects: [] }), 'skipped', [['tpm.created', 'skipped']]],
      [await creation({ objects: [tpm.akPublic(), Uint8Array.of(1)] }), 'skipped', [['tpm.created', 'skipped']]],
      [
        await creation({ akPublic: tpm.akPublic(0x40000) }),
        'failed',
        [
          ['tpm.key', 'TpmKeyNotAllowed'],
          ['tpm.signature', 'skipped'],
        ],
      ],
      [await creation({ akPublic: stranger.akPublic() }), 'failed', [['tpm.signature', 'TpmSignatureInvalid']]],
      [
        await creation({}, quoteMessage(first.pcrs)),
        'failed',
        [
          ['tpm.format', 'TpmTypeMismatch'],
          ['tpm.created', 'skipped'],
        ],
      ],
      [
        await creation({}, utf8('x')),
        'failed',
        [
          ['tpm.format', 'Truncated'],
          ['tpm.created', 'skipped'],
        ],
      ],
    ] as const) {
      expect([tree.outcome, notPassed(tree)]).toEqual([outcome, wanted])
    }
    expect(find(await creation({}, quoteMessage(first.pcrs)), 'tpm.format')).toMatchObject({
      expected: 'creation',
      actual: 'quote',
    })
  })
})
