import { describe, expect, it } from 'vitest'
import { isAtLeast, serverNode } from './node-program.ts'

describe('the Node of the server', () => {
  it.each([
    ['24.0.0', '24.0.0', true],
    ['24.21.0', '24.0.0', true],
    ['100.0.0', '24.0.0', true],
    ['20.19.0', '20.19.0', true],
    ['20.18.9', '20.19.0', false],
    ['18.99.99', '20.19.0', false],
    ['23.11.1', '24.0.0', false],
  ])('%s is at least %s: %s', (version, least, expected) => {
    expect(isAtLeast(version, least)).toBe(expected)
  })

  it('is this one where it is new enough, and none where no package brings another', () => {
    expect(serverNode()).toBe(process.execPath)
    expect(serverNode('22.1.0')).toBeUndefined()
  })
})
