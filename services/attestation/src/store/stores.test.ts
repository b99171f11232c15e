import type { Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { randomUUID } from 'node:crypto'
import { expect, it } from 'vitest'
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
    }
    await decisions.record({ ...decision, outcome: 'Denied', code: 'PolicyEvaluationError', message: 'no' })
    await decisions.record({ ...decision, outcome: 'Permitted', code: null, message: null })
    expect((await decisions.list(10)).map(({ outcome }) => outcome)).toEqual(['Permitted', 'Denied'])
  })

  it('keep no more decisions than they may', async () => {
    let now = 0
    const clockOfTest = { now: () => new Date((now += 1000)) }
    const decisions = new Decisions({ store: await open(), clock: clockOfTest, newId: randomUUID, kept: 10 })
    for (let index = 0; index < 50; index += 1) {
      await decisions.record({
        provider: provider.host,
        type: 'TdxVm',
        evidence_digest: String(index),
        policy_hash: 'h',
        token_id: null,
        simulated: 1,
        outcome: 'Refused',
        code: 'InvalidParameter',
        message: 'no',
      })
    }
    const kept = await decisions.list(100)
    expect(kept.length).toBeLessThanOrEqual(20)
    expect(kept[0]!.evidence_digest).toBe('49')
  })
})
