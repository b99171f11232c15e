import { expect, it } from 'vitest'
import { entryText } from './entry.ts'
import { vaultItself, whoOf } from './who.ts'

const at = new Date('2026-01-02T03:04:05.678Z')

it('writes an entry of somebody who asked the vault itself as it was written before `via` was', () => {
  const entry = {
    objectId: 'o',
    appId: 'a',
    operation: 'sign',
    vault: 'kv1',
    keyName: 'k',
    verdict: 'allowed' as const,
  }
  expect(entryText({ ...entry, keyVersion: '1', policyHash: '' }, at)).toBe(
    '{"v":1,"at":"2026-01-02T03:04:05.678Z","objectId":"o","appId":"a","operation":"sign","vault":"kv1",' +
      '"keyName":"k","keyVersion":"1","verdict":"allowed"}',
  )
})

it('names who asked, and the control plane with the principal that it called as', () => {
  expect(whoOf(vaultItself)).toEqual({ objectId: 'vault', appId: 'vault' })
  expect(whoOf({ objectId: 'o', appId: 'a' })).toEqual({ objectId: 'o', appId: 'a' })
  const through = whoOf({ objectId: 'cp', appId: 'cp-app', askedBy: { objectId: 'u', appId: 'u-app' } })
  expect(through).toEqual({
    objectId: 'u',
    appId: 'u-app',
    via: { service: 'control-plane', objectId: 'cp', appId: 'cp-app' },
  })
})
