import type { Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { randomUUID } from 'node:crypto'
import { expect, it } from 'vitest'
import { Freshness } from '../tpm/freshness.ts'
import { defaultPolicies } from '../policy/defaults.ts'
import { Policies } from '../policy/policies.ts'
import { policyHash, unsignedPolicyJws } from '../policy/stored-policy.ts'
import { sharedProvider } from '../providers/providers.ts'
import { Decisions } from './decisions.ts'
import { migrations } from './migrations.ts'

const provider = sharedProvider
const clock = { now: () => new Date() }

describeStores('policies and decisions', (openStore) => {
  const open = async (): Promise<Store> => {
    const store = await openStore()
    await store.migrate('attestation', migrations)
    return store
  }

  it('keep the last policy per type, and the default for the other', async () => {
    const policies = new Policies({ store: await open(), clock })
    for (const text of ['version=1.0;authorizationrules{=>deny();};', 'version=1.0;authorizationrules{=>permit();};'])
      await policies.set(provider, 'SevSnpVm', { text, jws: unsignedPolicyJws(text) }, 'me')
    expect((await policies.load(provider, 'SevSnpVm')).text).toContain('permit')
    expect((await policies.load(provider, 'TdxVm')).hash).toBe(policyHash(defaultPolicies.TdxVm))
    await policies.reset(provider, 'SevSnpVm')
    await policies.reset(provider, 'SevSnpVm')
    expect((await policies.load(provider, 'SevSnpVm')).text).toBe(defaultPolicies.SevSnpVm)
  })

  it('see at once what another process has set', async () => {
    const store = await open()
    const here = new Policies({ store, clock })
    await here.load(provider, 'TdxVm')
    const there = new Policies({ store: await openStore({ sameAs: store }), clock })
    const text = 'version=1.0;authorizationrules{=>deny();};'
    await there.set(provider, 'TdxVm', { text, jws: unsignedPolicyJws(text) }, 'me')
    expect((await here.load(provider, 'TdxVm')).text).toBe(text)
  })

  it('record decisions, newest first', async () => {
    let now = 0
    const decisions = new Decisions({
      store: await open(),
      clock: { now: () => new Date((now += 1000)) },
      newId: randomUUID,
    })
    const decision = {
      provider: provider.host,
      type: 'TdxVm',
      evidence_digest: 'ab',
      policy_hash: 'h',
      token_id: null,
      simulated: 1,
      caller: '127.0.0.1',
      findings: null,
    }
    await decisions.record({ ...decision, outcome: 'Denied', code: 'PolicyEvaluationError', message: 'no' })
    await decisions.record({ ...decision, outcome: 'Permitted', code: null, message: null })
    expect((await decisions.list({ limit: 10 })).map(({ outcome }) => outcome)).toEqual(['Permitted', 'Denied'])
  })

  it('keep no more decisions than they may', async () => {
    let now = 0
    const clockOfTest = { now: () => new Date((now += 1000)) }
    const decisions = new Decisions({
      store: await open(),
      clock: clockOfTest,
      newId: randomUUID,
      kept: { decisions: 10, refusals: 10, decided: 10, refused: 10 },
    })
    for (let index = 0; index < 50; index += 1) {
      await decisions.record({
        provider: provider.host,
        type: 'TdxVm',
        evidence_digest: String(index),
        policy_hash: 'h',
        token_id: null,
        simulated: 1,
        caller: '127.0.0.1',
        findings: null,
        outcome: 'Refused',
        code: 'InvalidParameter',
        message: 'no',
      })
    }
    const kept = await decisions.list({ limit: 100 })
    expect(kept.length).toBeLessThanOrEqual(20)
    expect(kept[0]!.evidence_digest).toBe('49')
  })

  it('keep the evidence of the newest, common texts once, and let refusals push out no decision (attack W52)', async () => {
    let now = Date.now()
    const store = await open()
    const decisions = new Decisions({
      store,
      clock: { now: () => new Date((now += 1000)) },
      newId: randomUUID,
      kept: { decisions: 10, refusals: 4, decided: 3, refused: 2 },
    })
    const row = {
      provider: provider.host,
      type: 'TdxVm',
      evidence_digest: 'ab',
      policy_hash: 'h',
      token_id: null,
      simulated: 1,
      caller: '127.0.0.1',
      findings: null,
      code: null,
      message: null,
    }
    const evidence = (own: number, shared: string): { content: object; evidence: object } => ({
      content: { claims: { own } },
      evidence: { own: { own }, shared: { chain: { digest: shared, text: () => shared } } },
    })
    const write = (outcome: 'Permitted' | 'Refused', own: number, shared: string): Promise<void> =>
      decisions.record({ ...row, outcome }, evidence(own, shared) as never)
    await write('Permitted', 0, 'forgotten with its only bundle')
    for (let own = 1; own < 6; own++) await write('Permitted', own, 'the same for all')
    now += 3 * 3600_000
    for (let own = 6; own < 30; own++) await write('Refused', own, 'the same for all')
    const kept = await decisions.list({ limit: 100 })
    const outcomes = kept.map(({ outcome }) => outcome)
    expect(outcomes.filter((outcome) => outcome === 'Permitted')).toHaveLength(6)
    expect(outcomes.length - 6).toBeLessThanOrEqual(4 + 4)
    const bundles = await Promise.all(kept.map(({ id }) => decisions.bundle(id)))
    expect(bundles.filter((bundle) => bundle !== undefined).length).toBeLessThanOrEqual(2 + 10)
    const db = store.db
    const permitted = await db.selectFrom('decision_bundle').selectAll().where('outcome', '=', 'Permitted').execute()
    expect(permitted.length).toBe(3)
    const bundle = await decisions.bundle(permitted.at(-1)!.id as string)
    expect(bundle).toEqual({ claims: { own: 5 }, evidence: { own: 5, chain: 'the same for all' } })
    const texts = await db.selectFrom('evidence_text').select('text').execute()
    expect(texts).toEqual([{ text: 'the same for all' }])
  })

  it('write many decisions at once, each whole', async () => {
    const decisions = new Decisions({ store: await open(), clock, newId: randomUUID })
    const row = {
      provider: provider.host,
      type: 'TdxVm',
      policy_hash: 'h',
      token_id: null,
      simulated: 1,
      caller: '127.0.0.1',
      findings: null,
      code: null,
      message: null,
      outcome: 'Permitted' as const,
    }
    await Promise.all([...Array(500).keys()].map((at) => decisions.record({ ...row, evidence_digest: String(at) })))
    const kept = await decisions.list({ limit: 1000 })
    expect(new Set(kept.map(({ evidence_digest }) => evidence_digest)).size).toBe(500)
    const pages: string[] = []
    let before: { at: string; id: string } | undefined
    for (;;) {
      const page = await decisions.list({ limit: 70, ...(before === undefined ? {} : { before }) })
      pages.push(...page.map(({ id }) => id))
      if (page.length < 70) break
      before = page.at(-1)!
    }
    expect(new Set(pages).size).toBe(500)
  })

  it('take each statement of a TPM once, and none from before its restart', async () => {
    const freshness = new Freshness({ store: await open(), clock })
    const at = { fingerprint: 'ak', resetCount: 5, restartCount: 1, clock: 1000n, digest: 'a', target: 'quote' }
    const reason = (code: string): unknown => expect.objectContaining({ details: [expect.objectContaining({ code })] })
    await freshness.accept(at)
    await expect(freshness.accept(at)).rejects.toEqual(reason('StatementReplayed'))
    await freshness.accept({ ...at, digest: 'b', clock: 900n })
    for (let more = 0; more < 300; more++)
      await freshness.accept({ ...at, digest: `${more}`, clock: 2000n + BigInt(more) })
    // Individually forgotten, and still refused by its time.
    await expect(freshness.accept(at)).rejects.toEqual(reason('StatementReplayed'))
    await expect(freshness.accept({ ...at, restartCount: 0, digest: 'c' })).rejects.toEqual(
      reason('StatementBeforeRestart'),
    )
    await expect(freshness.accept({ ...at, resetCount: 4, restartCount: 9, digest: 'c' })).rejects.toEqual(
      reason('StatementBeforeRestart'),
    )
    // After a restart the TPM's clock continues, and statements start over.
    await freshness.accept({ ...at, resetCount: 6, restartCount: 0, clock: 3000n, digest: 'd' })
    await expect(freshness.accept({ ...at, digest: 'e', clock: 9000n })).rejects.toEqual(
      reason('StatementBeforeRestart'),
    )
    await freshness.accept({ ...at, fingerprint: 'another', digest: 'a' })
  })

  it('take one of two equal statements that arrive together', async () => {
    const store = await open()
    const freshness = new Freshness({ store, clock })
    const at = { fingerprint: 'ak', resetCount: 1, restartCount: 0, clock: 1n, digest: 'a', target: 'quote' }
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => freshness.accept(at)))
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(1)
  })
})
