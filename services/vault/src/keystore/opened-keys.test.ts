import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { OpenedKeys } from './opened-keys.ts'

const key = generateKeyPairSync('ed25519').privateKey

describe('opened keys', () => {
  it('are there for the same material and binding, for a while and up to a number', () => {
    let now = 0
    const opened = new OpenedKeys({ limit: 2, keepMs: 100, now: () => now })
    const material = Buffer.from('one')
    opened.keep('a', material, key)
    expect(opened.get('a', Buffer.from('one'))).toBe(key)
    expect(opened.get('b', material)).toBeUndefined()
    // A row edited behind the service's back is opened again, and the edit detected.
    expect(opened.get('a', Buffer.from('two'))).toBeUndefined()
    now = 101
    expect(opened.get('a', material)).toBeUndefined()
    for (const name of ['a', 'b', 'c']) opened.keep(name, material, key)
    expect(['a', 'b', 'c'].map((name) => opened.get(name, material) === key)).toEqual([false, true, true])
  })
})
